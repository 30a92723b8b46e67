"""Bytes of one address space as a hex dump of any length; rows are drawn only when they come into sight."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from forensic import Range, Span, View
from tui.commands import HEX, bindings
from tui.widgets.hex_layout import HexLayout, fitting

FieldsBetween = Callable[[int, int], list[Span]]


class HexView(ScrollView, can_focus=True):
    """Attributes: `cursor`, `field` (what the inspector speaks of), `selection`, `marks` (ranges of findings).

    Posts `Moved` when the examiner moves the cursor, `Followed` when he wants to go where it points, `Selected`.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "hex--offset",
        "hex--cluster",
        "hex--zero",
        "hex--print",
        "hex--byte",
        "hex--high",
        "hex--field-even",
        "hex--field-odd",
        "hex--field",
        "hex--selection",
        "hex--finding",
        "hex--cursor",
        "hex--missing",
        "hex--rule",
    }

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

    cursor: reactive[int] = reactive(0, init=False)
    field: reactive[Range | None] = reactive(None)
    selection: reactive[Range | None] = reactive(None)

    class Moved(Message):
        """The cursor was moved by hand."""

        def __init__(self, view: HexView, offset: int) -> None:
            super().__init__()
            self.view = view
            self.offset = offset

    class Followed(Moved):
        """Enter or a double click on a byte."""

    class Selected(Message):
        """The selection was changed; None when it was given up."""

        def __init__(self, view: HexView, selection: Range | None) -> None:
            super().__init__()
            self.view = view
            self.selection = selection

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
        self.cluster_size = cluster_size
        self.fields_between = fields_between
        self.marks: tuple[Range, ...] = ()
        self._anchor: int | None = None
        self._dragging = False
        self._layout = HexLayout(16, 8)

    def on_mount(self) -> None:
        """Lay out for the width there is."""
        self._fit()

    def on_resize(self) -> None:
        """More or fewer bytes in a row."""
        self._fit()
        self.show_cursor()

    def render_line(self, y: int) -> Strip:
        """One row of the window."""
        offset = (self.scroll_offset.y + y) * self._layout.bytes_per_row
        if offset >= self.view.size:
            return Strip.blank(self.size.width, self.rich_style)
        length = min(self._layout.bytes_per_row, self.view.size - offset)
        data = self.view.read(offset, length)
        segments = [self._offset_segment(offset)]
        if isinstance(data, str) or len(data) < length:
            reason = data if isinstance(data, str) else "the file is shorter than when it was opened"
            segments.append(Segment("?? " * min(4, length) + reason, self._style("missing")))
        else:
            segments += self._byte_segments(offset, data)
        return Strip(segments).adjust_cell_length(self.size.width, self.rich_style)

    def watch_cursor(self) -> None:
        """Keep the cursor in sight."""
        self.show_cursor()
        self.refresh()

    def watch_field(self) -> None:
        """Another field is highlighted."""
        self.refresh()

    def watch_selection(self) -> None:
        """Another range is highlighted."""
        self.refresh()

    def show_cursor(self) -> None:
        """Scroll so that the cursor's row is in the window; far jumps put it a third down."""
        row = self.cursor // self._layout.bytes_per_row
        top, height = self.scroll_offset.y, max(1, self.size.height)
        if top <= row < top + height:
            return
        target = row if row == top - 1 else row - height + 1 if row == top + height else max(0, row - height // 3)
        self.scroll_to(y=target, animate=False, force=True)

    def action_step(self, bytes_: int) -> None:
        """Move by bytes."""
        self._move(self.cursor + bytes_)

    def action_rows(self, rows: int) -> None:
        """Move by rows."""
        self._move(self.cursor + rows * self._layout.bytes_per_row)

    def action_pages(self, pages: int) -> None:
        """Move by windows."""
        self._move(self.cursor + pages * max(1, self.size.height - 1) * self._layout.bytes_per_row)

    def action_edge(self, end: bool) -> None:
        """Move to the first or the last byte."""
        self._move(self.view.size - 1 if end else 0)

    def action_follow(self) -> None:
        """Go where the byte under the cursor points."""
        self.post_message(self.Followed(self, self.cursor))

    def action_select(self) -> None:
        """Begin a selection at the cursor, or end it."""
        if self._anchor is None:
            self._anchor = self.cursor
            self._select_to(self.cursor)
        else:
            self._anchor = None

    def clear_selection(self) -> None:
        """Give the selection up."""
        self._anchor = None
        self.post_message(self.Selected(self, None))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Put the cursor there; dragging selects."""
        offset = self._offset_at(event)
        if offset is not None:
            self.focus()
            self._anchor = None
            self._move(offset)
            self._anchor, self._dragging = offset, True
            self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Select up to where the mouse is."""
        offset = self._offset_at(event) if self._dragging else None
        if offset is not None and offset != self.cursor:
            self._move(offset)

    def on_mouse_up(self) -> None:
        """The selection is made."""
        if self._dragging:
            self._dragging, self._anchor = False, None
            self.release_mouse()

    def on_click(self, event: events.Click) -> None:
        """A double click follows."""
        if event.chain == 2:
            self.action_follow()

    def _move(self, offset: int) -> None:
        offset = max(0, min(offset, self.view.size - 1))
        self.cursor = offset
        if self._anchor is not None:
            self._select_to(offset)
        self.post_message(self.Moved(self, offset))

    def _select_to(self, offset: int) -> None:
        anchor = offset if self._anchor is None else self._anchor
        start, end = min(anchor, offset), max(anchor, offset) + 1
        self.post_message(self.Selected(self, Range(self.view.space, start, end - start)))

    def _offset_at(self, event: events.MouseEvent) -> int | None:
        column = self._layout.byte_at(event.x)
        row = self.scroll_offset.y + event.y
        offset = row * self._layout.bytes_per_row + column if column is not None else self.view.size
        return offset if 0 <= offset < self.view.size else None

    def _fit(self) -> None:
        self._layout = fitting(self.size.width, self.view.size)
        rows = -(-self.view.size // self._layout.bytes_per_row)
        self.virtual_size = Size(self._layout.width, rows)
        self.refresh(Region(0, 0, *self.size))

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"hex--{name}")

    def _offset_segment(self, offset: int) -> Segment:
        begins = -(-offset // self.cluster_size) * self.cluster_size < offset + self._layout.bytes_per_row
        return Segment(self._layout.offset_text(offset), self._style("cluster" if begins else "offset"))

    def _byte_segments(self, offset: int, data: bytes) -> list[Segment]:
        styles = self._styles(offset, data)
        rule = self._style("rule")
        segments = [Segment("│", rule)]
        for index, byte in enumerate(data):
            joined = index + 1 < len(data) and styles[index] == styles[index + 1]
            segments.append(Segment(f"{byte:02x}", styles[index]))
            gap = "  " if index % 8 == 7 else " "
            segments.append(Segment(gap, styles[index] if joined and gap == " " else self.rich_style))
        missing = self._layout.bytes_per_row - len(data)
        segments.append(Segment(" " * self._layout.gap_width(missing, len(data)) + "│", rule))
        for byte, style in zip(data, styles, strict=True):
            segments.append(Segment(chr(byte) if 0x20 <= byte < 0x7F else "·", style))
        return segments

    def _styles(self, offset: int, data: bytes) -> list[Style]:
        """The style of each byte: its class, over it the field, findings, the selection and the cursor."""
        classes = {name: self._style(name) for name in ("zero", "print", "byte", "high")}
        styles = [classes[_class_of(byte)] for byte in data]
        end = offset + len(data)
        for span in self.fields_between(offset, end) if self.fields_between else ():
            self._paint(styles, offset, span.place, self._style("field-odd" if span.number % 2 else "field-even"))
        for mark in self.marks:
            self._paint(styles, offset, mark, self._style("finding"))
        if self.field:
            self._paint(styles, offset, self.field, self._style("field"))
        if self.selection and self.selection.space == self.view.space:
            self._paint(styles, offset, self.selection, self._style("selection"))
        if offset <= self.cursor < end:
            styles[self.cursor - offset] = self._style("cursor")
        return styles

    @staticmethod
    def _paint(styles: list[Style], offset: int, place: Range, style: Style) -> None:
        begin, end = max(0, place.offset - offset), min(len(styles), place.offset + place.length - offset)
        for index in range(begin, end):
            styles[index] = styles[index] + style


def _class_of(byte: int) -> str:
    if byte == 0:
        return "zero"
    return "high" if byte == 0xFF else "print" if 0x20 <= byte < 0x7F else "byte"
