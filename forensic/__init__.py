"""The public API: open an image, look at it, judge it, extract it, verify what was extracted.

Names are loaded when they are first used, since numpy alone takes longer to load than most headers to read.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from forensic.version import __version__

if TYPE_CHECKING:
    from forensic.checking import check
    from forensic.errors import (
        BadReport,
        EvidenceUnreadable,
        ForensicError,
        Interrupted,
        KeyRejected,
        NotAnImage,
        OutputFailed,
        Unsupported,
        WrongSupply,
    )
    from forensic.evidence import Evidence
    from forensic.extraction.account import Extraction
    from forensic.extraction.comparison import Verification
    from forensic.extraction.extract import extract
    from forensic.extraction.settings import Settings
    from forensic.extraction.verify import verify
    from forensic.finding import Finding, FindingClass, Problem, Range, Severity
    from forensic.qcow2.describe import describe
    from forensic.qcow2.disk import Disk
    from forensic.qcow2.foreign import ForeignFile
    from forensic.qcow2.image import Qcow2Image, identify, open_any, open_image
    from forensic.qcow2.mapping import Extent, Reason, State
    from forensic.qcow2.qcow1 import Qcow1Image
    from forensic.qcow2.sources import BackingFile, SavedState, Supplied, find_snapshot, open_disk, read_key_file
    from forensic.report.model import Check, Judgement, Report, Verdict
    from forensic.rules import Rule, all_rules, rule_of

_HOME = {
    "forensic.checking": ("check",),
    "forensic.errors": (
        "BadReport",
        "EvidenceUnreadable",
        "ForensicError",
        "Interrupted",
        "KeyRejected",
        "NotAnImage",
        "OutputFailed",
        "Unsupported",
        "WrongSupply",
    ),
    "forensic.evidence": ("Evidence",),
    "forensic.extraction.account": ("Extraction",),
    "forensic.extraction.extract": ("extract",),
    "forensic.extraction.settings": ("Settings",),
    "forensic.extraction.comparison": ("Verification",),
    "forensic.extraction.verify": ("verify",),
    "forensic.finding": ("Finding", "FindingClass", "Problem", "Range", "Severity"),
    "forensic.qcow2.describe": ("describe",),
    "forensic.qcow2.disk": ("Disk",),
    "forensic.qcow2.foreign": ("ForeignFile",),
    "forensic.qcow2.image": ("Qcow2Image", "identify", "open_any", "open_image"),
    "forensic.qcow2.mapping": ("Extent", "Reason", "State"),
    "forensic.qcow2.qcow1": ("Qcow1Image",),
    "forensic.qcow2.sources": (
        "BackingFile",
        "SavedState",
        "Supplied",
        "find_snapshot",
        "open_disk",
        "read_key_file",
    ),
    "forensic.report.model": ("Check", "Judgement", "Report", "Verdict"),
    "forensic.rules": ("Rule", "all_rules", "rule_of"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "BackingFile",
    "BadReport",
    "Check",
    "Disk",
    "Evidence",
    "EvidenceUnreadable",
    "Extent",
    "Extraction",
    "Finding",
    "FindingClass",
    "ForeignFile",
    "ForensicError",
    "Interrupted",
    "Judgement",
    "KeyRejected",
    "NotAnImage",
    "OutputFailed",
    "Problem",
    "Qcow1Image",
    "Qcow2Image",
    "Range",
    "Reason",
    "Report",
    "Rule",
    "SavedState",
    "Settings",
    "Severity",
    "State",
    "Supplied",
    "Unsupported",
    "Verdict",
    "Verification",
    "WrongSupply",
    "__version__",
    "all_rules",
    "check",
    "describe",
    "extract",
    "find_snapshot",
    "identify",
    "open_any",
    "open_disk",
    "open_image",
    "read_key_file",
    "rule_of",
    "verify",
]


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value
