"""The files of one raw image: a single one, or `NAME.001`, `NAME.002`, … if it is split; and reading them in a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from forensic.errors import EvidenceUnreadable
from forensic.evidence import Evidence, ReadFailed
from forensic.output.chunk import Chunk, in_parts, length_of

MAX_SEGMENTS = 100_000
"""More files in one folder are of no use; a hostile size must not make them."""

READ_BYTES = 1 << 20


class Segment(Struct, frozen=True):
    """One file: its number from 1 on, and the bytes of the disk in it."""

    index: int
    path: Path
    offset: int
    length: int


def segments(path: Path, size: int, segment_size: int | None) -> list[Segment]:
    """The files for a disk of `size` bytes; numbers have as many digits as the last one needs, at least three.

    Raises `ValueError` if there would be more than `MAX_SEGMENTS`.
    """
    if segment_size is None:
        return [Segment(1, path, 0, size)]
    count = max(1, -(-size // segment_size))
    if count > MAX_SEGMENTS:
        raise ValueError(
            f"{size:,} bytes in segments of {segment_size:,} are {count:,} files, more than {MAX_SEGMENTS:,}"
        )
    return [
        Segment(index + 1, segment_path(path, index + 1, count), offset, min(segment_size, size - offset))
        for index, offset in enumerate(range(0, max(1, size), segment_size))
    ]


def segment_path(path: Path, index: int, count: int) -> Path:
    """The name of one of `count` segments."""
    return path.with_name(f"{path.name}.{index:0{max(3, len(str(count)))}}")


def read_in_a_row(paths: Sequence[Path]) -> Iterator[tuple[int, Chunk]]:
    """The bytes of several files as if they were one, as (offset, range); holes come as runs of zeros.

    Raises `EvidenceUnreadable`, `ReadFailed`.
    """
    base = 0
    for path in paths:
        with Evidence(path) as evidence:
            for start, chunk in _stretches(evidence):
                yield base + start, chunk
            base += evidence.size
            if not evidence.unchanged():
                raise EvidenceUnreadable(path, evidence.notes()[-1])


def read_part(paths: Sequence[Path], offset: int, length: int) -> bytes:
    """Some bytes of several files in a row; fewer where they end. Raises `EvidenceUnreadable`."""
    found = b""
    for path in paths:
        with Evidence(path) as evidence:
            try:
                found += evidence.read_at(offset, length - len(found))
            except ReadFailed as error:
                raise EvidenceUnreadable(path, str(error)) from error
            offset = max(0, offset - evidence.size)
        if len(found) == length:
            break
    return found


def _stretches(evidence: Evidence) -> Iterator[tuple[int, Chunk]]:
    position = 0
    while position < evidence.size:
        start = min(evidence.next_data_from(position), evidence.size)
        for part in in_parts(start - position) if start > position else ():
            yield position, part
            position += length_of(part)
        end = min(max(evidence.hole_from(start), start + 1), evidence.size) if start < evidence.size else start
        while position < end:
            data = evidence.read_at(position, min(READ_BYTES, end - position))
            yield position, memoryview(data)
            position += len(data)
