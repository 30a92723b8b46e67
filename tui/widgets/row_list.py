"""A list of rows in columns, however many there are: only those in sight are asked for and drawn."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import ClassVar

from msgspec import Struct
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

HEAD = 1
"""Lines above the rows."""

GAP = 2
FEWEST_COLUMNS = 16
"""Columns that words take at least, whatever is cut off of them."""


class Column(Struct, frozen=True):
    """A column with its title; one of width 0 takes what is left. Lists narrower than `from_width` lack it."""

    title: str
    width: int = 0
    right: bool = False
    from_width: int = 0


Cells = Callable[[int], Sequence[Text]]
"""The cells of a row by its number, one for each column."""


class RowList(ScrollView, can_focus=True):
    """Attribute: `cursor`, the number of a row. Posts `Highlighted` when it moves, `Chosen` for Enter and double click.

    `empty` is what stands there where there are no rows.
    """

    DEFAULT_CSS = "RowList { overflow-x: hidden; }"
    COMPONENT_CLASSES: ClassVar[set[str]] = {"rows--head", "rows--cursor", "rows--quiet"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup,ctrl+u", "pages(-1)", show=False),
        Binding("pagedown,ctrl+d", "pages(1)", show=False),
        Binding("home", "edge(False)", show=False),
        Binding("end,G", "edge(True)", show=False),
        Binding("enter", "choose", show=False),
    ]

    cursor: reactive[int] = reactive(0, init=False, repaint=False)

    class Highlighted(Message):
        """Another row is under the cursor."""

        def __init__(self, list_: RowList, number: int) -> None:
            super().__init__()
            self.list = list_
            self.number = number

    class Chosen(Message):
        """Enter or a double click on a row."""

        def __init__(self, list_: RowList, number: int) -> None:
            super().__init__()
            self.list = list_
            self.number = number

    def __init__(self, *, id: str | None = None, empty: str = "") -> None:
        super().__init__(id=id)
        self.count = 0
        self._empty = empty
        self._columns: Sequence[Column] = ()
        self._cells: Cells = lambda _: ()

    def show(self, columns: Sequence[Column], count: int, cells: Cells, cursor: int = 0, empty: str = "") -> None:
        """List these rows from now on, with the cursor at one of them."""
        self._columns, self.count, self._cells, self._empty = columns, count, cells, empty
        self.virtual_size = Size(self.size.width, count + HEAD)
        self.set_reactive(RowList.cursor, max(0, min(cursor, count - 1)))
        self._scroll_to_cursor()
        self.refresh()

    def grow(self, count: int) -> None:
        """There are more rows now; those that were there are the same."""
        in_sight = self.count - int(self.scroll_offset.y) < self._height
        self.count = count
        self.virtual_size = Size(self.size.width, count + HEAD)
        if in_sight:
            self.refresh()

    def redraw(self, number: int) -> None:
        """One row looks otherwise now."""
        self._refresh_rows(number)

    def on_resize(self) -> None:
        """Other columns fit."""
        self.virtual_size = Size(self.size.width, self.count + HEAD)
        self._scroll_to_cursor()

    def render_line(self, y: int) -> Strip:
        """The titles, or one of the rows."""
        width = self.scrollable_content_region.width
        base = self.rich_style
        if y < HEAD:
            return self._drawn([Text(column.title) for column in self._columns], base + self._style("head"), width)
        number = int(self.scroll_offset.y) + y - HEAD
        if number >= self.count:
            words = self._line_of_empty(y - HEAD, width) if not self.count else ""
            return Strip([Segment(words, base + self._style("quiet"))]).adjust_cell_length(width, base)
        here = number == self.cursor
        style = base + self._style("cursor") if here else base
        return self._drawn(self._cells(number), style, width, colours=not (here and self.has_focus))

    def _line_of_empty(self, number: int, width: int) -> str:
        """One of the lines that what stands in an empty list takes."""
        parts = textwrap.wrap(self._empty, max(FEWEST_COLUMNS, width), break_on_hyphens=False)
        return parts[number] if number < len(parts) else ""

    def watch_cursor(self, before: int, after: int) -> None:
        """Only the row of the cursor and the one that it left look otherwise."""
        self._refresh_rows(before, after)
        self._scroll_to_cursor()
        self.post_message(self.Highlighted(self, after))

    def action_move(self, rows: int) -> None:
        """Move by rows."""
        self._move(self.cursor + rows)

    def action_pages(self, pages: int) -> None:
        """Move by windows."""
        self._move(self.cursor + pages * max(1, self._height - 1))

    def action_edge(self, end: bool) -> None:
        """Move to the first or the last row."""
        self._move(self.count - 1 if end else 0)

    def action_choose(self) -> None:
        """Take the row under the cursor."""
        if self.count:
            self.post_message(self.Chosen(self, self.cursor))

    def on_click(self, event: events.Click) -> None:
        """Put the cursor there; a double click chooses."""
        place = event.get_content_offset(self)
        number = int(self.scroll_offset.y) + place.y - HEAD if place and place.y >= HEAD else self.count
        if number < self.count:
            self._move(number)
            if event.chain == 2:
                self.action_choose()

    @property
    def _height(self) -> int:
        return max(1, self.size.height - HEAD)

    def _move(self, number: int) -> None:
        if self.count:
            self.cursor = max(0, min(number, self.count - 1))

    def _scroll_to_cursor(self) -> None:
        top = int(self.scroll_offset.y)
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, force=True)
        elif self.cursor >= top + self._height:
            self.scroll_to(y=self.cursor - self._height + 1, animate=False, force=True)

    def _refresh_rows(self, *numbers: int) -> None:
        top = int(self.scroll_offset.y)
        lines = [number - top + HEAD for number in numbers if top <= number < top + self._height]
        if lines:
            self.refresh(*(Region(0, line, self.size.width, 1) for line in lines))

    def width_of(self, number: int) -> int:
        """The columns of characters that a column of the list has now."""
        width = self.scrollable_content_region.width
        return self._columns[number].width or self._rest(width)

    def _rest(self, width: int) -> int:
        """What is left for the column without a width of its own."""
        return max(4, width - sum(each.width + GAP for each in self._columns if each.from_width <= width) + GAP)

    def _drawn(self, cells: Sequence[Text], style: Style, width: int, colours: bool = True) -> Strip:
        """The cells of a line, each cut to its column; without `colours` of their own where those may not be read."""
        kept = [number for number, column in enumerate(self._columns) if column.from_width <= width]
        rest = self._rest(width)
        segments: list[Segment] = []
        for number in kept:
            column = self._columns[number]
            room = column.width or rest
            cell = Text(end="")
            if number < len(cells):
                cell.append_text(cells[number])  # not a copy: what has one style for all of it is drawn without it
            cell.truncate(room, overflow="ellipsis")
            blanks = Segment(" " * (room - cell.cell_len), style)
            drawn = [
                Segment(text, style + (part if colours else part.without_color) if part else style)
                for text, part, _ in cell.render(self.app.console)
            ]
            segments += [blanks, *drawn] if column.right else [*drawn, blanks]
            segments.append(Segment(" " * GAP, style))
        return Strip(segments[:-1]).simplify().adjust_cell_length(width, style)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"rows--{name}", partial=True)
