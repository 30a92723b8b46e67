"""Which ranges of the file the structures that were read lead to, for the map of a report."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from forensic.accounting.table_sets import TableSets, l1_tables_within
from forensic.budget import Budget, Limits, Unexamined
from forensic.image import Identified, Qcow2Image
from forensic.qcow2.arrays import U64, Bools
from forensic.qcow2.entries import (
    compressed_host_offset,
    compressed_stored_length,
    has_zero_flag,
    host_offset_of,
    is_compressed,
)
from forensic.qcow2.geometry import ACTIVE, L1_ENTRY_SIZE, Geometry
from forensic.qcow2.intervals import true_runs
from forensic.qcow2.table_reading import ENTRY_SIZE
from forensic.qcow2.tables import L2Batch, read_refcount_table

HostRange = tuple[int, int, str]
"""Host offset, length in bytes, kind."""

MAX_UNITS = 1 << 22
"""Parts of a file that are distinguished: a map needs no more, and a hostile image could claim billions."""


def known_ranges(image: Identified) -> Iterator[HostRange]:
    """The ranges of the header, of the tables, and of what the L2 tables of all disks lead to, in whole clusters.

    None where the header gives no geometry. A cluster that both the active disk and a snapshot use is given for both.
    """
    if not isinstance(image, Qcow2Image) or not isinstance(image.header_cluster.geometry, Geometry):
        return
    geometry = image.header_cluster.geometry
    yield 0, geometry.cluster_size, "header"
    yield from _single_structures(image)
    refcounts = read_refcount_table(image.evidence, geometry)
    yield refcounts.host_offset, refcounts.claimed_entries * ENTRY_SIZE, "refcounts"
    sets = TableSets()
    for table, times in l1_tables_within(image, Budget(Limits())):
        if isinstance(table, Unexamined):
            break
        yield table.host_offset, len(table.entries) * L1_ENTRY_SIZE, "L1 table"
        sets.add(table, times)
    units = Units(image.evidence.size, geometry.cluster_size)
    units.mark("refcounts", refcounts.block_offsets()[refcounts.readable()], geometry.cluster_size)
    units.mark("L2 table", sets.distinct()[0], geometry.cluster_size)
    for batch in sets.batches(image.evidence, image.l1):
        if not geometry.external_data_file:
            _mark_data(units, batch)
    yield from units.ranges()


class Units:
    """The file in parts of one size, a cluster or more, and which kinds each part was marked with."""

    def __init__(self, file_size: int, cluster_size: int) -> None:
        """Nothing is marked yet."""
        clusters = -(-file_size // cluster_size)
        self.file_size = file_size
        self.size = cluster_size * -(-clusters // MAX_UNITS)
        self.marks: dict[str, Bools] = {}

    def mark(self, kind: str, host_offsets: U64, lengths: U64 | int) -> None:
        """Mark what begins at these offsets; a length may reach over three parts, and what begins past the end is
        left out."""
        inside = host_offsets < self.file_size
        firsts = host_offsets[inside]
        if not len(firsts):
            return
        lasts = firsts + (lengths[inside] if isinstance(lengths, np.ndarray) else np.uint64(lengths)) - np.uint64(1)
        lasts = np.minimum(lasts, np.uint64(self.file_size - 1))
        marks = self.marks.setdefault(kind, np.zeros(-(-self.file_size // self.size), dtype=np.bool_))
        for places in (firsts, firsts + (lasts - firsts) // np.uint64(2), lasts):
            marks[places // np.uint64(self.size)] = True

    def ranges(self) -> Iterator[HostRange]:
        """Neighbours with one mark as one range."""
        for kind, marks in self.marks.items():
            for first, end in true_runs(marks).tolist():
                yield first * self.size, (end - first) * self.size, kind


def _mark_data(units: Units, batch: L2Batch) -> None:
    geometry = batch.geometry
    of_snapshot = "" if batch.owner == ACTIVE else "snapshot "
    entries = batch.entries[batch.in_file()]
    compressed = is_compressed(entries)
    streams, standard = entries[compressed], entries[~compressed]
    offsets = host_offset_of(standard)
    flagged = has_zero_flag(standard)
    zeroed = flagged if geometry.zero_flag_allowed else np.zeros_like(flagged)
    units.mark(f"{of_snapshot}data", offsets[(offsets != 0) & ~zeroed], geometry.cluster_size)
    units.mark("zeroed", offsets[(offsets != 0) & zeroed], geometry.cluster_size)
    begin = compressed_host_offset(streams, geometry.cluster_bits)
    units.mark(f"{of_snapshot}compressed", begin, compressed_stored_length(streams, geometry.cluster_bits))


def _single_structures(image: Qcow2Image) -> Iterator[HostRange]:
    if image.header.nb_snapshots:
        snapshots = image.snapshots
        yield snapshots.host_offset, snapshots.end_offset - snapshots.host_offset, "snapshot table"
    if image.bitmaps:
        yield image.bitmaps.host_offset, image.bitmaps.size, "bitmaps"
        for bitmap in image.bitmaps.bitmaps:
            yield bitmap.table_offset, bitmap.table_size * ENTRY_SIZE, "bitmaps"
    if image.luks:
        yield image.luks.host_offset, image.luks.length, "LUKS header"
