"""A search as it stands: what was looked for, how far it is or how it ended, and what was found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum

from msgspec import Struct

from forensic.explore import Space
from tui.text import size

MAX_MATCHES = 10_000
"""Matches that are kept; a search that has found so many stops and says so."""


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


def round_from(stretches: Iterable[tuple[int, int]], start: int, overlap: int) -> Iterator[tuple[int, int]]:
    """The parts of a space from a place on to its end, and then from the beginning up to that place.

    The second round reaches `overlap` bytes past it, for what begins before and ends after.
    """
    parts = list(stretches)
    yield from ((max(begin, start), end) for begin, end in parts if end > start)
    yield from ((begin, min(end, start + overlap)) for begin, end in parts if begin < start)
