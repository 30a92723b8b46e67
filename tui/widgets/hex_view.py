"""Bytes of one address space as a hex dump of any length, with a cursor, a selection, and what Enter follows."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.actions import SkipAction
from textual.binding import Binding, BindingType
from textual.message import Message

from forensic.explore import Range, View
from tui.commands import HEX, bindings
from tui.widgets.hex_paint import FieldsBetween
from tui.widgets.hex_window import HexWindow

WHEEL = 3
"""Lines that one notch of the wheel moves."""


class HexView(HexWindow, can_focus=True):
    """Moved by keys and mouse.

    Posts `Moved` when the examiner moves the cursor, `Followed` to go where it points, `Anchored` and `GivenUp`.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(HEX),
        Binding("left,h", "step(-1)", show=False),
        Binding("right,l", "step(1)", show=False),
        Binding("up,k", "rows(-1)", show=False),
        Binding("down,j", "rows(1)", show=False),
        Binding("pageup,ctrl+u", "pages(-1)", show=False),
        Binding("pagedown,ctrl+d", "pages(1)", show=False),
        Binding("home", "edge(False)", show=False),
        Binding("end,G", "edge(True)", show=False),
    ]

    class Moved(Message):
        """The cursor was moved by hand."""

        def __init__(self, view: HexView, offset: int) -> None:
            super().__init__()
            self.view = view
            self.offset = offset

    class Followed(Moved):
        """Enter or a double click on a byte."""

    class Turned(Message):
        """Numbers are to be read in the other byte order."""

    class Anchored(Message):
        """A selection begins at this byte and follows the cursor; with None it stays as it is."""

        def __init__(self, view: HexView, offset: int | None) -> None:
            super().__init__()
            self.view = view
            self.offset = offset

    class GivenUp(Message):
        """There is to be no selection any more."""

    def __init__(
        self,
        view: View,
        cluster_size: int,
        fields_between: FieldsBetween | None = None,
        *,
        id: str | None = None,
    ) -> None:
        super().__init__(view, cluster_size, fields_between, id=id)
        self._selecting = False
        self._pressed: int | None = None

    def action_step(self, bytes_: int) -> None:
        """Move by bytes."""
        self._move(self.cursor + bytes_)

    def action_rows(self, rows: int) -> None:
        """Move by rows."""
        row, width = self._cursor_row, self._layout.bytes_per_row
        target = self._rows_from(row, rows)
        self._move(min(target * width + self.cursor % width, self.view.size - 1) if target != row else self.cursor)

    def action_pages(self, pages: int) -> None:
        """Move by windows."""
        self.action_rows(pages * max(1, self.size.height - 1))

    def action_edge(self, end: bool) -> None:
        """Move to the first or the last byte."""
        self._move(self.view.size - 1 if end else 0)

    def action_follow(self) -> None:
        """Go where the byte under the cursor points."""
        self.post_message(self.Followed(self, self.cursor))

    def action_select(self) -> None:
        """Begin a selection at the cursor, or end it."""
        self._selecting = not self._selecting
        self.post_message(self.Anchored(self, self.cursor if self._selecting else None))

    def action_deselect(self) -> None:
        """Give the selection up; if there is none, Escape means something else."""
        if self.selection is None:
            raise SkipAction
        self.post_message(self.GivenUp())

    def action_endian(self) -> None:
        """Readers of numbers turn the order round."""
        self.post_message(self.Turned())

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Three lines down, however many rows they stand for."""
        event.prevent_default()
        self.scroll_to(y=self._rows_from(int(self.scroll_offset.y), WHEEL), animate=False)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Three lines up."""
        event.prevent_default()
        self.scroll_to(y=self._rows_from(int(self.scroll_offset.y), -WHEEL), animate=False)

    def watch_selection(self, before: Range | None, after: Range | None) -> None:
        """One that was given up is made no longer."""
        super().watch_selection(before, after)
        self._selecting = self._selecting and after is not None

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Put the cursor there; dragging selects."""
        offset = self._offset_at(event)
        if offset is not None:
            self.focus()
            if self.selection is not None:
                self.post_message(self.GivenUp())
            self._move(offset)
            self._pressed = offset
            self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Select up to where the mouse is."""
        offset = self._offset_at(event) if self._pressed is not None else None
        if offset is not None and offset != self.cursor:
            if not self._selecting:
                self._selecting = True
                self.post_message(self.Anchored(self, self._pressed))
            self._move(offset)

    def on_mouse_up(self) -> None:
        """The selection is made."""
        if self._pressed is not None:
            self._pressed = None
            self.release_mouse()
            if self._selecting:
                self.action_select()

    def on_click(self, event: events.Click) -> None:
        """A double click follows."""
        if event.chain == 2:
            self.action_follow()

    def _move(self, offset: int) -> None:
        offset = max(0, min(offset, self.view.size - 1))
        self.cursor = offset
        self.post_message(self.Moved(self, offset))

    def _offset_at(self, event: events.MouseEvent) -> int | None:
        x, y = event.get_content_offset_capture(self)
        column, lines = self._layout.byte_at(x), self._lines()
        if column is None or not 0 <= y < len(lines):
            return None
        line = lines[y]
        offset = line.row * self._layout.bytes_per_row + (0 if line.hidden else column)
        return offset if 0 <= offset < self.view.size else None
