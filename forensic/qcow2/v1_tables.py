"""The L1 and L2 tables of version 1 as arrays."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from forensic.evidence import Evidence
from forensic.qcow2.arrays import I64, U64, Bools, big_endian
from forensic.qcow2.geometry import MAX_L1_ENTRIES
from forensic.qcow2.table_reading import BATCH_BYTES, ENTRY_SIZE, read_what_is_there
from forensic.qcow2.v1 import Qcow1Header

COMPRESSED = 1 << 63
"""The top bit of an L2 entry; there is no copied bit, since there are no refcounts."""


class Qcow1L1(Struct, frozen=True):
    """The L1 table as far as the file holds it: each entry is the host offset of an L2 table, or 0."""

    header: Qcow1Header
    entries: U64
    file_size: int

    @property
    def host_offset(self) -> int:
        """Where the table lies."""
        return self.header.l1_table_offset

    def l2_offsets(self) -> U64:
        """The host offset in each entry, 0 where there is no L2 table."""
        return self.entries

    def readable(self) -> Bools:
        """Which entries lead to an L2 table that begins inside the file."""
        readable: Bools = (self.entries != 0) & (self.entries < self.file_size)
        return readable


class Qcow1L2Batch(Struct, frozen=True):
    """Some L2 tables: `entries[t, i]` is entry i of table t, of which the file holds the first `present[t]`."""

    header: Qcow1Header
    file_size: int
    l1_indices: I64
    host_offsets: U64
    present: I64
    entries: U64

    def selected(self, tables: I64, l1_indices: I64) -> Qcow1L2Batch:
        """Some of the tables, each as one that this L1 entry leads to."""
        return replace(
            self,
            l1_indices=l1_indices,
            host_offsets=self.host_offsets[tables],
            present=self.present[tables],
            entries=self.entries[tables],
        )

    def in_file(self) -> Bools:
        """Which entries the file holds, in the shape of `entries`."""
        return np.arange(self.entries.shape[1]) < self.present[:, np.newaxis]

    def compressed(self) -> Bools:
        """Which entries are compressed descriptors."""
        compressed: Bools = (self.entries & np.uint64(COMPRESSED)) != 0
        return compressed

    def stored_offsets(self) -> U64:
        """The host offset in each entry."""
        narrow = np.uint64((1 << _offset_bits(self.header)) - 1)
        return np.where(self.compressed(), self.entries & narrow, self.entries & np.uint64(COMPRESSED - 1))

    def stored_lengths(self) -> U64:
        """The bytes of each compressed stream; 0 for other entries."""
        lengths = (self.entries >> np.uint64(_offset_bits(self.header))) & np.uint64(self.header.cluster_size - 1)
        return np.where(self.compressed(), lengths, np.uint64(0))

    def entry_host_offset(self, table: int, index: int) -> int:
        """Where an entry lies in the file."""
        return int(self.host_offsets[table]) + index * ENTRY_SIZE

    def path(self, table: int, index: int) -> str:
        """The entry's name, such as `L1[3].L2[17]`."""
        return f"L1[{int(self.l1_indices[table])}].L2[{index}]"


def read_l1(evidence: Evidence, header: Qcow1Header) -> Qcow1L1:
    """Read the L1 table, bounded by the file and by the longest table that is read of any image."""
    length = min(header.l1_entry_count, MAX_L1_ENTRIES) * ENTRY_SIZE
    raw = read_what_is_there(evidence, header.l1_table_offset, length)
    return Qcow1L1(header, big_endian(raw), evidence.size)


def read_l2_batches(evidence: Evidence, l1: Qcow1L1, indices: I64) -> Iterator[Qcow1L2Batch]:
    """Read the L2 tables that these L1 entries lead to, in batches of about `BATCH_BYTES`."""
    count = l1.header.l2_entry_count
    step = max(1, BATCH_BYTES // (count * ENTRY_SIZE))
    for start in range(0, len(indices), step):
        chosen = indices[start : start + step]
        offsets = l1.entries[chosen]
        entries = np.zeros((len(chosen), count), dtype=np.uint64)
        present = np.zeros(len(chosen), dtype=np.int64)
        for table, host_offset in enumerate(offsets.tolist()):
            found = big_endian(read_what_is_there(evidence, host_offset, count * ENTRY_SIZE))
            entries[table, : len(found)] = found
            present[table] = len(found)
        yield Qcow1L2Batch(l1.header, evidence.size, chosen, offsets, present, entries)


def _offset_bits(header: Qcow1Header) -> int:
    """How many low bits of a compressed descriptor hold the host offset; the stored length stands above them."""
    return 63 - header.cluster_bits
