"""One flat object a finding, for questions over many images: JSON Lines that a database reads as a table."""

from __future__ import annotations

from collections.abc import Iterator

from forensic.exit_status import ExitStatus
from forensic.records.judgement import FindingRecord
from forensic.records.report import ResultRecord
from forensic.report.json_text import one_line
from forensic.report.model import Report
from forensic.untrusted import Json, shown

COLUMNS = (
    "path", "sha256", "verdict", "rule", "severity", "class", "count", "space", "offset", "length", "error",
)  # fmt: skip
"""The keys of each line, all of them always there; null where there is nothing to say."""


def findings_lines(report: Report, sha256: str | None) -> str:
    """A line for each finding; an image without any has one line whose rule is null.

    `sha256` is that of the whole file, if it is known.
    """
    return "".join(one_line(line) for line in _lines(report.source.path_as_given, report.result, sha256))


def findings_of_failure(path: str, message: str, status: ExitStatus) -> str:
    """The line of an image that could not be looked at."""
    return one_line(_line(shown(path), error=message))


def _lines(path: str, result: ResultRecord, sha256: str | None) -> Iterator[Json]:
    verdict = result.summary.verdict.value
    findings = result.findings or ()
    for finding in findings:
        yield _line(path, sha256=sha256, verdict=verdict, **_of(finding))
    if not findings:
        yield _line(path, sha256=sha256, verdict=verdict)


def _of(finding: FindingRecord) -> dict[str, Json]:
    first = finding.ranges[0] if finding.ranges else None
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "class": finding.finding_class.value,
        "count": finding.count,
        "space": first.space.value if first else None,
        "offset": first.offset if first else None,
        "length": first.length if first else None,
    }


def _line(path: str, **values: Json) -> dict[str, Json]:
    return dict.fromkeys(COLUMNS) | {"path": path} | values
