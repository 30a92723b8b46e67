"""What is said of every host cluster: its stored refcount, or which disks refer to it; one code a cluster, for maps.

The codes are taken once and can then be summed up in any grid, of the file or of the disk, without a further walk over
all tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

import numpy as np
from msgspec import Struct

from forensic.explore.regions import RegionIndex
from forensic.explore.space_usage import FURTHEST, MAX_TAKEN, Grid, SpaceUsage
from forensic.explore.v1 import Qcow1RegionIndex
from forensic.mapping.extents import State
from forensic.mapping.rows import Rows
from forensic.mapping.table_rows import row_batches
from forensic.qcow2.arrays import I64, U64, NDArray
from forensic.qcow2.refcounts import Block, Counts, StoredRefcounts
from forensic.qcow2.tables import L1Table

Codes = NDArray[np.uint8]

CLUSTERS_AT_ONCE = 1 << 20
"""Host clusters that are summed up at once."""

ONE_BY_ONE = 8
"""Snapshots with a code of their own."""


class Count(IntEnum):
    """A refcount, roughly. `NOWHERE` is for guest bytes that lie in no host cluster."""

    NOWHERE = 0
    UNKNOWN = 1
    ZERO = 2
    ONE = 3
    TWO = 4
    FEW = 5  # three to seven
    MANY = 6


class Tenant(IntEnum):
    """Which disks refer to a host cluster. From `SNAPSHOT` on: that snapshot alone; the last is for others."""

    NOBODY = 0
    METADATA = 1  # of the image as a whole
    ACTIVE = 2
    SHARED = 3  # the active disk and at least one snapshot
    SEVERAL = 4  # more than one snapshot, not the active disk
    SNAPSHOT = 5


KINDS = max(len(Count), Tenant.SNAPSHOT + ONE_BY_ONE + 1)
"""Rows of the sums of the cluster codes of any space."""


class ClusterCodes(Struct, frozen=True):
    """`codes` by the number of the host cluster (`Count` or `Tenant`), and up to which share they are known.

    The array is filled further while `done` is less than 1.
    """

    codes: Codes
    cluster_size: int
    done: float


def count_refcounts(region_index: RegionIndex | Qcow1RegionIndex) -> Iterator[ClusterCodes]:
    """The stored refcounts as `Count`, range by range; nothing where there are too many clusters to hold."""
    codes, table = _no_codes(region_index), region_index.refcount_table
    if codes is None or table is None:
        return
    stored, size = StoredRefcounts(region_index.image.evidence, table), table.geometry.cluster_size
    codes[:] = Count.UNKNOWN
    for first in range(0, len(codes), stored.span_clusters) if stored.usable else ():
        stretch = stored.read(first, min(stored.span_clusters, len(codes) - first))
        found = _count_codes(stretch.counts)
        found[stretch.block == Block.UNREADABLE] = Count.UNKNOWN
        codes[first : first + len(found)] = found
        yield ClusterCodes(codes, size, min(0.99, (first + len(found)) / len(codes)))
    yield ClusterCodes(codes, size, 1.0)


def find_tenants(region_index: RegionIndex | Qcow1RegionIndex) -> Iterator[ClusterCodes]:
    """Which disks refer to each cluster as `Tenant`, disk by disk; nothing where clusters are too many to hold."""
    codes, geometry = _no_codes(region_index), region_index.geometry
    if codes is None or geometry is None:
        return
    tables = region_index.l1_tables
    for number, table in enumerate(tables):
        after = _next_codes(number)
        _take(codes, table.l2_offsets()[table.readable()] >> np.uint64(geometry.cluster_bits), after)
        end = len(table.entries) * geometry.l1_coverage
        for rows in () if geometry.external_data_file else row_batches(region_index.image.evidence, table, 0, end):
            _take(codes, _clusters_of(rows, geometry.cluster_bits)[1], after)
            reached = int(rows["guest_offset"][-1]) / max(1, end) if len(rows) else 0.0
            yield ClusterCodes(codes, geometry.cluster_size, min(0.99, (number + reached) / len(tables)))
    for region in region_index.fixed:
        last = -(-min(region.end, region_index.image.evidence.size) // geometry.cluster_size)
        codes[region.host_offset // geometry.cluster_size : last] = Tenant.METADATA
    if region_index.refcount_table:
        blocks = region_index.refcount_table.block_offsets()[region_index.refcount_table.readable()]
        codes[(blocks >> np.uint64(geometry.cluster_bits)).astype(np.int64)] = Tenant.METADATA
    yield ClusterCodes(codes, geometry.cluster_size, 1.0)


def sum_up_file(cluster_codes: ClusterCodes, grid: Grid) -> SpaceUsage:
    """Bytes of each code in each cell of the file; a cluster counts where it begins."""
    sums = np.zeros((KINDS, grid.cells), dtype=np.int64)
    size = cluster_codes.cluster_size
    end = min(len(cluster_codes.codes), -(-grid.end // size))
    for first in range(-(-grid.start // size), end, CLUSTERS_AT_ONCE):
        codes = cluster_codes.codes[first : min(first + CLUSTERS_AT_ONCE, end)]
        _add(sums, grid, np.arange(first, first + len(codes), dtype=np.int64) * size, codes, size)
    return SpaceUsage(grid, sums, cluster_codes.done)


def sum_up_guest(
    region_index: RegionIndex | Qcow1RegionIndex, cluster_codes: ClusterCodes, grid: Grid
) -> Iterator[SpaceUsage]:
    """Bytes of each code in each cell of the active disk, by the host clusters that hold them."""
    sums = np.zeros((KINDS, grid.cells), dtype=np.int64)
    size, disk_size = cluster_codes.cluster_size, region_index.image.virtual_size
    bits = size.bit_length() - 1
    start, end = min(grid.start, disk_size), min(grid.end, disk_size)
    in_file = region_index.geometry is not None and not region_index.geometry.external_data_file
    for rows in region_index.image.row_batches(start, end) if in_file and start < end and end < FURTHEST else ():
        places, clusters = _clusters_of(rows, bits)
        inside = clusters < len(cluster_codes.codes)
        codes = cluster_codes.codes[clusters[inside].astype(np.int64)]
        _add(sums, grid, places[inside].astype(np.int64), codes, size)
        yield SpaceUsage(grid, sums, 0.5)
    yield SpaceUsage(grid, sums, cluster_codes.done)


def _no_codes(region_index: RegionIndex | Qcow1RegionIndex) -> Codes | None:
    """Room for a code of every host cluster; None if they are too many, or have no size."""
    if region_index.geometry is None:
        return None
    count = -(-region_index.image.evidence.size // region_index.geometry.cluster_size)
    return np.zeros(count, dtype=np.uint8) if count <= MAX_TAKEN else None


def _count_codes(counts: Counts) -> Codes:
    codes: Codes = _COUNT_OF[np.minimum(counts, len(_COUNT_OF) - 1).astype(np.uint8)]
    return codes


_COUNT_OF = np.array([Count.ZERO, Count.ONE, Count.TWO, *[Count.FEW] * 5, Count.MANY], dtype=np.uint8)


def _next_codes(number: int) -> Codes:
    """For each code the one that follows when the disk of this number (0 the active one) refers to the cluster too."""
    after = np.arange(256, dtype=np.uint8)
    if number == 0:
        after[Tenant.NOBODY] = Tenant.ACTIVE
        return after
    own = Tenant.SNAPSHOT + min(number - 1, ONE_BY_ONE)
    after[Tenant.NOBODY] = own
    after[Tenant.ACTIVE] = Tenant.SHARED
    others = np.arange(Tenant.SNAPSHOT, KINDS)
    after[others[others != own]] = Tenant.SEVERAL
    return after


def _take(codes: Codes, clusters: U64, after: Codes) -> None:
    inside = clusters[clusters < len(codes)].astype(np.int64)
    codes[inside] = after[codes[inside]]


def _clusters_of(rows: Rows, cluster_bits: int) -> tuple[U64, U64]:
    """Guest offset and number of the host cluster, for each cluster that these rows lie in.

    Of a compressed stream it is the cluster in which it begins.
    """
    rows = rows[np.isin(rows["state"], (State.DATA, State.COMPRESSED, State.ZERO_ALLOCATED))]
    first = rows["host_offset"] >> np.uint64(cluster_bits)
    last = (rows["host_offset"] + rows["length"] - np.uint64(1)) >> np.uint64(cluster_bits)
    counts = np.where(rows["stored_length"] > 0, 1, (last - first).astype(np.int64) + 1)
    within = (np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)).astype(np.uint64)
    return (
        np.repeat(rows["guest_offset"], counts) + (within << np.uint64(cluster_bits)),
        np.repeat(first, counts) + within,
    )


def _add(sums: NDArray[np.int64], grid: Grid, offsets: I64, codes: Codes, size: int) -> None:
    cells = (offsets - grid.start) // grid.cell_size
    inside = (cells >= 0) & (cells < grid.cells)
    places = codes[inside].astype(np.int64) * grid.cells + cells[inside]
    sums += np.bincount(places, minlength=sums.size).reshape(sums.shape) * size


def snapshot_of(code: int, tables: tuple[L1Table, ...]) -> str:
    """Which snapshots a code from `Tenant.SNAPSHOT` on stands for, as `snapshot 2`."""
    number = code - Tenant.SNAPSHOT
    return f"{tables[1 + number].owner} alone" if number < ONE_BY_ONE else f"a snapshot after {ONE_BY_ONE - 1}"
