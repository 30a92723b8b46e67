"""The bytes of one piece; runs in worker threads, since reading and decoding release the interpreter lock."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from forensic.extraction.plan import Piece
from forensic.qcow2.disk import Disk
from forensic.qcow2.mapping import Reason


class Missing(Struct, frozen=True):
    """A guest range whose bytes cannot be had, and why; it is filled with zeros.

    `host_offset` and `stored_length` say what was tried, as in a row of the mapping.
    """

    guest_offset: int
    length: int
    reason: Reason
    host_offset: int | None = None
    stored_length: int = 0

    @property
    def end(self) -> int:
        """The guest offset behind it."""
        return self.guest_offset + self.length


class Filled(Struct, frozen=True):
    """The guest bytes of a piece, and which of them are zeros since reading or decoding them failed."""

    guest_offset: int
    data: memoryview
    faults: tuple[Missing, ...]


def fill(disk: Disk, piece: Piece) -> Filled:
    """Read, decrypt and decode all parts of a piece."""
    array = np.empty(piece.length, dtype=np.uint8)  # not zeros: setting them would cost as much as reading
    data = array.data
    found: list[Missing] = []
    position = 0
    for start, length, host_offset, stored_length, depth, skip in piece.parts:
        array[position:start] = 0
        position = start + length
        place = data[start:position]
        guest_offset = piece.guest_offset + start
        for fault in disk.read(depth, guest_offset, host_offset, stored_length, skip, place):
            array[start + fault.start : start + fault.start + fault.length] = 0
            tried = host_offset if stored_length else host_offset + fault.start
            found.append(Missing(guest_offset + fault.start, fault.length, fault.reason, tried, stored_length))
    array[position:] = 0
    return Filled(piece.guest_offset, data, tuple(found))
