"""The bytes of one piece; done by the members of a crew, several pieces at a time."""

from __future__ import annotations

from dataclasses import dataclass

from forensic.extraction.plan import Piece
from forensic.extraction.stretch import ZEROS
from forensic.qcow2.disk import Disk
from forensic.qcow2.states import Reason


@dataclass(frozen=True)
class Missing:
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


@dataclass(frozen=True)
class Filled:
    """The guest bytes of a piece, and which of them are zeros since reading or decoding them failed."""

    guest_offset: int
    data: memoryview
    faults: tuple[Missing, ...]


def fill(disk: Disk, piece: Piece, data: memoryview) -> Filled:
    """Read, decrypt and decode all parts of a piece into a buffer of its length."""
    found: list[Missing] = []
    position = 0
    for start, length, host_offset, stored_length, depth, skip in piece.parts:
        data[position:start] = ZEROS[: start - position]
        position = start + length
        place = data[start:position]
        guest_offset = piece.guest_offset + start
        for fault in disk.read(depth, guest_offset, host_offset, stored_length, skip, place):
            place[fault.start : fault.start + fault.length] = ZEROS[: fault.length]
            tried = host_offset if stored_length else host_offset + fault.start
            found.append(Missing(guest_offset + fault.start, fault.length, fault.reason, tried, stored_length))
    data[position:] = ZEROS[: len(data) - position]
    return Filled(piece.guest_offset, data, tuple(found))
