"""The window of a hex dump: which rows are in it and how they are drawn; `HexView` moves it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from textual.geometry import Region, Size
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from forensic.explore import Places, Range, View
from tui.searching import Hits
from tui.widgets.hex_layout import WIDTHS, HexLayout, fitting
from tui.widgets.hex_paint import CHARACTERS, STYLES, FieldsBetween, Painter, Painting
from tui.widgets.squeeze import Line, OpenRows, Squeezer

HINTS = {
    "key_not_supplied": ": S enters the key",
    "backing_not_supplied": ": S supplies the backing file",
    "data_file_not_supplied": ": S supplies the data file",
}
"""What can be done about bytes that cannot be read."""


class HexWindow(ScrollView):
    """Attributes: `cursor`, `field` (what the inspector speaks of), `selection`; `mark` colours findings.

    Rows are read when they are drawn. Rows that repeat the one above are squeezed into one line.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"hex--{name}" for name in STYLES if name != "base"}

    cursor: reactive[int] = reactive(0, init=False, repaint=False)
    field: reactive[Range | None] = reactive(None, init=False, repaint=False)
    selection: reactive[Range | None] = reactive(None, init=False, repaint=False)

    def __init__(
        self,
        view: View,
        cluster_size: int,
        fields_between: FieldsBetween | None = None,
        *,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self.view = view
        self.squeezes = True
        self._painting = Painting(fields_between=fields_between, cluster_size=cluster_size)
        self.marks: Places | None = None
        self._marked_rows: Sequence[int] = ()
        self._hits = Hits()
        self._most, self._decimal = WIDTHS[0], False
        self._layout = HexLayout(16, 8)
        self._painter: Painter | None = None
        self._squeezer = Squeezer(view, 16)
        self._seen: tuple[tuple[int, ...], list[Line]] = ((), [])
        self._painted: dict[int, Line] = {}

    def mark(self, places: Places) -> None:
        """Colour the bytes of findings; their rows are never hidden."""
        if self.marks is None or len(self.marks) != len(places):
            self.marks = places
            self._find_marked_rows()
            self.refresh()

    def light(self, places: Sequence[Range]) -> None:
        """Colour what a search found, in the order of the space; its rows are never hidden."""
        self._hits = Hits([each for each in places if each.space == self.view.space])
        self._find_marked_rows()
        self._seen = ((), [])
        self.refresh()

    def annotate(self, notes: Sequence[tuple[Range, str]]) -> None:
        """Colour the bytes of notes, each in the style of its label (one of `STYLES`)."""
        before = self._painting.notes
        self._painting.notes = [note for note in notes if note[0].space == self.view.space]
        self._repaint(*(place for place, _ in (*before, *self._painting.notes)))

    def look_at(self, view: View) -> None:
        """The same space read in another way."""
        self.view = view
        self._fit()
        self.show_cursor()

    def on_mount(self) -> None:
        """Lay out for the width there is."""
        self._fit()

    def on_resize(self) -> None:
        """More or fewer bytes in a row."""
        self._fit()
        self.show_cursor()

    def notify_style_update(self) -> None:
        """Another theme."""
        super().notify_style_update()
        self._painter = None

    def watch_cursor(self, before: int, after: int) -> None:
        """Keep the cursor in sight; only its row and the one that it left look otherwise."""
        self.show_cursor()
        self._repaint(*(Range(self.view.space, offset, 1) for offset in (before, after)))

    def watch_field(self, before: Range | None, after: Range | None) -> None:
        """Another field is highlighted."""
        self._repaint(before, after)

    def watch_selection(self, before: Range | None, after: Range | None) -> None:
        """Another range is highlighted; where two overlap, what they have in common looks as it did."""
        if before and after and before.space == after.space == self.view.space:
            begins, ends = sorted((before.offset, after.offset)), sorted((_end(before), _end(after)))
            self._repaint(
                *(
                    Range(self.view.space, first, last - first + 1)
                    for first, last in (begins, (ends[0] - 1, ends[1] - 1))
                )
            )
        else:
            self._repaint(before, after)

    def _repaint(self, *places: Range | None) -> None:
        """Draw the lines again in which one of these lies, and those that are another line now."""
        width = self._layout.bytes_per_row
        rows = [
            (place.offset // width, (_end(place) - 1) // width)
            for place in places
            if place and place.space == self.view.space
        ]
        lines = self._lines()
        changed = [
            Region(0, y, self.size.width, 1)
            for y, line in enumerate(lines)
            if self._painted.get(y) != line or any(first <= line.row <= last for first, last in rows)
        ]
        if changed:
            self.refresh(*changed)
        if len(lines) < self.size.height and len(lines) < len(self._painted):
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """One line of the window."""
        lines = self._lines()
        if y >= len(lines):
            self._painted.pop(y, None)
            return Strip.blank(self.size.width, self.rich_style)
        self._painted[y] = lines[y]
        if self._painter is None:
            styles = {name: self.get_component_rich_style(f"hex--{name}") for name in STYLES if name != "base"}
            self._painter = Painter(styles | {"base": self.rich_style}, self._layout)
        drawn = Strip(self._drawn(self._painter, lines[y])).simplify()
        return drawn.adjust_cell_length(self.size.width, self.rich_style)

    def show_cursor(self) -> None:
        """Scroll so that the cursor's row is in the window; far jumps put it a third down."""
        row, top = self._cursor_row, int(self.scroll_offset.y)
        target = max(0, row - max(1, self.size.height) // 3)
        if row < top:
            if row == self._squeezer.above(top, self._open_rows):
                target = row
        elif not self._is_beyond(row):
            lines = self._lines()
            if not lines or any(line.row == row and not line.hidden for line in lines):
                return
            if row == lines[-1].row + max(1, lines[-1].hidden):
                target = self._squeezer.below(top, 1, self._open_rows)
        self.scroll_to(y=target, animate=False, force=True)

    def _is_beyond(self, row: int) -> bool:
        """Whether a row lies further down than the window and the line below it, by the lines that are drawn now."""
        state, lines = self._seen
        here = self._state_of_lines()
        if not lines or (*state[:2], *state[3:]) != (*here[:2], *here[3:]):
            return False
        return row > lines[-1].row + max(1, lines[-1].hidden)

    def action_squeeze(self) -> None:
        """Draw rows that repeat the one above as one line, or draw them all."""
        self.squeezes = not self.squeezes
        self._fit()
        self.show_cursor()

    def action_offsets(self) -> None:
        """Show offsets in hexadecimal or in decimal."""
        self._decimal = not self._decimal
        self._fit()

    def action_width(self) -> None:
        """Fewer bytes in a row; after the fewest again as many as fit."""
        now = WIDTHS.index(self._layout.bytes_per_row)
        self._most = WIDTHS[now + 1] if now + 1 < len(WIDTHS) else WIDTHS[0]
        self._fit()
        self.show_cursor()

    def action_characters(self) -> None:
        """The next table of characters."""
        tables = list(CHARACTERS)
        now = next(number for number, name in enumerate(tables) if CHARACTERS[name] == self._painting.characters)
        self._painting.characters = CHARACTERS[tables[(now + 1) % len(tables)]]
        self.border_subtitle = tables[(now + 1) % len(tables)]
        self.refresh()

    def _rows_from(self, row: int, steps: int) -> int:
        """The row that is drawn so many lines below one, or above it."""
        if steps > 0:
            return self._squeezer.below(row, steps, self._open_rows)
        for _ in range(-steps):
            row = self._squeezer.above(row, self._open_rows)
        return row

    @property
    def _cursor_row(self) -> int:
        return self.cursor // self._layout.bytes_per_row

    @property
    def _open_rows(self) -> OpenRows:
        return OpenRows(self._marked_rows, self._cursor_row)

    def _drawn(self, painter: Painter, line: Line) -> list[Segment]:
        if line.hidden:
            return painter.squeezed(line)
        painting = self._painting
        painting.cursor, painting.field = self.cursor, self.field
        chosen = self.selection
        painting.selection = chosen if chosen and chosen.space == self.view.space else None
        offset = line.row * self._layout.bytes_per_row
        length = min(self._layout.bytes_per_row, self.view.size - offset)
        painting.marks = self.marks.overlapping(offset, offset + length) if self.marks else ()
        painting.hits = self._hits.overlapping(offset, offset + length)
        data = self.view.read(offset, length)
        if isinstance(data, str) or len(data) < length:
            reason = data if isinstance(data, str) else "the file is shorter than when it was opened"
            return painter.unread(painting, offset, length, reason + HINTS.get(reason, ""))
        return painter.row(painting, offset, data)

    def _lines(self) -> list[Line]:
        """The lines in the window; found once for each place of it."""
        state = self._state_of_lines()
        if self._seen[0] != state:
            self._seen = (state, self._squeezer.lines(state[0], state[1], self._open_rows))
        return self._seen[1]

    def _state_of_lines(self) -> tuple[int, ...]:
        """What the lines depend on: place and height of the window, the row of the cursor, the rows that are open."""
        top, width = int(self.scroll_offset.y), self._layout.bytes_per_row
        return (top, self.size.height, self._cursor_row, width, len(self._marked_rows))

    def _find_marked_rows(self) -> None:
        width = self._layout.bytes_per_row
        rows = set((self.marks.begins // width).tolist()) if self.marks else set()
        self._marked_rows = sorted(rows | {offset // width for offset in self._hits.begins})

    def _fit(self) -> None:
        self._layout = fitting(self.size.width, self.view.size, self._most, self._decimal)
        self._squeezer, self._painter = Squeezer(self.view, self._layout.bytes_per_row, self.squeezes), None
        self._find_marked_rows()
        self._seen = ((), [])
        rows = -(-self.view.size // self._layout.bytes_per_row)
        self.virtual_size = Size(self._layout.width, rows)
        self.refresh(Region(0, 0, *self.size))


def _end(place: Range) -> int:
    return place.offset + place.length
