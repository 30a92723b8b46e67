"""A report as one HTML file that needs nothing else: no script, no network, light and dark, and fit for printing."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources

from msgspec import UNSET
from msgspec.structs import asdict

from forensic.finding import Severity
from forensic.report.html_drawings import disk_section, file_section, time_line_section
from forensic.report.html_sections import (
    checks_section,
    extraction_section,
    facts,
    findings_section,
    notes_section,
    record_section,
    session_section,
)
from forensic.report.image_facts import facts_of_container, facts_of_states, readable_snapshots
from forensic.report.markup import Html, element, together
from forensic.report.model import Report
from forensic.report.notes import judgement_in, notes_of, triage_of
from forensic.report.values import cautions, unread_sentence

# The page may use the style it carries and nothing else: no script, no font, no image from anywhere.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

FEW_STATES = 16
"""Snapshots and bitmaps that stand among the facts of the image; more of them would hide what was found."""

VERDICTS = {
    "clean": "No problems were found in this image.",
    "leaks": "The image holds clusters that nothing uses; its data is not affected.",
    "suspicious": "The image can be read, but holds things that ordinary writers do not leave in an image.",
    "corrupt": "Structures of the image contradict one another or point to invalid places.",
    "undetermined": "No verdict could be reached.",
}


def to_html(report: Report) -> str:
    """The page."""
    style = resources.files("forensic.report").joinpath("page.css").read_text(encoding="utf-8")
    name = report.source.path_as_given
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", f"qcowscope: {name[:80]}"),
        # The style sheet is ours and holds no text of the image; quoting would break its strings.
        element("style", Html(style)),
    )
    body = element("body", element("main", together(*_sections(report, name))))
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en').source}\n"


def _sections(report: Report, name: str) -> Iterator[Html]:
    yield element("p", f"qcowscope {report.complete_tool.version} · report on a disk image", class_="brand")
    yield element("h1", name, class_="long")
    yield _verdict(report)
    extraction = report.result.extraction
    if extraction is not UNSET and extraction.bytes_filled:
        yield element("p", f"Not all of the disk was read: {unread_sentence(extraction)}.", class_="card caution")
    for caution in cautions(report.source, report.run):
        yield element("p", f"Caution: {caution}", class_="card caution")
    yield from _case(report)
    yield element("h2", "The image")
    states = list(facts_of_states(report))
    snapshots = readable_snapshots(report.result)
    elsewhere = [("snapshots", f"{snapshots:,}; they and bitmaps are listed after the findings")]
    here = states if len(states) <= FEW_STATES else elsewhere
    yield element("div", facts([*facts_of_container(report), *here]), class_="card")
    yield from disk_section(report)
    yield from file_section(report)
    yield from time_line_section(report.time_line, snapshots + 1)
    if extraction is not UNSET:
        yield from extraction_section(extraction)
    notes = notes_of(report.annotations)
    yield from findings_section(report.result.findings or (), triage_of(notes))
    yield from notes_section([note for note in notes if not judgement_in(note.note, note.label)])
    if here is not states:
        yield element("h2", "Snapshots and bitmaps")
        yield element("div", facts(states), class_="card")
    yield from checks_section(report.result.checks or ())
    yield from session_section(report.audit)
    yield from record_section(report)
    yield element(
        "footer",
        "Nothing that the image names was opened. Text from the image is shown with control and invisible "
        "characters spelled out. The result depends on the bytes of the image, the version and the options alone: "
        f"SHA-256 {report.digest()}",
    )


def _verdict(report: Report) -> Html:
    summary = report.result.summary
    verdict = summary.verdict.value
    counts = asdict(summary.counts_by_severity) if summary.counts_by_severity else {}
    pills = [
        element("span", f"{counts[severity.value]} {severity.value}", class_=f"pill {severity.value}")
        for severity in reversed(Severity)
        if counts.get(severity.value)
    ]
    sentence = summary.reason or VERDICTS[verdict]
    if report.result.plan is not UNSET:
        sentence += " The image was read by a recovery plan: the file itself is damaged, or was taken to be."
    return element(
        "section",
        element("div", verdict, class_="word"),
        element("p", sentence),
        element("div", *pills, class_="counts"),
        class_=f"verdict {verdict}",
    )


def _case(report: Report) -> Iterator[Html]:
    given = [(label.replace("_", " "), value) for label, value in asdict(report.case).items() if value]
    if given:
        yield element("h2", "Case")
        yield element("div", facts(given), class_="card")
