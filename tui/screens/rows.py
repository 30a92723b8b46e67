"""A pop-up with a list in columns to choose from; gives the number of the row that was chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Label, Static

from tui.text import plain
from tui.widgets.row_list import Cells, Column, RowList


class RowChoice(ModalScreen[int | None]):
    """Title, list, what `described` says of the row under the cursor, and a line that says what Enter does."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape,q", "dismiss", "Close")]

    def __init__(
        self,
        title: str,
        columns: Sequence[Column],
        count: int,
        cells: Cells,
        hint: str,
        described: Callable[[int], Text] | None = None,
    ) -> None:
        super().__init__()
        self._title, self._columns, self._count, self._cells, self._hint = title, columns, count, cells, hint
        self._described = described

    def compose(self) -> ComposeResult:
        """Title, list, description, hint."""
        with Vertical(classes="box page"):
            yield Label(plain(self._title, "bold"), classes="box-title")
            yield RowList()
            yield Static("", markup=False, classes="described")
            yield Static(plain(self._hint), markup=False, classes="hint")

    def on_mount(self) -> None:
        """Fill the list."""
        rows = self.query_one(RowList)
        rows.show(self._columns, self._count, self._cells)
        rows.focus()
        self._describe(0)

    def on_row_list_highlighted(self, event: RowList.Highlighted) -> None:
        """Say more of another row."""
        self._describe(event.number)

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        """Take it."""
        self.dismiss(event.number)

    def _describe(self, number: int) -> None:
        described = self.query_one(".described", Static)
        described.display = self._described is not None
        if self._described and self._count:
            described.update(self._described(number))
