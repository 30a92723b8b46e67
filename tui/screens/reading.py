"""Something to read: a report or an explanation, line by line, however long it is."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.geometry import Size
from textual.screen import ModalScreen
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Label, Static

from tui.text import plain


class Lines(ScrollView, can_focus=True):
    """Lines of words; only those in sight are drawn."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", show=False),
        Binding("k", "scroll_up", show=False),
        Binding("ctrl+d", "page_down", show=False),
        Binding("ctrl+u", "page_up", show=False),
        Binding("G", "scroll_end", show=False),
    ]

    def __init__(self, lines: Sequence[str], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._whole = [plain(line).plain for line in lines]
        self._lines: list[str] = []

    def show(self, lines: Sequence[str]) -> None:
        """Other lines, from the first on."""
        self._whole = [plain(line).plain for line in lines]
        self.on_resize()
        self.scroll_home(animate=False)

    def on_resize(self) -> None:
        """Break the lines where the window ends, between words, and further in than they begin."""
        width = max(20, self.scrollable_content_region.width)
        self._lines = [part for line in self._whole for part in folded(line, width)]
        self.virtual_size = Size(width, len(self._lines))
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One line of the window; one that stands above a rule is a heading."""
        left, top = self.scroll_offset
        number = top + y
        if number >= len(self._lines):
            return Strip.blank(self.size.width, self.rich_style)
        words = self._lines[number]
        below = self._lines[number + 1] if number + 1 < len(self._lines) else ""
        heading = bool(words) and bool(below) and not below.strip("-=")
        style = self.get_component_rich_style("lines--heading") if heading else self.rich_style
        if words and not words.strip("-="):
            style = self.get_component_rich_style("lines--rule")
        strip = Strip([Segment(words, style)])
        return strip.crop(left, left + self.size.width).extend_cell_length(self.size.width, self.rich_style)

    COMPONENT_CLASSES: ClassVar[set[str]] = {"lines--heading", "lines--rule"}


def folded(line: str, width: int) -> list[str]:
    """A line in parts that are no wider; those after the first begin two columns further in than it."""
    if cell_len(line) <= width:
        return [line]
    begin = " " * min(len(line) - len(line.lstrip()) + 2, width // 2)
    return textwrap.wrap(line, width, subsequent_indent=begin, drop_whitespace=True, replace_whitespace=False) or [""]


class Reading(ModalScreen[None]):
    """A text with a title and a line below it; `y` copies what `copied` says."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape,q,enter", "dismiss", "Close"),
        Binding("y", "copy", "Copy the path"),
    ]

    def __init__(self, title: str, lines: Sequence[str], hint: str = "", copied: str = "") -> None:
        super().__init__()
        self._title, self._lines, self._hint, self._copied = title, lines, hint, copied

    def compose(self) -> ComposeResult:
        """Title, text, hint."""
        with Vertical(classes="box page"):
            yield Label(plain(self._title, "bold"), classes="box-title")
            yield Lines(self._lines)
            yield Static(plain(self._hint), markup=False, classes="hint")

    def action_copy(self) -> None:
        """Put it on the clipboard."""
        if self._copied:
            self.app.copy_to_clipboard(self._copied)
            self.notify("copied", timeout=1, markup=False)
