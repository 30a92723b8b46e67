"""Space usage: what fills an address space, summed up in a row of cells: the guest disk by state, the file by kind.

A summary yields the same two arrays again and again as they fill, so that a screen can show what is known so far.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

import numpy as np
from msgspec import Struct

from forensic.explore.regions import Kind, RegionIndex
from forensic.explore.v1 import Qcow1RegionIndex
from forensic.mapping.extents import State
from forensic.mapping.rows import Rows
from forensic.mapping.table_rows import row_batches
from forensic.qcow2.arrays import I64, U64, NDArray, distinct
from forensic.qcow2.table_reading import ENTRY_SIZE

Sums = NDArray[np.int64]
"""Bytes as [kind or state, cell]."""

FURTHEST = 1 << 62
"""Offsets beyond this are not summed up: no table can map them, whatever size a header claims."""

MAX_TAKEN = 1 << 26
"""Host clusters of a file in which the data of snapshots is distinguished from that of the active disk."""


class Fill(IntEnum):
    """What a part of the file is used for, the more telling ones first."""

    HEADER = 0
    L1 = 1
    L2 = 2
    REFCOUNT = 3
    SNAPSHOT = 4
    BITMAP = 5
    LUKS = 6
    DATA = 7
    COMPRESSED = 8
    ZERO_ALLOCATED = 9
    SNAPSHOT_DATA = 10  # what a snapshot holds and the active disk does not


class Grid(Struct, frozen=True):
    """`cells` cells of `cell_size` bytes from `start`; the last one may reach past the end of the space."""

    start: int
    cell_size: int
    cells: int

    @property
    def end(self) -> int:
        """The offset after the last cell."""
        return self.start + self.cell_size * self.cells

    def cell_of(self, offset: int) -> int:
        """The number of the cell that holds an offset, which may lie outside the grid."""
        return (offset - self.start) // self.cell_size

    def offset_of(self, cell: int) -> int:
        """Where a cell begins."""
        return self.start + cell * self.cell_size


class SpaceUsage(Struct, frozen=True):
    """How many bytes of each kind (`Fill` or `State`) lie in each cell, and up to which share it was counted."""

    grid: Grid
    sums: Sums
    done: float


_FILL_OF_KIND = {
    Kind.HEADER: Fill.HEADER,
    Kind.EXTENSION: Fill.HEADER,
    Kind.BACKING_NAME: Fill.HEADER,
    Kind.L1_TABLE: Fill.L1,
    Kind.REFCOUNT_TABLE: Fill.REFCOUNT,
    Kind.SNAPSHOT: Fill.SNAPSHOT,
    Kind.BITMAP: Fill.BITMAP,
    Kind.LUKS: Fill.LUKS,
}
_FILL_OF_STATE = {
    State.DATA: Fill.DATA,
    State.COMPRESSED: Fill.COMPRESSED,
    State.ZERO_ALLOCATED: Fill.ZERO_ALLOCATED,
}


def guest_space_usage(region_index: RegionIndex | Qcow1RegionIndex, grid: Grid) -> Iterator[SpaceUsage]:
    """Sum up the active disk by state. Raises `Unsupported` where the header gives no geometry."""
    size = region_index.image.virtual_size
    sums = np.zeros((len(State), grid.cells), dtype=np.int64)
    start, end = min(grid.start, size), min(grid.end, size)
    for rows in region_index.image.row_batches(start, end) if start < end else ():
        if not len(rows):
            continue
        for state in State:
            chosen = rows[rows["state"] == state]
            add_to_cells(sums[state], grid, chosen["guest_offset"], chosen["length"])
        reached = int(rows["guest_offset"][-1]) + int(rows["length"][-1])
        yield SpaceUsage(grid, sums, (reached - start) / max(1, end - start))
    yield SpaceUsage(grid, sums, 1.0)


def file_space_usage(region_index: RegionIndex | Qcow1RegionIndex, grid: Grid) -> Iterator[SpaceUsage]:
    """Sum up the file by what its parts are used for: the tables, the active disk, then what only snapshots hold."""
    sums = np.zeros((len(Fill), grid.cells), dtype=np.int64)
    fixed = {(region.host_offset, region.length, _FILL_OF_KIND[region.kind]) for region in region_index.fixed}
    for host_offset, length, fill in sorted(fixed):
        _add_range_to_cells(sums[fill], grid, host_offset, length)
    if region_index.cluster_size is not None:
        yield from _usage_of_tables(region_index, grid, sums)
    yield SpaceUsage(grid, sums, 1.0)


def _usage_of_tables(region_index: RegionIndex | Qcow1RegionIndex, grid: Grid, sums: Sums) -> Iterator[SpaceUsage]:
    """The tables and what they lead to."""
    taken = None if isinstance(region_index, Qcow1RegionIndex) else _Taken(region_index)
    if isinstance(region_index, Qcow1RegionIndex):
        _spread_l2_of_version_1(region_index, grid, sums)
    else:
        _spread_tables(region_index, grid, sums)
    yield SpaceUsage(grid, sums, 0.0)
    size = max(1, region_index.image.virtual_size)
    elsewhere = region_index.geometry is not None and region_index.geometry.external_data_file
    for rows in () if elsewhere else region_index.image.row_batches():
        for state, fill in _FILL_OF_STATE.items():
            chosen = rows[rows["state"] == state]
            lengths = chosen["stored_length"] if state == State.COMPRESSED else chosen["length"]
            add_to_cells(sums[fill], grid, chosen["host_offset"], lengths)
        if taken:
            taken.first_of(rows)
        reached = int(rows["guest_offset"][-1]) if len(rows) else 0
        yield SpaceUsage(grid, sums, reached / size)
    if not isinstance(region_index, Qcow1RegionIndex) and taken:
        yield from _usage_of_snapshots(region_index, grid, sums, taken)


def _usage_of_snapshots(region_index: RegionIndex, grid: Grid, sums: Sums, taken: _Taken) -> Iterator[SpaceUsage]:
    """Add the host clusters that only snapshots refer to, each once."""
    cluster_size = region_index.image.geometry.cluster_size
    for table in region_index.l1_tables[1:] if taken.clusters is not None else ():
        for rows in row_batches(region_index.image.evidence, table, 0, len(table.entries) * table.geometry.l1_coverage):
            fresh = taken.first_of(rows) * np.uint64(cluster_size)
            add_to_cells(sums[Fill.SNAPSHOT_DATA], grid, fresh, np.full(len(fresh), cluster_size, dtype=np.uint64))
            yield SpaceUsage(grid, sums, 0.99)


class _Taken:
    """Which host clusters some disk refers to already; kept only where there are snapshots and the file is not huge."""

    def __init__(self, region_index: RegionIndex) -> None:
        geometry = region_index.image.geometry
        count = -(-region_index.image.evidence.size // geometry.cluster_size)
        wanted = len(region_index.l1_tables) > 1 and count <= MAX_TAKEN and not geometry.external_data_file
        self.clusters = np.zeros(count, dtype=np.bool_) if wanted else None
        self._bits = np.uint64(geometry.cluster_bits)

    def first_of(self, rows: Rows) -> U64:
        """Take the clusters that these rows lie in; gives those that were not taken before."""
        if self.clusters is None:
            return np.zeros(0, dtype=np.uint64)
        rows = rows[np.isin(rows["state"], list(_FILL_OF_STATE))]
        lengths = np.where(rows["stored_length"] > 0, rows["stored_length"], rows["length"]).astype(np.uint64)
        first = rows["host_offset"] >> self._bits
        counts = (((rows["host_offset"] + lengths - np.uint64(1)) >> self._bits) - first + np.uint64(1)).astype(
            np.int64
        )
        within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
        found = distinct(np.repeat(first, counts) + within.astype(np.uint64))
        found = found[found < len(self.clusters)]
        fresh: U64 = found[~self.clusters[found.astype(np.int64)]]
        self.clusters[fresh.astype(np.int64)] = True
        return fresh


def _spread_tables(region_index: RegionIndex, grid: Grid, sums: Sums) -> None:
    geometry = region_index.image.geometry
    tables = [table.l2_offsets()[table.readable()] for table in region_index.l1_tables]
    if tables:  # snapshots share tables with one another and with the active disk
        offsets = distinct(np.concatenate(tables))
        add_to_cells(sums[Fill.L2], grid, offsets, np.full(len(offsets), geometry.cluster_size, dtype=np.uint64))
    refcounts = region_index.refcount_table
    if refcounts:
        offsets = distinct(refcounts.block_offsets()[refcounts.readable()])
        add_to_cells(sums[Fill.REFCOUNT], grid, offsets, np.full(len(offsets), geometry.cluster_size, dtype=np.uint64))


def _spread_l2_of_version_1(region_index: Qcow1RegionIndex, grid: Grid, sums: Sums) -> None:
    if region_index.l1 is not None:
        offsets = distinct(region_index.l1.entries[region_index.l1.readable()])
        length = region_index.image.header.l2_entry_count * ENTRY_SIZE
        add_to_cells(sums[Fill.L2], grid, offsets, np.full(len(offsets), length, dtype=np.uint64))


def _add_range_to_cells(row: I64, grid: Grid, offset: int, length: int) -> None:
    if offset < FURTHEST and length > 0:
        add_to_cells(row, grid, np.array([offset], dtype=np.uint64), np.array([min(length, FURTHEST)], dtype=np.uint64))


def add_to_cells(row: I64, grid: Grid, offsets: Rows | U64, lengths: U64) -> None:
    """Add ranges to a row of cells: each cell gets the bytes of the ranges that lie in it."""
    origin, limit, cell_size = (min(number, FURTHEST) for number in (grid.start, grid.end, grid.cell_size))
    begins = np.minimum(offsets, np.uint64(FURTHEST)).astype(np.int64)
    starts = np.maximum(begins, origin)
    ends = np.minimum(begins + np.minimum(lengths, np.uint64(FURTHEST)).astype(np.int64), limit)
    inside = ends > starts
    if not inside.any():
        return
    starts, ends = starts[inside] - origin, ends[inside] - origin
    first, last = starts // cell_size, (ends - 1) // cell_size
    single = first == last
    np.add.at(row, first[single], (ends - starts)[single])
    starts, ends, first, last = starts[~single], ends[~single], first[~single], last[~single]
    if not len(first):
        return
    np.add.at(row, first, (first + 1) * cell_size - starts)
    np.add.at(row, last, ends - last * cell_size)
    steps = np.zeros(grid.cells + 1, dtype=np.int64)
    np.add.at(steps, first + 1, cell_size)
    np.add.at(steps, last, -cell_size)
    row += np.cumsum(steps)[:-1]
