"""The bytes of one piece; runs in worker threads, since reading and decoding release the interpreter lock."""

from __future__ import annotations

from dataclasses import dataclass

from forensic.extraction.plan import Piece
from forensic.qcow2.disk import Disk
from forensic.qcow2.mapping import Reason


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


def fill(disk: Disk, piece: Piece) -> Filled:
    """Read, decrypt and decode all parts of a piece."""
    data = memoryview(bytearray(piece.length))
    found: list[Missing] = []
    for part in piece.parts:
        place = data[part.start : part.start + part.length]
        guest_offset = piece.guest_offset + part.start
        faults = disk.read(part.depth, guest_offset, part.host_offset, part.stored_length, part.skip, place)
        for fault in faults:
            host_offset = part.host_offset + (0 if part.stored_length else fault.start)
            start = guest_offset + fault.start
            found.append(Missing(start, fault.length, fault.reason, host_offset, part.stored_length))
    return Filled(piece.guest_offset, data, tuple(found))
