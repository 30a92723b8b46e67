"""What a report is made of: the judgement, the deterministic result with its digest, and the record of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from msgspec import Struct, field

from forensic.finding import Finding, FindingClass, Severity
from forensic.measured import Measured
from forensic.report.file_map import FileMap
from forensic.untrusted import Json, shown_whole

SCHEMA = "qcowscope-report/1"


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


EXIT_STATUS = {
    Verdict.CLEAN: 0,
    Verdict.CORRUPT: 2,
    Verdict.LEAKS: 3,
    Verdict.SUSPICIOUS: 4,
    Verdict.UNDETERMINED: 1,
}
"""What `check` returns for a verdict; a file that is no qcow2 image gives 63 instead."""


class Check(Struct, frozen=True):
    """One rule and what became of it; `count` is the number of problems it found.

    `failed` says that it was not run because of an error of ours.
    """

    code: str
    title: str
    status: CheckStatus
    reason: str
    count: int
    failed: bool = False

    def as_json(self, findings: Sequence[Finding] = ()) -> dict[str, Json]:
        """The object `result.checks[]` holds; it names the findings that are this rule's."""
        return {
            "id": self.code,
            "title": self.title,
            "status": self.status.value,
            "reason": self.reason,
            "count": self.count,
            "findings": [finding.id for finding in findings if finding.rule == self.code],
        }


class Judgement(Struct, frozen=True):
    """All findings about an image and all checks that were made or not.

    `undetermined`: nothing can be said at all. `incomplete`: a limit was reached, so only corruption that was seen is
    certain. `measured` is what was counted on the way, if all tables could be walked.
    """

    findings: tuple[Finding, ...]
    checks: tuple[Check, ...]
    undetermined: bool = False
    incomplete: bool = False
    measured: Measured | None = None

    def worst_first(self) -> list[Finding]:
        """The findings, most severe first, otherwise in the order of the format."""
        return sorted(self.findings, key=lambda finding: -finding.severity.rank)

    def verdict(self, fail_on: Severity = Severity.MEDIUM) -> Verdict:
        """What the findings at or above a severity amount to: corruption outweighs suspicion, suspicion leaks."""
        if self.undetermined:
            return Verdict.UNDETERMINED
        classes = {finding.finding_class for finding in self.findings if finding.severity.rank >= fail_on.rank}
        if FindingClass.CORRUPTION in classes:
            return Verdict.CORRUPT
        if self.incomplete:
            return Verdict.UNDETERMINED
        if classes - {FindingClass.LEAK, FindingClass.INFO}:
            return Verdict.SUSPICIOUS
        if any(finding.finding_class == FindingClass.LEAK for finding in self.findings):
            return Verdict.LEAKS
        return Verdict.CLEAN

    def as_json(self, fail_on: Severity = Severity.MEDIUM) -> dict[str, Json]:
        """The sections of `result` that judge, and what is allocated."""
        allocation: dict[str, Json] = {"allocation": dict(self.measured.allocation)} if self.measured else {}
        return allocation | {
            "summary": self.summary(fail_on),
            "findings": [finding.as_json() for finding in self.worst_first()],
            "checks": [check.as_json(self.findings) for check in self.checks],
        }

    def summary(self, fail_on: Severity = Severity.MEDIUM) -> dict[str, Json]:
        """The object `result.summary` holds."""
        readable = self.measured.readable_fraction if self.measured else None
        summary: dict[str, Json] = {} if readable is None else {"readable_fraction": readable}
        return summary | {
            "verdict": self.verdict(fail_on).value,
            "counts_by_severity": {
                severity.value: sum(finding.severity == severity for finding in self.findings) for severity in Severity
            },
            "counts_by_class": {
                kind.value: sum(finding.finding_class == kind for finding in self.findings) for kind in FindingClass
            },
        }


def digest_of(result: Json) -> str:
    """SHA-256 over the canonical form of a result: sorted keys, no blanks, UTF-8 (RFC 8785 for whole numbers)."""
    import hashlib  # slow to load, and not needed for text
    import json

    canonical = json.dumps(result, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def case_data(given: Mapping[str, Json]) -> dict[str, Json]:
    """What the examiner says about the case, fit for every form of a report: what was pasted in may hold anything."""
    return {name: shown_whole(value) if isinstance(value, str) else value for name, value in given.items()}


class Report(Struct, frozen=True):
    """A whole report.

    `result` depends on the image's bytes, the version and the options alone; everything that differs from run to run
    stands in `source`, `run` and `case`. `file_map` is there for renderers that draw it,
    `annotations` are the examiner's notes.
    """

    result: Mapping[str, Json]
    source: Mapping[str, Json] = field(default_factory=dict)
    run: Mapping[str, Json] = field(default_factory=dict)
    tool: Mapping[str, Json] = field(default_factory=dict)
    case: Mapping[str, Json] = field(default_factory=dict)
    file_map: FileMap | None = None
    annotations: Sequence[Json] = ()

    def digest(self) -> str:
        """The digest of `result`."""
        return digest_of(self.result)

    def as_json(self) -> dict[str, Json]:
        """The document that is written."""
        document: dict[str, Json] = {
            "schema": SCHEMA,
            "result": self.result,
            "result_digest": {"algorithm": "sha256", "canonicalisation": "RFC8785", "value": self.digest()},
            "source": self.source,
            "run": self.run,
            "tool": self.tool,
            "case": self.case,
        }
        if self.annotations:
            document["annotations"] = self.annotations
        return document
