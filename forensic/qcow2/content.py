"""The guest bytes of one extent, put into a buffer, and which of them could not be had."""

from __future__ import annotations

from msgspec import Struct

from forensic.evidence import Evidence, ReadFailed
from forensic.qcow2.states import Reason

RETRY_BLOCK = 4096
"""Bytes that are given up together around a bad sector."""


class Fault(Struct, frozen=True):
    """`length` bytes from `start` of a buffer that could not be read and are zero there."""

    start: int
    length: int
    reason: Reason


def read_data(evidence: Evidence, host_offset: int, buffer: memoryview) -> list[Fault]:
    """Fill the buffer from the file; after a bad sector, everything around it that can be read."""
    try:
        evidence.read_into(host_offset, buffer)
    except ReadFailed:
        return _read_blockwise(evidence, host_offset, buffer)
    return []


def _read_blockwise(evidence: Evidence, host_offset: int, buffer: memoryview) -> list[Fault]:
    faults: list[Fault] = []
    for start in range(0, len(buffer), RETRY_BLOCK):
        block = buffer[start : start + RETRY_BLOCK]
        try:
            evidence.read_into(host_offset + start, block)
        except ReadFailed:
            block[:] = bytes(len(block))
            faults.append(Fault(start, len(block), Reason.IO_ERROR))
    return faults
