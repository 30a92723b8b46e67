"""Header clusters: the file's own if it can be read as one, and those that are mended or made from what was found."""

from __future__ import annotations

import struct

import numpy as np
from msgspec import Struct

from forensic.evidence import Evidence
from forensic.qcow2.arrays import big_endian
from forensic.qcow2.entries import COPIED, SECTOR_SIZE
from forensic.qcow2.extensions import ExtensionType
from forensic.qcow2.geometry import (
    MAX_CLUSTER_BITS,
    MIN_CLUSTER_BITS,
    Geometry,
)
from forensic.qcow2.header import MAGIC, V3_LENGTH, CryptMethod, Incompatible


def header_of(evidence: Evidence) -> bytes | None:
    """The first cluster with its magic as it has to be, if what follows the magic reads as a header; None otherwise."""
    raw = evidence.read_up_to_bad(0, SECTOR_SIZE)
    if len(raw) < V3_LENGTH:
        return None
    mended = MAGIC + raw[4:]
    if mended[4:8] not in (b"\0\0\0\2", b"\0\0\0\3"):
        return None
    bits = int.from_bytes(mended[20:24], "big")
    if not MIN_CLUSTER_BITS <= bits <= MAX_CLUSTER_BITS:
        return None
    return MAGIC + evidence.read_up_to_bad(0, 1 << bits)[4:]


MOST_COUNTED = (1 << 32) - 1
"""The most entries that a header can count; what needs more is refused later."""


class MadeHeader(Struct, frozen=True):
    """What a made header says."""

    cluster_bits: int
    extended: bool
    refcount_table: tuple[int, int]
    refcount_order: int
    compression_type: int

    def header(self, size: int, l1_offset: int, l1_size: int) -> bytes:
        """The header cluster."""
        features = Incompatible.EXTENDED_L2 if self.extended else 0
        features |= Incompatible.COMPRESSION_TYPE if self.compression_type else 0
        offset, clusters = self.refcount_table
        fixed = struct.pack(
            ">4sIQIIQIIQQIIQ",
            MAGIC,
            3,
            0,
            0,
            self.cluster_bits,
            size,
            0,
            min(l1_size, MOST_COUNTED),
            l1_offset,
            offset,
            clusters,
            0,
            0,
        )
        fixed += struct.pack(">QQQIIB7x", features, 0, 0, self.refcount_order, 112, self.compression_type)
        return fixed.ljust(1 << self.cluster_bits, b"\0")


def mended(header: bytes, virtual_size: int, l1_entries: int, l1_offset: int) -> bytes:
    """The header with its magic, and with another disk size and L1 table."""
    tables = struct.pack(">IQ", min(l1_entries, MOST_COUNTED), l1_offset)
    return MAGIC + header[4:24] + struct.pack(">Q", virtual_size) + header[32:36] + tables + header[48:]


def made_header(geometry: Geometry, luks: tuple[int, int] = (0, 0)) -> bytes:
    """A header cluster that says what a geometry does, with the pointer to a LUKS header if there is one."""
    table = (geometry.refcount_table_offset, geometry.refcount_table_clusters)
    order = 4 if geometry.refcount_order is None else geometry.refcount_order
    made = MadeHeader(geometry.cluster_bits, geometry.extended_l2, table, order, geometry.compression_type)
    raw = made.header(geometry.virtual_size, geometry.l1_table_offset, geometry.l1_entry_count)
    if not luks[0]:
        return raw
    pointer = struct.pack(">IIQQ", ExtensionType.ENCRYPTION_HEADER, 16, *luks)
    return raw[:32] + struct.pack(">I", CryptMethod.LUKS) + raw[36:112] + pointer + raw[112 + len(pointer) :]


def refcount_table_clusters(evidence: Evidence, offset: int, size: int) -> int:
    """The clusters of a refcount table: as many as read as one."""
    count = 1
    while count < (8 << 20) // size:
        words = big_endian(evidence.read_up_to_bad(offset + count * size, size))
        used = words[words != 0]
        if not len(used) or bool(((used & np.uint64(size - 1)) != 0).any()) or int(used.max()) >= evidence.size:
            break
        if bool((used & np.uint64(COPIED)).any()):
            break
        count += 1
    return count
