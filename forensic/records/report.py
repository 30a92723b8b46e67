"""A whole report, and the JSON Schema that its structs give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from forensic.records.common import Count, Sha256, one_of
from forensic.records.extraction import ExtractionRecord, HashFamilies
from forensic.records.image import (
    AllocationRecord,
    BitmapRecord,
    ForeignRecord,
    GuestRecord,
    NotListedRecord,
    Qcow1ImageRecord,
    Qcow2ImageRecord,
    ReferenceRecord,
    SnapshotRecord,
)
from forensic.records.judgement import CheckRecord, FindingRecord, SummaryRecord
from forensic.records.run import CaseRecord, RunRecord, SourceRecord, ToolRecord

SCHEMA = "qcowscope-report/1"


class ResultSourceRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Circumstances of the file that affect the result."""

    in_use: Annotated[bool, Meta(description="Whether another process was seen that may write to the file.")]


class PlanRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The recovery plan that the image was read by, and how sure it is; verdict and findings are those by the plan."""

    target: str
    digest: str
    examiner: Annotated[Sequence[str], Meta(description="Who edited the plan.")]
    bytes_by_certainty: Annotated[
        Mapping[str, Count],
        Meta(extra_json_schema={"propertyNames": {"enum": ["certain", "inferred", "unknown"]}}),
    ]


class ResultRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was found.

    It depends on the bytes of the image, the version and the options alone, so that two laboratories can compare its
    digest.
    """

    image: Qcow2ImageRecord | Qcow1ImageRecord | ForeignRecord
    summary: SummaryRecord
    references: Sequence[ReferenceRecord] | UnsetType = UNSET
    snapshots: Sequence[SnapshotRecord] | UnsetType = UNSET
    bitmaps: Sequence[BitmapRecord] | UnsetType = UNSET
    not_listed: NotListedRecord | UnsetType = UNSET
    findings: (
        Annotated[Sequence[FindingRecord], Meta(description="Most severe first. Missing in a report of info.")]
        | UnsetType
    ) = UNSET
    checks: (
        Annotated[Sequence[CheckRecord], Meta(description="Everything that was looked for, not only what was found.")]
        | UnsetType
    ) = UNSET
    extraction: ExtractionRecord | UnsetType = UNSET
    hashes: HashFamilies | UnsetType = UNSET
    allocation: AllocationRecord | UnsetType = UNSET
    source: ResultSourceRecord | UnsetType = UNSET
    guest: GuestRecord | UnsetType = UNSET
    plan: PlanRecord | UnsetType = UNSET


class DigestRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """SHA-256 over result alone, in canonical form: keys sorted, no blanks, UTF-8.

    Whole numbers are written in full, also above 2^53.
    """

    value: Sha256
    algorithm: Annotated[str, one_of("sha256")]
    canonicalisation: Annotated[str, one_of("RFC8785")]


class ReportRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The report of info, check or extract."""

    schema: Annotated[str, one_of("qcowscope-report/1")]
    result: ResultRecord
    result_digest: DigestRecord
    source: SourceRecord
    run: RunRecord
    tool: ToolRecord
    case: CaseRecord
    annotations: Sequence[object] | UnsetType = UNSET
    audit: Sequence[object] | UnsetType = UNSET


class ErrorRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a file could not be looked at."""

    message: str
    exit_code: Count


class FailureRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """In the place of a report where one of many files could not be looked at."""

    schema: Annotated[str, one_of("qcowscope-report/1")]
    result: None
    source: SourceRecord
    error: ErrorRecord
