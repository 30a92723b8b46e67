"""A report as lines for a terminal or a log; every string of the image in it has its shown form already.

A line is a list of pieces, each with the name of a style (a severity, a verdict, `label`, `quiet`, `title` or
nothing), so that the same lines can be printed plain or in colour.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import UNSET

from forensic.numbers import counted
from forensic.records.image import (
    Qcow2ImageRecord,
)
from forensic.records.judgement import CheckStatus, FindingRecord
from forensic.report.image_facts import image_facts
from forensic.report.model import Report
from forensic.report.notes import notes_of
from forensic.report.values import by_plan, cautions, certainties, comparison, new_image, words

Line = Sequence[tuple[str, str]]
"""Pieces of text, each with its style."""

SHOWN_PROBLEMS = 3
SHOWN_UNREADABLE = 20


def to_text(report: Report) -> str:
    """The whole report, plain."""
    return plain(report_lines(report))


def plain(lines: Iterable[Line]) -> str:
    """The lines without their styles."""
    return "".join("".join(piece for piece, _ in line) + "\n" for line in lines)


def report_lines(report: Report) -> Iterator[Line]:
    """What there is: for an extraction what the image is, what was extracted and the findings; else the findings."""
    if report.result.extraction is not UNSET:
        yield from info_lines(report)
        yield from extraction_lines(report)
    yield from check_lines(report)
    yield from _note_lines(report)


def info_lines(report: Report) -> Iterator[Line]:
    """What an image is."""
    yield [(report.source.path_as_given, "title")]
    yield from _caution_lines(report)
    for label, fact in image_facts(report):
        yield [(f"  {label:13} ", "label"), (fact, "")]


def check_lines(report: Report) -> Iterator[Line]:
    """The verdict, the findings with their first places, and how many checks were made."""
    verdict = report.result.summary.verdict.value
    through = "" if report.source.plan is UNSET else f" by the plan {report.source.plan}"
    yield [(f"{report.source.path_as_given}: ", "title"), (verdict, verdict), (through, "")]
    if through and report.result.extraction is UNSET:
        for label, fact in by_plan(report):
            yield [(f"  {label:13} ", "label"), (fact, "")]
    yield from _caution_lines(report)
    for finding in report.result.findings or ():
        yield from _finding_lines(finding)
    checks = report.result.checks or ()
    status = [check.status for check in checks]
    counts = ", ".join(f"{status.count(kind)} {words(kind.value)}" for kind in CheckStatus)
    yield [(f"checks: {counts}", "quiet")]
    if hint := recovery_hint(report):
        yield [(hint, "")]
    for reason in sorted({check.reason for check in checks if check.status == CheckStatus.NOT_RUN}):
        yield [(f"not run: {reason}", "quiet")]


WIPED = "l2-table-wiped"

RECOVERY_CODES = ("orphan-l2-tables", "l1-table-wiped", "l2-table-wiped", "deleted-snapshot-remains")


def recovery_hint(report: Report) -> str:
    """The line that says that `recover` may read more; empty where nothing suggests it."""
    counts = {found.rule: found.count for found in report.result.findings or () if found.rule in RECOVERY_CODES}
    if not counts or (counts.keys() == {WIPED} and not _can_be_replaced(report)):
        return ""
    words_of = (
        ("orphan-l2-tables", "L2 table without an L1 entry", "L2 tables without an L1 entry"),
        ("l2-table-wiped", "L2 table that was wiped", "L2 tables that were wiped"),
        ("deleted-snapshot-remains", "deleted snapshot", "deleted snapshots"),
    )
    parts = [counted(counts[code], one, many) for code, one, many in words_of if code in counts]
    return f"recover may read more: {', '.join(parts) or 'an L1 table that was wiped'}"


def _can_be_replaced(report: Report) -> bool:
    """Whether something may take the place of an L2 table that was wiped.

    A snapshot may have an older one. Otherwise the clusters that it led to can be told only by their number, if the
    table was full.
    """
    image = report.result.image
    if not isinstance(image, Qcow2ImageRecord) or image.cluster_size is UNSET:
        return False
    leaks = sum(found.count for found in report.result.findings or () if found.rule == "refcount-too-high")
    return image.snapshot_count > 0 or leaks >= image.cluster_size // (16 if image.extended_l2 is True else 8)


def _caution_lines(report: Report) -> Iterator[Line]:
    for caution in cautions(report.source, report.run):
        yield [(f"  {'caution':13} ", "label"), (caution, "high")]


def extraction_lines(report: Report) -> Iterator[Line]:
    """What was extracted, its hashes, and what was not read."""
    extraction = report.result.extraction
    if extraction is UNSET:
        return
    facts = [("status", words(extraction.status))]
    facts += [
        ("expected", f"{extraction.bytes_expected:,} bytes"),
        ("read", f"{extraction.bytes_read:,} bytes"),
        ("zero", f"{extraction.bytes_zero:,} bytes"),
        ("filled", f"{extraction.bytes_filled:,} bytes"),
        *extraction.hashes.items(),
    ]
    for label, fact in facts:
        yield [(f"  {label:13} ", "label"), (fact, "")]
    for label, fact in (*new_image(extraction), *certainties(extraction)):
        yield [(f"  {label:13} ", "label"), (fact, "medium" if label == "inferred" else "")]
    for label, fact in comparison(extraction.compared):
        yield [(f"  {label:13} ", "label"), (fact, "high" if label == "differs" else "")]
    for entry in extraction.unreadable[:SHOWN_UNREADABLE]:
        where = f"{entry.length:,} bytes at guest offset {entry.virtual_offset:#x}"
        yield [("  not read      ", "label"), (f"{where}: {entry.reason_code}", "high")]
    more = len(extraction.unreadable) - SHOWN_UNREADABLE + extraction.unreadable_not_listed
    if more > 0:
        yield [("  not read      ", "label"), (f"and {counted(more, 'more range')}", "high")]


def _note_lines(report: Report) -> Iterator[Line]:
    """What the examiner noted, and about which bytes."""
    notes = notes_of(report.annotations)
    if notes:
        yield [(counted(len(notes), "note") + " of the examiner", "title")]
    for note in notes:
        yield [(f"  {note.words}", "")]
        for label, fact in note.facts:
            yield [(f"          {label:9} ", "label"), (fact, "")]


def _finding_lines(finding: FindingRecord) -> Iterator[Line]:
    severity = finding.severity.value
    yield [(f"{severity:8}", severity), (f"  {finding.rule}  ", "code"), (finding.title, "")]
    for problem in finding.problems[:SHOWN_PROBLEMS]:
        yield [(f"          {problem.observation}", "")]
    more = finding.count - SHOWN_PROBLEMS
    if more > 0:
        yield [(f"          and {more:,} more", "quiet")]
