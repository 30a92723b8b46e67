"""A grid of cells over one address space; what a cell looks like is decided by the code that fills it.

Where there are colours, a cell is a square of them: half a character high, so that no part of the pane is lost to
gaps. Without colours it is a glyph.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.color import Color
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

GLYPH_WIDTH = 2
"""Columns of a cell that is a glyph."""

HALVES = 2
"""Squares that stand above one another in a character."""


class ClusterMap(Widget, can_focus=True):
    """Attributes: `cursor` (an offset), `cells`. Posts `Moved`, `Wheeled`, and `Resized` when another number fits."""

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

    class Wheeled(Message):
        """The wheel was turned: towards more (1) or fewer details (-1)."""

        def __init__(self, step: int) -> None:
            super().__init__()
            self.step = step

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
        self._pairs: dict[tuple[Color | None, Color | None], Style] = {}

    @property
    def solid(self) -> bool:
        """Whether cells are squares of colour."""
        return not self.app.no_color

    @property
    def capacity(self) -> int:
        """Cells that fit, at their smallest."""
        width, height = max(1, self.size.width), max(1, self.size.height)
        return width * height * HALVES if self.solid else max(1, width // GLYPH_WIDTH) * height

    @property
    def cell_size(self) -> tuple[int, int]:
        """Columns and half rows of a cell: squares as large as they can be for all to fit."""
        if not self.solid:
            return GLYPH_WIDTH, HALVES
        width, halves, cells = max(1, self.size.width), max(1, self.size.height * HALVES), self.grid.cells
        sides = range(min(width, halves), 1, -1)
        side = next((side for side in sides if (width // side) * (halves // side) >= cells), 1)
        return side, side

    @property
    def columns(self) -> int:
        """Cells in a row."""
        return max(1, self.size.width // self.cell_size[0])

    def show(self, grid: Grid, space_size: int, cells: Sequence[Cell]) -> None:
        """Draw these cells, one for each of the grid."""
        self.grid, self.space_size, self.cells = grid, space_size, cells
        self.refresh()

    def column_of(self, offset: int) -> int:
        """The column in which the middle of an offset's cell is drawn."""
        width = self.cell_size[0]
        return self.grid.cell_of(offset) % self.columns * width + width // 2

    def render_line(self, y: int) -> Strip:
        """One row; neighbours that look alike are one segment."""
        segments = self._squares(y) if self.solid else self._glyphs(y)
        return Strip(segments).simplify().adjust_cell_length(self.size.width, self.rich_style)

    def _squares(self, y: int) -> list[Segment]:
        """Upper and lower halves of characters, each in the colour of its cell."""
        width, height = self.cell_size
        columns = self.columns
        upper, lower = (self._row_of_colours((y * HALVES + half) // height, columns) for half in range(HALVES))
        segments = []
        for above, below in zip(upper, lower, strict=True):
            text = "█" if above == below else "▀"
            segments.append(Segment(text * width, self._pair(above, below)))
        return segments

    def _row_of_colours(self, row: int, columns: int) -> list[Color | None]:
        base, here = self.rich_style.bgcolor, self.grid.cell_of(self.cursor)
        colours: list[Color | None] = []
        for number in range(row * columns, (row + 1) * columns):
            if number >= self.grid.cells or self.grid.offset_of(number) >= self.space_size:
                colours.append(base)
            elif number == here:
                colours.append(self._style("cursor").bgcolor)
            else:
                cell = self.cells[number] if number < len(self.cells) else EMPTY
                colours.append(base if cell == EMPTY else self._style(cell.kind).color)
        return colours

    def _glyphs(self, y: int) -> list[Segment]:
        first, here = y * self.columns, self.grid.cell_of(self.cursor)
        segments: list[Segment] = []
        for number in range(first, min(first + self.columns, self.grid.cells)):
            if self.grid.offset_of(number) >= self.space_size:
                break
            cell = self.cells[number] if number < len(self.cells) else EMPTY
            style = self._style(cell.kind)
            if number == here:
                drawn = "▐▌" if self.has_focus or not self.can_focus else cell.glyph + " "
                segments.append(Segment(drawn, style + self._style("cursor")))
            else:
                segments.append(Segment(cell.glyph + " ", style))
        return segments

    def watch_cursor(self, before: int, after: int) -> None:
        """Another cell is marked; only its row and that of the one before look otherwise."""
        cells = {self.grid.cell_of(before), self.grid.cell_of(after)}
        if len(cells) == 1:
            return
        height, columns = self.cell_size[1], self.columns
        rows = [cell // columns for cell in cells if 0 <= cell < self.grid.cells]
        lines = {half // HALVES for row in rows for half in range(row * height, (row + 1) * height)}
        if lines:
            self.refresh(*(Region(0, line, self.size.width, 1) for line in lines))

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

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Fewer details."""
        event.stop()
        self.post_message(self.Wheeled(-1))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """More details."""
        event.stop()
        self.post_message(self.Wheeled(1))

    def on_click(self, event: events.Click) -> None:
        """Put the cursor there; a double click opens."""
        self.focus()
        place = event.get_content_offset(self)
        width, height = self.cell_size
        if place is None or place.x // width >= self.columns:
            return
        cell = place.y * HALVES // height * self.columns + place.x // width
        offset = self.grid.offset_of(cell)
        if 0 <= offset < self.space_size and cell < self.grid.cells:
            message = self.Opened if event.chain == 2 else self.Moved
            self.cursor = offset
            self.post_message(message(self, offset))

    def _move(self, offset: int) -> None:
        offset = max(0, min(offset, self.space_size - 1))
        self.cursor = offset
        self.post_message(self.Moved(self, offset))

    def _pair(self, above: Color | None, below: Color | None) -> Style:
        """The style of two halves; a map has few of them, and thousands of characters."""
        style = self._pairs.get((above, below))
        if style is None:
            style = self._pairs[above, below] = Style(color=above, bgcolor=below)
        return style

    def _style(self, kind: str) -> Style:
        if kind not in self._styles:
            self._styles[kind] = self.get_component_rich_style(f"map--{kind}")
        return self._styles[kind]


class Minimap(ClusterMap, can_focus=False):
    """One column of cells over the whole of a space, to see where one is and to click on."""

    @property
    def capacity(self) -> int:
        """A cell for each half row."""
        return max(1, self.size.height) * (HALVES if self.solid else 1)

    @property
    def cell_size(self) -> tuple[int, int]:
        """As wide as there is room, and as low as can be."""
        return max(1, self.size.width), 1 if self.solid else HALVES

    def focus(self, scroll_visible: bool = True) -> Minimap:
        """Keys stay with the bytes."""
        return self
