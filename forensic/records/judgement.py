"""Verdict, findings and checks, as a report holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, field

from forensic.finding import Confidence, FindingClass, Range, Severity
from forensic.records.common import Count, Sha256


class CheckStatus(StrEnum):
    """What became of one check."""

    PASS = "pass"
    FAIL = "fail"
    NOT_RUN = "not_run"
    NOT_APPLICABLE = "not_applicable"


class Verdict(StrEnum):
    """What the findings amount to."""

    CLEAN = "clean"
    LEAKS = "leaks"
    SUSPICIOUS = "suspicious"
    CORRUPT = "corrupt"
    UNDETERMINED = "undetermined"


class SeverityCounts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Findings of each severity."""

    info: Count
    low: Count
    medium: Count
    high: Count
    critical: Count


class ClassCounts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Findings of each class."""

    corruption: Count
    leak: Count
    reference: Count
    spec_violation: Count
    hidden_data: Count
    recovery: Count | UnsetType = UNSET
    anomaly: Count
    resource: Count
    policy: Count
    info: Count


class SummaryRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the findings amount to."""

    verdict: Verdict
    reason: Annotated[str, Meta(description="Why there is no verdict.")] | UnsetType = UNSET
    counts_by_severity: SeverityCounts | UnsetType = UNSET
    counts_by_class: ClassCounts | UnsetType = UNSET
    readable_fraction: (
        Annotated[
            float,
            Meta(
                ge=0,
                le=1,
                description="The part of the active disk that is not lost in this file, rounded down to four digits; "
                "what lies in other files or under a key is not lost. Missing where it is not known.",
            ),
        ]
        | UnsetType
    ) = UNSET


class ProblemRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One place where a rule does not hold."""

    observation: str
    structure_path: str
    ranges: Sequence[Range]
    values: Mapping[str, object]


class FindingRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All problems that one rule found."""

    id: Annotated[str, Meta(pattern="^QF-[0-9A-F]{8}$", description="A short name to cite, from the fingerprint.")]
    fingerprint: Annotated[Sha256, Meta(description="Over the rule and the first place: the same in every run.")]
    rule: Annotated[str, Meta(pattern="^[a-z0-9]+(-[a-z0-9]+)*$")]
    title: str
    severity: Severity
    finding_class: FindingClass = field(name="class")
    confidence: Confidence
    spec: Annotated[str, Meta(description="The section of the specification.")]
    count: Annotated[int, Meta(ge=1, description="All problems, listed or not.")]
    observation: Annotated[str, Meta(description="A fact: the first problem in one sentence.")]
    interpretation: Annotated[str, Meta(description="Why it matters; not a fact about this image.")]
    qemu: Annotated[str, Meta(description="What QEMU does with it.")]
    next_step: Annotated[str, Meta(description="What to do next.")]
    structure_path: Annotated[str, Meta(description="The structure of the first problem, such as L1[3].L2[17].")]
    ranges: Annotated[Sequence[Range], Meta(description="The places of all listed problems.")]
    problems: Sequence[ProblemRecord]
    problems_not_listed: Count


class CheckRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule and what became of it."""

    id: str
    title: str
    status: CheckStatus
    reason: Annotated[str, Meta(description="Why it was not run or does not apply, otherwise empty.")]
    count: Annotated[Count, Meta(description="Problems found; a pass with a count noted facts that are no fault.")]
    findings: Annotated[Sequence[str], Meta(description="The ids of its findings.")]
