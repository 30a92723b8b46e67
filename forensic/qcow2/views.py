"""The file and the virtual disk as bytes to look at: a stretch that cannot be had is a sentence, not an exception."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from forensic.errors import Unsupported
from forensic.evidence import Evidence, ReadFailed
from forensic.finding import Space
from forensic.qcow2.image import Qcow2Image
from forensic.qcow2.mapping import State
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


class DiskView:
    """The bytes of the active virtual disk."""

    space = Space.GUEST

    def __init__(self, image: Qcow2Image) -> None:
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
