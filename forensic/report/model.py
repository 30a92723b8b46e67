"""What a report is made of: the judgement, the deterministic result with its digest, and the record of the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec import UNSET, Struct, to_builtins
from msgspec.structs import replace

from forensic.errors import InternalError
from forensic.exit_status import ExitStatus
from forensic.finding import Finding, FindingClass, Severity
from forensic.measured import Measured
from forensic.numbers import plain
from forensic.records.image import AllocationRecord
from forensic.records.judgement import (
    CheckRecord,
    CheckStatus,
    ClassCounts,
    FindingRecord,
    ProblemRecord,
    SeverityCounts,
    SummaryRecord,
    Verdict,
)
from forensic.records.report import SCHEMA, DigestRecord, ReportRecord, ResultRecord
from forensic.records.run import CaseRecord, RunRecord, SourceRecord, ToolRecord
from forensic.report.file_map import CellMap, StateStrip
from forensic.report.json_text import canonical
from forensic.untrusted import Json, shown_whole

EXIT_STATUS = {
    Verdict.CLEAN: ExitStatus.DONE,
    Verdict.CORRUPT: ExitStatus.CORRUPT,
    Verdict.LEAKS: ExitStatus.LEAKS,
    Verdict.SUSPICIOUS: ExitStatus.SUSPICIOUS,
    Verdict.UNDETERMINED: ExitStatus.NOT_COMPLETED,
}
"""What `check` returns for a verdict; a file that is no qcow2 image gives `NOT_AN_IMAGE` instead."""


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

    def record(self, findings: Sequence[Finding] = ()) -> CheckRecord:
        """What `result.checks[]` holds; it names the findings that are this rule's."""
        own = [finding.id for finding in findings if finding.rule == self.code]
        return CheckRecord(
            id=self.code, title=self.title, status=self.status, reason=self.reason, count=self.count, findings=own
        )


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
        classes = {finding.finding_class for finding in self.findings if finding.severity >= fail_on}
        if FindingClass.CORRUPTION in classes:
            return Verdict.CORRUPT
        if self.incomplete:
            return Verdict.UNDETERMINED
        if classes - {FindingClass.LEAK, FindingClass.INFO}:
            return Verdict.SUSPICIOUS
        if any(finding.finding_class == FindingClass.LEAK for finding in self.findings):
            return Verdict.LEAKS
        return Verdict.CLEAN

    def add_to(self, result: ResultRecord, fail_on: Severity = Severity.MEDIUM) -> ResultRecord:
        """A result with the sections that judge, and what is allocated."""
        allocation = AllocationRecord(**self.measured.allocation) if self.measured else UNSET
        return replace(
            result,
            allocation=allocation,
            summary=self.summary(fail_on),
            findings=[finding_record(finding) for finding in self.worst_first()],
            checks=[check.record(self.findings) for check in self.checks],
        )

    def summary(self, fail_on: Severity = Severity.MEDIUM) -> SummaryRecord:
        """What `result.summary` holds."""
        readable = self.measured.readable_fraction if self.measured else None
        severities = Counter(finding.severity.value for finding in self.findings)
        classes = Counter(finding.finding_class.value for finding in self.findings)
        return SummaryRecord(
            verdict=self.verdict(fail_on),
            counts_by_severity=SeverityCounts(**{kind.value: severities[kind.value] for kind in Severity}),
            counts_by_class=ClassCounts(**{kind.value: classes[kind.value] for kind in FindingClass}),
            readable_fraction=UNSET if readable is None else plain(readable),
        )


def finding_record(finding: Finding) -> FindingRecord:
    """What `result.findings[]` holds."""
    return FindingRecord(
        id=finding.id,
        fingerprint=finding.fingerprint,
        rule=finding.rule,
        title=finding.title,
        severity=finding.severity,
        finding_class=finding.finding_class,
        confidence=finding.confidence,
        spec=finding.spec,
        count=finding.count,
        observation=finding.observation,
        interpretation=finding.explanation.interpretation,
        qemu=finding.explanation.qemu,
        next_step=finding.explanation.next_step,
        structure_path=finding.structure_path,
        ranges=finding.places,
        problems=[
            ProblemRecord(
                observation=problem.observation,
                structure_path=problem.path,
                ranges=list(problem.ranges),
                values=problem.values,
            )
            for problem in finding.problems
        ],
        problems_not_listed=finding.count - len(finding.problems),
    )


def digest_of(result: ResultRecord | Json) -> str:
    """SHA-256 over the canonical form of a result. Raises `ValueError` as that does."""
    import hashlib  # slow to load, and not needed for text

    return hashlib.sha256(canonical(result)).hexdigest()


def case_data(given: Mapping[str, str | None]) -> CaseRecord:
    """What the examiner says about the case, fit for every form of a report: what was pasted in may hold anything."""
    return CaseRecord(**{name: None if value is None else shown_whole(value) for name, value in given.items()})


class Report(Struct, frozen=True):
    """A whole report.

    `result` depends on the image's bytes, the version and the options alone; everything that differs from run to run
    stands in `source`, `run` and `case`. `run` and `tool` are None where a report is only printed as text. `file_map`,
    `disk_map` and `time_line` are there for renderers that draw them, `annotations` are the examiner's notes, `audit`
    is what was done in the session before.
    """

    result: ResultRecord
    source: SourceRecord
    run: RunRecord | None = None
    tool: ToolRecord | None = None
    case: CaseRecord = CaseRecord()
    file_map: CellMap | None = None
    disk_map: CellMap | None = None
    time_line: Sequence[StateStrip] = ()
    annotations: Sequence[Json] = ()
    audit: Sequence[Json] = ()

    @property
    def complete_run(self) -> RunRecord:
        """The record of the run. Raises `InternalError` for a report that was made to be printed as text."""
        if self.run is None:
            raise InternalError("the report has no record of its run")
        return self.run

    @property
    def complete_tool(self) -> ToolRecord:
        """What the report says of the tool. Raises `InternalError` likewise."""
        if self.tool is None:
            raise InternalError("the report has no record of the tool")
        return self.tool

    def digest(self) -> str:
        """The digest of `result`."""
        return digest_of(self.result)

    def record(self) -> ReportRecord:
        """The document that is written."""
        return ReportRecord(
            schema=SCHEMA,
            result=self.result,
            result_digest=DigestRecord(algorithm="sha256", canonicalisation="RFC8785", value=self.digest()),
            source=self.source,
            run=self.complete_run,
            tool=self.complete_tool,
            case=self.case,
            annotations=self.annotations or UNSET,
            audit=self.audit or UNSET,
        )

    def as_json(self) -> dict[str, Json]:
        """The same in plain values."""
        plain: dict[str, Json] = to_builtins(self.record())
        return plain
