"""The states of the disk below one another, each a strip: what is new in it, shared with the one before, and gone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec.structs import replace
from rich.text import Text

from forensic.explore import Since, Strip
from tui.text import plain, size
from tui.widgets.row_list import Column, RowList

GLYPHS = {Since.NOTHING: "·", Since.SHARED: "▒", Since.NEW: "█", Since.GONE: "▁"}
COLOURS = {
    Since.NOTHING: "kind-free",
    Since.SHARED: "kind-data",
    Since.NEW: "warning",
    Since.GONE: "severity-high",
}
"""How each is drawn: a glyph that tells it without colour, and a colour of the theme."""

MOST_LINES, MOST_IF_TALL = 6, 16
"""Lines of states that are shown at once, on most screens and on a tall one."""

BEFORE = (Column("state", 22), Column("taken (UTC)", 16, from_width=100))
AFTER = (
    Column("new", 9, right=True),
    Column("shared", 9, right=True, from_width=80),
    Column("gone", 9, right=True, from_width=92),
)


class TimeLine(RowList):
    """`show_strips` fills it; `Chosen` says which state to compare with the one before."""

    strips: Sequence[Strip] = ()

    def show_strips(self, strips: Sequence[Strip], states: int) -> None:
        """One line a state, the active disk last and under the cursor at first; nothing without snapshots.

        `states` is how many there are, should not all of them be compared.
        """
        cursor = self.cursor if len(strips) == len(self.strips) else len(strips) - 1
        self.strips = strips
        self.display = bool(strips)
        most = MOST_IF_TALL if self.screen.has_class("-tall") else MOST_LINES
        self.styles.height = min(len(strips), most) + 1
        name = "state" if len(strips) == states else f"{len(strips):,} of {states:,} states"
        columns = (replace(BEFORE[0], title=name), *BEFORE[1:], Column(self._legend()), *AFTER)
        self.show(columns, len(strips), self._row, cursor)

    def _legend(self) -> str:
        return "  ".join(f"{GLYPHS[each]} {each.name.lower()}" for each in (Since.NEW, Since.SHARED, Since.GONE))

    def _row(self, number: int) -> list[Text]:
        strip = self.strips[number]
        snapshot = strip.snapshot
        name = "active disk" if snapshot is None else f"{snapshot.index}  {snapshot.name.text}"
        return [
            plain(name, "bold" if snapshot is None else ""),
            plain("" if snapshot is None else _moment(snapshot.date_sec)),
            self._drawn_strip(strip),
            *(plain(size(strip.sums[each])) for each in (Since.NEW, Since.SHARED, Since.GONE)),
        ]

    def _drawn_strip(self, strip: Strip) -> Text:
        """As many cells as there are columns; of cells that share one, the most telling: new, gone, shared."""
        width = self.width_of(len(BEFORE))
        ranks = [Since.NEW, Since.GONE, Since.SHARED, Since.NOTHING]
        text, count = Text(), len(strip.cells)
        for column in range(width):
            start = column * count // width
            cells = strip.cells[start : max(start + 1, (column + 1) * count // width)]
            since = min((Since(cell) for cell in cells), key=ranks.index)
            text.append(GLYPHS[since], self.app.theme_variables.get(COLOURS[since], ""))
        return text


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
