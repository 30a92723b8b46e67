"""The rows of L1 and L2 tables: what each entry says of its guest range."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec import Struct

from forensic.evidence import Evidence
from forensic.mapping.extents import Reason, State
from forensic.mapping.rows import ROW, Rows, clipped, coalesced, cut_at_file_end, mark_absent, single_row
from forensic.qcow2.arrays import I64, U64, Bools, NDArray, distinct, is_among
from forensic.qcow2.entries import (
    ALL_SUBCLUSTERS,
    SUBCLUSTERS,
    allocated_subclusters,
    compressed_host_offset,
    compressed_stored_length,
    has_zero_flag,
    host_offset_of,
    is_copied,
    zero_subclusters,
)
from forensic.qcow2.geometry import Geometry
from forensic.qcow2.intervals import equal_runs, piece_starts
from forensic.qcow2.table_reading import read_clusters, stored_clusters, tables_to_read, within_file
from forensic.qcow2.tables import L1Table, L2Batch, believed_l2_batches, read_l2_batches

OFTEN_ENTRIES = 64
"""L1 entries that lead to one L2 table, from which on it is worth asking whether the table maps anything."""

L1_ENTRIES_AT_ONCE = 1 << 18


def row_batches(
    evidence: Evidence, l1: L1Table, guest_start: int, guest_end: int, data_size: int | None = None
) -> Iterator[Rows]:
    """The rows that cover `guest_start` to `guest_end`, batch after batch. Specification: "Cluster mapping".

    `data_size` is the size of an external data file that was supplied, or None.
    """
    if guest_start >= guest_end:
        return
    coverage = l1.geometry.l1_coverage
    first, last = guest_start // coverage, -(-guest_end // coverage)
    known = min(last, len(l1.entries))
    for run in _l1_runs(evidence, l1, first, known):
        indices = np.arange(run.begin, run.begin + len(run.l2_offsets), dtype=np.int64)
        if run.readable:
            read = read_l2_batches if l1.by_plan else believed_l2_batches
            for batch in read(evidence, l1.geometry, l1.owner, indices, run.l2_offsets):
                yield clipped(rows_of(batch, data_size), guest_start, guest_end)
        else:
            state, reason = (State.ABSENT, Reason.L2_UNREADABLE) if run.allocated else (State.UNALLOCATED, Reason.NONE)
            whole = single_row(run.begin * coverage, len(indices) * coverage, state, reason)
            yield clipped(whole, guest_start, guest_end)
    if known < last:
        start = max(guest_start, max(first, known) * coverage)
        reason = Reason.ENTRY_DOUBTFUL if l1.overwritten else Reason.L2_UNREADABLE
        yield single_row(start, guest_end - start, State.ABSENT, reason)


def most_extents(evidence: Evidence, l1: L1Table) -> int:
    """How many extents the entries of all distinct L2 tables can make, each table counted once."""
    places = distinct(l1.l2_offsets()[l1.readable()])
    tables = int(np.count_nonzero(stored_clusters(evidence, places, l1.geometry.cluster_size)))
    each = l1.geometry.l2_entry_count * (SUBCLUSTERS if l1.geometry.extended_l2 else 1)
    return len(l1.entries) + tables * each


class _L1Run(Struct, frozen=True):
    """L1 entries of one kind from entry `begin` on: whether they lead to tables, and whether they name any place."""

    begin: int
    l2_offsets: U64
    readable: bool
    allocated: bool


def _l1_runs(evidence: Evidence, l1: L1Table, first: int, end: int) -> Iterator[_L1Run]:
    """The entries `first` to `end`, some at a time, since a table may have four million.

    An L2 table that lies in a hole of the file maps nothing, as if there were no table. One that many entries lead to
    is looked at once, so that a million entries that lead to a table of zeros are not a million tables to read.
    """
    size = l1.geometry.cluster_size
    for start in range(first, end, L1_ENTRIES_AT_ONCE):
        offsets = host_offset_of(l1.entries[start : min(end, start + L1_ENTRIES_AT_ONCE)])
        readable = within_file(offsets, size, l1.file_size)
        used = np.sort(offsets[readable])
        places = distinct(used)
        times = np.diff(np.searchsorted(used, places), append=len(used))
        stored = tables_to_read(evidence, places, size)
        often = places[stored & (times >= OFTEN_ENTRIES)]
        empty = distinct(np.concatenate([places[~stored], often[_all_zero(evidence, l1.geometry, often)]]))
        maps_nothing = readable & is_among(offsets, empty)
        readable &= ~maps_nothing
        allocated = (offsets != 0) & ~maps_nothing
        kind = readable.astype(np.int8) + allocated.astype(np.int8)
        for begin, stop in equal_runs(kind).tolist():
            yield _L1Run(start + begin, offsets[begin:stop], bool(readable[begin]), bool(allocated[begin]))


def _all_zero(evidence: Evidence, geometry: Geometry, host_offsets: U64) -> NDArray[np.bool_]:
    """Which of these clusters hold nothing but zeros."""
    found = np.zeros(len(host_offsets), dtype=np.bool_)
    for number in range(len(host_offsets)):
        raw, present = read_clusters(evidence, geometry, host_offsets[number : number + 1])
        found[number] = (present == geometry.cluster_size).all() and not raw.any()
    return found


def rows_of(batch: L2Batch, data_size: int | None) -> Rows:
    """The rows of a batch of L2 tables, table after table; `data_size` as for `row_batches`."""
    if batch.all_lead_to_data and batch.bitmaps is None:
        return _rows_of_data(batch)
    entries = _entries_of(batch)
    if batch.bitmaps is None:
        rows = _merged_rows(batch, entries, _run_starts(batch, entries))
    else:
        rows = _rows_with_subclusters(batch, entries, batch.bitmaps.reshape(-1))
    if not batch.geometry.external_data_file:
        return cut_at_file_end(rows, batch.file_size)
    return rows if data_size is None else cut_at_file_end(rows, data_size)


def _rows_of_data(batch: L2Batch) -> Rows:
    """Where all entries lead to data, only what goes on where has to be looked at."""
    starts = piece_starts(~batch.goes_on | _between_tables(batch))
    rows = _rows_from(batch, starts)
    rows["host_offset"] = batch.data_offsets.reshape(-1)[starts]
    rows["state"] = State.DATA
    return rows


class _Entries(Struct):
    """What each entry says of its cluster, table after table, in the columns of `ROW` that entries differ in.

    An array for each, since most clusters go on where the one before them ends: only the first of a run becomes a row.
    """

    host_offset: U64
    state: NDArray[np.uint8]
    reason: NDArray[np.uint8]
    stored_length: U64 | None

    def mark_absent(self, which: Bools, reason: Reason) -> None:
        """As `rows.mark_absent`."""
        self.state[which] = State.ABSENT
        self.reason[which] = reason


def _entries_of(batch: L2Batch) -> _Entries:
    """The entries one by one; what no entry of the batch has (`bits`) is not searched for."""
    size = batch.entries.size
    found = _Entries(
        batch.data_offsets.reshape(-1), np.zeros(size, dtype=np.uint8), np.zeros(size, dtype=np.uint8), None
    )
    _set_standard_states(found, batch)
    if batch.any_compressed:
        _set_compressed(found, batch)
    if not batch.whole:
        found.mark_absent(~batch.in_file().reshape(-1), Reason.L2_UNREADABLE)
    for table in batch.overwritten:
        begin = table.row * batch.entries.shape[1]
        found.reason[begin : begin + table.present] = Reason.ENTRY_DOUBTFUL
    return found


def _set_standard_states(found: _Entries, batch: L2Batch) -> None:
    geometry, host_offset = batch.geometry, found.host_offset
    allocated: Bools = host_offset != 0
    if geometry.external_data_file:  # offset 0 is a real place there, and the copied bit tells it from "none"
        allocated |= is_copied(batch.entries.reshape(-1)) & ~batch.compressed.reshape(-1)
    found.state[allocated] = State.DATA
    within_cluster = geometry.cluster_size - 1
    unaligned: Bools | None = None
    if host_offset_of(batch.bits) & within_cluster:
        unaligned = (host_offset & np.uint64(within_cluster)) != 0
        found.mark_absent(unaligned, Reason.ENTRY_UNALIGNED)
    if geometry.external_data_file:  # the specification wants data at its guest offset there, and QEMU reads no other
        misplaced = allocated & (host_offset != _guest_offsets(batch, np.arange(len(host_offset))))
        found.mark_absent(misplaced if unaligned is None else misplaced & ~unaligned, Reason.ENTRY_MISPLACED)
    if not has_zero_flag(batch.bits):
        return
    flagged = (has_zero_flag(batch.entries) & ~batch.compressed).reshape(-1)
    if geometry.zero_flag_allowed:
        found.state[flagged] = np.where(allocated[flagged], State.ZERO_ALLOCATED, State.ZERO)
        found.reason[flagged] = Reason.NONE
    elif not geometry.extended_l2:
        found.mark_absent(flagged, Reason.RESERVED_BITS_SET)


def _set_compressed(found: _Entries, batch: L2Batch) -> None:
    cluster_bits, compressed = batch.geometry.cluster_bits, batch.compressed.reshape(-1)
    streams = batch.entries.reshape(-1)[compressed]
    found.state[compressed] = State.COMPRESSED
    found.host_offset = found.host_offset.copy()  # the batch keeps its own
    found.host_offset[compressed] = compressed_host_offset(streams, cluster_bits)
    found.stored_length = np.zeros(len(compressed), dtype=np.uint64)
    found.stored_length[compressed] = compressed_stored_length(streams, cluster_bits)


def _guest_offsets(batch: L2Batch, numbers: I64) -> U64:
    """The guest offsets of entries that are numbered through all tables of the batch."""
    tables, within = np.divmod(numbers, batch.entries.shape[1])
    clusters = (batch.l1_indices[tables] * batch.entries.shape[1] + within).astype(np.uint64)
    offsets: U64 = clusters << np.uint64(batch.geometry.cluster_bits)
    return offsets


def _run_starts(batch: L2Batch, entries: _Entries, apart: Bools | None = None) -> I64:
    """The first entry of each run that `coalesced` would make one row of single clusters; those `apart` stay alone."""
    state, reason = entries.state, entries.reason
    after = state[1:]
    breaks = (after != state[:-1]) | (reason[1:] != reason[:-1]) | (after == State.COMPRESSED)
    located = (after == State.DATA) | (after == State.ZERO_ALLOCATED)
    breaks |= located & ~batch.goes_on
    breaks |= _between_tables(batch)
    if apart is not None:
        breaks |= apart[1:] | apart[:-1]
    return piece_starts(breaks)


def _between_tables(batch: L2Batch) -> Bools:
    """After which entries a table ends and the next one is not that of the next L1 entry."""
    width = batch.entries.shape[1]
    ends = np.zeros(batch.entries.size - 1, dtype=np.bool_)
    ends[width - 1 :: width] = np.diff(batch.l1_indices) != 1
    return ends


def _merged_rows(batch: L2Batch, entries: _Entries, starts: I64) -> Rows:
    """A row for each run of clusters; the runs begin at these entries."""
    rows = _rows_from(batch, starts)
    rows["host_offset"] = entries.host_offset[starts]
    rows["state"] = entries.state[starts]
    rows["reason"] = entries.reason[starts]
    if entries.stored_length is not None:
        rows["stored_length"] = entries.stored_length[starts]
    return rows


def _rows_from(batch: L2Batch, starts: I64) -> Rows:
    """A row up to the next for each of these entries; where it is does not stand in it yet."""
    rows = np.zeros(len(starts), dtype=ROW)
    rows["guest_offset"] = _guest_offsets(batch, starts)
    rows["length"] = np.diff(starts, append=batch.entries.size) * batch.geometry.cluster_size
    return rows


def _rows_with_subclusters(batch: L2Batch, entries: _Entries, bitmaps: U64) -> Rows:
    """Apply the bitmaps of extended entries: clusters of one kind stay one row, mixed ones become 32."""
    state = entries.state
    mappable = (state == State.DATA) | (state == State.UNALLOCATED)
    has_cluster = state == State.DATA
    nothing = mappable & (bitmaps == 0)
    all_data = has_cluster & (bitmaps == ALL_SUBCLUSTERS)
    all_zero = mappable & (bitmaps == ALL_SUBCLUSTERS << SUBCLUSTERS)
    state[nothing] = State.UNALLOCATED
    state[all_zero] = np.where(has_cluster[all_zero], State.ZERO_ALLOCATED, State.ZERO)
    mixed = mappable & ~(nothing | all_data | all_zero)
    if not mixed.any():
        return _merged_rows(batch, entries, _run_starts(batch, entries))
    starts = _run_starts(batch, entries, apart=mixed)
    rows, is_mixed = _merged_rows(batch, entries, starts), mixed[starts]
    subcluster_size = batch.geometry.subcluster_size
    parts = _subcluster_rows(rows[is_mixed], bitmaps[mixed], has_cluster[mixed], subcluster_size)
    together = np.concatenate([rows[~is_mixed], parts])
    return coalesced(together[np.argsort(together["guest_offset"], kind="stable")])


def _subcluster_rows(clusters: Rows, bitmaps: U64, has_cluster: NDArray[np.bool_], subcluster_size: int) -> Rows:
    numbers = np.arange(SUBCLUSTERS, dtype=np.uint64)
    allocated, zero = allocated_subclusters(bitmaps), zero_subclusters(bitmaps)
    is_allocated = ((allocated[:, np.newaxis] >> numbers) & np.uint64(1)).astype(bool).reshape(-1)
    is_zero = ((zero[:, np.newaxis] >> numbers) & np.uint64(1)).astype(bool).reshape(-1)
    in_cluster = np.repeat(has_cluster, SUBCLUSTERS)
    parts = np.repeat(clusters, SUBCLUSTERS)
    within = np.tile(numbers * np.uint64(subcluster_size), len(clusters))
    parts["guest_offset"] += within
    parts["host_offset"] += within
    parts["length"] = subcluster_size
    parts["state"] = State.UNALLOCATED
    parts["state"][is_zero] = np.where(in_cluster[is_zero], State.ZERO_ALLOCATED, State.ZERO)
    parts["state"][is_allocated] = State.DATA
    # A part both allocated and zero, or allocated where there is no cluster, has no meaning; QEMU refuses to read it.
    mark_absent(parts, is_allocated & (is_zero | ~in_cluster), Reason.RESERVED_BITS_SET)
    return parts
