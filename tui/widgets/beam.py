"""The line between the two maps: from the cell of the cursor in the file to that of the same byte on the disk."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import RenderResult
from textual.widget import Widget


class Beam(Widget):
    """One row; `show` gives the columns above and below that it joins."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"beam--line", "beam--quiet"}

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._ends: tuple[int, int] | None = None

    def show(self, above: int, below: int | None) -> None:
        """Join these columns; without one below, the byte is not on the disk."""
        ends = None if below is None else (above, below)
        if ends != self._ends:
            self._ends = ends
            self.refresh()

    def render(self) -> RenderResult:
        """The line, or blanks."""
        if self._ends is None:
            return Text(
                "  this byte of the file is not on the disk", self.get_component_rich_style("beam--quiet", partial=True)
            )
        return Text(drawn(*self._ends), self.get_component_rich_style("beam--line", partial=True))


def drawn(above: int, below: int) -> str:
    """A line of box characters that comes from above in one column and goes on below in the other."""
    if above == below:
        return " " * above + "│"
    left, right = sorted((above, below))
    first, last = ("╰", "╮") if above < below else ("╭", "╯")
    return " " * left + first + "─" * (right - left - 1) + last
