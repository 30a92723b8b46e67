"""The accounts of a file: which clusters tables and structures claim, how often, and what the stored refcounts say.

They close when everything in use is accounted for. Only then can "not allocated" be believed: otherwise an empty
entry may be one that was wiped.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from forensic.evidence import Evidence
from forensic.qcow2.arrays import I64, U64, Bools, distinct, is_among
from forensic.qcow2.entries import (
    SECTOR_SIZE,
    compressed_host_offset,
    compressed_stored_length,
    has_zero_flag,
    host_offset_of,
    is_copied,
    l1_reserved_bits,
)
from forensic.qcow2.geometry import ACTIVE, Geometry
from forensic.qcow2.refcounts import SPAN_CLUSTERS, Block, StoredRefcounts
from forensic.qcow2.tables import L2Batch, read_l2_batches, read_refcount_table
from forensic.recovery.candidates import LEAST_DISTINCT, MOST_OTHER, Candidates
from forensic.recovery.kinds import Sector
from forensic.recovery.scan import Scan
from forensic.recovery.sectors import good_entries, in_sectors
from forensic.recovery.tally import MOST, Tally

MAX_CLUSTERS = 1 << 29
"""Host clusters that are accounted for; a file with more is read by its pointers alone."""

AGREEMENT = 0.999
"""The share of claimed clusters whose stored refcount has to say that they are in use, for refcounts to be believed."""

FEWEST_NOT_COPIED = 4
"""Entries without the copied bit that show that a table which was mostly overwritten was one."""


class Accounts:
    """Claims on the clusters of a file under one geometry, filled table after table."""

    def __init__(self, evidence: Evidence, scan: Scan, geometry: Geometry) -> None:
        """Read the stored refcounts; nothing is claimed yet but the header."""
        self.evidence, self.scan, self.geometry = evidence, scan, geometry
        self.clusters = -(-evidence.size // geometry.cluster_size)
        self.possible = self.clusters <= MAX_CLUSTERS and not geometry.external_data_file
        size = self.clusters if self.possible else 0
        self.data, self.streams, self.metadata, self.others = (Tally(size) for _ in range(4))
        self.wrong_entries = 0
        self.taken: Tally | None = None  # by an image that was written over this one
        self.without_snapshots = False  # as an intact header says
        self._usable: bool | None = None
        self._twice: bool | None = None
        self._unexplained: int | None = None
        self.stored, self._not_known = self._read_stored(size)
        self.claim_range(0, geometry.cluster_size)

    def claim_range(self, host_offset: int, length: int) -> None:
        """A structure lies here."""
        if length > 0 and host_offset < self.evidence.size:
            first = host_offset >> self.geometry.cluster_bits
            end = -(-(host_offset + length) // self.geometry.cluster_size)
            self._add(self.metadata, np.arange(first, min(end, self.clusters), dtype=np.int64))

    def claim_clusters(self, host_offsets: U64) -> None:
        """Structures of one cluster each lie here."""
        self._add(self.metadata, (host_offsets >> np.uint64(self.geometry.cluster_bits)).astype(np.int64))

    def claim_refcounts(self) -> None:
        """The refcount table and its blocks lie where the geometry says."""
        table = read_refcount_table(self.evidence, self.geometry)
        if len(table.entries) and self.stored is not None:
            self.claim_range(table.host_offset, self.geometry.refcount_table_clusters * self.geometry.cluster_size)
            self.claim_clusters(table.block_offsets()[table.readable()])

    def claim_tables(self, host_offsets: U64, of_others: bool = False) -> None:
        """L2 tables of the disk, or of other disks in the file (its snapshots), and what they lead to."""
        if not self.possible:
            return
        bits = np.uint64(self.geometry.cluster_bits)
        self._add(self.others if of_others else self.metadata, (host_offsets >> bits).astype(np.int64))
        for batch, good in self.batches(np.arange(len(host_offsets)), host_offsets):
            places, streams = located(batch, good)
            if not of_others:
                beside = in_sectors(batch, good & (batch.entries != 0))
                self.wrong_entries += int(np.count_nonzero(beside & ~good & (batch.entries != 0)))
            self._add(self.others if of_others else self.data, (places[places != 0] >> bits).astype(np.int64))
            for part in _spans(batch, streams, self.geometry.cluster_bits, self.clusters):
                self._add(self.others if of_others else self.streams, part)

    def batches(self, l1_indices: I64, host_offsets: U64) -> Iterator[tuple[L2Batch, Bools]]:
        """See `batches_of`."""
        yield from batches_of(self.evidence, self.scan, self.geometry, l1_indices, host_offsets)

    def are_claimed(self, clusters: I64) -> Bools:
        """Which of some clusters anything claims."""
        found: Bools = self.data.are_counted(clusters)
        for one in (self.streams, self.metadata, self.others):
            if one.any:
                found |= one.are_counted(clusters)
        return found

    def claimed_clusters(self) -> Iterator[I64]:
        """The clusters that anything claims, in rising order, some at a time."""
        for part in self.data.parts():
            yield np.flatnonzero(self._claimed(part)) + part.start

    @property
    def usable(self) -> bool:
        """Whether the stored refcounts agree with what is claimed, so that they can be believed elsewhere."""
        if self._usable is None:
            self._usable = self.stored is not None and self._agrees(self.stored)
        return self._usable

    def _agrees(self, refcounts: Tally) -> bool:
        count = in_use = ones = few = alone = 0
        for part in self.data.parts():
            claimed, stored = self._claimed(part), refcounts.part(part)
            count += int(np.count_nonzero(claimed))
            claimed &= self._not_known.part(part) == 0
            in_use += int(np.count_nonzero(claimed & (stored > 0)))
            plain = claimed & (self.streams.part(part) == 0) & (self.others.part(part) == 0)
            plain &= self.data.part(part) + self.metadata.part(part) == 1
            ones += int(np.count_nonzero(plain & (stored == 1)))
            few += int(np.count_nonzero(plain & (stored <= 64)))
            alone += int(np.count_nonzero(plain))
        believable = few >= 0.9 * alone and (ones > 0 or count <= 4)
        return count > 0 and in_use >= AGREEMENT * count and believable

    def are_twice(self, clusters: I64) -> Bools:
        """Which of some clusters are claimed as guest data and once more, as data or as anything else."""
        if self._twice is None:
            self._twice = any(bool(self._are_twice(part).any()) for part in self.data.parts())
        if not self._twice:
            return np.zeros(clusters.shape, dtype=np.bool_)
        return self._are_twice(clusters)

    def _are_twice(self, clusters: slice | I64) -> Bools:
        data = self.data.of(clusters)
        streams, metadata = self.streams.of(clusters) > 0, self.metadata.of(clusters) > 0
        found: Bools = (data > 1) | ((data > 0) & (streams | metadata)) | (streams & metadata)
        return found

    def are_unused(self, clusters: I64) -> Bools:
        """Which of some clusters have refcount 0; none, where refcounts cannot be believed."""
        if not self.usable or self.stored is None:
            return np.zeros(clusters.shape, dtype=np.bool_)
        return ~self.stored.are_counted(clusters)

    @property
    def unexplained(self) -> int:
        """How many clusters are in use more often than claimed: by their refcount, or else since they are not zero.

        A cluster that a snapshot shares with the disk has two references; when the entry of one of them was wiped, only
        the count tells. Without accounts nothing is known, which counts as one.
        """
        if not self.possible:
            return 1
        if self._unexplained is None:
            self._unexplained = self._count_unexplained()
        return self._unexplained

    def _count_unexplained(self) -> int:
        if not self.usable or self.stored is None:
            used = self.scan.used_clusters(self.geometry.cluster_bits, also_unread=True)
            return sum(int(np.count_nonzero(~self.are_claimed(clusters))) for clusters in used)
        found = 0
        for part in self.data.parts():
            times = np.zeros(part.stop - part.start, dtype=np.uint16)
            for one in (self.data, self.metadata, self.streams, self.others):
                times += one.part(part)
            found += int(np.count_nonzero(self.stored.part(part) > np.minimum(times, MOST)))
        return found

    @property
    def closed(self) -> bool:
        """Whether everything that is in use is claimed."""
        return not self.unexplained

    def _claimed(self, part: slice) -> Bools:
        found: Bools = self.data.part(part) > 0
        for one in (self.streams, self.metadata, self.others):
            if one.any:
                found |= one.part(part) > 0
        return found

    def in_use(self, host_offsets: U64) -> Bools:
        """Which clusters are in use by their refcount; where refcounts cannot be believed, all."""
        if not self.possible or not self.usable or self.stored is None:
            return np.ones(len(host_offsets), dtype=np.bool_)
        return self.stored.are_counted((host_offsets >> np.uint64(self.geometry.cluster_bits)).astype(np.int64))

    def _add(self, counts: Tally, clusters: I64) -> None:
        if not self.possible:
            return
        if len(clusters) and (int(clusters.min()) < 0 or int(clusters.max()) >= self.clusters):
            clusters = clusters[(clusters >= 0) & (clusters < self.clusters)]
        counts.add(clusters)
        self._usable = self._twice = self._unexplained = None

    def _read_stored(self, size: int) -> tuple[Tally | None, Tally]:
        """The stored refcounts, up to 255, and of which clusters they are not known."""
        geometry, not_known = self.geometry, Tally(size)
        if not size or geometry.refcount_order is None:
            return None, not_known
        stored = StoredRefcounts(self.evidence, read_refcount_table(self.evidence, geometry))
        if not stored.usable:
            return None, not_known
        counts = Tally(size)
        step = max(stored.per_block, SPAN_CLUSTERS)
        for first in range(0, size, step):
            if not stored.has_blocks(first):
                continue
            found = stored.read(first, min(step, size - first))
            used = np.flatnonzero(found.counts)
            counts.put(used + first, np.minimum(found.counts[used], MOST).astype(np.int64))
            not_known.add(np.flatnonzero(found.block == Block.UNREADABLE) + first)
        return counts, not_known


def batches_of(
    evidence: Evidence, scan: Scan, geometry: Geometry, l1_indices: I64, host_offsets: U64
) -> Iterator[tuple[L2Batch, Bools]]:
    """L2 tables as they are, and which of their entries are possible and lie in sectors of a table."""
    kinds: tuple[Sector, ...] = (Sector.ZERO, Sector.STANDARD, Sector.COMPRESSED)
    if geometry.extended_l2:
        kinds = (*kinds, Sector.EXTENDED)
    per_table = geometry.cluster_size // SECTOR_SIZE
    inside = host_offsets < np.uint64(evidence.size)
    l1_indices, host_offsets = l1_indices[inside], host_offsets[inside]
    for batch in read_l2_batches(evidence, geometry, ACTIVE, l1_indices, host_offsets):
        if geometry.external_data_file:  # its offsets count in another file, whose size is not known
            yield batch, batch.in_file()
            continue
        first = (batch.host_offsets >> np.uint64(9)).astype(np.int64)
        table_like = scan.table_like(first, per_table, kinds)
        yield batch, good_entries(batch, table_like, scan.table_like(first, per_table, (Sector.OTHER,)))


def with_named_tables(evidence: Evidence, scan: Scan, geometry: Geometry, known: Candidates, l1: U64) -> Candidates:
    """The candidates, and the tables of an L1 table that by their content alone are not taken for such.

    Those are clusters in which few entries are impossible, or of which some sectors were overwritten. Where those were
    more than a few, what is left has to read as entries by more than the bits that it does not have: a word of data
    may be an offset by chance.
    """
    offsets = distinct(host_offset_of(l1[l1_reserved_bits(l1) == 0]))
    aligned = (offsets & np.uint64(geometry.cluster_size - 1)) == 0
    offsets = offsets[aligned & (offsets != 0) & (offsets < np.uint64(evidence.size))]
    offsets = offsets[~is_among(offsets, known.host_offsets)]
    if geometry.external_data_file or not len(offsets):
        return known
    clusters = (offsets >> np.uint64(geometry.cluster_bits)).astype(np.int64)
    offsets = offsets[~scan.zero_among(clusters, geometry.cluster_bits)]
    rows = []
    for batch, good in batches_of(evidence, scan, geometry, np.arange(len(offsets)), offsets):
        used, copied = (batch.entries != 0) & good, is_copied(batch.entries) & good
        places, streams = located(batch, good)
        flagged = has_zero_flag(batch.entries) & good & ~streams
        count = ((places != 0) | streams).sum(axis=1)
        enough = ~mostly_overwritten(batch, good) | copied.any(axis=1) | (count >= FEWEST_NOT_COPIED)
        for row in np.flatnonzero(enough & (count > 0)).tolist():
            leads = places[row][places[row] != 0]
            if len(np.unique(leads)) >= LEAST_DISTINCT * len(leads):
                columns = used[row], places[row] != 0, copied[row], flagged[row], streams[row]
                rows.append((int(batch.host_offsets[row]), *(int(np.count_nonzero(one)) for one in columns), 0, 0))
    return known.joined(rows)


def mostly_overwritten(batch: L2Batch, good: Bools) -> Bools:
    """Which tables have more overwritten sectors, of those that are not zeros, than one that is taken as whole."""
    sectors = (len(good), batch.geometry.cluster_size // SECTOR_SIZE, -1)
    in_use, lost = (batch.entries != 0).reshape(sectors).any(axis=2), ~good.reshape(sectors).any(axis=2)
    found: Bools = (in_use & lost).sum(axis=1) > MOST_OTHER * in_use.sum(axis=1)
    return found


def located(batch: L2Batch, good: Bools) -> tuple[U64, Bools]:
    """The host offset of each entry that has one (0: none), and which entries are streams; of good entries alone."""
    streams = batch.compressed & good
    places = np.where(good, batch.data_offsets, np.uint64(0))
    return places, streams


def _spans(batch: L2Batch, streams: Bools, cluster_bits: int, clusters: int) -> Iterator[I64]:
    """The clusters that streams lie in."""
    if not streams.any():
        return
    entries = batch.entries[streams]
    begin = compressed_host_offset(entries, cluster_bits)
    end = begin + compressed_stored_length(entries, cluster_bits)
    first = (begin >> np.uint64(cluster_bits)).astype(np.int64)
    last = ((end - np.uint64(1)) >> np.uint64(cluster_bits)).astype(np.int64)
    for step in range(int((last - first).max()) + 1):
        part = first + step
        yield part[(part <= last) & (part < clusters)]
