"""The sections of the HTML report that are lists and tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from forensic.report.markup import Html, element, together
from forensic.report.model import CheckStatus, Report
from forensic.report.values import comparison, items, number, place, section, sections, sentence, size, text, words
from forensic.untrusted import Json

LISTED_PROBLEMS = 12
LISTED_UNREADABLE = 500
EXPLANATION = (
    ("Why it matters", "interpretation"),
    ("Specification", "spec"),
    ("What QEMU does", "qemu"),
    ("What to do next", "next_step"),
)
NAMES = ("rule", "class", "confidence", "id")
SHARES = (
    ("read", "bytes_read", "stored in the image"),
    ("zero", "bytes_zero", "recorded as zero"),
    ("filled", "bytes_filled", "not read, filled with zeros"),
)


def facts(pairs: Iterable[tuple[str, str]]) -> Html:
    """Labels and values."""
    return element("dl", together(*(_pair(label, value) for label, value in pairs)))


def findings_section(findings: Sequence[Mapping[str, Json]]) -> Iterator[Html]:
    """Each finding with what was observed, what it may mean, and what to do."""
    yield element("h2", "Findings", element("span", str(len(findings)), class_="quiet"))
    if not findings:
        yield element("div", "None.", class_="card quiet")
    for finding in findings:
        yield _finding(finding)


def checks_section(checks: Sequence[Mapping[str, Json]]) -> Iterator[Html]:
    """What was looked at, not only what was found: faults first, then what was not run, then the rest."""
    order = [CheckStatus.FAIL, CheckStatus.NOT_RUN, CheckStatus.PASS, CheckStatus.NOT_APPLICABLE]
    status = [text(check["status"]) for check in checks]
    counts = ", ".join(f"{status.count(kind)} {words(kind)}" for kind in order if status.count(kind))
    yield element("h2", "Checks", element("span", counts, class_="quiet"))
    ranked = sorted(checks, key=lambda check: order.index(CheckStatus(text(check["status"]))))
    if ranked:
        rows = [(_status(check), _looked_for(check), text(check["id"])) for check in ranked]
        yield element("div", _table(("", "looked for", "code"), rows, mono=(2,)), class_="card checks")


def extraction_section(extraction: Mapping[str, Json]) -> Iterator[Html]:
    """How much was read, the hashes of the virtual disk, and every range that was not read."""
    yield element("h2", "Extraction", element("span", words(extraction["status"]), class_="quiet"))
    expected = number(extraction["bytes_expected"])
    bars = [
        element("span", class_=f"share-{kind}", style=f"flex: {number(extraction[name])}")
        for kind, name, _ in SHARES
        if number(extraction[name])
    ]
    amounts = [(meaning, size(number(extraction[name]))) for _, name, meaning in SHARES]
    hashes = [(f"{name} of the virtual disk", text(value)) for name, value in section(extraction["hashes"]).items()]
    said = [("virtual disk", size(expected)), *amounts, *hashes, *comparison(extraction)]
    content = [element("div", *bars, class_="bar"), facts(said)]
    yield element("div", *content, class_="card extraction")
    unreadable = sections(extraction["unreadable"])
    if unreadable:
        yield from _unreadable(unreadable, number(extraction["unreadable_not_listed"]))


def record_section(report: Report) -> Iterator[Html]:
    """Source and integrity, hashes, tool and run."""
    source, run = report.source, report.run
    integrity = section(source.get("integrity"))
    yield element("h2", "Record")
    cards = [
        _card("Source", _given(source, ("path_resolved", "size", "device", "inode", "mode", "mtime_ns", "open_flags"))),
        _card("Integrity", [*_integrity(integrity), *_hashes(section(report.result.get("hashes")))]),
        *(_supplied(one) for one in sections(run.get("inputs"))[1:] if "integrity" in one),
        _card(
            "Run",
            [
                ("command line", " ".join(map(text, items(run.get("command_line"))))),
                *_given(run, ("started_at", "ended_at", "elapsed_seconds", "exit_code", "exit_reason", "run_id")),
            ],
        ),
        _card("Tool and host", [*_tool(report.tool), *_given(run, ("hostname", "user", "os", "working_directory"))]),
    ]
    yield element("div", *cards, class_="two")


def _finding(finding: Mapping[str, Json]) -> Html:
    severity = text(finding["severity"])
    names = " · ".join(words(finding[name]) if name == "class" else text(finding[name]) for name in NAMES)
    problems = sections(finding["problems"])[:LISTED_PROBLEMS]
    observed = [_problem(problem) for problem in problems]
    more = number(finding["count"]) - len(problems)
    if more > 0:
        observed.append(element("li", f"and {more:,} more", class_="quiet"))
    return element(
        "article",
        element("header", element("span", severity, class_="pill"), element("h3", text(finding["title"]))),
        element("p", names, class_="names"),
        element("ul", together(*observed), class_="observed"),
        facts((heading, sentence(finding[name])) for heading, name in EXPLANATION if finding.get(name)),
        class_=f"card finding {severity}",
    )


def _problem(problem: Mapping[str, Json]) -> Html:
    places = "; ".join(map(place, sections(problem["ranges"])))
    return element("li", text(problem["observation"]), element("span", places, class_="quiet mono"))


def _status(check: Mapping[str, Json]) -> Html:
    status = text(check["status"])
    if status == CheckStatus.PASS and check["count"]:
        return element("span", "noted", class_="pill info")
    tone = {"fail": "high", "not_run": "medium", "pass": "clean"}.get(status, "none")
    return element("span", words(status), class_=f"pill {tone}")


def _looked_for(check: Mapping[str, Json]) -> Html:
    reason = text(check["reason"])
    return together(text(check["title"]), element("span", reason, class_="quiet note") if reason else "")


def _unreadable(unreadable: Sequence[Mapping[str, Json]], not_listed: int) -> Iterator[Html]:
    rows: list[tuple[Html | str, ...]] = [
        (
            f"{number(entry['virtual_offset']):#x}",
            f"{number(entry['length']):,}",
            text(entry["reason_code"]),
            "" if entry.get("host_offset") is None else f"{number(entry['host_offset']):#x}",
        )
        for entry in unreadable[:LISTED_UNREADABLE]
    ]
    more = len(unreadable) - len(rows) + not_listed
    yield element("h2", "Not read", element("span", f"{len(unreadable) + not_listed:,} ranges", class_="quiet"))
    rest = element("p", f"and {more:,} more ranges", class_="quiet") if more else Html("")
    table = _table(("guest offset", "bytes", "reason", "host offset"), rows, mono=(0, 3))
    yield element("div", table, rest, class_="card unreadable")


def _table(heads: Sequence[str], rows: Iterable[Sequence[Html | str]], mono: Sequence[int]) -> Html:
    head = element("tr", *(element("th", name) for name in heads))
    body = [
        element("tr", *(element("td", cell, class_="mono" if index in mono else "") for index, cell in enumerate(row)))
        for row in rows
    ]
    return element("table", element("thead", head), element("tbody", together(*body)))


def _card(title: str, pairs: Sequence[tuple[str, str]]) -> Html:
    return element("section", element("h3", title), facts(pairs), class_="card")


def _pair(label: str, value: str) -> Html:
    return together(element("dt", label), element("dd", value))


def _given(values: Mapping[str, Json], names: Iterable[str]) -> list[tuple[str, str]]:
    """The named values that there are, under names a reader knows."""
    pairs = []
    for name in names:
        value = values.get(name)
        if value is not None:
            shown = size(value) if name == "size" and isinstance(value, int) else text(value)
            pairs.append((words(name), ", ".join(map(text, value)) if isinstance(value, list) else shown))
    return pairs


def _integrity(integrity: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    if integrity:
        yield "unchanged", "yes" if integrity["unchanged"] else "NO: the file changed while it was read"
        yield "method", text(integrity["method"])


def _supplied(supplied: Mapping[str, Json]) -> Html:
    """A file that the examiner supplied beside the image."""
    pairs = [
        *_given(supplied, ("path", "size")),
        *_integrity(section(supplied["integrity"])),
        *_moments("file", {"acquired": supplied["hashes"], "verified_source": supplied.get("verified_source")}),
    ]
    return _card(f"Supplied {words(supplied['role'])}", pairs)


def _hashes(hashes: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    """The container (the file as received) and the virtual disk (what the guest sees) are never mixed up."""
    for family in ("container", "virtual_disk"):
        yield from _moments(words(family), section(hashes.get(family)))


def _moments(whose: str, moments: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    """The hashes when the bytes were acquired and when they were read again, and whether these agree."""
    for moment, values in moments.items():
        for name, value in section(values).items():
            yield f"{whose}, {name}, {words(moment)}", text(value)
    again = moments.get("verified_source") or moments.get("verified_output")
    if again:
        yield f"{whose}, read again", "match" if again == moments["acquired"] else "DOES NOT MATCH"


def _tool(tool: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    yield "tool", f"{text(tool.get('name'))} {text(tool.get('version'))}"
    yield "python", text(tool.get("python"))
    used = [f"{text(entry['name'])} {text(entry['version'])}" for entry in sections(tool.get("libraries"))]
    yield "libraries", ", ".join(used)
