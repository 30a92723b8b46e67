"""The public API: open an image, look at it, judge it, extract it, verify what was extracted.

Names are loaded when they are first used, since numpy alone takes longer to load than most headers to read.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from forensic.version import __version__

if TYPE_CHECKING:
    from forensic.accounting.ownership import Ownership, ownership
    from forensic.checking import check
    from forensic.description import describe
    from forensic.disk.disk import Disk
    from forensic.disk.opening import BackingFile, Format, SavedState, Supplied, find_snapshot, open_disk, read_key_file
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
    from forensic.explore.byte_views import DiskView, FileView, View
    from forensic.explore.cluster_codes import (
        ONE_BY_ONE,
        ClusterCodes,
        Count,
        Tenant,
        count_refcounts,
        find_tenants,
        snapshot_of,
        sum_up_file,
        sum_up_guest,
    )
    from forensic.explore.entropy import sampled_entropy
    from forensic.explore.extraction_cells import ExtractionCells, Fate
    from forensic.explore.field_spans import Span, entry_place, guest_place, spans_between
    from forensic.explore.fields import Inspection, Row
    from forensic.explore.inspector import inspect, stored_refcount
    from forensic.explore.integers import numbers_of
    from forensic.explore.orphans import Orphans, find_orphans
    from forensic.explore.regions import Kind, Region, RegionIndex
    from forensic.explore.reverse_map import ReverseMap, build_reverse_map
    from forensic.explore.saved_range import Saved, save_range
    from forensic.explore.searching import BadPattern, Pattern, Progress, compile_pattern, search
    from forensic.explore.space_usage import Fill, Grid, SpaceUsage, file_space_usage, guest_space_usage
    from forensic.explore.structure_tree import Node, top_nodes
    from forensic.explore.v1 import Qcow1RegionIndex
    from forensic.explore.volumes import Contents, Volume, look_inside
    from forensic.extraction.extract import extract
    from forensic.extraction.result import Extraction
    from forensic.extraction.second_reading import Comparison, Difference, second_reader_of
    from forensic.extraction.settings import Settings
    from forensic.extraction.verification import Verification
    from forensic.extraction.verify import compare_with_image, verify
    from forensic.finding import Finding, FindingClass, Problem, Range, Severity, Space, guest, host
    from forensic.image import Qcow1Image, Qcow2Image, identify, open_any, open_image
    from forensic.mapping.extents import Extent, Reason, State
    from forensic.output.hashes import usable_hashes
    from forensic.qcow2.geometry import Geometry, Unusable
    from forensic.qcow2.identify import ForeignFile
    from forensic.qcow2.snapshots import Snapshot
    from forensic.report.formats import FORMATS, LOG, render
    from forensic.report.model import Check, CheckStatus, Judgement, Report, Verdict
    from forensic.report.run import Run
    from forensic.reporting import ReportRequest, write_extraction_reports
    from forensic.rules import Rule, all_rules, rule_of
    from forensic.untrusted import Json, Untrusted, shown

_HOME = {
    "forensic.accounting.ownership": (
        "Ownership",
        "ownership",
    ),
    "forensic.checking": ("check",),
    "forensic.description": ("describe",),
    "forensic.disk.disk": ("Disk",),
    "forensic.disk.opening": (
        "BackingFile",
        "Format",
        "SavedState",
        "Supplied",
        "find_snapshot",
        "open_disk",
        "read_key_file",
    ),
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
    "forensic.evidence": (
        "Evidence",
        "ReadFailed",
    ),
    "forensic.explore.byte_views": (
        "DiskView",
        "FileView",
        "View",
    ),
    "forensic.explore.cluster_codes": (
        "ClusterCodes",
        "Count",
        "ONE_BY_ONE",
        "Tenant",
        "count_refcounts",
        "find_tenants",
        "snapshot_of",
        "sum_up_file",
        "sum_up_guest",
    ),
    "forensic.explore.entropy": ("sampled_entropy",),
    "forensic.explore.extraction_cells": (
        "Fate",
        "ExtractionCells",
    ),
    "forensic.explore.field_spans": (
        "Span",
        "entry_place",
        "guest_place",
        "spans_between",
    ),
    "forensic.explore.fields": (
        "Inspection",
        "Row",
    ),
    "forensic.explore.inspector": (
        "inspect",
        "stored_refcount",
    ),
    "forensic.explore.integers": ("numbers_of",),
    "forensic.explore.orphans": (
        "Orphans",
        "find_orphans",
    ),
    "forensic.explore.regions": (
        "RegionIndex",
        "Kind",
        "Region",
    ),
    "forensic.explore.reverse_map": (
        "ReverseMap",
        "build_reverse_map",
    ),
    "forensic.explore.saved_range": (
        "Saved",
        "save_range",
    ),
    "forensic.explore.searching": (
        "BadPattern",
        "Pattern",
        "Progress",
        "compile_pattern",
        "search",
    ),
    "forensic.explore.space_usage": (
        "Fill",
        "Grid",
        "SpaceUsage",
        "file_space_usage",
        "guest_space_usage",
    ),
    "forensic.explore.structure_tree": (
        "Node",
        "top_nodes",
    ),
    "forensic.explore.v1": ("Qcow1RegionIndex",),
    "forensic.explore.volumes": (
        "Contents",
        "Volume",
        "look_inside",
    ),
    "forensic.extraction.extract": ("extract",),
    "forensic.extraction.result": ("Extraction",),
    "forensic.extraction.second_reading": (
        "Comparison",
        "Difference",
        "second_reader_of",
    ),
    "forensic.extraction.settings": ("Settings",),
    "forensic.extraction.verification": ("Verification",),
    "forensic.extraction.verify": (
        "compare_with_image",
        "verify",
    ),
    "forensic.finding": (
        "Finding",
        "FindingClass",
        "Problem",
        "Range",
        "Severity",
        "Space",
        "guest",
        "host",
    ),
    "forensic.image": (
        "Qcow1Image",
        "Qcow2Image",
        "identify",
        "open_any",
        "open_image",
    ),
    "forensic.mapping.extents": (
        "Extent",
        "Reason",
        "State",
    ),
    "forensic.output.hashes": ("usable_hashes",),
    "forensic.qcow2.geometry": (
        "Geometry",
        "Unusable",
    ),
    "forensic.qcow2.identify": ("ForeignFile",),
    "forensic.qcow2.snapshots": ("Snapshot",),
    "forensic.report.formats": (
        "FORMATS",
        "LOG",
        "render",
    ),
    "forensic.report.model": (
        "Check",
        "CheckStatus",
        "Judgement",
        "Report",
        "Verdict",
    ),
    "forensic.report.run": ("Run",),
    "forensic.reporting": (
        "ReportRequest",
        "write_extraction_reports",
    ),
    "forensic.rules": (
        "Rule",
        "all_rules",
        "rule_of",
    ),
    "forensic.untrusted": (
        "Json",
        "Untrusted",
        "shown",
    ),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "FORMATS",
    "LOG",
    "ONE_BY_ONE",
    "BackingFile",
    "BadPattern",
    "BadReport",
    "Check",
    "CheckStatus",
    "ClusterCodes",
    "Comparison",
    "Contents",
    "Count",
    "Difference",
    "Disk",
    "DiskView",
    "Evidence",
    "EvidenceInUse",
    "EvidenceUnreadable",
    "Extent",
    "Extraction",
    "ExtractionCells",
    "Fate",
    "FileView",
    "Fill",
    "Finding",
    "FindingClass",
    "ForeignFile",
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
    "Qcow1Image",
    "Qcow1RegionIndex",
    "Qcow2Image",
    "Range",
    "RangeNotRead",
    "ReadFailed",
    "Reason",
    "Region",
    "RegionIndex",
    "Report",
    "ReportRequest",
    "ReverseMap",
    "Row",
    "Rule",
    "Run",
    "Saved",
    "SavedState",
    "Settings",
    "Severity",
    "Snapshot",
    "Space",
    "SpaceUsage",
    "Span",
    "State",
    "Supplied",
    "Tenant",
    "Unsupported",
    "Untrusted",
    "Unusable",
    "Verdict",
    "Verification",
    "View",
    "Volume",
    "WrongSupply",
    "__version__",
    "all_rules",
    "build_reverse_map",
    "check",
    "compare_with_image",
    "compile_pattern",
    "count_refcounts",
    "describe",
    "entry_place",
    "extract",
    "file_space_usage",
    "find_orphans",
    "find_snapshot",
    "find_tenants",
    "guest",
    "guest_place",
    "guest_space_usage",
    "host",
    "identify",
    "inspect",
    "look_inside",
    "numbers_of",
    "open_any",
    "open_disk",
    "open_image",
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
    "top_nodes",
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
