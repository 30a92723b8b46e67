"""The bytes of one piece; runs in worker threads, since reading and decoding release the interpreter lock."""

from __future__ import annotations

from dataclasses import dataclass

from forensic.evidence import Evidence
from forensic.extraction.plan import Missing, Piece
from forensic.qcow2.content import read_compressed, read_data
from forensic.qcow2.geometry import Geometry


@dataclass(frozen=True)
class Filled:
    """The guest bytes of a piece: how many came from the file, and which are zeros since they could not be had."""

    guest_offset: int
    data: memoryview
    bytes_read: int
    missing: tuple[Missing, ...]


def fill(evidence: Evidence, geometry: Geometry, piece: Piece) -> Filled:
    """Read and decode all parts of a piece."""
    data = memoryview(bytearray(piece.length))
    missing = list(piece.missing)
    bytes_read = 0
    for part in piece.parts:
        place = data[part.start : part.start + part.length]
        if part.stored_length:
            faults = read_compressed(evidence, geometry, part.host_offset, part.stored_length, 0, place)
        else:
            faults = read_data(evidence, part.host_offset, place)
        bytes_read += part.length - sum(fault.length for fault in faults)
        for fault in faults:
            guest_offset = piece.guest_offset + part.start + fault.start
            missing.append(Missing(guest_offset, fault.length, fault.reason, part.host_offset))
    missing.sort(key=lambda entry: entry.guest_offset)
    return Filled(piece.guest_offset, data, bytes_read, tuple(missing))
