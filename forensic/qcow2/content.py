"""The guest bytes of one extent, put into a buffer, and which of them could not be had."""

from __future__ import annotations

from dataclasses import dataclass

from forensic.evidence import Evidence, ReadFailed
from forensic.qcow2.codecs import decode
from forensic.qcow2.geometry import Geometry
from forensic.qcow2.header import CryptMethod
from forensic.qcow2.mapping import Reason, Rows, State, mark_absent

RETRY_BLOCK = 4096
"""Bytes that are given up together around a bad sector."""


@dataclass(frozen=True)
class Fault:
    """`length` bytes from `start` of a buffer that could not be read and are zero there."""

    start: int
    length: int
    reason: Reason


def without_what_was_not_supplied(rows: Rows, geometry: Geometry, has_backing_file: bool) -> Rows:
    """The rows with every range absent whose bytes lie in another file or under a key."""
    data = rows["state"] == State.DATA
    if geometry.external_data_file:
        mark_absent(rows, data, Reason.DATA_FILE_NOT_SUPPLIED)
    elif geometry.crypt_method in (CryptMethod.AES, CryptMethod.LUKS):
        mark_absent(rows, data, Reason.KEY_NOT_SUPPLIED)
    if has_backing_file:
        mark_absent(rows, rows["state"] == State.UNALLOCATED, Reason.BACKING_NOT_SUPPLIED)
    return rows


def read_data(evidence: Evidence, host_offset: int, buffer: memoryview) -> list[Fault]:
    """Fill the buffer from the file; after a bad sector, everything around it that can be read."""
    try:
        evidence.read_into(host_offset, buffer)
    except ReadFailed:
        return _read_blockwise(evidence, host_offset, buffer)
    return []


def read_compressed(
    evidence: Evidence, geometry: Geometry, host_offset: int, stored_length: int, skip: int, buffer: memoryview
) -> list[Fault]:
    """Fill the buffer with a decoded cluster from its byte `skip` on; all zeros if the stream gives no whole cluster.

    What a broken stream gives before it breaks is not vouched for by any checksum, so it is not passed on as data.
    """
    try:
        stored = evidence.read_at(host_offset, stored_length)
    except ReadFailed:
        return [Fault(0, len(buffer), Reason.IO_ERROR)]
    decoded = decode(stored, geometry.compression_type, geometry.cluster_size)
    if decoded.fault:
        return [Fault(0, len(buffer), Reason[decoded.fault.upper()])]
    buffer[:] = memoryview(decoded.data)[skip : skip + len(buffer)]
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
