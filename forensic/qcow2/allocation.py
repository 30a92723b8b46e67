"""How many bytes of the active disk are in which state, counted from the L2 tables that the walk reads anyway."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from msgspec.structs import replace

from forensic.qcow2.bits import ALL_SUBCLUSTERS, COMPRESSED, OFFSET_MASK, SUBCLUSTERS, ZERO_FLAG
from forensic.qcow2.entries import U64, distinct
from forensic.qcow2.image import Qcow2Image
from forensic.qcow2.mapping import Rows, rows_of
from forensic.qcow2.states import State
from forensic.qcow2.tables import I64, L2Batch

STORED = len(State)
"""The place in the sums, behind those of the states, of the bytes that compressed clusters take in the file."""


class AllocationCounter:
    """Guest bytes by state; the states are those of the mapping, and their bytes add up to the virtual size."""

    def __init__(self, image: Qcow2Image) -> None:
        """Count what the L1 table says by itself, and the last L2 table, which the disk need not fill."""
        geometry, l1 = image.geometry, image.l1
        coverage, whole = geometry.l1_coverage, image.virtual_size // geometry.l1_coverage
        readable = l1.readable()[:whole]
        self._offsets, self._times = np.unique(l1.l2_offsets()[:whole][readable], return_counts=True)
        self._sums = np.zeros(STORED + 1, dtype=np.int64)
        for rows in image.row_batches(whole * coverage, image.virtual_size) if whole <= len(l1.entries) else ():
            self._sums += _sums_of(rows)
        unallocated = int(np.count_nonzero(l1.l2_offsets()[:whole] == 0))
        absent = image.virtual_size - (unallocated + len(l1.entries[:whole][readable])) * coverage - self._guest_bytes()
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
            sums = _sums_of_batch(batch if chosen.all() else _only(batch, np.flatnonzero(chosen)))
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
    if not batch.bits & ZERO_FLAG:
        located = batch.entries.size if batch.lowest_data_offset else int(np.count_nonzero(batch.data_offsets))
        sums[State.DATA], sums[State.UNALLOCATED] = located * size, (batch.entries.size - located) * size
        return sums
    flagged, located = (batch.entries & np.uint64(ZERO_FLAG)) != 0, batch.data_offsets != 0
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
    allocated, zero = bitmaps & np.uint64(ALL_SUBCLUSTERS), bitmaps >> np.uint64(SUBCLUSTERS)
    both = np.bitwise_count(allocated & zero).astype(np.int64)
    allocated, zero = (np.bitwise_count(bits).astype(np.int64) for bits in (allocated, zero))
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


def _only(batch: L2Batch, tables: I64) -> L2Batch:
    """Some tables of a batch."""
    return replace(
        batch,
        l1_indices=batch.l1_indices[tables],
        host_offsets=batch.host_offsets[tables],
        present=batch.present[tables],
        entries=batch.entries[tables],
        bitmaps=None if batch.bitmaps is None else batch.bitmaps[tables],
        overwritten=tuple(
            replace(found, row=row)
            for row, table in enumerate(tables.tolist())
            for found in batch.overwritten
            if found.row == table
        ),
    )
