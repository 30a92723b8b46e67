"""The bytes of one piece; runs in worker threads, since reading and decoding release the interpreter lock."""

from __future__ import annotations

from dataclasses import dataclass

from forensic.extraction.plan import Missing, Piece
from forensic.qcow2.disk import Disk


@dataclass(frozen=True)
class Filled:
    """The guest bytes of a piece: how many came from the file, and which are zeros since they could not be had."""

    guest_offset: int
    data: memoryview
    bytes_read: int
    missing: tuple[Missing, ...]


def fill(disk: Disk, piece: Piece) -> Filled:
    """Read, decrypt and decode all parts of a piece."""
    data = memoryview(bytearray(piece.length))
    missing = list(piece.missing)
    bytes_read = 0
    for part in piece.parts:
        place = data[part.start : part.start + part.length]
        guest_offset = piece.guest_offset + part.start
        faults = disk.read(part.depth, guest_offset, part.host_offset, part.stored_length, part.skip, place)
        bytes_read += part.length - sum(fault.length for fault in faults)
        for fault in faults:
            missing.append(Missing(guest_offset + fault.start, fault.length, fault.reason, part.host_offset))
    missing.sort(key=lambda entry: entry.guest_offset)
    return Filled(piece.guest_offset, data, bytes_read, tuple(missing))
