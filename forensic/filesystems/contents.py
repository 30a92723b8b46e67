"""Whether one file has the same bytes on two disks, by the ranges in which the disks differ.

Where a file lies at the same place on both, only ranges that are known to differ are read; where it moved, both copies
are.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from forensic.filesystems.entries import PAST_THE_END, Entry, Extent
from forensic.filesystems.volume_reader import VolumeReader
from forensic.volumes.layout import Layout

if TYPE_CHECKING:
    from forensic.extraction.disk_difference import Difference

MAX_RANGES = 1 << 22
"""Differing ranges that are kept one by one; all that comes after the last counts as one."""

PIECE = 1 << 20
"""Bytes of a file that are compared at once."""


class DifferingRanges:
    """The guest ranges in which two disks differ, or of which that cannot be said."""

    def __init__(self, found: Iterable[Difference], disk_size: int) -> None:
        """Take the ranges in guest order."""
        self._starts: list[int] = []
        self._ends: list[int] = []
        for one in found:
            self._starts.append(one.guest_offset)
            self._ends.append(one.guest_offset + one.length)
            if len(self._starts) >= MAX_RANGES:
                self._ends[-1] = max(disk_size, self._ends[-1])
                break

    def within(self, start: int, length: int) -> Iterator[tuple[int, int]]:
        """Start and length of what differs in a guest range."""
        end = start + length
        number = max(0, bisect_right(self._starts, start) - 1)
        while number < len(self._starts) and self._starts[number] < end:
            first, last = max(start, self._starts[number]), min(end, self._ends[number])
            if first < last:
                yield first, last - first
            number += 1


def bytes_of_runs(read_at: Callable[[int, int], bytes], runs: Sequence[Extent], offset: int, length: int) -> bytes:
    """Bytes of a file by its runs, which are in the order of the file; what is in none is zeros.

    Raises what `read_at` raises, and `OSError` where it gives less, past the end of the volume.
    """
    buffer = bytearray(length)
    number = max(0, bisect_right(runs, offset, key=lambda run: run[0]) - 1)
    for file_offset, place, size in (runs[at] for at in range(number, len(runs))):
        if file_offset >= offset + length:
            break
        start, end = max(offset, file_offset), min(offset + length, file_offset + size)
        if start < end:
            content = read_at(place + start - file_offset, end - start)
            if len(content) < end - start:  # and a shorter slice would move what comes after it
                raise OSError(PAST_THE_END)
            buffer[start - offset : end - offset] = content
    return bytes(buffer)


class Side:
    """The bytes of the files of one volume on one disk."""

    def __init__(self, volume: VolumeReader, layout: Layout) -> None:
        """Read files by their runs."""
        self._volume = volume
        self.layout = layout

    def bytes_of(self, entry: Entry, offset: int, length: int) -> bytes:
        """Bytes of a file; what is in no run is zeros. Raises `OSError` where the disk lacks some."""
        return bytes_of_runs(self._volume.read_at, entry.runs, offset, length)


class Compare:
    """Compares the contents of files on two disks."""

    def __init__(self, before: Side, after: Side, ranges: DifferingRanges) -> None:
        """`ranges` are those in which the two disks differ."""
        self._before, self._after, self._ranges = before, after, ranges

    def differ(self, before: Entry, after: Entry) -> bool:
        """Whether a file has other bytes now. Raises `OSError` where that cannot be said."""
        if before.size != after.size or before.target != after.target:
            return True
        if before.digest or after.digest:
            return self._digest(self._before, before) != self._digest(self._after, after)
        if before.runs == after.runs and self._before.layout == self._after.layout:
            changed = self._changed(before)
        elif before.encoded or after.encoded:
            return True  # what is stored elsewhere is not what is read
        else:
            changed = _pieces(0, before.size)
        for start, length in changed:
            for at, size in _pieces(start, length):
                if self._before.bytes_of(before, at, size) != self._after.bytes_of(after, at, size):
                    return True
        return False

    def _changed(self, entry: Entry) -> Iterator[tuple[int, int]]:
        """Ranges of a file that lie where the disks differ; of encoded content, ranges as it is stored."""
        end = entry.runs[-1][0] + entry.runs[-1][2] if entry.encoded and entry.runs else entry.size
        for file_offset, place, length in entry.runs:
            for piece in self._before.layout.pieces(place, length):
                if piece.guest_offset is None:
                    continue
                for start, size in self._ranges.within(piece.guest_offset, piece.length):
                    at = file_offset + piece.offset - place + start - piece.guest_offset
                    if at < end:
                        yield at, min(size, end - at)

    def _digest(self, side: Side, entry: Entry) -> str:
        if entry.digest:
            return entry.digest
        digest = hashlib.sha256()
        for at, size in _pieces(0, entry.size):
            digest.update(side.bytes_of(entry, at, size))
        return digest.hexdigest()


def _pieces(start: int, length: int) -> Iterator[tuple[int, int]]:
    for at in range(start, start + length, PIECE):
        yield at, min(PIECE, start + length - at)
