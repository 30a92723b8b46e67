"""How often each host cluster is referenced, and by what: counters for a window of the file, added to in bulk.

Two bytes a host cluster, so that a terabyte in 64 KiB clusters takes 32 MiB; a larger file is counted window after
window, and each window reads again only the tables that lead into it.
"""

from __future__ import annotations

from enum import IntFlag
from functools import cached_property

import numpy as np

from forensic.accounting.table_references import U8, References, references_of
from forensic.qcow2.arrays import I64, U64, Bools
from forensic.qcow2.intervals import piece_starts, pieces
from forensic.qcow2.tables import L2Batch

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


_COMBINATION = np.arange(256, dtype=np.uint8)
_GUEST_DATA = _COMBINATION & (Use.DATA | Use.COMPRESSED)
_ODD: Bools = (
    ((_COMBINATION & (Use.OVERLAP | Use.TWICE)) != 0)
    | (((_COMBINATION & Use.METADATA) != 0) & (_GUEST_DATA != 0))
    | (_GUEST_DATA == Use.DATA | Use.COMPRESSED)
)
"""For each combination of uses whether they do not go together."""

_STORED_AS_ONE = 128
ODD_OR_WRONGLY_COPIED = _ODD | np.where(
    _COMBINATION < _STORED_AS_ONE, (_COMBINATION & Use.COPIED) != 0, (_COMBINATION & Use.NOT_COPIED) != 0
)
"""The same, or a copied bit that is wrong; the highest bit says that the stored refcount is one."""


def odd_uses(use: U8) -> Bools:
    """Which clusters are used for two things that do not go together."""
    return _ODD[use]


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

    def mark_l2_tables(self, offsets_in_clusters: U64, copied: Bools) -> None:
        """What the active L1 table says about the copied bits of L2 tables."""
        inside = (offsets_in_clusters >= self.first) & (offsets_in_clusters < self.end)
        where = offsets_in_clusters[inside].astype(np.int64) - self.first
        self.use[where] |= np.where(copied[inside], np.uint8(Use.COPIED), np.uint8(Use.NOT_COPIED))

    def add_tables(self, batch: L2Batch, times: I64, sets: U8) -> None:
        """The guest data of a batch of L2 tables.

        `times` is how often each table is referenced, `sets` which of the table sets of this pass lead to it. Of what
        leads to host clusters outside the window is noted in `elsewhere`: numbers of windows as long as this one, and
        the host offset of a table that leads there.
        """
        for found in references_of(batch, times, sets):
            if self.add(found) and self.elsewhere_wanted:
                self.elsewhere.append(found.elsewhere(self.first, self.end))

    def add(self, found: References) -> bool:
        """References of guest data; whether some of them lie outside the window, which are left out."""
        clusters = found.clusters
        if not len(clusters):
            return False
        outside = int(clusters.max()) >= self.end or int(clusters.min()) < self.first
        if outside:
            found = found.part((clusters >= self.first) & (clusters < self.end))
        where = found.clusters.view(np.int64)  # far below the sign bit
        where = where - self.first if self.first else where
        if found.compressed:
            self._add_streams(where, found.times)
        else:
            self._add_data(where, found)
        return outside

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

    def _add_data(self, where: I64, found: References) -> None:
        if not len(where):
            return
        count, times, sets, copied = len(where), found.times, found.sets, found.copied
        if bool((where[1:] > where[:-1]).all()):  # as a writer that fills the disk from its start lays it out
            goes_on = found.goes_on() if found.goes_on else where[1:] - where[:-1] == 1
            self._add_rising(where, goes_on, times, sets, copied)
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

    def _add_rising(self, where: I64, goes_on: Bools, times: int, sets: int, copied: Bools | bool | None) -> None:
        """Distinct clusters in file order; long runs of neighbours are added as slices."""
        breaks = ~goes_on
        if np.count_nonzero(breaks) > len(where) // RUN_WORTH_A_SLICE:
            self._note(where, sets, copied)
            self._count(where, times)
            return
        for start, stop in pieces(breaks).tolist():
            first, end = int(where[start]), int(where[stop - 1]) + 1
            self._note(slice(first, end), sets, copied[start:stop] if isinstance(copied, np.ndarray) else copied)
            self._count_slice(first, end, times)

    def _note(self, where: slice | I64, sets: int, copied: Bools | bool | None) -> None:
        """Mark distinct clusters as data that these sets lead to."""
        marks: U8 | int = int(Use.DATA)
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

    def _add_streams(self, where: I64, times: int) -> None:
        found, repeats = np.unique(where, return_counts=True)
        self.use[found] |= np.uint8(Use.COMPRESSED)
        self._count(found, repeats * times)

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
