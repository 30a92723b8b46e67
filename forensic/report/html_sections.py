"""The sections of the HTML report that are lists and tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import UNSET, UnsetType

from forensic.numbers import counted
from forensic.records.extraction import ExtractionRecord, HashFamilies, UnreadableRecord
from forensic.records.judgement import CheckRecord, CheckStatus, FindingRecord, ProblemRecord
from forensic.records.run import InputRecord, IntegrityRecord, RunRecord, SourceRecord, ToolRecord
from forensic.report.markup import Html, element, together
from forensic.report.model import Report
from forensic.report.notes import BYTES, Judged, Noted, session_lines
from forensic.report.values import (
    certainties,
    comparison,
    explanation,
    new_image,
    place,
    sentence,
    size,
    supplied_files,
    unchanged,
    words,
)
from forensic.untrusted import Json, shown_whole

LISTED_PROBLEMS = 12
LISTED_UNREADABLE = 500
TONES = {"seen": "none", "explained": "clean", "rejected": "none"}
"""How what the examiner made of a finding is coloured."""

MADE = (CheckStatus.FAIL, CheckStatus.PASS)
"""Checks that are listed one by one; the others together by their reasons."""

SHARES = (
    ("read", "stored in the image"),
    ("zero", "recorded as zero"),
    ("filled", "not read, filled with zeros"),
)


def facts(pairs: Iterable[tuple[str, str]]) -> Html:
    """Labels and values."""
    return element("dl", together(*(_pair(label, value) for label, value in pairs)))


def findings_section(findings: Sequence[FindingRecord], triage: Mapping[str, Judged]) -> Iterator[Html]:
    """Each finding with what was observed, what it may mean, what to do, and what the examiner made of it."""
    yield element("h2", "Findings", element("span", str(len(findings)), class_="quiet"))
    if not findings:
        yield element("div", "None.", class_="card quiet")
    for finding in findings:
        yield _finding(finding, triage.get(finding.rule, Judged()))


def checks_section(checks: Sequence[CheckRecord]) -> Iterator[Html]:
    """What was looked at, not only what was found: faults first, then what was not run, then the rest."""
    order = [CheckStatus.FAIL, CheckStatus.NOT_RUN, CheckStatus.PASS, CheckStatus.NOT_APPLICABLE]
    status = [check.status for check in checks]
    counts = ", ".join(f"{status.count(kind)} {words(kind)}" for kind in order if status.count(kind))
    yield element("h2", "Checks", element("span", counts, class_="quiet"))
    made = sorted((check for check in checks if check.status in MADE), key=lambda check: order.index(check.status))
    rows: list[tuple[Html | str, ...]] = [(_status(check), check.title, check.id) for check in made]
    apart: dict[tuple[CheckStatus, str], list[CheckRecord]] = {}
    for check in checks:
        if check.status not in MADE:
            apart.setdefault((check.status, check.reason), []).append(check)
    for (_, reason), group in sorted(apart.items(), key=lambda each: order.index(each[0][0])):
        codes = element("span", ", ".join(check.id for check in group), class_="quiet note")
        rows.append((_status(group[0]), together(sentence(reason), codes), counted(len(group), "rule")))
    if rows:
        yield element("div", table(("", "looked for", "code"), rows, mono=(2,)), class_="card checks")


def extraction_section(extraction: ExtractionRecord) -> Iterator[Html]:
    """How much was read, the hashes of the virtual disk, and every range that was not read."""
    yield element("h2", "Extraction", element("span", words(extraction.status), class_="quiet"))
    shares = (extraction.bytes_read, extraction.bytes_zero, extraction.bytes_filled)
    bars = [
        element("span", class_=f"share-{kind}", style=f"flex: {length}")
        for (kind, _), length in zip(SHARES, shares, strict=True)
        if length
    ]
    amounts = [(meaning, size(length)) for (_, meaning), length in zip(SHARES, shares, strict=True)]
    hashes = [(f"{name} of the virtual disk", value) for name, value in extraction.hashes.items()]
    expected = size(extraction.bytes_expected)
    sure = [*new_image(extraction), *certainties(extraction)]
    said = [("virtual disk", expected), *amounts, *hashes, *sure, *comparison(extraction.compared)]
    content = [element("div", *bars, class_="bar"), facts(said)]
    yield element("div", *content, class_="card extraction")
    if extraction.unreadable:
        yield from _unreadable(extraction.unreadable, extraction.unreadable_not_listed)


def notes_section(notes: Sequence[Noted]) -> Iterator[Html]:
    """What the examiner noted, and about which bytes."""
    if notes:
        yield element("h2", "Notes", element("span", str(len(notes)), class_="quiet"))
    for note in notes:
        said = facts(pair for pair in note.facts if pair[0] != BYTES)
        dump = element("pre", "\n".join(note.dump)) if note.bytes.hex else Html("")
        yield element("article", element("p", note.words), said, dump, class_="card remark")


def session_section(audit: Sequence[Json]) -> Iterator[Html]:
    """What was done in a session of the terminal interface before, if the report was made there."""
    lines = [shown_whole(line) for line in session_lines(audit)]
    if lines:
        yield element("h2", "Session", element("span", counted(len(lines), "entry", "entries"), class_="quiet"))
        yield element("div", element("pre", "\n".join(lines)), class_="card")


def record_section(report: Report) -> Iterator[Html]:
    """Source and integrity, hashes, tool and run."""
    source, run = report.source, report.complete_run
    yield element("h2", "Record")
    cards = [
        _card("Source", _given(source, ("path_resolved", "size", "device", "inode", "mode", "mtime_ns", "open_flags"))),
        _card("Integrity", [*_integrity(source.integrity), *_hashes(report.result.hashes)]),
        *(_supplied(one) for one in supplied_files(run) if one.integrity),
        _card(
            "Run",
            [
                ("command line", " ".join(run.command_line)),
                *_given(run, ("started_at", "ended_at", "elapsed_seconds", "exit_code", "exit_reason", "run_id")),
            ],
        ),
        _card(
            "Tool and host",
            [*_tool(report.complete_tool), *_given(run, ("hostname", "user", "os", "working_directory"))],
        ),
    ]
    yield element("div", *cards, class_="two")


def _finding(finding: FindingRecord, judged: Judged) -> Html:
    severity = finding.severity.value
    names = " · ".join((finding.rule, words(finding.finding_class), finding.confidence.value, finding.id))
    observed = [_problem(problem) for problem in finding.problems[:LISTED_PROBLEMS]]
    more = finding.count - len(observed)
    if more > 0:
        observed.append(element("li", f"and {more:,} more", class_="quiet"))
    judgement = judged.state != "none"
    state = (
        element("span", f"triage: {judged.state}", class_=f"pill {TONES.get(judged.state, 'none')}")
        if judgement
        else Html("")
    )
    reason = element("p", shown_whole(judged.reason), class_="reason") if judgement and judged.reason else Html("")
    return element(
        "article",
        element("header", element("span", severity, class_="pill"), element("h3", finding.title), state),
        element("p", names, class_="names"),
        reason,
        element("ul", together(*observed), class_="observed"),
        facts(explanation(finding)),
        class_=f"card finding {severity}",
    )


def _problem(problem: ProblemRecord) -> Html:
    places = "; ".join(map(place, problem.ranges))
    return element("li", problem.observation, element("span", places, class_="quiet mono"))


def _status(check: CheckRecord) -> Html:
    status = check.status
    if status == CheckStatus.PASS and check.count:
        return element("span", "noted", class_="pill info")
    tone = {"fail": "high", "not_run": "medium", "pass": "clean"}.get(status, "none")
    return element("span", words(status), class_=f"pill {tone}")


def _unreadable(unreadable: Sequence[UnreadableRecord], not_listed: int) -> Iterator[Html]:
    rows: list[tuple[Html | str, ...]] = [
        (
            f"{entry.virtual_offset:#x}",
            f"{entry.length:,}",
            entry.reason_code,
            "" if entry.host_offset is None else f"{entry.host_offset:#x}",
        )
        for entry in unreadable[:LISTED_UNREADABLE]
    ]
    more = len(unreadable) - len(rows) + not_listed
    yield element("h2", "Not read", element("span", counted(len(unreadable) + not_listed, "range"), class_="quiet"))
    rest = element("p", f"and {counted(more, 'more range')}", class_="quiet") if more else Html("")
    listed = table(("guest offset", "bytes", "reason", "host offset"), rows, mono=(0, 3))
    yield element("div", listed, rest, class_="card unreadable")


def table(
    heads: Sequence[str],
    rows: Iterable[Sequence[Html | str]],
    mono: Sequence[int] = (),
    numbers: Sequence[int] = (),
) -> Html:
    """A table; the numbers of some columns are set in monospace, or to the right as sums are."""
    classes = {**dict.fromkeys(mono, "mono"), **dict.fromkeys(numbers, "number")}
    head = element("tr", *(element("th", name, class_=classes.get(index, "")) for index, name in enumerate(heads)))
    body = [
        element("tr", *(element("td", cell, class_=classes.get(index, "")) for index, cell in enumerate(row)))
        for row in rows
    ]
    return element("table", element("thead", head), element("tbody", together(*body)))


def _card(title: str, pairs: Sequence[tuple[str, str]]) -> Html:
    return element("section", element("h3", title), facts(pairs), class_="card")


def _pair(label: str, value: str) -> Html:
    return together(element("dt", label), element("dd", value))


def _given(values: SourceRecord | RunRecord | InputRecord, names: Iterable[str]) -> list[tuple[str, str]]:
    """The named values that there are, under names a reader knows."""
    pairs = []
    for name in names:
        value = getattr(values, name)
        if value is None or value is UNSET:
            continue
        shown = size(value) if name == "size" else str(value)
        pairs.append((words(name), ", ".join(value) if name == "open_flags" else shown))
    return pairs


def _integrity(integrity: IntegrityRecord | UnsetType) -> Iterator[tuple[str, str]]:
    if integrity is not UNSET:
        yield "unchanged", unchanged(integrity, "NO: the file changed while it was being read")
        yield "method", integrity.method


def _supplied(supplied: InputRecord) -> Html:
    """A file that the examiner supplied beside the image."""
    pairs = [
        *_given(supplied, ("path", "size")),
        *_integrity(supplied.integrity),
        *_moments("file", {"acquired": supplied.hashes, "verified_source": supplied.verified_source}),
    ]
    return _card(f"Supplied {words(supplied.role)}", pairs)


def _hashes(families: HashFamilies | UnsetType) -> Iterator[tuple[str, str]]:
    """The container (the file as received) and the virtual disk (what the guest sees) are never mixed up."""
    if families is UNSET:
        return
    if container := families.container:
        moments = {"acquired": container.acquired, "verified_source": container.verified_source}
        yield from _moments("container", moments)
    if disk := families.virtual_disk:
        yield from _moments("virtual disk", {"acquired": disk.acquired, "verified_output": disk.verified_output})


def _moments(whose: str, moments: Mapping[str, Mapping[str, str] | UnsetType | None]) -> Iterator[tuple[str, str]]:
    """The hashes when the bytes were acquired and when they were read again, and whether these agree."""
    for moment, values in moments.items():
        for name, value in (values or {}).items():
            yield f"{whose}, {name}, {words(moment)}", value
    again = moments.get("verified_source") or moments.get("verified_output")
    if again:
        yield f"{whose}, read again", "match" if again == moments["acquired"] else "DOES NOT MATCH"


def _tool(tool: ToolRecord) -> Iterator[tuple[str, str]]:
    yield "tool", f"{tool.name} {tool.version}"
    yield "python", tool.python
    used = [f"{entry.name} {entry.version or ''}" for entry in tool.libraries]
    yield "libraries", ", ".join(used)
