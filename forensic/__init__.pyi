"""The public names, and the module that each comes from: the one list of them."""

from forensic.checking import check as check
from forensic.errors import (
    BadReport as BadReport,
)
from forensic.errors import (
    EvidenceInUse as EvidenceInUse,
)
from forensic.errors import (
    EvidenceUnreadable as EvidenceUnreadable,
)
from forensic.errors import (
    ForensicError as ForensicError,
)
from forensic.errors import (
    Interrupted as Interrupted,
)
from forensic.errors import (
    KeyRejected as KeyRejected,
)
from forensic.errors import (
    NotAnImage as NotAnImage,
)
from forensic.errors import (
    OutputDiffers as OutputDiffers,
)
from forensic.errors import (
    OutputFailed as OutputFailed,
)
from forensic.errors import (
    RangeNotRead as RangeNotRead,
)
from forensic.errors import (
    Unsupported as Unsupported,
)
from forensic.errors import (
    WrongSupply as WrongSupply,
)
from forensic.evidence import Evidence as Evidence
from forensic.extraction.account import Extraction as Extraction
from forensic.extraction.comparison import Verification as Verification
from forensic.extraction.extract import extract as extract
from forensic.extraction.settings import Settings as Settings
from forensic.extraction.verify import verify as verify
from forensic.finding import Finding as Finding
from forensic.finding import Severity as Severity
from forensic.qcow2.describe import describe as describe
from forensic.qcow2.disk import Disk as Disk
from forensic.qcow2.image import (
    Qcow2Image as Qcow2Image,
)
from forensic.qcow2.image import (
    identify as identify,
)
from forensic.qcow2.image import (
    open_any as open_any,
)
from forensic.qcow2.image import (
    open_image as open_image,
)
from forensic.qcow2.qcow1 import Qcow1Image as Qcow1Image
from forensic.qcow2.sources import BackingFile as BackingFile
from forensic.qcow2.sources import Supplied as Supplied
from forensic.qcow2.sources import open_disk as open_disk
from forensic.qcow2.states import Extent as Extent
from forensic.qcow2.states import Reason as Reason
from forensic.qcow2.states import State as State
from forensic.records.judgement import Verdict as Verdict
from forensic.report.model import Judgement as Judgement
from forensic.report.model import Report as Report
from forensic.version import __version__ as __version__
