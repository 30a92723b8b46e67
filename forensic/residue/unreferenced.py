"""Tables that nothing leads to: what an L1 table that was wiped, or a snapshot that was deleted, leaves in the file.

They are looked for in what nothing refers to and is not zero, a cluster at a time, and only as far as a check may take
time; `forensic.recovery` reads the whole file and finds more.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from msgspec import Struct

from forensic.budget import Budget
from forensic.evidence import Evidence, ReadFailed
from forensic.qcow2.arrays import I64, U64, big_endian, distinct, is_among
from forensic.qcow2.entries import (
    SECTOR_SIZE,
    compressed_host_offset,
    has_zero_flag,
    host_offset_of,
    is_compressed,
    is_copied,
    l2_reserved_bits,
)
from forensic.qcow2.geometry import Geometry
from forensic.qcow2.snapshots import Snapshot, read_snapshots
from forensic.qcow2.tables import L1Table, L2Batch, read_refcount_table
from forensic.residue.search import FreeResidue

MOST_LOOKED_AT = 1 << 15
"""Clusters that are looked at; an image may have millions that nothing refers to."""

LISTED_TABLES = 1 << 10

MOST_OF_L1_TABLES = 64 << 20
"""Bytes of the L1 tables of snapshots that are read to see whether one is empty."""

ROOM_OF_A_SNAPSHOT = 2
"""Host clusters that a snapshot takes at least: its L1 table, and the snapshot table."""


class Unreferenced(Struct, frozen=True):
    """L2 tables that nothing leads to, entries of snapshot tables that are not in use, and L2 tables that are empty.

    `tables` are host offsets, `entries` how many entries of each lead somewhere. `l1_is_empty` says that the active
    disk has no L2 table at all, `leaks` how many clusters have more references than are known. `may_be_reverted` says
    that going back to an empty snapshot may have emptied the L1 table. The search stopped at host offset `stopped_at`;
    None if it looked at everything.
    """

    geometry: Geometry
    tables: U64
    entries: I64
    snapshots: tuple[Snapshot, ...]
    empty_tables: tuple[int, ...]
    l1: L1Table
    leaks: int
    may_be_reverted: bool
    stopped_at: int | None

    @property
    def l1_is_empty(self) -> bool:
        """Whether the L1 table of the active disk has no entry."""
        return len(self.l1.entries) > 0 and not self.l1.bits


class UnreferencedSearch:
    """Takes what a walk finds, and looks for tables in it."""

    def __init__(self, active: L1Table, listed: tuple[Snapshot, ...], evidence: Evidence, budget: Budget) -> None:
        """Nothing is found yet; `listed` are the snapshots that are in use."""
        self._listed = {(snapshot.l1_table_offset, snapshot.id.raw) for snapshot in listed}
        self._snapshots_in_use = listed
        self._l1, self._evidence, self._budget = active, evidence, budget
        self._left = MOST_LOOKED_AT
        self._tables: list[tuple[int, int]] = []
        self._snapshots: list[Snapshot] = []
        self._empty: list[int] = []
        self._last = -1
        self._stopped_at: int | None = None
        self.leaks = 0

    def see(self, batch: L2Batch) -> None:
        """Tables of the active disk that are in use: some of them may be all zeros."""
        if batch.owner != self._l1.owner or len(self._empty) >= LISTED_TABLES or batch.common_bits:
            return
        used = batch.entries.any(axis=1)
        if batch.bitmaps is not None:
            used |= batch.bitmaps.any(axis=1)
        empty = ~used & (batch.present == batch.entries.shape[1])
        self._empty += batch.host_offsets[empty].tolist()

    def add(self, residue: FreeResidue) -> None:
        """What is not zero where nothing refers to."""
        size = self._l1.geometry.cluster_size
        for begin, end in residue.areas.tolist():
            for cluster in range(begin // size, -(-end // size)):
                if cluster == self._last:
                    continue
                if self._stopped_at is not None:
                    return
                if self._left <= 0 or len(self._tables) >= LISTED_TABLES or self._budget.out_of_time():
                    self._stopped_at = cluster * size
                    return
                self._last = cluster
                self._left -= 1
                self._look_at(cluster * size, max(begin, cluster * size))

    def found(self) -> Unreferenced:
        """Everything so far."""
        tables = np.array([offset for offset, _ in self._tables], dtype=np.uint64)
        entries = np.array([count for _, count in self._tables], dtype=np.int64)
        return Unreferenced(
            self._l1.geometry,
            tables,
            entries,
            tuple(self._snapshots),
            tuple(self._empty[:LISTED_TABLES]),
            self._l1,
            self.leaks,
            self._may_be_reverted(),
            self._stopped_at,
        )

    def _may_be_reverted(self) -> bool:
        """Whether the disk may be empty since it was reverted to a snapshot of when it was.

        Such a snapshot is listed, or left its entry, or was made before the first L2 table: then its L1 table and the
        snapshot table took the lowest free clusters, and what lies before that table has room for them.
        """
        if not self._tables or self._l1.bits:
            return False
        if self._snapshots or self._has_empty_snapshot():
            return True
        first = min((offset for offset, _ in self._tables), default=0)
        table = read_refcount_table(self._evidence, self._l1.geometry)
        size = self._l1.geometry.cluster_size
        blocks = distinct(table.block_offsets()[table.readable()])
        known = 1 + self._l1.geometry.refcount_table_clusters + -(-8 * self._l1.claimed_entries // size)
        known += int(np.count_nonzero(blocks < np.uint64(first)))
        return first // size - known >= ROOM_OF_A_SNAPSHOT and not self.leaks

    def _has_empty_snapshot(self) -> bool:
        """Whether the L1 table of a listed snapshot leads nowhere, or was not read since there are too many bytes."""
        left = MOST_OF_L1_TABLES
        for snapshot in self._snapshots_in_use:
            length = max(0, min(8 * snapshot.l1_size, self._evidence.size - snapshot.l1_table_offset))
            left -= length
            if left < 0 or not self._evidence.read_up_to_bad(snapshot.l1_table_offset, length).strip(b"\0"):
                return True
        return False

    def _look_at(self, host_offset: int, first_used: int) -> None:
        """Whether a cluster is an L2 table; most fail in the first sector that is not zero."""
        geometry, evidence = self._l1.geometry, self._evidence
        try:
            words = big_endian(sector := evidence.read_at(first_used - first_used % SECTOR_SIZE, SECTOR_SIZE))
            count = used_entries(words, geometry, evidence.size)
            if count is None:
                if first_used - first_used % SECTOR_SIZE == host_offset:
                    self._look_for_snapshots(host_offset, sector)
                return
            if geometry.cluster_size > SECTOR_SIZE:
                words = big_endian(evidence.read_at(host_offset, geometry.cluster_size))
                count = used_entries(words, geometry, evidence.size)
        except ReadFailed:
            return
        if not count or words.nbytes < geometry.cluster_size:
            return
        if count == 1 and not is_copied(words).any():  # which may be anything, such as a bitmap table
            return
        if not self._is_of_another_kind(words):
            self._tables.append((host_offset, count))

    def _is_of_another_kind(self, words: U64) -> bool:
        """Whether a table leads to tables that are in use: an old refcount table or L1 table, which had no room left.

        Its entries read as those of an L2 table, but an L2 table leads to clusters of the guest.
        """
        places = host_offset_of(words)
        places = places[places != 0]
        return 2 * int(np.count_nonzero(is_among(places, self._tables_in_use))) >= len(places)

    @cached_property
    def _tables_in_use(self) -> U64:
        """The host offsets of the refcount blocks, and of the L2 tables of the active disk, in order."""
        blocks = read_refcount_table(self._evidence, self._l1.geometry).block_offsets()
        return distinct(np.concatenate([blocks, self._l1.l2_offsets()]))

    def _look_for_snapshots(self, host_offset: int, sector: bytes) -> None:
        """Whether a cluster begins with an entry of a snapshot table."""
        l1_offset, size = int.from_bytes(sector[:8], "big"), self._l1.geometry.cluster_size
        if not 0 < l1_offset < self._evidence.size or l1_offset % size or len(self._snapshots) >= LISTED_TABLES:
            return
        for snapshot in read_snapshots(self._evidence, host_offset, LISTED_TABLES, self._l1.geometry).snapshots:
            plausible = 0 < snapshot.l1_table_offset < self._evidence.size and snapshot.l1_table_offset % size == 0
            if not plausible or not snapshot.id.raw.isdigit() or not snapshot.l1_size or snapshot.date_nsec >= 10**9:
                return
            if (snapshot.l1_table_offset, snapshot.id.raw) not in self._listed:
                self._snapshots.append(snapshot)


def used_entries(words: U64, geometry: Geometry, file_size: int) -> int | None:
    """How many of these entries lead to a place in the file; None if they cannot be (part of) an L2 table.

    All have to be empty, zero, or lead to a cluster or stream inside the file, most of them to another one each.
    """
    entries = words[0::2] if geometry.extended_l2 else words
    streams = is_compressed(entries)
    offsets = host_offset_of(entries)
    standard = ~streams & (entries != 0)
    bad = standard & (l2_reserved_bits(entries) != 0)
    bad |= standard & (((offsets & np.uint64(geometry.cluster_size - 1)) != 0) | (offsets >= np.uint64(file_size)))
    bad |= streams & (compressed_host_offset(entries, geometry.cluster_bits) >= np.uint64(file_size))
    if bad.any():
        return None
    places = offsets[standard & (offsets != 0)]
    if len(distinct(places)) < 0.9 * len(places):
        return None
    flagged = int(np.count_nonzero(has_zero_flag(entries[standard])))
    count = len(places) + int(np.count_nonzero(streams))
    return count if count or flagged else None
