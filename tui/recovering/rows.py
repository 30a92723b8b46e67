"""How the steps of a recovery stand in a list, and what is said of one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from rich.table import Table
from rich.text import Text

from forensic.explore import Certainty, Plan, Recovered, Step, Summary
from tui.text import line, lines, plain, size
from tui.widgets.row_list import Column

STEPS = (
    Column("", 3),
    Column("step", 6),
    Column("class", 10),
    Column("conf.", 5, right=True),
    Column("method", 16, from_width=84),
    Column("what was decided"),
    Column("guest bytes", 12, right=True, from_width=72),
)
COLOURS = {
    Certainty.CERTAIN: "success",
    Certainty.INFERRED: "severity-medium",
    Certainty.UNKNOWN: "severity-high",
}
GAP = 2
"""Columns between two figures."""

LISTED = 12
"""Tables and rivals of a step that are listed."""


def step_cells(step: Step, refused: bool, colours: Mapping[str, str]) -> list[Text]:
    """A step; one that is refused is crossed out."""
    decision = step.decision
    style = "strike dim" if refused else ""
    colour = style or f"bold {colours.get(COLOURS[decision.certainty], '')}".strip()
    mark = ("[ ]", f"bold {colours.get('severity-high', '')}") if refused else ("[x]", "bold")
    return [
        plain(*mark),
        plain(step.name, style),
        plain(decision.certainty.value, colour),
        plain(f"{decision.confidence:.2f}", style),
        plain(decision.method.value.replace("_", " "), style),
        plain(decision.what, style),
        plain(size(step.guest_bytes) if step.guest_bytes else "", style),
    ]


def about_step(step: Step, refused: bool, fixed: bool, colours: Mapping[str, str]) -> Text:
    """All that is known of a step."""
    decision = step.decision
    parts = [line((f"{step.name}  {decision.what}", "bold"))]
    if refused:
        parts.append(plain("refused: what rests on it is unknown", f"bold {colours.get('severity-high', '')}"))
    if fixed:
        parts.append(plain("the size of the disk: the plan cannot be without it", "dim"))
    sure = f"{decision.certainty.value}, confidence {decision.confidence:.2f}, by {decision.method.value}"
    parts += [Text(), plain(sure.replace("_", " "))]
    parts += [line(("because  ", "dim"), words) for words in decision.because]
    rivals = [f"{each.l2_offset:#x}" for each in decision.alternatives[:LISTED]]
    if rivals:
        more = f" and {len(decision.alternatives) - LISTED:,} more" if len(decision.alternatives) > LISTED else ""
        parts.append(line(("rivals   ", "dim"), f"tables at {', '.join(rivals)}{more}"))
    if step.count:
        parts += [Text(), plain(f"{'host offset':>16}  {'guest offset':>16}  {'length':>10}", "dim")]
    for host, guest in step.tables[:LISTED]:
        parts.append(plain(f"{host.offset:#16x}  {guest.offset:#16x}  {size(guest.length):>10}"))
    if step.count > LISTED:
        parts.append(plain(f"and {step.count - LISTED:,} more", "dim"))
    return lines(parts)


def about_recovery(recovered: Recovered, plan: Plan) -> Text:
    """What is damaged, and what else has to be said."""
    recovery = recovered.recovery
    parts = [line((recovered.name, "bold"), f"  {recovery.word}")]
    parts += [line("▲ ", words) for words in recovery.damage] + [line("· ", words) for words in recovery.notes]
    if plan.segments:
        count = len(plan.segments) + plan.segments_not_listed
        parts.append(line("· ", f"L2 tables that could not be placed: {count:,}"))
    return lines(parts)


def sums_of(summary: Summary, colours: Mapping[str, str], width: int) -> Table:
    """Guest bytes by how sure they are; with a unit where the figures in full do not fit into so many columns."""
    words = size if _width(summary, _in_full) > width else _in_full
    table = Table.grid(padding=(0, GAP if words is _in_full else 1))
    for _ in range(4):
        table.add_column(justify="right", no_wrap=True)
    table.add_row(*(plain(word, "dim") for word in ("", "data", "zero", "not read")))
    for certainty in Certainty:
        colour = f"bold {colours.get(COLOURS[certainty], '')}".strip()
        row = summary.row(certainty.value)
        table.add_row(plain(certainty.value, colour), *(plain(words(each)) for each in row))
    return table


def _in_full(number: int) -> str:
    return f"{number:,}"


def _width(summary: Summary, words: Callable[[int], str]) -> int:
    """Columns of the table with the figures in these words."""
    rows = [summary.row(certainty.value) for certainty in Certainty]
    figures = [max(len(words(row[at])) for row in rows) for at in range(2)]
    last = max(len("not read"), *(len(words(row[2])) for row in rows))
    return max(len(certainty.value) for certainty in Certainty) + sum(figures) + last + 3 * GAP


def sentences_of(summary: Summary) -> Text:
    """What has to be said of the sums."""
    said: Sequence[str] = [*summary.sentences, *([summary.sentence] if summary.inferred else [])]
    return lines([plain(words, "dim") for words in said])


def refusable(plan: Plan, names: Collection[str]) -> set[str]:
    """Those of these steps that a plan can be without."""
    return {name for name in names if name != plan.geometry.decision}
