"""A report as Markdown, for tickets and task reports; what stands in an image can form no markup in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from msgspec import UNSET
from msgspec.structs import asdict

from forensic.numbers import counted
from forensic.records.extraction import ExtractionRecord
from forensic.records.judgement import CheckRecord, FindingRecord
from forensic.report.image_facts import image_facts
from forensic.report.model import Report
from forensic.report.notes import notes_of
from forensic.report.values import cautions, certainties, comparison, explanation, new_image, place, unchanged, words

LISTED_PROBLEMS = 16
LISTED_UNREADABLE = 200

# Everything that opens a construct inside a line or a cell: emphasis, code, links, images, tags, entities, tables.
_SPECIAL = re.compile(r"([\\`*_\[\]<!|~&$@])")
# What renderers turn into a link by itself.
_AUTOLINK = re.compile(r"(?i)\b(https?|ftp|mailto|xmpp)(:)|\b(www)(\.)")


def quoted(value: str) -> str:
    """Text in which no character means anything to Markdown."""
    return _AUTOLINK.sub(r"\1\3\\\2\4", _SPECIAL.sub(r"\\\1", value))


def to_markdown(report: Report) -> str:
    """The document."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield f"# {quoted(report.source.path_as_given)}"
    yield ""
    yield f"Verdict: **{quoted(report.result.summary.verdict.value)}**"
    yield ""
    for caution in cautions(report.source, report.run):
        yield f"**Caution:** {quoted(caution)}"
        yield ""
    yield from _table(("", "image"), image_facts(report))
    if report.result.extraction is not UNSET:
        yield from _extraction(report.result.extraction)
    yield from _findings(report.result.findings or ())
    yield from _checks(report.result.checks or ())
    yield from _notes(report)
    yield "## Record"
    yield ""
    yield from _table(("", "this report"), _record_rows(report))


def _findings(findings: Sequence[FindingRecord]) -> Iterator[str]:
    yield "## Findings"
    yield ""
    if not findings:
        yield "None."
        yield ""
        return
    rows = [(finding.severity.value, finding.rule, finding.title, f"{finding.count:,}") for finding in findings]
    yield from _table(("severity", "rule", "title", "count"), rows)
    for finding in findings:
        yield from _finding(finding)


def _finding(finding: FindingRecord) -> Iterator[str]:
    yield f"### {quoted(finding.title)}"
    yield ""
    yield quoted(f"{finding.id}, {finding.rule}, {words(finding.finding_class)}")
    yield ""
    rows = [
        (problem.observation, "; ".join(map(place, problem.ranges))) for problem in finding.problems[:LISTED_PROBLEMS]
    ]
    yield from _table(("observed", "place"), rows)
    more = finding.count - len(rows)
    if more > 0:
        yield f"And {more:,} more."
        yield ""
    for heading, said in explanation(finding):
        yield f"- {heading}: {quoted(said)}"
    yield ""


def _checks(checks: Sequence[CheckRecord]) -> Iterator[str]:
    yield "## Checks"
    yield ""
    rows = [(words(check.status), check.title, check.id, check.reason) for check in checks]
    yield from _table(("status", "looked for", "code", "reason"), rows)


def _notes(report: Report) -> Iterator[str]:
    notes = notes_of(report.annotations)
    if notes:
        yield "## Notes"
        yield ""
    for note in notes:
        yield from _table(("note", note.words), note.facts)


def _extraction(extraction: ExtractionRecord) -> Iterator[str]:
    yield "## Extraction"
    yield ""
    rows = [
        ("status", words(extraction.status)),
        ("bytes expected", f"{extraction.bytes_expected:,}"),
        ("bytes read", f"{extraction.bytes_read:,}"),
        ("bytes zero", f"{extraction.bytes_zero:,}"),
        ("bytes filled", f"{extraction.bytes_filled:,}"),
    ]
    rows += [(f"{name} of the virtual disk", value) for name, value in extraction.hashes.items()]
    account = [*new_image(extraction), *certainties(extraction), *comparison(extraction.compared)]
    yield from _table(("", "virtual disk"), [*rows, *account])
    unreadable = extraction.unreadable
    if not unreadable:
        return
    yield "Not read, filled with zeros:"
    yield ""
    ranges = [
        (f"{entry.virtual_offset:#x}", f"{entry.length:,}", entry.reason_code)
        for entry in unreadable[:LISTED_UNREADABLE]
    ]
    yield from _table(("guest offset", "bytes", "reason"), ranges)
    more = len(unreadable) - len(ranges) + extraction.unreadable_not_listed
    if more > 0:
        yield f"And {counted(more, 'more range')}."
        yield ""


def _record_rows(report: Report) -> Iterator[tuple[str, str]]:
    run, integrity = report.complete_run, report.source.integrity
    yield "tool", f"qcowscope {report.complete_tool.version}"
    yield "result digest", f"sha256 {report.digest()}"
    yield "evidence unchanged", unchanged(integrity) if integrity else "NO"
    times = (("started", run.started_at), ("ended", run.ended_at), ("host", run.hostname), ("user", run.user))
    for label, value in times:
        if value:
            yield label, value
    for label, said in asdict(report.case).items():
        if said:
            yield words(label), said


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(map(quoted, heads))} |"
    yield f"|{' --- |' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(map(quoted, row))} |"
    yield ""
