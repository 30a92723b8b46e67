"""What one layer of a disk says about some guest bytes."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import Protocol

from msgspec import Struct

from forensic.evidence import Evidence, ReadFailed

READ_AT_ONCE = 1 << 20
SHORT_BYTES = 64 << 10
"""Up to this length, reading zeros costs less than asking the file system where they are."""
RETRY_BYTES = 4096
"""Bytes that are given up together around a bad sector."""


class AnswerKind(IntEnum):
    """What is known of a guest range."""

    DATA = 0
    ZEROS = 1
    BELOW = 2  # the layer has nothing there: the backing file shows through, if there is one
    UNREADABLE = 3


class Answer(Struct, frozen=True):
    """The next `length` guest bytes: `data`, or zeros, or unreadable for `reason` (a reason code of the reports)."""

    kind: AnswerKind
    length: int
    data: bytes = b""
    reason: str = ""


def data(found: bytes) -> Answer:
    """Bytes that were read."""
    return Answer(AnswerKind.DATA, len(found), found)


def zeros(length: int) -> Answer:
    """Bytes that are zero."""
    return Answer(AnswerKind.ZEROS, length)


def below(length: int) -> Answer:
    """Bytes that the layer does not have."""
    return Answer(AnswerKind.BELOW, length)


def unreadable(length: int, reason: str) -> Answer:
    """Bytes that cannot be read, and why."""
    return Answer(AnswerKind.UNREADABLE, length, reason=reason)


class Layer(Protocol):
    """One file of a backing chain: `size` in guest bytes; `hides_below` says why nothing shows through, if so.

    `hides_below` is a reason code where a backing file is declared, and empty where none is.
    """

    @property
    def size(self) -> int: ...
    @property
    def hides_below(self) -> str: ...

    def answers(self, guest_offset: int, length: int) -> Iterator[Answer]:
        """What the layer says about a guest range within its size, in order and without a gap."""


class StoredFile:
    """A file whose holes are not read."""

    def __init__(self, evidence: Evidence) -> None:
        """Read this file."""
        self.evidence = evidence

    def bytes(self, host_offset: int, length: int) -> Iterator[Answer]:
        """Plain bytes of the file, holes as zeros; what lies past its end or on a bad sector is unreadable."""
        inside = max(0, min(length, self.evidence.size - host_offset))
        if 0 < inside <= SHORT_BYTES:
            yield from _read(self.evidence, host_offset, inside)
            host_offset, length, inside = host_offset + inside, length - inside, 0
        position, end = host_offset, host_offset + inside
        while position < end:
            start, stop = self._next_stored(position)
            start, stop = min(start, end), min(stop, end)
            if start > position:
                yield zeros(start - position)
            for at in range(start, stop, READ_AT_ONCE):
                yield from _read(self.evidence, at, min(READ_AT_ONCE, stop - at))
            position = max(start, stop)
        if inside < length:
            yield unreadable(length - inside, "entry_beyond_eof")

    def _next_stored(self, host_offset: int) -> tuple[int, int]:
        """Start and end of what the file system stores from `host_offset` on."""
        begins = self.evidence.next_data_from(host_offset)
        return begins, max(begins + 1, self.evidence.hole_from(begins)) if begins < self.evidence.size else begins


def _read(evidence: Evidence, host_offset: int, length: int) -> Iterator[Answer]:
    try:
        yield data(evidence.read_at(host_offset, length))
    except ReadFailed:
        for position in range(host_offset, host_offset + length, RETRY_BYTES):
            step = min(RETRY_BYTES, host_offset + length - position)
            try:
                yield data(evidence.read_at(position, step))
            except ReadFailed:
                yield unreadable(step, "io_error")


class RawLayer:
    """A raw file: guest offsets are host offsets."""

    hides_below = ""

    def __init__(self, evidence: Evidence) -> None:
        """Read this file."""
        self._file = StoredFile(evidence)
        self.size = evidence.size

    def answers(self, guest_offset: int, length: int) -> Iterator[Answer]:
        """See `Layer`."""
        return self._file.bytes(guest_offset, length)
