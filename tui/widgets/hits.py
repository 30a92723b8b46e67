"""What a search found, place by place, with what stands around each; it grows while the search goes on."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence

from rich.text import Text

from forensic.explore import Range
from tui.searching import SearchState
from tui.text import line, plain
from tui.widgets.hex_paint import CHARACTERS
from tui.widgets.row_list import Column, RowList

BEFORE, AROUND = 12, 40
"""Bytes before a place that are shown with it, and in all besides it."""

LONGEST = 24
"""Bytes of a place that are shown."""

COLUMNS = (
    Column("#", 6, right=True),
    Column("offset", 14, right=True),
    Column("other side", 16, right=True, from_width=76),
    Column("in", 26, from_width=112),
    Column("context"),
)

Read = Callable[[int, int], bytes | str]
Describe = Callable[[Range], tuple[str, str]]
"""Of a place the same byte on the other side, and what holds it; in words."""


class Hits(RowList):
    """The list; `show_hits` fills it, `Chosen` says which place to go to."""

    places: Sequence[Range] = ()

    def show_hits(
        self, state: SearchState | None, places: Sequence[Range], here: Range, read: Read, describe: Describe
    ) -> None:
        """List what was found so far; the line of the place where the examiner is, is under the cursor."""
        self.display = state is not None
        if state is None:
            return
        self.places = list(places)
        ending = state.outcome.value if state.outcome.value != "done" else f"all of the {state.where} was searched"
        self.border_title = plain(f"“{state.text[:40]}” in the {state.where} · {state.count}")
        self.border_subtitle = plain(f"{ending} · {state.seconds:.1f} s")
        self.show(COLUMNS, len(places), lambda at: self._row(at, read, describe), self._at(here), "nothing so far")

    def follow(self, here: Range) -> None:
        """Put the cursor on the place where the examiner is, if it is one of these."""
        at = self._at(here)
        if at < len(self.places) and self.places[at].offset == here.offset and at != self.cursor:
            self.cursor = at

    def _at(self, here: Range) -> int:
        same = bool(self.places) and self.places[0].space == here.space
        return bisect_left(self.places, here.offset, key=lambda place: place.offset) if same else 0

    def _row(self, at: int, read: Read, describe: Describe) -> list[Text]:
        place = self.places[at]
        other, holder = describe(place)
        start = max(0, place.offset - BEFORE)
        length = min(place.length, LONGEST)
        data = read(start, place.offset - start + length + AROUND)
        context = plain(data, "italic") if isinstance(data, str) else _context(data, place.offset - start, length)
        return [plain(f"{at + 1:,}"), plain(f"{place.offset:#x}"), plain(other), plain(holder), context]


def _context(data: bytes, before: int, length: int) -> Text:
    """The bytes as characters, those that were looked for turned round."""
    table = CHARACTERS["ascii"]
    parts = (data[:before], data[before : before + length], data[before + length :])
    first, found, after = ("".join(table[byte] for byte in part) for part in parts)
    return line((first, "dim"), (found, "bold reverse"), after)
