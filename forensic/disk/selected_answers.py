"""The second reader's answers about a disk of which only some ranges are wanted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from forensic.disk.selected import Selection
from forensic.mapping.extents import Reason
from forensic.second_reader.answers import Answer, unreadable


class Answering(Protocol):
    """What a comparison needs of a second reader; see `forensic.second_reader.reader.SecondReader`."""

    def answers(self, guest_offset: int, length: int) -> Iterator[Answer]:
        """What is known of the guest bytes from `guest_offset` on."""


class SelectedAnswers:
    """A second reader that is only asked for what is wanted; of the rest it says as much."""

    def __init__(self, reader: Answering, selection: Selection) -> None:
        """Ask `reader`."""
        self._reader, self._selection = reader, selection

    def answers(self, guest_offset: int, length: int) -> Iterator[Answer]:
        """The reader's answers, and for what is not wanted that it was not."""
        for start, end, wanted in self._selection.parts(guest_offset, guest_offset + length):
            if wanted:
                yield from self._reader.answers(start, end - start)
            else:
                yield unreadable(end - start, Reason.NOT_MARKED.code)
