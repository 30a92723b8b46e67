"""Batches of tables: L1 whole, L2 tables and refcount blocks many at a time, with where each entry lies in the file."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from forensic.evidence import Evidence
from forensic.qcow2.arrays import I64, U64, Bools, big_endian
from forensic.qcow2.entries import (
    COMPRESSED,
    OFFSET_MASK,
    SUBCLUSTERS,
    ZERO_FLAG,
    host_offset_of,
    is_compressed,
    refcount_block_offset,
)
from forensic.qcow2.geometry import L1_ENTRY_SIZE, MAX_L1_ENTRIES, Geometry
from forensic.qcow2.overwritten_tables import Overwritten, overwritten_l1, overwritten_l2
from forensic.qcow2.table_reading import (
    BATCH_BYTES,
    ENTRY_SIZE,
    read_clusters,
    read_table,
    read_what_is_there,
    within_file,
)

MAX_REFCOUNT_TABLE_BYTES = 8 << 20
"""QEMU's limit; more is not read, whatever a header claims."""


class L1Table(Struct, frozen=True, dict=True):
    """The L1 table of the active disk or of a snapshot, as far as the file holds it.

    `entries` may be shorter than `claimed_entries`: entries past the end of the file, past the limit or on a bad
    sector are missing, not zero. Of a table that is damaged as a whole (`overwritten`) all are missing.

    A running machine's state is saved past the end of the disk, which is `disk_size` bytes long: `saved_state_size`
    bytes of it belong to this table's own snapshot. `saved_state_end` is the guest offset up to which the snapshots of
    the image explain entries past the end of the active disk: going back to one leaves its state there.

    With `by_plan` the entries come from a recovery plan, which says of the L2 tables what is not to be believed.
    """

    owner: str
    host_offset: int
    claimed_entries: int
    entries: U64
    geometry: Geometry
    file_size: int
    disk_size: int = 0
    saved_state_size: int = 0
    saved_state_end: int = 0
    overwritten: Overwritten | None = None
    by_plan: bool = False

    def entry_host_offset(self, index: int) -> int:
        """Where an entry lies in the file."""
        return self.host_offset + index * L1_ENTRY_SIZE

    @property
    def misplaced(self) -> bool:
        """Whether the table lies off its place, which is a cluster boundary."""
        return self.host_offset % self.geometry.cluster_size != 0

    @cached_property
    def bits(self) -> int:
        """Every bit that is set in any entry: what is not set here need not be searched for."""
        return int(np.bitwise_or.reduce(self.entries)) if len(self.entries) else 0

    def l2_offsets(self) -> U64:
        """The host offset in each entry, 0 where there is no L2 table."""
        return host_offset_of(self.entries)

    def readable(self) -> Bools:
        """Which entries lead to an L2 table that begins on a cluster boundary inside the file."""
        offsets = self.l2_offsets()
        return within_file(offsets, self.geometry.cluster_size, self.file_size)


class L2Batch(Struct, frozen=True, dict=True):
    """Some L2 tables of one L1 table: `entries[t, i]` is entry i of table t.

    `l1_indices[t]` is the L1 entry that leads to table t, `host_offsets[t]` where it lies, `present[t]` how many of
    its entries the file holds (the rest of the row is zero and means nothing). With subclusters `bitmaps[t, i]` is
    the second word of the entry, otherwise None. `saved_state_end` is that of the L1 table. Tables that are damaged as
    a whole are in `overwritten`; of these no entry is `present`.
    """

    owner: str
    geometry: Geometry
    file_size: int
    l1_indices: I64
    host_offsets: U64
    present: I64
    entries: U64
    bitmaps: U64 | None
    saved_state_end: int = 0
    overwritten: tuple[Overwritten, ...] = ()

    def entry_host_offset(self, table: int, index: int) -> int:
        """Where an entry lies in the file."""
        return int(self.host_offsets[table]) + index * self.geometry.l2_entry_size

    def guest_offset(self, table: int, index: int) -> int:
        """The guest offset that an entry maps."""
        cluster = int(self.l1_indices[table]) * self.geometry.l2_entry_count + index
        return cluster << self.geometry.cluster_bits

    def path(self, table: int, index: int) -> str:
        """The entry's name, such as `L1[3].L2[17]`."""
        return f"L1[{int(self.l1_indices[table])}].L2[{index}]"

    def selected(self, tables: I64, l1_indices: I64) -> L2Batch:
        """Some of the tables, each as one that this L1 entry leads to; one may be taken several times."""
        return replace(
            self,
            l1_indices=l1_indices,
            host_offsets=self.host_offsets[tables],
            present=self.present[tables],
            entries=self.entries[tables],
            bitmaps=None if self.bitmaps is None else self.bitmaps[tables],
            overwritten=tuple(
                replace(found, row=row)
                for found in self.overwritten
                for row in np.flatnonzero(tables == found.row).tolist()
            ),
        )

    @cached_property
    def whole(self) -> bool:
        """Whether the file holds all the entries of all the tables."""
        return bool((self.present == self.entries.shape[1]).all())

    def in_file(self) -> Bools:
        """Which entries the file holds, in the shape of `entries`."""
        return np.arange(self.entries.shape[1]) < self.present[:, np.newaxis]

    @cached_property
    def bits(self) -> int:
        """Every bit that is set in any entry: what is not set here need not be searched for."""
        return int(np.bitwise_or.reduce(self.entries, axis=None))

    @cached_property
    def common_bits(self) -> int:
        """The bits that are set in every entry."""
        return int(np.bitwise_and.reduce(self.entries, axis=None))

    @property
    def any_compressed(self) -> bool:
        """Whether any entry is a compressed descriptor."""
        return is_compressed(self.bits)

    @cached_property
    def compressed(self) -> Bools:
        """Which entries are compressed descriptors."""
        if not self.any_compressed:
            return np.zeros(self.entries.shape, dtype=np.bool_)
        return is_compressed(self.entries)

    @cached_property
    def data_offsets(self) -> U64:
        """The host offset in each standard entry; compressed descriptors give 0."""
        offsets = host_offset_of(self.entries)
        if self.any_compressed:
            offsets[self.compressed] = 0
        return offsets

    @cached_property
    def all_lead_to_data(self) -> bool:
        """Whether every entry leads to a whole cluster of the file and is neither compressed nor flagged as zeros."""
        size = self.geometry.cluster_size
        others = COMPRESSED | ZERO_FLAG | (OFFSET_MASK & (size - 1))
        in_this_file = not self.geometry.external_data_file and self.highest_data_offset + size <= self.file_size
        return self.whole and not self.bits & others and self.lowest_data_offset > 0 and in_this_file

    @cached_property
    def goes_on(self) -> Bools:
        """Which entries, numbered through all tables from the second on, lead to the cluster after the one before."""
        offsets = self.data_offsets.reshape(-1)
        goes_on: Bools = offsets[1:] - offsets[:-1] == self.geometry.cluster_size
        return goes_on

    @cached_property
    def lowest_data_offset(self) -> int:
        """The lowest host offset in any standard entry; 0 if one has none, or is compressed."""
        return int(self.data_offsets.min(initial=(1 << 64) - 1))

    @cached_property
    def highest_data_offset(self) -> int:
        """The highest host offset in any standard entry."""
        return int(self.data_offsets.max(initial=0))


class RefcountTable(Struct, frozen=True):
    """The refcount table, as far as the file holds it; shorter than claimed like an L1 table."""

    host_offset: int
    claimed_entries: int
    entries: U64
    geometry: Geometry
    file_size: int
    by_plan: bool = False
    """Whether a recovery plan says where it lies, and not the file."""

    def entry_host_offset(self, index: int) -> int:
        """Where an entry lies in the file."""
        return self.host_offset + index * ENTRY_SIZE

    def block_offsets(self) -> U64:
        """The host offset in each entry, 0 where there is no refcount block."""
        return refcount_block_offset(self.entries)

    def readable(self) -> Bools:
        """Which entries lead to a refcount block that begins on a cluster boundary inside the file."""
        offsets = self.block_offsets()
        return within_file(offsets, self.geometry.cluster_size, self.file_size)


def read_l1(
    evidence: Evidence, geometry: Geometry, owner: str, host_offset: int, entry_count: int, disk_size: int
) -> L1Table:
    """Read an L1 table, bounded by the file.

    Of a table that claims more than `MAX_L1_ENTRIES` only what a disk of `disk_size` bytes needs is read: what comes
    after it is most likely something else.
    """
    believed = entry_count if entry_count <= MAX_L1_ENTRIES else -(-disk_size // geometry.l1_coverage)
    entries = read_table(evidence, host_offset, min(believed, MAX_L1_ENTRIES))
    return L1Table(owner, host_offset, entry_count, entries, geometry, evidence.size, disk_size)


def believed_l1(table: L1Table) -> L1Table:
    """The table; one that is damaged as a whole without its entries."""
    damaged = overwritten_l1(table.entries, table.geometry, table.file_size)
    return replace(table, entries=table.entries[:0], overwritten=damaged) if damaged else table


def read_l2_batches(
    evidence: Evidence, geometry: Geometry, owner: str, l1_indices: I64, host_offsets: U64
) -> Iterator[L2Batch]:
    """Read the L2 tables at these host offsets, in this order, in batches of about `BATCH_BYTES`, as they are."""
    step = max(1, BATCH_BYTES // (SUBCLUSTERS if geometry.extended_l2 else 1) // geometry.cluster_size)
    for start in range(0, len(host_offsets), step):
        offsets = host_offsets[start : start + step]
        raw, present_bytes = read_clusters(evidence, geometry, offsets)
        words = raw.view(">u8").astype(np.uint64)
        present = present_bytes // geometry.l2_entry_size
        for table in np.flatnonzero(present_bytes < geometry.cluster_size).tolist():
            words[table, int(present[table]) * geometry.l2_entry_size // ENTRY_SIZE :] = 0  # the torn last entry
        yield L2Batch(
            owner,
            geometry,
            evidence.size,
            l1_indices[start : start + step],
            offsets,
            present,
            words[:, 0::2] if geometry.extended_l2 else words,
            words[:, 1::2] if geometry.extended_l2 else None,
        )


def believed_l2_batches(
    evidence: Evidence, geometry: Geometry, owner: str, l1_indices: I64, host_offsets: U64
) -> Iterator[L2Batch]:
    """The same, of tables that are damaged as a whole no entry."""
    for batch in read_l2_batches(evidence, geometry, owner, l1_indices, host_offsets):
        damaged = overwritten_l2(batch.entries, batch.bitmaps, batch.present, geometry, evidence.size)
        for found in damaged:
            batch.entries[found.row], batch.present[found.row] = 0, 0
            if batch.bitmaps is not None:
                batch.bitmaps[found.row] = 0
        yield replace(batch, overwritten=damaged) if damaged else batch


def read_refcount_table(evidence: Evidence, geometry: Geometry) -> RefcountTable:
    """Read the refcount table, bounded by the file.

    Nothing is read from an unaligned offset, where no table can be; and of a table that claims more than
    `MAX_REFCOUNT_TABLE_BYTES` only what a file of this size needs, since what comes after it is most likely something
    else. Reading the disk needs no refcounts, so there is nothing to gain from guessing.
    """
    host_offset = geometry.refcount_table_offset
    claimed = geometry.refcount_table_clusters * geometry.cluster_size // ENTRY_SIZE
    believed = claimed
    if claimed * ENTRY_SIZE > MAX_REFCOUNT_TABLE_BYTES:
        clusters = -(-evidence.size // geometry.cluster_size)
        believed = min(claimed, -(-clusters // (geometry.refcounts_per_block or clusters)))
    aligned = host_offset % geometry.cluster_size == 0
    raw = read_what_is_there(evidence, host_offset, believed * ENTRY_SIZE if aligned else 0)
    return RefcountTable(host_offset, claimed, big_endian(raw), geometry, evidence.size)
