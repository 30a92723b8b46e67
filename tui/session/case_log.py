"""Everything that was done in a session, with its time and its place: nothing that was said is gone with its toast."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from forensic.explore import Json
from tui.session.times import now

MOST_ENTRIES = 10_000
"""Entries that are shown; the file has them all."""


class Entry(Struct, frozen=True):
    """What was done or said at a moment (UTC), while the cursor was at a place."""

    at: str
    place: str
    words: str
    bad: bool = False

    @property
    def line(self) -> str:
        """The entry as a line of the log."""
        return f"{self.at}  {'✖' if self.bad else ' '} {self.place:<24} {self.words}"


class CaseLog:
    """The entries of this session, which are also appended to a file beside the notes."""

    def __init__(self, file: Path, place: Callable[[], str]) -> None:
        """`place` says where the cursor is; nothing is written before the first entry."""
        self.file = file
        self.entries: list[Entry] = []
        self.trouble = ""
        self.place = place

    def add(self, words: str, bad: bool = False) -> None:
        """Write down what was done; a file that cannot be written is reported in the log itself, once."""
        entry = Entry(now(), self.place(), words, bad)
        self.entries = [*self.entries[-MOST_ENTRIES:], entry]
        if self.trouble:
            return
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self.file.open("a", encoding="utf-8", errors="replace") as stream:
                stream.write(entry.line + "\n")
        except OSError as error:
            self.trouble = f"the log is not kept in {self.file}: {error.strerror}"
            self.entries.append(Entry(entry.at, entry.place, self.trouble, bad=True))

    def as_json(self) -> list[Json]:
        """What `audit[]` of a report holds."""
        return [{"at": each.at, "place": each.place, "words": each.words, "bad": each.bad} for each in self.entries]
