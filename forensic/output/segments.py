"""The files of one raw image: a single one, or `NAME.001`, `NAME.002`, … if it is split; and reading them in a row."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from forensic.errors import EvidenceUnreadable, OutputFailed
from forensic.evidence import Evidence, ReadFailed
from forensic.output.chunk import Chunk, in_parts, length_of
from forensic.untrusted import shown

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


def left_beside(path: Path, parts: Sequence[Segment]) -> list[Path]:
    """The files that would be taken for segments after the last one; they are there from an earlier output.

    Raises `OutputFailed` for one that does not follow in number, of which nobody can say whose it is.
    """
    own = {part.path.name for part in parts}
    if own == {path.name}:
        return []
    like_one = re.compile(re.escape(path.name) + rf"\.[0-9]{{3,{len(str(MAX_SEGMENTS))}}}")
    try:
        found = {name for name in os.listdir(path.parent) if like_one.fullmatch(name)} - own
    except OSError:
        return []  # there is no such folder, which is refused elsewhere
    following: list[Path] = []
    width = len(parts[-1].path.suffix) - 1
    while (name := f"{path.name}.{len(parts) + len(following) + 1:0{width}}") in found:
        following.append(path.with_name(name))
        found.remove(name)
    if found:
        raise OutputFailed(
            path.with_name(min(found)), "would be taken for a segment of the new output, and is none; move it away"
        )
    return following


def stale_segments(paths: Sequence[Path]) -> OutputFailed:
    """The error for segments of an earlier output that the new one does not write over."""
    last = f" (and all up to {shown(paths[-1].name)})" if len(paths) > 1 else ""
    return OutputFailed(
        paths[0], f"exists already{last}, and would be taken for a segment of the new output; --force removes it"
    )


def remove(paths: Sequence[Path]) -> None:
    """Remove segments of an output that was written over. Raises `OutputFailed`."""
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputFailed(path, f"is left from an earlier output: {(error.strerror or '').lower()}") from error


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
