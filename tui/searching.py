"""A search as it stands: what was looked for, how far it is or how it ended, and what was found."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum

from msgspec import Struct

from forensic.explore import Range, Space
from tui.text import size

MAX_MATCHES = 10_000
"""Matches that are kept; a search that has found so many stops and says so."""


class Hits:
    """Places that a search found in one space, in its order."""

    def __init__(self, places: Sequence[Range] = ()) -> None:
        self.begins = [place.offset for place in places]
        self._lengths = [place.length for place in places]
        self._longest = max(self._lengths, default=0)

    def overlapping(self, start: int, end: int) -> list[tuple[int, int]]:
        """Offset and length of those that have a byte in a range."""
        first, last = bisect_left(self.begins, start - self._longest), bisect_left(self.begins, end)
        pairs = zip(self.begins[first:last], self._lengths[first:last], strict=True)
        return [(begin, length) for begin, length in pairs if begin + length > start]


class Outcome(StrEnum):
    """How a search stands."""

    RUNNING = "searching"
    DONE = "done"
    CAPPED = "stopped at the limit"
    CANCELLED = "cancelled"
    FAILED = "failed"


class SearchState(Struct, frozen=True):
    """`looked_at` bytes of `total` were looked through in `seconds`, of which `unread` could not be read."""

    number: int
    text: str
    space: Space
    total: int
    outcome: Outcome = Outcome.RUNNING
    found: int = 0
    looked_at: int = 0
    unread: int = 0
    seconds: float = 0.0
    reason: str = ""

    @property
    def where(self) -> str:
        """Which space was searched."""
        return "file" if self.space == Space.HOST else "disk"

    @property
    def count(self) -> str:
        """How many places were found, in words."""
        return "nothing found" if not self.found else f"{self.found:,} found"

    @property
    def sentence(self) -> str:
        """How it ended, in full."""
        part = f"after {self.looked_at * 100 // max(1, self.total)} % of the {self.where}"
        how = {
            Outcome.RUNNING: "so far",
            Outcome.DONE: f"all of the {self.where} was searched ({size(self.total)}, {self.seconds:.1f} s)",
            Outcome.CAPPED: f"stopped at the limit {part}",
            Outcome.CANCELLED: f"cancelled {part}",
            Outcome.FAILED: f"failed: {self.reason}",
        }[self.outcome]
        lost = f"; {size(self.unread)} could not be read" if self.unread else ""
        return f"search “{self.text}”: {self.count}; {how}{lost}"

    def words(self, matches: Sequence[Range], here: Range) -> str:
        """How it stands, and at which of its places the examiner is, in few words; its job says how far it is."""
        if self.outcome == Outcome.RUNNING:
            return ""
        more = "+" if self.outcome in (Outcome.CAPPED, Outcome.CANCELLED) else ""
        number = bisect_left(matches, here.offset, key=lambda match: match.offset)
        at = number < len(matches) and matches[number].offset == here.offset and here.space == self.space
        found = f"{number + 1:,} of {self.found:,}{more}" if at else self.count
        ended = "" if self.outcome == Outcome.DONE else f" ({self.outcome.value})"
        return f"/{self.text[:24]}: {found}{ended}"


def round_from(stretches: Iterable[tuple[int, int]], start: int, overlap: int) -> Iterator[tuple[int, int]]:
    """The parts of a space from a place on to its end, and then from the beginning up to that place.

    The second round reaches `overlap` bytes past it, for what begins before and ends after.
    """
    parts = list(stretches)
    yield from ((max(begin, start), end) for begin, end in parts if end > start)
    yield from ((begin, min(end, start + overlap)) for begin, end in parts if begin < start)
