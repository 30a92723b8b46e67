"""The virtual disk as a seekable binary file, for libraries that read disks."""

from __future__ import annotations

import errno
import io
import os
from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np

from forensic.qcow2.content import read_compressed, read_data, without_what_was_not_supplied
from forensic.qcow2.mapping import Reason, Rows, State

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from forensic.qcow2.image import Qcow2Image

CACHED_L1_ENTRIES = 32
"""Stretches of the disk whose extents are remembered; one stretch is what one L1 entry stands for."""


class DiskReader(io.RawIOBase):
    """Guest bytes of the active disk.

    A read that touches a range which is absent or undecodable raises `OSError` (EIO) that names guest offset and
    reason: missing is not zero. With `fill_missing` such ranges read as zeros, as `qemu-img convert` has them.
    """

    def __init__(self, image: Qcow2Image, fill_missing: bool = False) -> None:
        """Read the disk of `image`. Raises `Unsupported` where its header gives no geometry."""
        self._image = image
        self._geometry = image.geometry
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
        bases = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._image.virtual_size}
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
        length = max(0, min(len(view), self._image.virtual_size - self._position))
        self.read_at(self._position, view[:length])
        self._position += length
        return length

    def read_at(self, guest_offset: int, buffer: memoryview) -> None:
        """Fill the buffer, which must end within the disk. Raises `OSError` (EIO) where bytes are missing."""
        done = 0
        coverage = self._geometry.l1_coverage
        while done < len(buffer):
            at = guest_offset + done
            rows = self._rows_around(at // coverage)
            index = int(np.searchsorted(rows["guest_offset"], at, side="right")) - 1
            start, length, host_offset, stored_length, state, reason = rows[index].tolist()
            within = at - start
            part = buffer[done : done + length - within]
            self._fill(at, State(state), Reason(reason), host_offset, stored_length, within, part)
            done += len(part)

    def _fill(
        self,
        guest_offset: int,
        state: State,
        reason: Reason,
        host_offset: int,
        stored_length: int,
        within: int,
        part: memoryview,
    ) -> None:
        evidence = self._image.evidence
        if state == State.DATA:
            faults = read_data(evidence, host_offset + within, part)
        elif state == State.COMPRESSED:
            faults = read_compressed(evidence, self._geometry, host_offset, stored_length, within, part)
        else:
            faults = []
            part[:] = bytes(len(part))
        missing = reason if state == State.ABSENT else faults[0].reason if faults else Reason.NONE
        if missing != Reason.NONE:
            if not self._fill_missing:
                raise OSError(errno.EIO, f"guest offset {guest_offset:#x} cannot be read: {missing.code}")
            for fault in faults:
                part[fault.start : fault.start + fault.length] = bytes(fault.length)

    def _rows_around(self, l1_index: int) -> Rows:
        """The extents of what one L1 entry stands for, remembered for the next read nearby."""
        if l1_index in self._rows:
            self._rows.move_to_end(l1_index)
            return self._rows[l1_index]
        coverage = self._geometry.l1_coverage
        batches = list(self._image.row_batches(l1_index * coverage, (l1_index + 1) * coverage))
        rows = without_what_was_not_supplied(
            np.concatenate(batches), self._geometry, self._image.backing_file is not None
        )
        self._rows[l1_index] = rows
        if len(self._rows) > CACHED_L1_ENTRIES:
            self._rows.popitem(last=False)
        return rows
