"""The virtual disk as a seekable binary file, for libraries that read disks."""

from __future__ import annotations

import errno
import io
import os
from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

import numpy as np

from forensic.disk.layer import Fault
from forensic.mapping.extents import Reason, State
from forensic.mapping.rows import Rows

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

LOOKUP_BYTES = 8 << 20
"""Guest bytes whose extents are looked up together."""

REMEMBERED_LOOKUPS = 32
REMEMBERED_ROWS = 1 << 17
"""Of all ranges together, some five megabytes: an image can have as many extents as sectors."""


class ReadableDisk(Protocol):
    """What a reader needs of a disk; see `forensic.disk.disk.Disk`."""

    @property
    def size(self) -> int: ...

    def readable_batches(self, guest_start: int = 0, guest_end: int | None = None) -> Iterator[Rows]: ...

    def read(
        self, depth: int, guest_offset: int, host_offset: int, stored_length: int, skip: int, buffer: memoryview
    ) -> list[Fault]: ...


class RangeUnreadable(OSError):
    """EIO with the first guest offset that cannot be read, and why."""

    def __init__(self, guest_offset: int, reason: Reason) -> None:
        super().__init__(errno.EIO, f"guest offset {guest_offset:#x} cannot be read: {reason.code}")
        self.guest_offset = guest_offset
        self.reason = reason


class DiskReader(io.RawIOBase):
    """Guest bytes of a disk.

    A read that touches a range which is absent or undecodable raises `RangeUnreadable`, an `OSError` (EIO) that names
    guest offset and reason: missing is not zero. With `fill_missing` such ranges read as zeros, as `qemu-img convert`
    has them.
    """

    def __init__(self, disk: ReadableDisk, fill_missing: bool = False) -> None:
        """Read `disk` from its first byte on."""
        self._disk = disk
        self._fill_missing = fill_missing
        self._position = 0
        self._rows: OrderedDict[int, Rows] = OrderedDict()

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a guest offset; past the end is allowed and reads nothing there."""
        bases = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._disk.size}
        if whence not in bases:
            raise ValueError(f"whence is {whence}, expected one of {', '.join(map(str, bases))}")
        target = bases[whence] + offset
        if target < 0:
            raise ValueError(f"seek to the negative guest offset {target}")
        self._position = target
        return self._position

    def tell(self) -> int:
        """The guest offset of the next read."""
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill the buffer from the current guest offset; the number of bytes until the disk ends."""
        view = memoryview(buffer).cast("B")
        length = max(0, min(len(view), self._disk.size - self._position))
        self.read_at(self._position, view[:length])
        self._position += length
        return length

    def read_at(self, guest_offset: int, buffer: memoryview) -> None:
        """Fill the buffer, which must end within the disk. Raises `RangeUnreadable` where bytes are missing."""
        done = 0
        while done < len(buffer):
            at = guest_offset + done
            rows = self._rows_around(at // LOOKUP_BYTES)
            row = rows[int(np.searchsorted(rows["guest_offset"], at, side="right")) - 1]
            within = at - int(row["guest_offset"])
            part = buffer[done : done + int(row["length"]) - within]
            self._fill(at, row, within, part)
            done += len(part)

    def _fill(self, guest_offset: int, row: np.void, within: int, part: memoryview) -> None:
        _, _, host_offset, stored_length, state, reason, depth, skip = row.tolist()
        missing = Reason(reason)
        if state == State.DATA:
            faults = self._disk.read(depth, guest_offset, host_offset + within, 0, 0, part)
        elif state == State.COMPRESSED:
            faults = self._disk.read(depth, guest_offset, host_offset, stored_length, skip + within, part)
        else:
            faults = []
            part[:] = bytes(len(part))
        if faults:
            missing, guest_offset = faults[0].reason, guest_offset + faults[0].start
        if missing != Reason.NONE and not self._fill_missing:
            raise RangeUnreadable(guest_offset, missing)
        for fault in faults:
            if fault.reason == Reason.SALVAGED:
                continue
            part[fault.start : fault.start + fault.length] = bytes(fault.length)

    def _rows_around(self, lookup: int) -> Rows:
        """The extents of one range of the disk, remembered for the next read nearby."""
        if lookup in self._rows:
            self._rows.move_to_end(lookup)
            return self._rows[lookup]
        rows = np.concatenate(list(self._disk.readable_batches(lookup * LOOKUP_BYTES, (lookup + 1) * LOOKUP_BYTES)))
        self._rows[lookup] = rows
        while len(self._rows) > REMEMBERED_LOOKUPS or self._too_many_rows():
            self._rows.popitem(last=False)
        return rows

    def _too_many_rows(self) -> bool:
        """Whether more rows are remembered than may be; those of the last range are wanted however many they are."""
        return len(self._rows) > 1 and sum(map(len, self._rows.values())) > REMEMBERED_ROWS
