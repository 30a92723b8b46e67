"""References against refcounts: what the walk over the tables counted, compared with what the image stores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import nullcontext

import numpy as np
from msgspec.structs import asdict

from forensic.accounting.cluster_counts import MAX_MANY, ODD_OR_WRONGLY_COPIED, SATURATED, ClusterCounts, odd_uses
from forensic.accounting.counted_metadata import counted_window
from forensic.accounting.discrepancies import ClusterUsage, FreeClusters, LeakedClusters, RefcountsBeyondFile, Totals
from forensic.accounting.kept_references import KeptReferences, LaterWindows, NoRoom
from forensic.accounting.owners import ClusterOwners, Metadata
from forensic.accounting.table_references import References, references_of
from forensic.accounting.table_sets import SETS_AT_ONCE, TableSets
from forensic.budget import Budget, Unexamined
from forensic.qcow2.arrays import I64, U64, Bools, distinct, is_among
from forensic.qcow2.geometry import ACTIVE
from forensic.qcow2.intervals import true_runs
from forensic.qcow2.refcounts import Block, RefcountSpan, StoredRefcounts
from forensic.qcow2.tables import L2Batch

MAX_WINDOWS = 256
"""Windows of the file that are counted; more only come from entries strewn over an absurdly long file."""


class UsageCounter:
    """Counts references while the walk goes on, and compares at its end."""

    def __init__(
        self, cluster_owners: ClusterOwners, stored: StoredRefcounts, budget: Budget, lost: str | None
    ) -> None:
        """Count the metadata of the first window."""
        self.cluster_owners, self.stored, self.budget, self.lost = cluster_owners, stored, budget, lost
        self.geometry = self.cluster_owners.active.geometry
        self.sets: TableSets = self.cluster_owners.sets
        self.metadata: Metadata = self.cluster_owners.metadata
        self.evidence = self.cluster_owners.evidence
        self.clusters = -(-self.evidence.size // self.geometry.cluster_size)
        self.l2_offsets, self.l2_references = self.sets.distinct()
        self.window_clusters = self._window_clusters()
        self.data_clusters = 0
        self.compressed_clusters = 0
        self.last_used = 0
        self.window = self._new_window(0)
        self.window.elsewhere_wanted = True
        self.later = LaterWindows(len(self.l2_offsets))
        first_sets, masks = self.sets.membership(0)
        self.masks = masks
        if len(first_sets) < len(self.l2_offsets):  # the tables that only later sets lead to belong to none of these
            self.masks = np.zeros(len(self.l2_offsets), dtype=np.uint8)
            self.masks[np.searchsorted(self.l2_offsets, first_sets)] = masks

    def _window_clusters(self) -> int:
        """Host clusters that are counted at once: whole ranges, as many as the limit allows."""
        each = 2 if len(self.sets.sets) == 1 else 3
        span = self.stored.span_clusters
        return max(span, self.budget.limits.counter_bytes // each // span * span)

    def add(self, batch: L2Batch) -> None:
        """Count what a batch of L2 tables refers to."""
        rows = np.searchsorted(self.l2_offsets, batch.host_offsets)
        self.window.add_tables(batch, self.l2_references[rows], self.masks[rows])
        self.later.note(self.window.elsewhere)
        self.window.elsewhere.clear()
        self.window.elsewhere_wanted = not self.later.strewn
        if batch.owner == ACTIVE:
            self._add_totals(batch)
        if batch.overwritten and not self.lost:
            self.lost = f"an L2 table of {batch.owner} is overwritten"
        if not batch.whole and not self.lost:
            self.lost = f"an L2 table of {batch.owner} could not be read to its end"

    def results(self) -> Iterator[ClusterUsage | FreeClusters | RefcountsBeyondFile | Unexamined | Totals]:
        """Compare window after window; what leads past the first is read or sorted out once more."""
        _take(self.window, self._of_other_sets(None))
        yield from self._compare(self.window)
        done = self.window.end
        del self.window
        try:
            yield from self._later_windows(done)
        except NoRoom as error:
            reason = f"what refers to host clusters from {done:,} on could not be sorted out: {error}"
            yield Unexamined(ClusterUsage, reason, limit=True)
            self.lost = self.lost or reason

    def _later_windows(self, done: int) -> Iterator[ClusterUsage | FreeClusters | RefcountsBeyondFile | Unexamined]:
        with self._kept() if self.later.strewn else nullcontext() as kept:
            for count, number in enumerate(self._windows(kept), 1):
                first = number * self.window_clusters
                yield from self._free_between(done, first)
                stop = self.budget.out_of_time()
                if count >= MAX_WINDOWS:
                    stop = f"what is referenced is strewn over more than {MAX_WINDOWS} parts of the file"
                if stop:
                    reason = f"{stop}; host clusters from {first:,} on were not counted"
                    yield Unexamined(ClusterUsage, reason, limit=True)
                    self.lost = self.lost or stop
                    return
                yield from self._later_window(number, kept)
                done = min(self.clusters, first + self.window_clusters)
        yield from self._free_between(done, self.clusters)
        yield from self._beyond_file()
        stop = self.budget.out_of_time()
        if stop:
            yield Unexamined(ClusterUsage, stop, limit=True)

    def _later_window(
        self, number: int, kept: KeptReferences | None
    ) -> Iterator[ClusterUsage | FreeClusters | Unexamined]:
        """Count one window and compare; its memory is free before the next one."""
        window = self._new_window(number * self.window_clusters)
        _take(window, kept.of_window(number) if kept else self._references(self.later.tables_of(number)))
        yield from self._compare(window)

    def _kept(self) -> KeptReferences:
        """What leads to later windows, as far as there is time to sort it out. Raises `NoRoom`."""
        kept = KeptReferences(self.window_clusters, MAX_WINDOWS)
        try:
            for found in self._references(None):
                if self.budget.out_of_time():
                    break
                kept.keep(found)
        except BaseException:
            kept.close()
            raise
        return kept

    def _references(self, wanted: U64 | None) -> Iterator[References | None]:
        """What all tables refer to, or those at the `wanted` host offsets; None where other table sets begin."""
        for batch in self.sets.batches(self.evidence, self.cluster_owners.active, wanted):
            rows = np.searchsorted(self.l2_offsets, batch.host_offsets)
            yield from references_of(batch, self.l2_references[rows], self.masks[rows])
        yield from self._of_other_sets(wanted)

    def _of_other_sets(self, wanted: U64 | None) -> Iterator[References | None]:
        """What the table sets refer to for which the first pass has no bits; it counts no more."""
        for first in range(SETS_AT_ONCE, len(self.sets.sets), SETS_AT_ONCE):
            if self.budget.out_of_time():
                return
            yield None
            offsets, masks = self.sets.membership(first)
            if wanted is not None:
                there = is_among(offsets, wanted)
                offsets, masks = offsets[there], masks[there]
            for batch in self.sets.batches(self.evidence, self.cluster_owners.active, offsets):
                rows = np.searchsorted(offsets, batch.host_offsets)
                yield from references_of(batch, np.zeros(len(rows), dtype=np.int64), masks[rows])

    def totals(self) -> Totals:
        """What the active disk's tables add up to."""
        return Totals(
            self.geometry,
            self.evidence.size,
            self.data_clusters,
            self.compressed_clusters,
            sum(tables.times for tables in self.sets.sets),
        )

    def _new_window(self, first: int) -> ClusterCounts:
        end = min(self.clusters, first + self.window_clusters)
        return counted_window(self.cluster_owners, first, end, self.l2_offsets, self.l2_references)

    def _windows(self, kept: KeptReferences | None) -> list[int]:
        """The windows after the first in which anything is referenced or has a refcount."""
        size, width = self.geometry.cluster_size, self.window_clusters
        used = [np.asarray([owned.host_offset for owned in self.metadata.single], dtype=np.uint64)]
        used += [self.l2_offsets, self.metadata.refcount_blocks, self.metadata.bitmap_data]
        numbers = set((distinct(np.concatenate(used)) // np.uint64(size * width)).tolist())
        numbers |= kept.numbers if kept else self.later.numbers
        if self.stored.usable:
            counted = np.flatnonzero(self.stored.table.entries) * self.stored.per_block // width
            numbers |= set(distinct(counted).tolist())
        last = -(-self.clusters // width)
        return sorted(int(number) for number in numbers if 0 < number < last)

    def _add_totals(self, batch: L2Batch) -> None:
        tables = self.sets.sets[0]
        rows = np.searchsorted(tables.host_offsets, batch.host_offsets)
        times = tables.references[rows]
        self.data_clusters += int((np.count_nonzero(batch.data_offsets, axis=1) * times).sum())
        if batch.any_compressed:
            self.compressed_clusters += int((np.count_nonzero(batch.compressed, axis=1) * times).sum())

    def _compare(self, window: ClusterCounts) -> Iterator[ClusterUsage | FreeClusters | Unexamined]:
        """The rows of one window that are not in order, and its free ranges, a range at a time."""
        step = self.stored.span_clusters
        if window.full:
            self.lost = self.lost or "some clusters have more references than are counted"
            reason = f"more than {MAX_MANY:,} clusters have more than {SATURATED} references each"
            yield Unexamined(ClusterUsage, reason, limit=True)
        for begin in range(0, window.end - window.first, step):
            end = min(begin + step, window.end - window.first)
            if self.stored.usable:
                yield from self._compare_stretch(window, begin, end)
            else:
                yield from self._rows(window, begin, odd_uses(window.use[begin:end]), None)
            if not self.lost:
                yield self._free(window, begin, end)

    def _compare_stretch(self, window: ClusterCounts, begin: int, end: int) -> Iterator[ClusterUsage]:
        counts, use = window.counts[begin:end], window.use[begin:end]
        has_blocks = self.stored.has_blocks(window.first + begin)
        if not has_blocks and not use.any():
            return
        span = self.stored.read(window.first + begin, end - begin)
        wrong: Bools = span.counts != counts
        wrong[window.many_between(begin, end) - begin] = True
        wrong |= ODD_OR_WRONGLY_COPIED[use | (span.counts == 1).view(np.uint8) << np.uint8(7)]
        if not span.readable:
            wrong &= span.block != Block.UNREADABLE
            wrong |= odd_uses(use)
        yield from self._rows(window, begin, wrong, span)

    def _rows(
        self, window: ClusterCounts, begin: int, which: Bools, span: RefcountSpan | None
    ) -> Iterator[ClusterUsage]:
        rows = np.flatnonzero(which)
        if not len(rows):
            return
        leaked = window.use[rows + begin] == 0  # nothing refers to it, so it is its refcount that is not in order
        if not leaked.all():
            rows_in_use = rows[~leaked]
            usage = self._usage(window, begin, rows_in_use, span)
            yield usage
            high = (usage.stored > usage.counted) & (usage.block != Block.UNREADABLE)
            if high.any() and not self.lost:
                yield LeakedClusters(**asdict(self._usage(window, begin, rows_in_use[high], span)))
        if leaked.any() and not self.lost:
            yield LeakedClusters(**asdict(self._usage(window, begin, rows[leaked], span)))

    def _usage(self, window: ClusterCounts, begin: int, rows: I64, span: RefcountSpan | None) -> ClusterUsage:
        counted = window.count_of(rows + begin)
        return ClusterUsage(
            geometry=self.geometry,
            clusters=rows.astype(np.uint64) + np.uint64(begin + window.first),
            stored=counted if span is None else span.counts[rows].astype(np.uint64),
            counted=counted,
            use=window.use[rows + begin],
            block=np.full(len(rows), Block.UNREADABLE, dtype=np.uint8) if span is None else span.block[rows],
            cluster_owners=self.cluster_owners,
        )

    def _free(self, window: ClusterCounts, begin: int, end: int) -> FreeClusters:
        """The parts of a range that nothing refers to."""
        first = window.first + begin
        used = window.use[begin:end] != 0
        free = true_runs(~used) + first
        if bool(used[-1]):
            self.last_used = first + len(used)
        elif free[-1, 0] > first:
            self.last_used = int(free[-1, 0])
        return self._free_ranges(free[:, 0], free[:, 1])

    def _free_between(self, first: int, end: int) -> Iterator[FreeClusters]:
        """A part of the file in which nothing is counted because nothing refers to it."""
        if end > first and not self.lost:
            yield self._free_ranges(np.array([first]), np.array([end]))

    def _free_ranges(self, begins: I64, ends: I64) -> FreeClusters:
        size = self.geometry.cluster_size
        return FreeClusters(begins * size, np.minimum(ends * size, self.evidence.size), self.last_used * size)

    def _beyond_file(self) -> Iterator[RefcountsBeyondFile]:
        """Refcounts of clusters past the end of the file that are set."""
        if not self.stored.usable:
            return
        per_block = self.stored.per_block
        for index, offset, counts in self.stored.beyond(self.clusters):
            behind = max(0, self.clusters - index * per_block)
            if counts[behind:].any():
                yield RefcountsBeyondFile(self.geometry, index, offset, index * per_block + behind, counts[behind:])


def _take(window: ClusterCounts, found: Iterable[References | None]) -> None:
    for references in found:
        if references is None:
            window.next_sets()
        else:
            window.add(references)
