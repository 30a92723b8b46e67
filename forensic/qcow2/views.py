"""The file and the virtual disk as bytes to look at: a stretch that cannot be had is a sentence, not an exception."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from forensic.errors import Unsupported
from forensic.evidence import Evidence, ReadFailed
from forensic.finding import Space
from forensic.qcow2.image import Qcow2Image
from forensic.qcow2.mapping import State
from forensic.qcow2.qcow1 import Qcow1Image
from forensic.qcow2.reader import DiskReader


class View(Protocol):
    """Bytes of one address space."""

    space: Space

    @property
    def size(self) -> int:
        """Bytes of the space."""

    def read(self, offset: int, length: int) -> bytes | str:
        """Up to `length` bytes, fewer only at the end, or why they cannot be had."""

    def stretches(self) -> Iterator[tuple[int, int]]:
        """Start and end of the parts that hold anything; all else reads as zeros or not at all."""

    def zeros_until(self, offset: int) -> int:
        """How far the bytes from here are known to be zeros without reading them; the offset itself if they are not."""


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


class DiskView:
    """The bytes of the active virtual disk."""

    space = Space.GUEST

    def __init__(self, image: Qcow2Image | Qcow1Image) -> None:
        """Look at the disk of this image."""
        self._image = image
        self._reader: DiskReader | None = None

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
                self._reader = self._image.reader()
            self._reader.read_at(offset, memoryview(buffer))
        except Unsupported as error:
            return error.feature
        except OSError as error:
            return (error.strerror or "cannot be read").rpartition(": ")[2]
        return bytes(buffer)

    def stretches(self) -> Iterator[tuple[int, int]]:
        """The parts of the disk whose bytes are in the file."""
        for extent in self._image.extents():
            if extent.state in (State.DATA, State.COMPRESSED):
                yield extent.guest_offset, extent.guest_offset + extent.length

    def zeros_until(self, offset: int) -> int:
        """The end of what the tables call zeros, as far as one batch of them reaches."""
        zeros = (State.ZERO, State.ZERO_ALLOCATED, *(() if self._image.has_backing_file else (State.UNALLOCATED,)))
        try:
            rows = next(self._image.row_batches(offset, self.size), None) if offset < self.size else None
        except Unsupported:
            return offset
        if rows is None or not len(rows):
            return offset
        other = np.flatnonzero(~np.isin(rows["state"], zeros))
        last = rows[-1] if not len(other) else None
        return int(rows["guest_offset"][other[0]]) if last is None else int(last["guest_offset"]) + int(last["length"])
