"""The disk as a strip of cells while it is extracted: read, zero, unreadable, not reached."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual.app import RenderResult
from textual.geometry import Size
from textual.widget import Widget

from forensic.explore import Fate
from tui.kinds import FATES, PENDING
from tui.looks import MAP_CLASSES, Look


class FateStrip(Widget):
    """As many lines as the cells need, and what they mean; `show` gives the fates of those that are done."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {*MAP_CLASSES, "bar--quiet"}

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._fates: Sequence[Fate] = ()
        self._cells = 0

    def show(self, fates: Sequence[Fate], cells: int) -> None:
        """Draw these; what is not among them yet was not reached."""
        self._fates, self._cells = fates, cells
        self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """The lines of the cells, and one for the legend."""
        return -(-self._cells // max(1, width)) + 1 if self._cells else 0

    def render(self) -> RenderResult:
        """Runs of cells that look alike, then the legend."""
        looks = [FATES[fate] for fate in self._fates] + [PENDING] * (self._cells - len(self._fates))
        text = Text(no_wrap=False, end="")
        width = max(1, self.size.width)
        for start in range(0, len(looks), width):
            self._append_runs(text, looks[start : start + width])
            text.append("\n")
        for look in (*FATES.values(), PENDING):
            text.append(f"{look.glyph} ", self._style(look)).append(f"{look.name}   ", self._quiet())
        return text

    def _append_runs(self, text: Text, looks: Sequence[Look]) -> None:
        begin = 0
        for end in range(1, len(looks) + 1):
            if end == len(looks) or looks[end] != looks[begin]:
                text.append(looks[begin].glyph * (end - begin), self._style(looks[begin]))
                begin = end

    def _style(self, look: Look) -> Style:
        return self.get_component_rich_style(f"map--{look.kind}", partial=True)

    def _quiet(self) -> Style:
        return self.get_component_rich_style("bar--quiet", partial=True)
