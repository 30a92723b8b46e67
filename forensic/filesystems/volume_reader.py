"""The bytes of one volume for a library, and what of them could not be read."""

from __future__ import annotations

import errno
import io
import os
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from forensic.disk.reader import DiskReader, RangeUnreadable
from forensic.numbers import SECTOR_SIZE
from forensic.volumes.layout import Layout

if TYPE_CHECKING:
    from forensic.disk.disk import Disk

MAX_FAULTS = 64
"""Faults that are remembered between two questions about them."""

BEYOND_DISK = "beyond_disk_end"
ELSEWHERE = "physical_volume_missing"

Answer = TypeVar("Answer")


class VolumeReader(io.RawIOBase):
    """A volume as a seekable binary file; a read of what the disk lacks raises `OSError` (EIO) and is remembered.

    Libraries do not always pass errors on; `take_faults` tells what went wrong since it was last asked.
    """

    def __init__(self, disk: Disk, layout: Layout) -> None:
        """Read a volume of a disk."""
        self._reader = DiskReader(disk)
        self._disk_size, self._layout = disk.size, layout
        self._position = 0
        self._faults: list[str] = []
        self._shortened: list[str] = []
        self.length = layout.length

    def read_at(self, offset: int, length: int) -> bytes:
        """Bytes of the volume, fewer at its end. Raises `OSError`."""
        try:
            return self._read(offset, length)
        except OSError as error:
            self._remember(self._faults, error)
            raise

    def _read(self, offset: int, length: int) -> bytes:
        length = max(0, min(length, self.length - offset))
        buffer = memoryview(bytearray(length))
        for piece in self._layout.pieces(offset, length):
            start = piece.offset - offset
            if piece.guest_offset is None:
                raise OSError(errno.EIO, f"offset {piece.offset:#x} of the volume cannot be read: {ELSEWHERE}")
            if piece.guest_offset + piece.length > self._disk_size:
                raise OSError(errno.EIO, f"guest offset {self._disk_size:#x} cannot be read: {BEYOND_DISK}")
            try:
                self._reader.read_at(piece.guest_offset, buffer[start : start + piece.length])
            except RangeUnreadable as unreadable:
                raise OSError(errno.EIO, unreadable.strerror) from unreadable
        return bytes(buffer)

    def read_ahead(self, offset: int, length: int) -> bytes:
        """The same for a library that asks for more than it needs: what there is before the first fault.

        Raises `OSError` if that is nothing.
        """
        try:
            return self._read(offset, length)
        except OSError as error:
            if length <= SECTOR_SIZE:
                self._remember(self._faults, error)
                raise
            self._remember(self._shortened, error)
        half = max(SECTOR_SIZE, length // 2 // SECTOR_SIZE * SECTOR_SIZE)
        first = self.read_ahead(offset, half)
        if len(first) < half:
            return first
        try:
            return first + self.read_ahead(offset + half, length - half)
        except OSError:
            self._faults.pop()  # it was not the first byte, and may not be needed
            return first

    def take_faults(self, shortened: bool = False) -> list[str]:
        """Sentences about the reads that failed since this was last asked; those cut short as well, if wanted."""
        found = self._faults + (self._shortened if shortened else [])
        self._faults, self._shortened = [], []
        return list(dict.fromkeys(found))

    def told(self, question: Callable[[Callable[[int, int], bytes]], Answer], otherwise: Answer) -> Answer:
        """What a question says that reads the volume; `otherwise` if it cannot be read, which is no fault of a file."""
        faults, shortened = [*self._faults], [*self._shortened]
        try:
            return question(self._read)
        except (OSError, RuntimeError, struct.error, IndexError):
            return otherwise
        finally:
            self._faults, self._shortened = faults, shortened

    def _remember(self, where: list[str], error: OSError) -> None:
        if len(where) < MAX_FAULTS:
            where.append(error.strerror or "")

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to an offset in the volume."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.length}[whence]
        if base + offset < 0:
            raise ValueError("seek to a negative offset")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """The offset of the next read."""
        return self._position

    def get_size(self) -> int:
        """Bytes of the volume, as libyal asks for them."""
        return self.length

    def read(self, size: int = -1) -> bytes:
        """Bytes from the current offset on. Raises `OSError`."""
        found = self.read_at(self._position, self.length if size < 0 else size)
        self._position += len(found)
        return found
