"""How often each host cluster is referenced, and by what: counters for a window of the file, added to in bulk.

Two bytes a host cluster, so that a terabyte in 64 KiB clusters takes 32 MiB; a larger file is counted window after
window, and each window reads again only the tables that lead into it.
"""

from __future__ import annotations

from enum import IntFlag
from functools import cached_property

import numpy as np
import numpy.typing as npt

from forensic.qcow2.arrays import I64, U64, distinct
from forensic.qcow2.entries import compressed_host_offset, compressed_stored_length, is_copied
from forensic.qcow2.geometry import ACTIVE
from forensic.qcow2.intervals import piece_starts, pieces
from forensic.qcow2.tables import L2Batch

U8 = npt.NDArray[np.uint8]

SATURATED = 250
"""Counts above this one leave the byte and are kept exactly, one by one."""

MAX_COUNT = (1 << 63) - 1
"""What counts stop at."""

RUN_WORTH_A_SLICE = 256
"""Clusters in a run from which on a slice is faster than single numbers."""

MAX_MANY = 1 << 20
"""Host clusters with more than `SATURATED` references that are counted exactly; no honest image has that many."""


class Use(IntFlag):
    """What a host cluster is used for."""

    METADATA = 1 << 0
    DATA = 1 << 1
    COMPRESSED = 1 << 2
    OVERLAP = 1 << 3  # two pieces of metadata
    TWICE = 1 << 4  # two L2 entries of one table set
    COPIED = 1 << 5  # named by the active disk with the copied bit
    NOT_COPIED = 1 << 6  # named by the active disk without the copied bit


class ClusterCounts:
    """References to the host clusters `first` to `end`; cluster numbers are absolute in all methods."""

    def __init__(self, first: int, end: int, sets: int) -> None:
        """Start with no references; `sets` is the number of table sets of the image."""
        self.first = first
        self.end = end
        self.counts = np.zeros(end - first, dtype=np.uint8)
        self.use = np.zeros(end - first, dtype=np.uint8)
        # With one set, what is data already is data of that set; only several need a byte of their own.
        self._sets = np.zeros(end - first if sets > 1 else 0, dtype=np.uint8)
        self._many: dict[int, int] = {}
        self.full = False
        self.elsewhere: list[tuple[U64, U64]] = []
        self.elsewhere_wanted = False

    def add_range(self, first: int, end: int) -> None:
        """One piece of metadata that covers whole clusters."""
        begin, stop = max(first, self.first) - self.first, min(end, self.end) - self.first
        if begin >= stop:
            return
        part = self.use[begin:stop]
        part[(part & np.uint8(Use.METADATA)) != 0] |= np.uint8(Use.OVERLAP)
        part |= np.uint8(Use.METADATA)
        self._count(np.arange(begin, stop), 1)

    def add_metadata(self, clusters: U64, times: I64 | int = 1) -> None:
        """Many pieces of metadata of one cluster each; one that is named twice here overlaps itself."""
        inside = (clusters >= self.first) & (clusters < self.end)
        where = clusters[inside].astype(np.int64) - self.first
        found, first, repeats = np.unique(where, return_index=True, return_counts=True)
        overlap = (self.use[found] & Use.METADATA).astype(bool) | (repeats > 1)
        self.use[found] |= np.uint8(Use.METADATA)
        self.use[found[overlap]] |= np.uint8(Use.OVERLAP)
        each = repeats * (times if isinstance(times, int) else times[inside][first])
        self._count(found, each)

    def mark_l2_tables(self, offsets_in_clusters: U64, copied: npt.NDArray[np.bool_]) -> None:
        """What the active L1 table says about the copied bits of L2 tables."""
        inside = (offsets_in_clusters >= self.first) & (offsets_in_clusters < self.end)
        where = offsets_in_clusters[inside].astype(np.int64) - self.first
        self.use[where] |= np.where(copied[inside], np.uint8(Use.COPIED), np.uint8(Use.NOT_COPIED))

    def add_tables(self, batch: L2Batch, times: I64, sets: U8) -> None:
        """The guest data of a batch of L2 tables.

        `times` is how often each table is referenced, `sets` which of the table sets of this pass lead to it. What
        leads to host clusters outside the window is noted in `elsewhere`: numbers of windows as long as this one, and
        the host offset of a table that leads there.
        """
        kinds = sorted(set(zip(times.tolist(), sets.tolist(), strict=True)))
        if len(kinds) == 1:
            self._add_alike(batch, slice(None), *kinds[0])
            return
        for each_times, each_sets in kinds:
            rows = np.flatnonzero((times == each_times) & (sets == each_sets))
            self._add_alike(batch, rows, each_times, each_sets)

    def next_sets(self) -> None:
        """Forget which table sets led where, before other sets are counted."""
        self._sets[:] = 0

    def count_of(self, where: I64) -> U64:
        """The exact counts of clusters of this window, given in rising order and relative to its start."""
        counts = self.counts[where].astype(np.uint64)
        clusters, many = self._many_counts
        if len(clusters) and len(where):
            rows = np.minimum(np.searchsorted(where, clusters), len(where) - 1)
            there = where[rows] == clusters
            counts[rows[there]] += many[there]
        return counts

    def many_between(self, begin: int, end: int) -> I64:
        """The clusters (relative) whose counts left the byte."""
        clusters, _ = self._many_counts
        chosen: I64 = clusters[(clusters >= begin) & (clusters < end)]
        return chosen

    @cached_property
    def _many_counts(self) -> tuple[I64, U64]:
        """The counts that left the byte, by cluster; to be asked for when all are counted."""
        clusters = np.array(sorted(self._many), dtype=np.int64)
        counts = [min(self._many[cluster], MAX_COUNT) for cluster in clusters.tolist()]
        return clusters, np.array(counts, dtype=np.uint64)

    def _add_alike(self, batch: L2Batch, rows: slice | I64, times: int, sets: int) -> None:
        """Tables that are referenced equally often by the same sets."""
        if batch.any_compressed:
            self._add_streams(batch, rows, times)
        offsets = batch.data_offsets[rows]
        valid = _leading_somewhere(batch, offsets, rows)
        if valid is None and isinstance(rows, slice) and self._lies_elsewhere(batch):
            return
        clusters = (offsets if valid is None else offsets[valid]).reshape(-1) >> np.uint64(batch.geometry.cluster_bits)
        if not len(clusters):
            return
        copied = _copied(batch, rows, valid)
        if int(clusters.max()) >= self.end or int(clusters.min()) < self.first:
            inside = (clusters >= self.first) & (clusters < self.end)
            if self.elsewhere_wanted:
                at = np.flatnonzero(~inside) if valid is None else np.flatnonzero(valid)[~inside]
                self._note_elsewhere(clusters[~inside], batch.host_offsets[rows], at // offsets.shape[1])
            clusters = clusters[inside]
            copied = copied[inside] if isinstance(copied, np.ndarray) else copied
        where = clusters.view(np.int64)  # far below the sign bit
        self._add_data(where - self.first if self.first else where, times, sets, copied)

    def _lies_elsewhere(self, batch: L2Batch) -> bool:
        """Whether all entries of these tables lead into one other window, which is noted without a look at each.

        None of them may be compressed or lead nowhere.
        """
        bits = batch.geometry.cluster_bits
        lowest, highest = batch.lowest_data_offset >> bits, batch.highest_data_offset >> bits
        if not self.elsewhere_wanted:
            return highest < self.first or lowest >= self.end
        number = lowest // self.end
        if not number or highest // self.end != number:
            return False
        self.elsewhere.append((np.full(len(batch.host_offsets), number, dtype=np.uint64), batch.host_offsets))
        return True

    def _note_elsewhere(self, clusters: U64, host_offsets: U64, tables: I64) -> None:
        """Clusters outside this window; `tables[n]` is the number of the table that leads to cluster n."""
        windows = clusters // np.uint64(self.end)
        count = np.uint64(len(host_offsets))
        pairs = distinct(windows * count + tables.astype(np.uint64))
        self.elsewhere.append((pairs // count, host_offsets[(pairs % count).astype(np.int64)]))

    def _add_data(self, where: I64, times: int, sets: int, copied: npt.NDArray[np.bool_] | bool | None) -> None:
        if not len(where):
            return
        count = len(where)
        steps = where[1:] - where[:-1]
        if bool((steps > 0).all()):  # as a writer that fills the disk from its start lays it out
            self._add_rising(where, steps, times, sets, copied)
            return
        if isinstance(copied, np.ndarray):
            self.use[where[copied]] |= np.uint8(Use.COPIED)
            self.use[where[~copied]] |= np.uint8(Use.NOT_COPIED)
            copied = None
        ordered = np.sort(where)
        breaks = ordered[1:] != ordered[:-1]
        if bool(breaks.all()):
            self._note(ordered, sets, copied)
            self._count(ordered, times)
            return
        starts = piece_starts(breaks)
        repeats = np.diff(np.append(starts, count))
        distinct = ordered[starts]
        self._note(distinct, sets, copied)
        if sets:
            self.use[distinct[repeats > 1]] |= np.uint8(Use.TWICE)
        self._count(distinct, repeats * times)

    def _add_rising(
        self, where: I64, steps: I64, times: int, sets: int, copied: npt.NDArray[np.bool_] | bool | None
    ) -> None:
        """Distinct clusters in file order; long runs of neighbours are added as slices."""
        breaks = steps != 1
        if np.count_nonzero(breaks) > len(where) // RUN_WORTH_A_SLICE:
            self._note(where, sets, copied)
            self._count(where, times)
            return
        for start, stop in pieces(breaks).tolist():
            first, end = int(where[start]), int(where[stop - 1]) + 1
            self._note(slice(first, end), sets, copied[start:stop] if isinstance(copied, np.ndarray) else copied)
            self._count_slice(first, end, times)

    def _note(self, where: slice | I64, sets: int, copied: npt.NDArray[np.bool_] | bool | None) -> None:
        """Mark distinct clusters as data that these sets lead to."""
        marks: npt.NDArray[np.uint8] | int = int(Use.DATA)
        if copied is True:
            marks = int(Use.DATA | Use.COPIED)
        elif isinstance(copied, np.ndarray):
            marks = np.where(copied, np.uint8(Use.DATA | Use.COPIED), np.uint8(Use.DATA | Use.NOT_COPIED))
        if len(self._sets):
            before = self._sets[where] & np.uint8(sets)
            self._sets[where] |= np.uint8(sets)
        else:
            before = self.use[where] & np.uint8(Use.DATA)
        if before.any():
            self.use[where] |= np.where(before != 0, np.uint8(Use.TWICE), np.uint8(0))
        self.use[where] |= np.asarray(marks, dtype=np.uint8)

    def _add_streams(self, batch: L2Batch, rows: slice | I64, times: int) -> None:
        """Compressed clusters count every host cluster that they touch."""
        if batch.geometry.external_data_file:
            return
        bits, size = batch.geometry.cluster_bits, batch.geometry.cluster_size
        compressed = batch.compressed[rows] & batch.in_file()[rows]
        found = batch.entries[rows][compressed]
        tables = np.nonzero(compressed)[0]
        begins = compressed_host_offset(found, bits)
        ends = begins + compressed_stored_length(found, bits)
        first, last = begins >> np.uint64(bits), (ends - np.uint64(1)) >> np.uint64(bits)
        in_file = ends < np.uint64(batch.file_size + size)
        for distance in range(3):  # a stream of at most two clusters' length touches at most three
            touched = first + np.uint64(distance)
            counted = in_file & (touched <= last)
            here = counted & (touched >= self.first) & (touched < self.end)
            if self.elsewhere_wanted and bool((counted & ~here).any()):
                self._note_elsewhere(touched[counted & ~here], batch.host_offsets[rows], tables[counted & ~here])
            distinct, repeats = np.unique(touched[here].astype(np.int64) - self.first, return_counts=True)
            self.use[distinct] |= np.uint8(Use.COMPRESSED)
            self._count(distinct, repeats * times)

    def _count_slice(self, begin: int, end: int, times: int) -> None:
        part = self.counts[begin:end]
        if times == 1 and int(part.max()) < SATURATED:
            part += np.uint8(1)
        else:
            self._count(np.arange(begin, end), times)

    def _count(self, where: I64, times: I64 | int) -> None:
        """Add references to distinct clusters; what no longer fits a byte moves to exact numbers."""
        if not len(where):
            return
        most = times if isinstance(times, int) else int(times.max())
        before = self.counts[where]
        if int(before.max()) + most <= SATURATED:
            self.counts[where] = before + (np.uint8(times) if isinstance(times, int) else times.astype(np.uint8))
            return
        after = before.astype(np.int64) + np.minimum(times, 1 << 62)
        large = after > SATURATED
        self.counts[where[~large]] = after[~large].astype(np.uint8)
        for cluster, count in zip(where[large].tolist(), after[large].tolist(), strict=True):
            if cluster not in self._many and len(self._many) >= MAX_MANY:
                self.full = True
                return
            self._many[cluster] = self._many.get(cluster, 0) + count
            self.counts[cluster] = 0


def _copied(
    batch: L2Batch, rows: slice | I64, valid: npt.NDArray[np.bool_] | None
) -> npt.NDArray[np.bool_] | bool | None:
    """The copied bits of standard entries of the active disk; True if all have it, None where they mean nothing."""
    if batch.owner != ACTIVE:
        return None
    if is_copied(batch.common_bits):
        return True
    flagged = is_copied(batch.entries[rows])
    chosen: npt.NDArray[np.bool_] = (flagged if valid is None else flagged[valid]).reshape(-1)
    return chosen


def _leading_somewhere(batch: L2Batch, offsets: U64, rows: slice | I64) -> npt.NDArray[np.bool_] | None:
    """Which entries lead to a cluster of the file, or None if all do; those that lead nowhere count for nothing."""
    size, file_size = batch.geometry.cluster_size, batch.file_size
    if batch.geometry.external_data_file:
        return np.zeros(offsets.shape, dtype=np.bool_)
    unaligned = batch.bits & (size - 1) & ~511
    # The lowest is 0 where an entry leads nowhere, or is compressed.
    if not unaligned and batch.whole and batch.highest_data_offset < file_size and batch.lowest_data_offset > 0:
        return None
    valid: npt.NDArray[np.bool_] = (offsets != 0) & (offsets < np.uint64(file_size))
    valid &= (offsets & np.uint64(size - 1)) == 0
    return valid if batch.whole else valid & batch.in_file()[rows]
