"""The names to look around with, and the module that each comes from: the one list of them."""

from forensic.decoding import numbers_of as numbers_of
from forensic.entropy import sampled_entropy as sampled_entropy
from forensic.evidence import ReadFailed as ReadFailed
from forensic.extraction.digests import usable_hashes as usable_hashes
from forensic.extraction.second_opinion import (
    Comparison as Comparison,
)
from forensic.extraction.second_opinion import (
    Difference as Difference,
)
from forensic.extraction.second_opinion import (
    second_reader_of as second_reader_of,
)
from forensic.extraction.selection import Saved as Saved
from forensic.extraction.selection import save_range as save_range
from forensic.extraction.strip import Fate as Fate
from forensic.extraction.strip import Strip as Strip
from forensic.extraction.verify import compare_with_image as compare_with_image
from forensic.finding import (
    FindingClass as FindingClass,
)
from forensic.finding import (
    Problem as Problem,
)
from forensic.finding import (
    Range as Range,
)
from forensic.finding import (
    Space as Space,
)
from forensic.finding import (
    guest as guest,
)
from forensic.finding import (
    host as host,
)
from forensic.qcow2.atlas import Atlas as Atlas
from forensic.qcow2.atlas import Kind as Kind
from forensic.qcow2.atlas import Region as Region
from forensic.qcow2.backrefs import BackReferences as BackReferences
from forensic.qcow2.backrefs import back_references as back_references
from forensic.qcow2.census import (
    ONE_BY_ONE as ONE_BY_ONE,
)
from forensic.qcow2.census import (
    Census as Census,
)
from forensic.qcow2.census import (
    Count as Count,
)
from forensic.qcow2.census import (
    Tenant as Tenant,
)
from forensic.qcow2.census import (
    count_refcounts as count_refcounts,
)
from forensic.qcow2.census import (
    find_tenants as find_tenants,
)
from forensic.qcow2.census import (
    snapshot_of as snapshot_of,
)
from forensic.qcow2.census import (
    sum_up_file as sum_up_file,
)
from forensic.qcow2.census import (
    sum_up_guest as sum_up_guest,
)
from forensic.qcow2.fields import Inspection as Inspection
from forensic.qcow2.fields import Row as Row
from forensic.qcow2.foreign import ForeignFile as ForeignFile
from forensic.qcow2.geometry import Geometry as Geometry
from forensic.qcow2.geometry import Unusable as Unusable
from forensic.qcow2.inspection import inspect as inspect
from forensic.qcow2.inspection import stored_refcount as stored_refcount
from forensic.qcow2.orphans import Orphans as Orphans
from forensic.qcow2.orphans import find_orphans as find_orphans
from forensic.qcow2.outline import Node as Node
from forensic.qcow2.outline import outline as outline
from forensic.qcow2.qcow1_atlas import Qcow1Atlas as Qcow1Atlas
from forensic.qcow2.snapshots import Snapshot as Snapshot
from forensic.qcow2.sources import (
    Format as Format,
)
from forensic.qcow2.sources import (
    SavedState as SavedState,
)
from forensic.qcow2.sources import (
    find_snapshot as find_snapshot,
)
from forensic.qcow2.sources import (
    read_key_file as read_key_file,
)
from forensic.qcow2.spans import (
    Span as Span,
)
from forensic.qcow2.spans import (
    entry_place as entry_place,
)
from forensic.qcow2.spans import (
    guest_place as guest_place,
)
from forensic.qcow2.spans import (
    spans_between as spans_between,
)
from forensic.qcow2.survey import (
    Fill as Fill,
)
from forensic.qcow2.survey import (
    Grid as Grid,
)
from forensic.qcow2.survey import (
    Survey as Survey,
)
from forensic.qcow2.survey import (
    survey_file as survey_file,
)
from forensic.qcow2.survey import (
    survey_guest as survey_guest,
)
from forensic.qcow2.usage import Ownership as Ownership
from forensic.qcow2.views import DiskView as DiskView
from forensic.qcow2.views import FileView as FileView
from forensic.qcow2.views import View as View
from forensic.qcow2.walk import ownership as ownership
from forensic.records.image import (
    BitmapRecord as BitmapRecord,
)
from forensic.records.image import (
    EncryptionRecord as EncryptionRecord,
)
from forensic.records.image import (
    FeaturesRecord as FeaturesRecord,
)
from forensic.records.image import (
    ForeignRecord as ForeignRecord,
)
from forensic.records.image import (
    Qcow1ImageRecord as Qcow1ImageRecord,
)
from forensic.records.image import (
    ReferenceRecord as ReferenceRecord,
)
from forensic.records.image import (
    SnapshotRecord as SnapshotRecord,
)
from forensic.records.judgement import CheckStatus as CheckStatus
from forensic.records.report import ResultRecord as ResultRecord
from forensic.report.formats import FORMATS as FORMATS
from forensic.report.formats import LOG as LOG
from forensic.report.formats import render as render
from forensic.report.model import Check as Check
from forensic.report.run import Run as Run
from forensic.reporting import ReportRequest as ReportRequest
from forensic.reporting import write_extraction_reports as write_extraction_reports
from forensic.rules import Rule as Rule
from forensic.rules import all_rules as all_rules
from forensic.rules import rule_of as rule_of
from forensic.searching import (
    BadPattern as BadPattern,
)
from forensic.searching import (
    Pattern as Pattern,
)
from forensic.searching import (
    Progress as Progress,
)
from forensic.searching import (
    compile_pattern as compile_pattern,
)
from forensic.searching import (
    search as search,
)
from forensic.untrusted import Json as Json
from forensic.untrusted import Untrusted as Untrusted
from forensic.untrusted import UntrustedRecord as UntrustedRecord
from forensic.untrusted import shown as shown
from forensic.volumes import Contents as Contents
from forensic.volumes import Volume as Volume
from forensic.volumes import look_inside as look_inside
