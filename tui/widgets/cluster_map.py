"""A grid of cells over one address space; what a cell looks like is decided by the code that fills it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from forensic.explore import Grid, Space
from tui.looks import EMPTY, MAP_CLASSES, Cell

CELL_WIDTH = 2


class ClusterMap(Widget, can_focus=True):
    """Attributes: `cursor` (an offset), `cells`. Posts `Moved`, and `Resized` when another number of cells fits."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set(MAP_CLASSES)

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "move(-1, 0)", show=False),
        Binding("right,l", "move(1, 0)", show=False),
        Binding("up,k", "move(0, -1)", show=False),
        Binding("down,j", "move(0, 1)", show=False),
        Binding("home", "edge(False)", show=False),
        Binding("end,G", "edge(True)", show=False),
    ]

    cursor: reactive[int] = reactive(0, init=False, repaint=False)

    class Moved(Message):
        """The cursor was moved by hand."""

        def __init__(self, map_: ClusterMap, offset: int) -> None:
            super().__init__()
            self.map = map_
            self.offset = offset

    class Opened(Moved):
        """A double click on a cell."""

    class Resized(Message):
        """So many cells fit now."""

        def __init__(self, map_: ClusterMap) -> None:
            super().__init__()
            self.map = map_

    def __init__(self, space: Space, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.space = space
        self.grid = Grid(0, 1, 1)
        self.space_size = 1
        self.cells: Sequence[Cell] = ()
        self._styles: dict[str, Style] = {}

    @property
    def columns(self) -> int:
        """Cells in a row."""
        return max(1, self.size.width // CELL_WIDTH)

    @property
    def capacity(self) -> int:
        """Cells that fit."""
        return self.columns * max(1, self.size.height)

    def show(self, grid: Grid, space_size: int, cells: Sequence[Cell]) -> None:
        """Draw these cells, one for each of the grid."""
        self.grid, self.space_size, self.cells = grid, space_size, cells
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One row of cells; neighbours that look alike are one segment."""
        first = y * self.columns
        here = self.grid.cell_of(self.cursor)
        segments: list[Segment] = []
        for number in range(first, min(first + self.columns, self.grid.cells)):
            if self.grid.offset_of(number) >= self.space_size:
                break
            cell = self.cells[number] if number < len(self.cells) else EMPTY
            style = self._style(cell.kind)
            if number == here:
                style = style + self._style("cursor")
                drawn = self.has_focus or not self.can_focus
                segments.append(Segment("▐" if drawn else cell.glyph, style))
                segments.append(Segment("▌" if drawn else " ", style))
            else:
                segments.append(Segment(cell.glyph + " ", style))
        return Strip(segments).simplify().adjust_cell_length(self.size.width, self.rich_style)

    def watch_cursor(self, before: int, after: int) -> None:
        """Another cell is marked; only its row and that of the one before look otherwise."""
        cells = {self.grid.cell_of(before), self.grid.cell_of(after)}
        rows = {cell // self.columns for cell in cells if 0 <= cell < self.grid.cells} if len(cells) > 1 else set()
        if rows:
            self.refresh(*(Region(0, row, self.size.width, 1) for row in rows))

    def on_resize(self) -> None:
        """Another number of cells fits."""
        self.post_message(self.Resized(self))

    def notify_style_update(self) -> None:
        """Another theme."""
        super().notify_style_update()
        self._styles.clear()

    def action_move(self, columns: int, rows: int) -> None:
        """Move by cells; past the edge of the grid the screen shows what lies there."""
        step = columns + rows * self.columns
        cell = self.grid.cell_of(self.cursor) + step
        self._move(self.grid.offset_of(cell))

    def action_edge(self, end: bool) -> None:
        """Move to the first or the last cell of the space."""
        self._move(self.space_size - 1 if end else 0)

    def on_click(self, event: events.Click) -> None:
        """Put the cursor there; a double click opens."""
        self.focus()
        place = event.get_content_offset(self)
        if place is None or place.x // CELL_WIDTH >= self.columns:
            return
        cell = place.y * self.columns + place.x // CELL_WIDTH
        offset = self.grid.offset_of(cell)
        if 0 <= offset < self.space_size and cell < self.grid.cells:
            message = self.Opened if event.chain == 2 else self.Moved
            self.cursor = offset
            self.post_message(message(self, offset))

    def _move(self, offset: int) -> None:
        offset = max(0, min(offset, self.space_size - 1))
        self.cursor = offset
        self.post_message(self.Moved(self, offset))

    def _style(self, kind: str) -> Style:
        if kind not in self._styles:
            self._styles[kind] = self.get_component_rich_style(f"map--{kind}")
        return self._styles[kind]


class Minimap(ClusterMap, can_focus=False):
    """One column of cells over the whole of a space, to see where one is and to click on."""

    def focus(self, scroll_visible: bool = True) -> Minimap:
        """Keys stay with the bytes."""
        return self
