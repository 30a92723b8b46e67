"""Counting for the report while an image is walked: what is allocated, what snapshots share, what bitmaps mark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from forensic.accounting.comparison import UsageCounter
from forensic.accounting.discrepancies import FreeClusters, LeakedClusters
from forensic.accounting.shared_clusters import Sharing
from forensic.accounting.streams import StreamBatch
from forensic.accounting.table_sets import TableSet, TableSets
from forensic.disk.examination import Outcome
from forensic.image import Qcow2Image
from forensic.mapping.extents import State
from forensic.mapping.rows import Rows
from forensic.mapping.table_rows import rows_of
from forensic.measured import Measured
from forensic.qcow2.arrays import I64, U64, distinct
from forensic.qcow2.bitmap_tables import BitmapTable, marked_bytes
from forensic.qcow2.entries import (
    COMPRESSED,
    OFFSET_MASK,
    SUBCLUSTERS,
    ZERO_FLAG,
    allocated_subclusters,
    has_zero_flag,
    zero_subclusters,
)
from forensic.qcow2.geometry import ACTIVE
from forensic.qcow2.tables import L2Batch

MAX_BIT_BYTES = 64 << 20
"""Bytes of bitmap data that are counted in all; a terabyte at 64 KiB a bit takes 2 MiB."""

READABLE_OUTCOMES = (Outcome.OK, Outcome.TOO_LONG)


class Measuring:
    """Takes what the walk reads; `measured` gives the sums when all tables were walked."""

    def __init__(self, image: Qcow2Image, sets: TableSets, bitmap_tables: Sequence[BitmapTable]) -> None:
        """Start with what stands in the L1 table and the bitmaps."""
        self._image = image
        self._sets = sets
        self._allocation = AllocationCounter(image, sets.sets[0])
        self._sharing = Sharing(sets, -(-image.evidence.size // image.geometry.cluster_size))
        self._dirty = _dirty_bytes(bitmap_tables, image.geometry.cluster_size)
        self._lost_in_streams = 0
        self._not_decoded = 0
        self._free_bytes = 0
        self._leaked_clusters = 0

    def add(self, batch: L2Batch) -> None:
        """Take a batch of L2 tables."""
        if batch.owner == ACTIVE:
            self._allocation.add(batch)
        self._sharing.add(batch)

    def add_streams(self, batch: StreamBatch) -> None:
        """Take what became of streams; those of snapshots are no part of the active disk."""
        active = np.array([name == ACTIVE for name in batch.owner_names])[batch.owners.astype(np.int64)]
        lost = active & ~np.isin(batch.outcomes, READABLE_OUTCOMES)
        self._lost_in_streams += int(np.count_nonzero(lost)) * batch.geometry.cluster_size
        self._not_decoded += int(np.count_nonzero(active & (batch.outcomes == Outcome.NOT_DECODED)))

    def add_usage(self, found: object) -> None:
        """Take clusters that nothing refers to; leaked are those of them that have a refcount."""
        if isinstance(found, FreeClusters):
            self._free_bytes += int((found.ends - found.begins).sum())
        elif isinstance(found, LeakedClusters):
            self._leaked_clusters += int(np.count_nonzero(found.counted == 0))

    def measured(self, counter: UsageCounter, with_streams: bool) -> Measured:
        """The sums; what the file holds beside the disk is known only where every table could be read."""
        states, size = self._allocation.bytes_by_state(), self._image.evidence.size
        end_of_data = None
        allocation = self._of_disk(states)
        if not counter.lost:
            end_of_data = min(counter.last_used * self._image.geometry.cluster_size, size)
            allocation |= self._of_file(counter)
        decoded = with_streams and not self._not_decoded
        readable = self._readable_fraction(states) if decoded or not states[State.COMPRESSED] else None
        return Measured(allocation, readable, end_of_data, self._snapshot_clusters(), self._dirty)

    def _of_disk(self, states: Mapping[State, int]) -> dict[str, int]:
        """Guest bytes of the active disk by state; all but the details of others add up to its size."""
        data_file = self._image.geometry.external_data_file
        found = {
            "in_data_file" if data_file else "data": states[State.DATA],
            "compressed": states[State.COMPRESSED],
            "compressed_stored": self._allocation.compressed_stored,
            "zero_explicit": states[State.ZERO] + states[State.ZERO_ALLOCATED],
            "zero_allocated": states[State.ZERO_ALLOCATED],
            "from_backing" if self._image.has_backing_file else "unallocated": states[State.UNALLOCATED],
            "unreadable": states[State.ABSENT],
        }
        return found | ({"encrypted": states[State.DATA]} if self._image.encrypted else {})

    def _of_file(self, counter: UsageCounter) -> dict[str, int]:
        """Bytes of the file that are metadata, leaked or free, in whole clusters."""
        size, metadata = self._image.geometry.cluster_size, counter.metadata
        tables = len(counter.l2_offsets) + len(metadata.refcount_blocks) + len(metadata.bitmap_data)
        leaked = self._leaked_clusters * size
        return {
            "metadata": (tables + sum(-(-owned.length // size) for owned in metadata.single)) * size,
            "leaked": leaked,
            "free": max(0, self._free_bytes - leaked),
        }

    def _readable_fraction(self, states: Mapping[State, int]) -> float:
        """Four digits, rounded down, so that 1 means all of it."""
        size = self._image.virtual_size
        lost = min(size, states[State.ABSENT] + self._lost_in_streams)
        return (size - lost) * 10_000 // size / 10_000 if size else 1.0

    def _snapshot_clusters(self) -> dict[int, tuple[int, int]]:
        """By index of the snapshot; of several whose L1 table is the same one, none holds anything alone."""
        if not self._sharing.known:
            return {}
        geometry = self._image.geometry
        names = {(geometry.l1_table_offset, geometry.l1_entry_count): ACTIVE}
        by_name = {}
        for tables, (alone, shared) in zip(self._sets.sets, self._sharing.of_sets(), strict=True):
            by_name[tables.owner] = (alone, shared) if tables.times == 1 else (0, alone + shared)
        found = {}
        for snapshot in self._image.snapshots.snapshots:
            name = names.setdefault((snapshot.l1_table_offset, snapshot.l1_size), snapshot.owner)
            if name in by_name:
                found[snapshot.index] = by_name[name]
        return found


def _dirty_bytes(tables: Sequence[BitmapTable], cluster_size: int) -> dict[int, int]:
    """What each bitmap marks, as long as there is room to count."""
    found: dict[int, int] = {}
    room = MAX_BIT_BYTES
    for table in tables:
        room -= int(np.count_nonzero(table.entries)) * cluster_size
        marked = marked_bytes(table) if room >= 0 else None
        if marked is not None:
            found[table.bitmap.index] = marked
    return found


STORED = len(State)
"""The place in the sums, after those of the states, of the bytes that compressed clusters take in the file."""


class AllocationCounter:
    """Guest bytes by state; the states are those of the mapping, and their bytes add up to the virtual size."""

    def __init__(self, image: Qcow2Image, active: TableSet) -> None:
        """Count what the L1 table says by itself, and the last L2 table, which the disk need not fill.

        `active` are the L2 tables of the active disk.
        """
        geometry, l1 = image.geometry, image.l1
        coverage, whole = geometry.l1_coverage, image.virtual_size // geometry.l1_coverage
        readable, named = l1.readable(), l1.l2_offsets()
        self._offsets, self._times = active.host_offsets, active.references
        beyond = named[whole:][readable[whole:]]
        if len(beyond) and len(self._offsets):  # what such an entry leads to is not, or not wholly, a part of the disk
            self._times = self._times.copy()
            np.subtract.at(self._times, np.searchsorted(self._offsets, beyond), 1)
        self._sums = np.zeros(STORED + 1, dtype=np.int64)
        for rows in image.row_batches(whole * coverage, image.virtual_size) if whole <= len(l1.entries) else ():
            self._sums += _sums_of(rows)
        unallocated = int(np.count_nonzero(named[:whole] == 0))
        with_tables = int(np.count_nonzero(readable[:whole]))
        absent = image.virtual_size - (unallocated + with_tables) * coverage - self._guest_bytes()
        # Plain numbers, since a header may claim a disk that no counter of 64 bits holds.
        self._whole_tables = {State.UNALLOCATED: unallocated * coverage, State.ABSENT: absent}

    def add(self, batch: L2Batch) -> None:
        """Count a batch of L2 tables of the active disk, each as often as the L1 table names it.

        What the file holds counts once: a table that the L1 table names twice leads to the same streams.
        """
        places = np.minimum(np.searchsorted(self._offsets, batch.host_offsets), len(self._offsets) - 1)
        if not len(self._offsets):
            return
        times = np.where(self._offsets[places] == batch.host_offsets, self._times[places], 0)
        for each in distinct(times[times > 0]).tolist():
            chosen = times == each
            tables = np.flatnonzero(chosen)
            sums = _sums_of_batch(batch if chosen.all() else batch.selected(tables, batch.l1_indices[tables]))
            self._sums[:STORED] += each * sums[:STORED]
            self._sums[STORED] += sums[STORED]

    def bytes_by_state(self) -> Mapping[State, int]:
        """Guest bytes in each state."""
        return {state: int(self._sums[state]) + self._whole_tables.get(state, 0) for state in State}

    @property
    def compressed_stored(self) -> int:
        """Bytes that the sectors of compressed clusters take; one that several share counts for each."""
        return int(self._sums[STORED])

    def _guest_bytes(self) -> int:
        return int(self._sums[:STORED].sum())


def _sums_of_batch(batch: L2Batch) -> I64:
    """Bytes by state; without rows where all entries are of the two or three kinds that most disks have alone."""
    if not _is_plain(batch):
        return _sums_of(rows_of(batch, None))
    if batch.bitmaps is not None:
        return _sums_of_subclusters(batch, batch.bitmaps)
    sums = np.zeros(STORED + 1, dtype=np.int64)
    size = batch.geometry.cluster_size
    if not has_zero_flag(batch.bits):
        located = batch.entries.size if batch.lowest_data_offset else int(np.count_nonzero(batch.data_offsets))
        sums[State.DATA], sums[State.UNALLOCATED] = located * size, (batch.entries.size - located) * size
        return sums
    flagged, located = has_zero_flag(batch.entries), batch.data_offsets != 0
    for state, which in (
        (State.DATA, located & ~flagged),
        (State.UNALLOCATED, ~located & ~flagged),
        (State.ZERO, flagged & ~located),
        (State.ZERO_ALLOCATED, flagged & located),
    ):
        sums[state] = int(np.count_nonzero(which)) * size
    return sums


def _sums_of_subclusters(batch: L2Batch, bitmaps: U64) -> I64:
    """Bytes by state, counted from the bitmaps: rows for subclusters would be 32 times as many as entries."""
    located = batch.data_offsets != 0
    parts = allocated_subclusters(bitmaps), zero_subclusters(bitmaps)
    both = np.bitwise_count(parts[0] & parts[1]).astype(np.int64)
    allocated, zero = (np.bitwise_count(bits).astype(np.int64) for bits in parts)
    counts = {
        State.DATA: np.where(located, allocated - both, 0),
        State.ABSENT: np.where(located, both, allocated),
        State.ZERO_ALLOCATED: np.where(located, zero - both, 0),
        State.ZERO: np.where(located, 0, zero - both),
        State.UNALLOCATED: SUBCLUSTERS - allocated - zero + both,
    }
    sums = np.zeros(STORED + 1, dtype=np.int64)
    for state, count in counts.items():
        sums[state] = int(count.sum()) * batch.geometry.subcluster_size
    return sums


def _is_plain(batch: L2Batch) -> bool:
    """Whether no entry of these tables needs a second look."""
    geometry = batch.geometry
    unusual = (
        COMPRESSED | (OFFSET_MASK & (geometry.cluster_size - 1)) | (0 if geometry.zero_flag_allowed else ZERO_FLAG)
    )
    return (
        not geometry.external_data_file
        and not batch.bits & unusual
        and batch.whole
        and batch.highest_data_offset + geometry.cluster_size <= batch.file_size
    )


def _sums_of(rows: Rows) -> I64:
    """Bytes by state of the extents of a disk."""
    sums = np.zeros(STORED + 1, dtype=np.int64)
    np.add.at(sums, rows["state"], rows["length"].astype(np.int64))
    sums[STORED] = int(rows["stored_length"][rows["state"] == State.COMPRESSED].sum(dtype=np.int64))
    return sums
