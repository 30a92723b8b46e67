"""A stretch of a disk: bytes, or so many zeros; what flows from the reading to everything that takes the disk."""

from __future__ import annotations

from collections.abc import Iterator

Stretch = memoryview | int
"""Bytes that were read, or the length of a run of zeros."""

ZEROS = bytes(1 << 20)
"""What long runs of zeros are hashed and written from."""

PART = 16 << 20
"""Bytes of a run of zeros that are given on at once: hundredths of a second's work for those who hash."""


def length_of(stretch: Stretch) -> int:
    """Bytes of a stretch."""
    return stretch if isinstance(stretch, int) else len(stretch)


def taken(stretch: Stretch, length: int) -> tuple[Stretch, Stretch]:
    """The first `length` bytes of a stretch, and the rest."""
    if isinstance(stretch, int):
        return min(length, stretch), max(0, stretch - length)
    return stretch[:length], stretch[length:]


def clear(place: memoryview) -> None:
    """Fill a place with zeros."""
    for start in range(0, len(place), len(ZEROS)):
        part = place[start : start + len(ZEROS)]
        part[:] = ZEROS[: len(part)]


def cut(stretch: Stretch, position: int, step: int) -> Iterator[Stretch]:
    """The stretch, which begins at `position`, in parts that do not cross a multiple of `step`."""
    while length_of(stretch):
        part, stretch = taken(stretch, step - position % step)
        position += length_of(part)
        yield part


def in_parts(stretch: Stretch) -> Iterator[Stretch]:
    """The stretch, a long run of zeros in parts of `PART` bytes, between which one can stop and tell how far one is."""
    while isinstance(stretch, int) and stretch > PART:
        yield PART
        stretch -= PART
    yield stretch


def as_bytes(stretch: Stretch) -> Iterator[memoryview]:
    """The bytes of a stretch, zeros in parts of at most `len(ZEROS)`."""
    if not isinstance(stretch, int):
        yield stretch
        return
    while stretch:
        part = min(stretch, len(ZEROS))
        yield memoryview(ZEROS)[:part]
        stretch -= part
