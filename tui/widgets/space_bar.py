"""A bar that shows how a space is divided, and under it what the colours mean."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct
from rich.style import Style
from rich.text import Text
from textual.app import RenderResult
from textual.widget import Widget

from tui.looks import MAP_CLASSES
from tui.text import size, wrapped


class Share(Struct, frozen=True):
    """So many bytes of one kind; `kind` is a class `map--…`, the glyph tells it without colour."""

    name: str
    kind: str
    glyph: str
    length: int


THICK = 3
"""Lines of a bar where there is room for them."""


class SpaceBar(Widget):
    """A bar with its title, and under it the legend; `show` gives the shares."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {*MAP_CLASSES, "bar--title", "bar--quiet"}

    def __init__(self, title: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._title = title
        self._shares: list[Share] = []
        self._done = 0.0

    def show(self, shares: list[Share], done: float) -> None:
        """Draw these shares; `done` is how much of the space has been looked at."""
        self._shares, self._done = [share for share in shares if share.length > 0], done
        self.refresh(layout=True)

    def render(self) -> RenderResult:
        """Bar and legend."""
        title = Text(f"{self._title:<6}", self._style("bar--title"))
        width = max(10, self.size.width - title.cell_len)
        bar = Text()
        for share, columns in zip(self._shares, self._columns(width), strict=True):
            bar.append("█" * columns, self._style(f"map--{share.kind}"))
        entries = [self._entry(share) for share in self._shares]
        if self._done < 1:
            entries.append(Text(f"{self._done:.0%} read", self._style("bar--quiet")))
        blank = Text(" " * title.cell_len)
        below = [blank + bar for _ in range(THICK - 1)] if self.screen.has_class("-tall") else []
        return Text("\n").join([title + bar, *below, wrapped(entries, self.size.width, title.cell_len)])

    def _entry(self, share: Share) -> Text:
        entry = Text().append(f"{share.glyph} ", self._style(f"map--{share.kind}"))
        return entry.append(f"{share.name} ", self._style("bar--quiet")).append(size(share.length))

    def _columns(self, width: int) -> list[int]:
        """Columns of each share: at least one, together the whole width."""
        total = sum(share.length for share in self._shares)
        if not total:
            return []
        columns = [max(1, round(share.length * width / total)) for share in self._shares]
        columns[columns.index(max(columns))] += width - sum(columns)
        return [max(0, count) for count in columns]

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(name, partial=True)
