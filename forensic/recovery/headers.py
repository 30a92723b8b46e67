"""Header clusters: the file's own if it can be read as one, and those that are mended or made from what was found."""

from __future__ import annotations

import struct
from collections.abc import Iterable

import numpy as np
from msgspec import Struct

from forensic.disk.codecs import decode
from forensic.errors import ForensicError
from forensic.evidence import Evidence, ReadFailed
from forensic.qcow2.arrays import big_endian
from forensic.qcow2.entries import (
    COPIED,
    SECTOR_SIZE,
    compressed_host_offset,
    compressed_stored_length,
    is_compressed,
)
from forensic.qcow2.extensions import ExtensionType
from forensic.qcow2.geometry import (
    MAX_CLUSTER_BITS,
    MAX_L1_ENTRIES,
    MIN_CLUSTER_BITS,
    Geometry,
)
from forensic.qcow2.header import MAGIC, V3_LENGTH, CryptMethod, Incompatible
from forensic.recovery.candidates import Candidates, find_candidates, read_table
from forensic.recovery.kinds import Sector
from forensic.recovery.scan import Scan

DEFLATE, ZSTD = 0, 1

EXTENDED_SHARE = 0.2
"""The share of the sectors of tables from which on entries may be extended."""

MOST_SLOTS_OF_A_TABLE = 64
"""L1 entries that a size may take for each table that is there, where nothing confirms it."""


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


def candidates_by_content(evidence: Evidence, scan: Scan, cluster_bits: int) -> tuple[Candidates, bool]:
    """The candidates, and whether their entries are extended ones.

    Some sectors of data look like extended entries as well. Read as such, a table of others has half of its entries.
    """
    standard = find_candidates(evidence, scan, cluster_bits, extended=False)
    counts = scan.totals()
    tables = counts[Sector.STANDARD] + counts[Sector.COMPRESSED] + counts[Sector.EXTENDED]
    if counts[Sector.EXTENDED] < max(1, EXTENDED_SHARE * tables):
        return standard, False
    extended = find_candidates(evidence, scan, cluster_bits, extended=True)
    fit = [int((one.located + one.streams)[~one.l1_like].sum()) for one in (standard, extended)]
    return (extended, True) if fit[1] >= fit[0] else (standard, False)


def compression_type_of(evidence: Evidence, candidates: Candidates, bits: int, extended: bool) -> int:
    """Which codec decodes the first streams that tables name; deflate if there are none."""
    votes = streams_by_codec(evidence, candidates.host_offsets[candidates.streams > 0][:4].tolist(), bits, extended)
    return ZSTD if votes[ZSTD] > votes[DEFLATE] else DEFLATE


def streams_by_codec(evidence: Evidence, tables: Iterable[int], bits: int, extended: bool) -> list[int]:
    """How many of the first streams that tables name decode by each codec: deflate, zstd."""
    votes = [0, 0]
    for offset in tables:
        words = read_table(evidence, offset, 1 << bits)
        words = words[0::2] if extended else words
        for entry in words[is_compressed(words)][:8].tolist():
            try:
                stored = evidence.read_at(compressed_host_offset(entry, bits), compressed_stored_length(entry, bits))
            except (ReadFailed, ForensicError):
                continue
            for codec in (DEFLATE, ZSTD):
                votes[codec] += not decode(stored, codec, 1 << bits).fault
    return votes


def is_believable_size(geometry: Geometry, tables: int) -> bool:
    """Whether the disk can have the size that a header says, of a file with so many tables.

    It cannot if it takes more L1 entries than anybody reads. One whose entries are more than the header counts
    contradicts itself, and is believed only as far as the tables that are there make it likely.
    """
    needed = geometry.l1_entries_needed
    if needed > MAX_L1_ENTRIES:
        return False
    return geometry.external_data_file or needed <= max(geometry.l1_entry_count, MOST_SLOTS_OF_A_TABLE * max(1, tables))
