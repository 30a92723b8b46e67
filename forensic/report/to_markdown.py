"""A report as Markdown, for tickets and task reports; what stands in an image can form no markup in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from forensic.report.model import Report
from forensic.report.to_text import image_facts
from forensic.report.values import cautions, comparison, number, place, section, sections, sentence, text, words
from forensic.untrusted import Json

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
    summary = section(report.result["summary"])
    yield f"# {quoted(text(report.source.get('path_as_given')))}"
    yield ""
    yield f"Verdict: **{quoted(text(summary['verdict']))}**"
    yield ""
    for caution in cautions(report.source, report.run):
        yield f"**Caution:** {quoted(caution)}"
        yield ""
    yield from _table(("", "image"), image_facts(report))
    if "extraction" in report.result:
        yield from _extraction(section(report.result["extraction"]))
    yield from _findings(sections(report.result.get("findings")))
    yield from _checks(sections(report.result.get("checks")))
    yield "## Record"
    yield ""
    yield from _table(("", "this report"), _record_rows(report))


def _findings(findings: Sequence[Mapping[str, Json]]) -> Iterator[str]:
    yield "## Findings"
    yield ""
    if not findings:
        yield "None."
        yield ""
        return
    rows = [
        (text(finding["severity"]), text(finding["rule"]), text(finding["title"]), f"{number(finding['count']):,}")
        for finding in findings
    ]
    yield from _table(("severity", "rule", "title", "count"), rows)
    for finding in findings:
        yield from _finding(finding)


def _finding(finding: Mapping[str, Json]) -> Iterator[str]:
    yield f"### {quoted(text(finding['title']))}"
    yield ""
    yield quoted(f"{text(finding['id'])}, {text(finding['rule'])}, {words(finding['class'])}")
    yield ""
    problems = sections(finding["problems"])
    rows = [
        (text(problem["observation"]), "; ".join(map(place, sections(problem["ranges"]))))
        for problem in problems[:LISTED_PROBLEMS]
    ]
    yield from _table(("observed", "place"), rows)
    more = number(finding["count"]) - len(rows)
    if more > 0:
        yield f"And {more:,} more."
        yield ""
    parts = (
        ("Why it matters", "interpretation"),
        ("Specification", "spec"),
        ("What QEMU does", "qemu"),
        ("What to do next", "next_step"),
    )
    for heading, name in parts:
        if finding.get(name):
            yield f"- {heading}: {quoted(sentence(finding[name]))}"
    yield ""


def _checks(checks: Sequence[Mapping[str, Json]]) -> Iterator[str]:
    yield "## Checks"
    yield ""
    rows = [
        (words(check["status"]), text(check["title"]), text(check["id"]), text(check["reason"])) for check in checks
    ]
    yield from _table(("status", "looked for", "code", "reason"), rows)


def _extraction(extraction: Mapping[str, Json]) -> Iterator[str]:
    yield "## Extraction"
    yield ""
    rows = [("status", words(extraction["status"]))]
    rows += [
        (words(name), f"{number(extraction[name]):,}")
        for name in ("bytes_expected", "bytes_read", "bytes_zero", "bytes_filled")
    ]
    rows += [(f"{name} of the virtual disk", text(value)) for name, value in section(extraction["hashes"]).items()]
    yield from _table(("", "virtual disk"), [*rows, *comparison(extraction)])
    unreadable = sections(extraction["unreadable"])
    if not unreadable:
        return
    yield "Not read, filled with zeros:"
    yield ""
    ranges = [
        (f"{number(entry['virtual_offset']):#x}", f"{number(entry['length']):,}", text(entry["reason_code"]))
        for entry in unreadable[:LISTED_UNREADABLE]
    ]
    yield from _table(("guest offset", "bytes", "reason"), ranges)
    more = len(unreadable) - len(ranges) + number(extraction["unreadable_not_listed"])
    if more > 0:
        yield f"And {more:,} more ranges."
        yield ""


def _record_rows(report: Report) -> Iterator[tuple[str, str]]:
    run, integrity = report.run, section(report.source.get("integrity"))
    yield "tool", f"qcowscope {text(report.tool.get('version'))}"
    yield "result digest", f"sha256 {report.digest()}"
    yield "evidence unchanged", {True: "yes", False: "NO"}.get(bool(integrity.get("unchanged")), "")
    for label, name in (("started", "started_at"), ("ended", "ended_at"), ("host", "hostname"), ("user", "user")):
        if run.get(name):
            yield label, text(run[name])
    for label, value in report.case.items():
        if value:
            yield words(label), text(value)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{' --- |' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(map(quoted, row))} |"
    yield ""
