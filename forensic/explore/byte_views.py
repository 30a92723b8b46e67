"""The file and the virtual disk as bytes to look at: a range that cannot be read is a sentence, not an exception."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from forensic.disk.disk import Disk
from forensic.disk.reader import DiskReader
from forensic.errors import Unsupported, WorkerFailed
from forensic.evidence import Evidence, ReadFailed
from forensic.finding import Space
from forensic.image import Qcow1Image, Qcow2Image
from forensic.mapping.extents import Reason, State
from forensic.mapping.rows import ROW, Rows

ROWS_AHEAD = 64


class View(Protocol):
    """Bytes of one address space."""

    space: Space

    @property
    def size(self) -> int:
        """Bytes of the space."""

    def read(self, offset: int, length: int) -> bytes | str:
        """Up to `length` bytes, fewer only at the end, or why they cannot be read."""

    def stretches(self) -> Iterator[tuple[int, int]]:
        """Start and end of the parts that hold anything; all else reads as zeros or not at all."""

    def zeros_until(self, offset: int) -> int:
        """How far the bytes from here are known to be zeros without reading them; the offset itself if they are not."""

    def missing_around(self, offset: int) -> tuple[int, int]:
        """Start and end of what is missing for the same reason as the byte here, which cannot be read, as far as known.

        Both are the offset itself where nothing is known.
        """


class FileView:
    """The bytes of the image file."""

    space = Space.HOST

    def __init__(self, evidence: Evidence) -> None:
        """Look at this file."""
        self._evidence = evidence

    @property
    def size(self) -> int:
        """Bytes of the file when it was opened."""
        return self._evidence.size

    def read(self, offset: int, length: int) -> bytes | str:
        """Bytes of the file; a reason where it has shrunk or a sector is bad."""
        try:
            return self._evidence.read_at(offset, length)
        except ReadFailed as failure:
            return failure.reason

    def stretches(self) -> Iterator[tuple[int, int]]:
        """The parts of the file that the file system stores."""
        offset = 0
        while (start := self._evidence.next_data_from(offset)) < self.size:
            offset = min(self.size, max(start + 1, self._evidence.hole_from(start)))
            yield start, offset

    def zeros_until(self, offset: int) -> int:
        """The end of a hole of the file."""
        return max(offset, min(self.size, self._evidence.next_data_from(offset)))

    def missing_around(self, offset: int) -> tuple[int, int]:
        """A bad sector says nothing about the next."""
        return offset, offset


class DiskView:
    """The bytes of the active virtual disk."""

    space = Space.GUEST

    def __init__(self, image: Qcow2Image | Qcow1Image, disk: Disk | None = None) -> None:
        """Look at the disk of this image; `disk` is the same with what the examiner supplied, such as a key."""
        self._image = image
        self._supplied = disk
        self._reader: DiskReader | None = None
        self._looked_up: tuple[int, Rows] = (-1, np.zeros(0, dtype=ROW))

    @property
    def size(self) -> int:
        """Bytes of the disk."""
        return self._image.virtual_size

    def read(self, offset: int, length: int) -> bytes | str:
        """Bytes of the disk; a reason where they are not in the file, cannot be decoded or need a key."""
        length = max(0, min(length, self.size - offset))
        buffer = bytearray(length)
        try:
            if self._reader is None:
                self._reader = self._disk().reader()
            self._reader.read_at(offset, memoryview(buffer))
        except Unsupported as error:
            return error.feature
        except WorkerFailed as error:  # somebody has ended the decoder
            return str(error)
        except OSError as error:
            return (error.strerror or "cannot be read").rpartition(": ")[2]
        return bytes(buffer)

    def stretches(self) -> Iterator[tuple[int, int]]:
        """The parts of the disk whose bytes are in the file."""
        for extent in self._disk().extents():
            if extent.state in (State.DATA, State.COMPRESSED):
                yield extent.guest_offset, extent.guest_offset + extent.length

    def zeros_until(self, offset: int) -> int:
        """The end of what the tables call zeros, or of what lies in a hole of the file, as far as one table says."""
        try:
            coverage = _coverage(self._image)
            near = min(self.size, (offset // coverage + 1) * coverage)
            end = self._zeros_between(offset, near)
            empty = offset < end == near and not self._table_at(near // coverage)
            return self._zeros_between(end, self.size) if empty else end
        except Unsupported:
            return offset

    def missing_around(self, offset: int) -> tuple[int, int]:
        """What one table gives the same reason for, or the compressed cluster that cannot be decoded."""
        try:
            rows = self._rows_of_table(offset // _coverage(self._image))
        except Unsupported:  # there is no disk to read
            return 0, self.size
        begins, ends = rows["guest_offset"], rows["guest_offset"] + rows["length"]
        first = last = int(np.searchsorted(begins, offset, side="right")) - 1
        reason = rows["reason"][first]
        if reason != Reason.NONE:
            others = rows["reason"] != reason
            first -= int(np.argmax(np.append(others[first::-1], True))) - 1
            last += int(np.argmax(np.append(others[last:], True))) - 1
        elif rows["state"][first] != State.COMPRESSED:
            return offset, offset
        return int(begins[first]), int(ends[last])

    def _rows_of_table(self, l1_index: int) -> Rows:
        """What is read of the disk by one table; kept, since a window asks for each of its gaps at every step."""
        if self._looked_up[0] != l1_index:
            start, coverage = l1_index * _coverage(self._image), _coverage(self._image)
            rows = np.concatenate(list(self._disk().readable_batches(start, start + coverage)))
            self._looked_up = (l1_index, rows)
        return self._looked_up[1]

    def _disk(self) -> Disk:
        return self._supplied or self._image.disk()

    def _table_at(self, l1_index: int) -> bool:
        """Whether there is an L2 table, which costs time to read, and not a long run of nothing."""
        entries = self._image.l1.entries
        return l1_index < len(entries) and bool(entries[l1_index])

    def _zeros_between(self, offset: int, end: int) -> int:
        """How far the first batch of rows is zeros."""
        disk, evidence = self._disk(), self._image.evidence
        for rows in disk.row_batches(offset, end):
            for start, length, host_offset, _, state, _, depth, _ in rows[:ROWS_AHEAD].tolist():
                if state == State.DATA and not depth and disk.layers[0].plain_data is evidence:
                    hole_end = evidence.next_data_from(host_offset)
                    if hole_end < host_offset + length:
                        return int(max(offset, start + hole_end - host_offset))
                elif state not in self._zeros:
                    return offset
                offset = int(start + length)
            return offset
        return offset

    @property
    def _zeros(self) -> tuple[State, ...]:
        """The states that read as zeros; what is unallocated does only where there is nothing below."""
        last = self._disk().layers[-1]
        return (State.ZERO, State.ZERO_ALLOCATED, *(() if last.backing_file is not None else (State.UNALLOCATED,)))


def _coverage(image: Qcow2Image | Qcow1Image) -> int:
    """Guest bytes of an L2 table. Raises `Unsupported` where the header does not tell."""
    return image.header.l1_coverage if isinstance(image, Qcow1Image) else image.geometry.l1_coverage
