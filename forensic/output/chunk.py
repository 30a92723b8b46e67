"""A range of a disk: bytes, or so many zeros; what flows from the reading to everything that takes the disk."""

from __future__ import annotations

from collections.abc import Iterator

Chunk = memoryview | int
"""Bytes that were read, or the length of a run of zeros."""

ZEROS = bytes(1 << 20)
"""What long runs of zeros are hashed and written from."""

PART_BYTES = 16 << 20
"""Bytes of a run of zeros that are given on at once: hundredths of a second of hashing."""


def length_of(chunk: Chunk) -> int:
    """Bytes of a range."""
    return chunk if isinstance(chunk, int) else len(chunk)


def split_chunk(chunk: Chunk, length: int) -> tuple[Chunk, Chunk]:
    """The first `length` bytes of a range, and the rest."""
    if isinstance(chunk, int):
        return min(length, chunk), max(0, chunk - length)
    return chunk[:length], chunk[length:]


def clear(place: memoryview) -> None:
    """Fill a place with zeros."""
    for start in range(0, len(place), len(ZEROS)):
        part = place[start : start + len(ZEROS)]
        part[:] = ZEROS[: len(part)]


def split_at_multiples(chunk: Chunk, position: int, step: int) -> Iterator[Chunk]:
    """The range, which begins at `position`, in parts that do not cross a multiple of `step`."""
    while length_of(chunk):
        part, chunk = split_chunk(chunk, step - position % step)
        position += length_of(part)
        yield part


def in_parts(chunk: Chunk) -> Iterator[Chunk]:
    """The range, a long run of zeros in parts of `PART_BYTES`, between which one can stop and tell how far one is."""
    while isinstance(chunk, int) and chunk > PART_BYTES:
        yield PART_BYTES
        chunk -= PART_BYTES
    yield chunk


def as_bytes(chunk: Chunk) -> Iterator[memoryview]:
    """The bytes of a range, zeros in parts of at most `len(ZEROS)`."""
    if not isinstance(chunk, int):
        yield chunk
        return
    while chunk:
        part = min(chunk, len(ZEROS))
        yield memoryview(ZEROS)[:part]
        chunk -= part
