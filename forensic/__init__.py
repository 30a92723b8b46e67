"""The public API: open an image, look at it, judge it, extract it, verify what was extracted.

Names are loaded when they are first used, since numpy alone takes longer to load than most headers to read.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from forensic.version import __version__

if TYPE_CHECKING:
    from forensic.checking import check
    from forensic.decoding import numbers_of
    from forensic.entropy import sampled_entropy
    from forensic.errors import (
        BadReport,
        EvidenceInUse,
        EvidenceUnreadable,
        ForensicError,
        Interrupted,
        KeyRejected,
        NotAnImage,
        OutputDiffers,
        OutputFailed,
        RangeNotRead,
        Unsupported,
        WrongSupply,
    )
    from forensic.evidence import Evidence, ReadFailed
    from forensic.extraction.account import Extraction
    from forensic.extraction.comparison import Verification
    from forensic.extraction.digests import usable_hashes
    from forensic.extraction.extract import extract
    from forensic.extraction.second_opinion import Comparison, Difference, second_reader_of
    from forensic.extraction.selection import Saved, save_range
    from forensic.extraction.settings import Settings
    from forensic.extraction.strip import Fate, Strip
    from forensic.extraction.verify import compare_with_image, verify
    from forensic.finding import Finding, FindingClass, Problem, Range, Severity, Space, guest, host
    from forensic.qcow2.atlas import Atlas, Kind, Region
    from forensic.qcow2.backrefs import BackReferences, back_references
    from forensic.qcow2.census import (
        ONE_BY_ONE,
        Census,
        Count,
        Tenant,
        count_refcounts,
        find_tenants,
        snapshot_of,
        sum_up_file,
        sum_up_guest,
    )
    from forensic.qcow2.describe import describe
    from forensic.qcow2.disk import Disk
    from forensic.qcow2.fields import Inspection, Row
    from forensic.qcow2.foreign import ForeignFile
    from forensic.qcow2.geometry import Geometry, Unusable
    from forensic.qcow2.image import Qcow2Image, identify, open_any, open_image
    from forensic.qcow2.inspection import inspect, stored_refcount
    from forensic.qcow2.orphans import Orphans, find_orphans
    from forensic.qcow2.outline import Node, outline
    from forensic.qcow2.qcow1 import Qcow1Image
    from forensic.qcow2.qcow1_atlas import Qcow1Atlas
    from forensic.qcow2.snapshots import Snapshot
    from forensic.qcow2.sources import (
        BackingFile,
        Format,
        SavedState,
        Supplied,
        find_snapshot,
        open_disk,
        read_key_file,
    )
    from forensic.qcow2.spans import Span, entry_place, guest_place, spans_between
    from forensic.qcow2.states import Extent, Reason, State
    from forensic.qcow2.survey import Fill, Grid, Survey, survey_file, survey_guest
    from forensic.qcow2.usage import Ownership
    from forensic.qcow2.views import DiskView, FileView, View
    from forensic.qcow2.walk import ownership
    from forensic.records.image import (
        BitmapRecord,
        EncryptionRecord,
        FeaturesRecord,
        ForeignRecord,
        Qcow1ImageRecord,
        ReferenceRecord,
        SnapshotRecord,
    )
    from forensic.records.judgement import CheckStatus, Verdict
    from forensic.records.report import ResultRecord
    from forensic.report.formats import FORMATS, LOG, render
    from forensic.report.model import Check, Judgement, Report
    from forensic.report.run import Run
    from forensic.reporting import ReportRequest, write_extraction_reports
    from forensic.rules import Rule, all_rules, rule_of
    from forensic.searching import BadPattern, Pattern, Progress, compile_pattern, search
    from forensic.untrusted import Json, Untrusted, UntrustedRecord, shown
    from forensic.volumes import Contents, Volume, look_inside

_HOME = {
    "forensic.checking": ("check",),
    "forensic.decoding": ("numbers_of",),
    "forensic.entropy": ("sampled_entropy",),
    "forensic.errors": (
        "BadReport",
        "EvidenceInUse",
        "EvidenceUnreadable",
        "ForensicError",
        "Interrupted",
        "KeyRejected",
        "NotAnImage",
        "OutputDiffers",
        "OutputFailed",
        "RangeNotRead",
        "Unsupported",
        "WrongSupply",
    ),
    "forensic.evidence": ("Evidence", "ReadFailed"),
    "forensic.extraction.account": ("Extraction",),
    "forensic.extraction.comparison": ("Verification",),
    "forensic.extraction.digests": ("usable_hashes",),
    "forensic.extraction.extract": ("extract",),
    "forensic.extraction.selection": ("Saved", "save_range"),
    "forensic.extraction.settings": ("Settings",),
    "forensic.extraction.strip": ("Fate", "Strip"),
    "forensic.extraction.second_opinion": ("Comparison", "Difference", "second_reader_of"),
    "forensic.extraction.verify": ("compare_with_image", "verify"),
    "forensic.finding": ("Finding", "FindingClass", "Problem", "Range", "Severity", "Space", "guest", "host"),
    "forensic.qcow2.atlas": ("Atlas", "Kind", "Region"),
    "forensic.qcow2.backrefs": ("BackReferences", "back_references"),
    "forensic.qcow2.census": (
        "ONE_BY_ONE",
        "Census",
        "Count",
        "Tenant",
        "count_refcounts",
        "find_tenants",
        "snapshot_of",
        "sum_up_file",
        "sum_up_guest",
    ),
    "forensic.qcow2.describe": ("describe",),
    "forensic.qcow2.disk": ("Disk",),
    "forensic.qcow2.foreign": ("ForeignFile",),
    "forensic.qcow2.geometry": ("Geometry", "Unusable"),
    "forensic.qcow2.image": ("Qcow2Image", "identify", "open_any", "open_image"),
    "forensic.qcow2.fields": ("Inspection", "Row"),
    "forensic.qcow2.inspection": ("inspect", "stored_refcount"),
    "forensic.qcow2.spans": ("Span", "entry_place", "guest_place", "spans_between"),
    "forensic.qcow2.states": ("Extent", "Reason", "State"),
    "forensic.qcow2.orphans": ("Orphans", "find_orphans"),
    "forensic.qcow2.outline": ("Node", "outline"),
    "forensic.qcow2.qcow1": ("Qcow1Image",),
    "forensic.qcow2.qcow1_atlas": ("Qcow1Atlas",),
    "forensic.qcow2.snapshots": ("Snapshot",),
    "forensic.qcow2.sources": (
        "BackingFile",
        "Format",
        "SavedState",
        "Supplied",
        "find_snapshot",
        "open_disk",
        "read_key_file",
    ),
    "forensic.qcow2.survey": ("Fill", "Grid", "Survey", "survey_file", "survey_guest"),
    "forensic.qcow2.views": ("DiskView", "FileView", "View"),
    "forensic.report.formats": ("FORMATS", "LOG", "render"),
    "forensic.records.image": (
        "BitmapRecord",
        "EncryptionRecord",
        "FeaturesRecord",
        "ForeignRecord",
        "Qcow1ImageRecord",
        "ReferenceRecord",
        "SnapshotRecord",
    ),
    "forensic.records.judgement": ("CheckStatus", "Verdict"),
    "forensic.records.report": ("ResultRecord",),
    "forensic.report.model": ("Check", "Judgement", "Report"),
    "forensic.report.run": ("Run",),
    "forensic.qcow2.usage": ("Ownership",),
    "forensic.qcow2.walk": ("ownership",),
    "forensic.reporting": ("ReportRequest", "write_extraction_reports"),
    "forensic.rules": ("Rule", "all_rules", "rule_of"),
    "forensic.searching": ("BadPattern", "Pattern", "Progress", "compile_pattern", "search"),
    "forensic.untrusted": ("Json", "Untrusted", "shown", "UntrustedRecord"),
    "forensic.volumes": ("Contents", "Volume", "look_inside"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "FORMATS",
    "LOG",
    "ONE_BY_ONE",
    "Atlas",
    "BackReferences",
    "BackingFile",
    "BadPattern",
    "BadReport",
    "BitmapRecord",
    "Census",
    "Check",
    "CheckStatus",
    "Comparison",
    "Contents",
    "Count",
    "Difference",
    "Disk",
    "DiskView",
    "EncryptionRecord",
    "Evidence",
    "EvidenceInUse",
    "EvidenceUnreadable",
    "Extent",
    "Extraction",
    "Fate",
    "FeaturesRecord",
    "FileView",
    "Fill",
    "Finding",
    "FindingClass",
    "ForeignFile",
    "ForeignRecord",
    "ForensicError",
    "Format",
    "Geometry",
    "Grid",
    "Inspection",
    "Interrupted",
    "Json",
    "Judgement",
    "KeyRejected",
    "Kind",
    "Node",
    "NotAnImage",
    "Orphans",
    "OutputDiffers",
    "OutputFailed",
    "Ownership",
    "Pattern",
    "Problem",
    "Progress",
    "Qcow1Atlas",
    "Qcow1Image",
    "Qcow1ImageRecord",
    "Qcow2Image",
    "Range",
    "RangeNotRead",
    "ReadFailed",
    "Reason",
    "ReferenceRecord",
    "Region",
    "Report",
    "ReportRequest",
    "ResultRecord",
    "Row",
    "Rule",
    "Run",
    "Saved",
    "SavedState",
    "Settings",
    "Severity",
    "Snapshot",
    "SnapshotRecord",
    "Space",
    "Span",
    "State",
    "Strip",
    "Supplied",
    "Survey",
    "Tenant",
    "Unsupported",
    "Untrusted",
    "UntrustedRecord",
    "Unusable",
    "Verdict",
    "Verification",
    "View",
    "Volume",
    "WrongSupply",
    "__version__",
    "all_rules",
    "back_references",
    "check",
    "compare_with_image",
    "compile_pattern",
    "count_refcounts",
    "describe",
    "entry_place",
    "extract",
    "find_orphans",
    "find_snapshot",
    "find_tenants",
    "guest",
    "guest_place",
    "host",
    "identify",
    "inspect",
    "look_inside",
    "numbers_of",
    "open_any",
    "open_disk",
    "open_image",
    "outline",
    "ownership",
    "read_key_file",
    "render",
    "rule_of",
    "sampled_entropy",
    "save_range",
    "search",
    "second_reader_of",
    "shown",
    "snapshot_of",
    "spans_between",
    "stored_refcount",
    "sum_up_file",
    "sum_up_guest",
    "survey_file",
    "survey_guest",
    "usable_hashes",
    "verify",
    "write_extraction_reports",
]


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value
