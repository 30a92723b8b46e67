"""Screen 4: what the rules found, why it matters, and where; Enter goes to the bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widget import Widget
from textual.widgets import DataTable, Input, OptionList, Static
from textual.widgets.option_list import Option

from forensic import CheckStatus, Finding, Problem, Range, rule_of
from tui.commands import FINDINGS, bindings
from tui.desk import Desk
from tui.finding_list import FILTER_HINT, ORDER_NAMES, BadFilter, in_order, matching
from tui.screens.base import ImageScreen
from tui.screens.overview import MARKS
from tui.text import line, lines, plain


class FindingsScreen(ImageScreen):
    """The list, its filter, and the explanation of what is highlighted."""

    NAME = "findings"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(FINDINGS), Binding("escape", "close_filter", show=False)]
    AUTO_FOCUS = "#list"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._order, self._reverse, self._filter = "severity", False, ""
        self._listed: list[Finding] = []

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
        super().on_mount()
        self.query_one("#filter").display = False
        table = self._table
        for name, width in (("severity", 10), ("n", 7), ("code", 34), ("what was observed", None)):
            table.add_column(name, width=width, key=name)
        self._fill()

    def on_learned(self, what: str) -> None:
        """The check is done."""
        if what == "judgement":
            self._fill()

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """Explain another finding."""
        self._explain(event.cursor_row)

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
        """Turn the order round."""
        self._reverse = not self._reverse
        self._fill()

    @property
    def _table(self) -> DataTable[Text]:
        return self.query_one("#list", DataTable)

    def _fill(self) -> None:
        judgement, table = self.desk.judgement, self._table
        table.clear()
        if judgement is None:
            table.border_title = "findings · the check is running"
            return
        try:
            self._listed = in_order(matching(list(judgement.findings), self._filter), self._order, self._reverse)
        except BadFilter as error:
            table.border_title = str(error)
            return
        for finding in self._listed:
            colour = self.app.theme_variables.get(f"severity-{finding.severity.value}", "")
            table.add_row(
                plain(f"{MARKS[finding.severity]} {finding.severity.value}", f"bold {colour}".strip()),
                plain(f"{finding.count:,}"),
                plain(finding.rule),
                plain(finding.observation),
            )
        arrow = "↑" if self._reverse else "↓"
        table.border_title = f"findings · {len(self._listed)} of {len(judgement.findings)} · by {self._order} {arrow}"
        table.border_subtitle = _gaps(Counter(check.status for check in judgement.checks))
        self._explain(0)

    def _explain(self, row: int) -> None:
        detail, places = self.query_one("#detail", Static), self.query_one("#places", OptionList)
        places.clear_options()
        if not 0 <= row < len(self._listed):
            words = "nothing was found" if self.desk.judgement and not self._filter else ""
            detail.update(plain(words, "dim"))
            return
        finding = self._listed[row]
        detail.update(_explanation(finding, self.app.theme_variables.get(f"severity-{finding.severity.value}", "")))
        places.add_options([Option(_place(problem)) for problem in finding.problems])
        self.query_one("#detail-pane").scroll_home(animate=False)

    def _go(self, row: int, number: int) -> None:
        problems = self._listed[row].problems if 0 <= row < len(self._listed) else ()
        ranges = problems[number].ranges if number < len(problems) else ()
        if not ranges:
            self.notify("this finding has no place in the file", markup=False)
            return
        self.app.switch_mode("structure")
        self.call_after_refresh(self.desk.go, ranges[0])


def _explanation(finding: Finding, colour: str) -> Text:
    parts = [line((finding.title, f"bold {colour}".strip())), Text()]
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
    where = ", ".join(_range(each) for each in problem.ranges[:2]) or "no place"
    return line((f"{where}  ", "bold"), problem.path or problem.observation)


def _range(place: Range) -> str:
    return f"{place.space.value} {place.offset:#x} +{place.length:#x}"


def _gaps(statuses: Counter[CheckStatus]) -> str:
    return " · ".join(f"{count} {status.value.replace('_', ' ')}" for status, count in statuses.items())
