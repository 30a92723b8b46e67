"""Screen 4: what the rules found, why it matters, and where; Enter goes to the bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.coordinate import Coordinate
from textual.widget import Widget
from textual.widgets import DataTable, Input, OptionList, Static
from textual.widgets.option_list import Option

from forensic import Finding
from forensic.explore import CheckStatus, Problem, Range, noted_bytes, rule_of
from tui.commands import FINDINGS, bindings
from tui.desk import Desk
from tui.finding_list import FILTER_HINT, ORDER_NAMES, BadFilter, in_order, matching
from tui.looks import MARKS
from tui.screens.base import ImageScreen
from tui.screens.prompts import Prompt
from tui.session.triage import TRIAGE_MARKS, Triage, Triaged
from tui.text import line, lines, plain

OBSERVED = "what was observed"
FEWEST_OBSERVED = 18
"""Columns that what was observed takes at least."""


class FindingsScreen(ImageScreen):
    """The list, its filter, and the explanation of what is highlighted."""

    NAME = "findings"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(FINDINGS), Binding("escape", "close_filter", show=False)]
    AUTO_FOCUS = "#list"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._order, self._reverse, self._filter = "severity", False, ""
        self._listed: list[Finding] = []
        self._explained = ""
        self._widths: dict[str, int] = {}
        self._triage = Triage(
            desk.notes, lambda place: noted_bytes(desk.view_of(place.space).read, place.offset, place.length)
        )
        self._triaged: dict[str, Triaged] = {}

    def body(self) -> Iterable[Widget]:
        """Filter, list, detail beside the places."""
        table: DataTable[Text] = DataTable(id="list", cursor_type="row", zebra_stripes=True)
        detail, places = (
            VerticalScroll(Static("", markup=False, id="detail"), id="detail-pane"),
            OptionList(id="places", markup=False),
        )
        table.border_title, detail.border_title, places.border_title = "findings", "explanation", "places"
        yield Input(placeholder=FILTER_HINT, id="filter")
        yield table
        yield Horizontal(detail, places, id="explained")

    def on_mount(self) -> None:
        """Columns, and what is known already."""
        self.query_one("#filter").display = False
        self._triaged = self._triage.all()
        self._fill()

    def on_resize(self) -> None:
        """Another width for what was observed."""
        self.call_after_refresh(self._fill)

    def on_learned(self, what: str) -> None:
        """The check has found more, or is done."""
        row, here = self._table.cursor_row, self._rule_at(self._table.cursor_row)
        if what in ("theme", "notes"):
            self._explained = ""
            self._triaged = self._triage.all()
            self._list_again(self._listed, here, self._lines_above)
        if what in ("findings", "theme", "notes"):
            self._fill()
        if what == "notes" and self._listed and here not in [each.rule for each in self._listed]:
            self._table.move_cursor(row=min(row, len(self._listed) - 1))  # the filter takes it out: the next one

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """Explain another finding."""
        self._explain()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Go to the first place of the finding."""
        self._go(event.cursor_row, 0)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Go to one of its places."""
        self._go(self._table.cursor_row, event.option_index)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show what fits."""
        self._filter = event.value
        self._fill()

    def on_input_submitted(self) -> None:
        """Back to the list."""
        self._table.focus()

    def action_filter(self) -> None:
        """Type a filter."""
        line_of_filter = self.query_one("#filter", Input)
        line_of_filter.display = True
        line_of_filter.focus()

    def action_close_filter(self) -> None:
        """Show everything again."""
        line_of_filter = self.query_one("#filter", Input)
        line_of_filter.value = ""
        line_of_filter.display = False
        self._table.focus()

    def action_sort(self) -> None:
        """By the next order."""
        self._order = ORDER_NAMES[(ORDER_NAMES.index(self._order) + 1) % len(ORDER_NAMES)]
        self._fill()

    def action_reverse(self) -> None:
        """Reverse the order."""
        self._reverse = not self._reverse
        self._fill()

    def action_triage(self) -> None:
        """Judge the finding that is highlighted: the next state."""
        finding = self._highlighted
        if finding:
            self._judge(lambda: self._triage.step(finding))

    def action_reason(self) -> None:
        """Say why it is explained or rejected."""
        finding = self._highlighted
        if finding is None:
            return
        now = self._triage.of(finding)
        name = "Rejected" if now.state == "rejected" else "Explained"
        prompt = Prompt(f"{name}: {finding.rule}", "why; goes into the report, as the notes do", now.reason)
        self.app.push_screen(
            prompt, lambda reason: self._judge(lambda: self._triage.explain(finding, reason)) if reason else None
        )

    def _judge(self, change: Callable[[], str]) -> None:
        try:
            self.desk.log.add(change())
        except OSError as error:
            self.notify(plain(f"the triage was not saved: {error}").plain, severity="error", markup=False)
        self.desk.learn("notes")

    @property
    def _highlighted(self) -> Finding | None:
        row = self._table.cursor_row
        return self._listed[row] if 0 <= row < len(self._listed) else None

    @property
    def _table(self) -> DataTable[Text]:
        return self.query_one("#list", DataTable)

    def _fill(self) -> None:
        """List what there is now; the line that was highlighted stays so, wherever it stands now."""
        table, here, above = self._table, self._rule_at(self._table.cursor_row), self._lines_above
        try:
            fitting = matching(list(self.desk.findings), self._filter, self._triaged)
            listed = in_order(fitting, self._order, self._reverse)
        except BadFilter as error:
            table.border_title = str(error)
            return
        if self._lay_out() or [each.rule for each in listed] != [each.rule for each in self._listed]:
            self._list_again(listed, here, above)
        else:
            self._update(listed)
        arrow = "↑" if self._reverse else "↓"
        shown = f"findings · {len(listed)} of {len(self.desk.findings)} · by {self._order} {arrow}"
        triaged = sum(each.rule in self._triaged for each in self.desk.findings)
        shown += f" · {triaged} triaged" if triaged else ""
        judgement = self.desk.judgement
        table.border_title = shown if judgement else f"{shown} · the check is running"
        table.border_subtitle = _gaps(Counter(check.status for check in judgement.checks)) if judgement else ""
        self._explain()

    def _lay_out(self) -> bool:
        """Give each column its width, what was observed all that is left; whether that changed anything."""
        longest = max((len(finding.rule) for finding in self.desk.findings), default=0)
        table, widths = self._table, {"severity": 10, "n": 7, "code": max(20, min(longest, 34)), "": 1}
        used = sum(widths.values()) + 2 * table.cell_padding * (len(widths) + 1)
        room = max(FEWEST_OBSERVED, table.scrollable_content_region.width - used)
        wanted = widths | {OBSERVED: room}
        if wanted == self._widths:
            return False
        self._widths = wanted
        table.clear(columns=True)
        for name, width in wanted.items():
            table.add_column(name, width=width, key=name)
        return True

    def _update(self, listed: list[Finding]) -> None:
        """The same lines, of which some say more."""
        for number, (before, finding) in enumerate(zip(self._listed, listed, strict=True)):
            if before.count != finding.count:
                for column, cell in enumerate(self._cells(finding)):
                    self._table.update_cell_at(Coordinate(number, column), cell)
        self._listed = listed

    @property
    def _lines_above(self) -> float:
        """Lines between the top of the list and its cursor."""
        return self._table.cursor_row - self._table.scroll_y

    def _list_again(self, listed: list[Finding], here: str, above: float) -> None:
        table = self._table
        table.clear()
        self._listed = listed
        for finding in listed:
            table.add_row(*self._cells(finding))
        row = next((number for number, finding in enumerate(listed) if finding.rule == here), 0)
        table.move_cursor(row=row, scroll=not here)
        self.call_after_refresh(table.scroll_to, y=max(0, row - above), animate=False)

    def _cells(self, finding: Finding) -> tuple[Text, ...]:
        observed = plain(finding.observation)
        observed.truncate(self._widths[OBSERVED], overflow="ellipsis")  # the explanation below has all of it
        return (
            plain(f"{MARKS[finding.severity]} {finding.severity.value}", self._colour(finding)),
            plain(f"{finding.count:,}"),
            plain(finding.rule),
            plain(TRIAGE_MARKS[self._triaged[finding.rule].state] if finding.rule in self._triaged else " ", "bold"),
            observed,
        )

    def _rule_at(self, row: int) -> str:
        return self._listed[row].rule if 0 <= row < len(self._listed) else ""

    def _colour(self, finding: Finding) -> str:
        return f"bold {self.app.theme_variables.get(f'severity-{finding.severity.value}', '')}".strip()

    def _explain(self) -> None:
        """Explain the finding that is highlighted; while it is the same, nothing scrolls, and new places follow."""
        detail, places = self.query_one("#detail", Static), self.query_one("#places", OptionList)
        row = self._table.cursor_row
        if not 0 <= row < len(self._listed):
            self._explained = ""
            places.clear_options()
            words = "nothing was found" if self.desk.judgement and not self._filter else ""
            detail.update(plain(words, "dim"))
            return
        finding = self._listed[row]
        if finding.rule != self._explained:
            self._explained = finding.rule
            places.clear_options()
            detail.update(_explanation(finding, self._colour(finding), self._triaged.get(finding.rule)))
            self.query_one("#detail-pane").scroll_home(animate=False)
        places.add_options([Option(_place(problem)) for problem in finding.problems[places.option_count :]])
        hidden = finding.count - len(finding.problems)
        places.border_subtitle = f"and {hidden:,} more" if hidden else ""

    def _go(self, row: int, number: int) -> None:
        problems = self._listed[row].problems if 0 <= row < len(self._listed) else ()
        ranges = problems[number].ranges if number < len(problems) else ()
        if not ranges:
            self.notify("this finding has no location in the file", markup=False)
            return
        self.show_bytes(ranges[0])


def _explanation(finding: Finding, colour: str, triaged: Triaged | None) -> Text:
    parts = [line((finding.title, colour))]
    if triaged:
        said = f": {triaged.reason}" if triaged.reason else ""
        parts.append(line((f"{TRIAGE_MARKS[triaged.state]} {triaged.state}", "bold"), said))
    parts.append(Text())
    parts += [line(("observed  ", "bold"), problem.observation) for problem in finding.problems[:1]]
    rule = rule_of(finding.rule)
    for name, words in rule.sections.items() if rule else ():
        parts += [Text(), line((f"{name}  ", "bold"), words)]
    parts += [
        Text(),
        plain(f"{finding.finding_class.value.replace('_', ' ')} · {finding.confidence.value} · {finding.rule}", "dim"),
    ]
    return lines(parts)


def _place(problem: Problem) -> Text:
    where = ", ".join(_range(each) for each in problem.ranges[:2]) or "no location"
    return line((f"{where}  ", "bold"), problem.path or problem.observation)


def _range(place: Range) -> str:
    return f"{place.space.value} {place.offset:#x} +{place.length:#x}"


def _gaps(statuses: Counter[CheckStatus]) -> str:
    return " · ".join(
        f"{statuses[status]} {status.value.replace('_', ' ')}" for status in CheckStatus if statuses[status]
    )
