"""The owners of the host cluster around one byte of the file, and its refcount."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from forensic.accounting.counted_metadata import counted_window
from forensic.accounting.owners import ClusterOwners, OwnedRange, bitmaps_kept, metadata_of
from forensic.accounting.table_sets import TableSets, l1_tables_within
from forensic.budget import Budget, Limits, Unexamined
from forensic.image import Qcow2Image
from forensic.qcow2.arrays import I64, U64
from forensic.qcow2.bitmap_tables import BitmapTable, read_bitmap_tables
from forensic.qcow2.bitmaps import MAX_BITMAPS
from forensic.qcow2.refcounts import Block, StoredRefcounts
from forensic.qcow2.tables import RefcountTable, read_refcount_table


class Ownership(Struct, frozen=True):
    """What the host cluster around one byte belongs to: `stored` is its refcount, None if that cannot be read.

    `lost` is why not everything that refers to it may be known; None if all tables could be read.
    """

    host_offset: int
    cluster_host_offset: int
    cluster_size: int
    owners: tuple[OwnedRange, ...]
    stored: int | None
    counted: int
    lost: str | None = None


def ownership_of(
    cluster_owners: ClusterOwners, stored: StoredRefcounts, host_offset: int, lost: str | None = None
) -> Ownership:
    """Everything that owns the host cluster around a byte of the file; owners of the very byte come first."""
    size = cluster_owners.active.geometry.cluster_size
    cluster = host_offset // size
    offsets, references = cluster_owners.sets.distinct()
    window = counted_window(cluster_owners, cluster, cluster + 1, offsets, references)
    for batch in cluster_owners.sets.batches(cluster_owners.evidence, cluster_owners.active):
        times = references[np.searchsorted(offsets, batch.host_offsets)]
        window.add_tables(batch, times, np.zeros(len(times), dtype=np.uint8))
        if not batch.whole:
            lost = lost or f"not all L2 tables of {batch.owner} could be read"
    found = cluster_owners.of_clusters([cluster])[cluster]
    found.sort(key=lambda owned: not owned.host_offset <= host_offset < owned.host_offset + owned.length)
    refcount = None
    if stored.usable:
        within_block = cluster % stored.per_block
        span = stored.read(cluster - within_block, within_block + 1)
        refcount = int(span.counts[-1]) if span.block[-1] != Block.UNREADABLE else None
    (counted,) = window.count_of(np.arange(1)).tolist()
    return Ownership(host_offset, cluster * size, size, tuple(found), refcount, counted, lost)


def ownership(image: Qcow2Image, host_offset: int) -> Ownership:
    """Everything that owns the host cluster around one byte of the file."""
    budget = Budget(Limits())
    refcount_table = read_refcount_table(image.evidence, image.geometry)
    sets = TableSets()
    for table, times in l1_tables_within(image, budget):
        if isinstance(table, Unexamined):
            sets.lost = sets.lost or table.reason
            break
        sets.add(table, times)
    bitmap_tables = [table for table in read_bitmap_tables(image, budget) if isinstance(table, BitmapTable)]
    cluster_owners = cluster_owners_of(image, budget, refcount_table, bitmap_tables, sets)
    lost = sets.lost or why_incomplete(image, refcount_table, bitmap_tables)
    return ownership_of(cluster_owners, StoredRefcounts(image.evidence, refcount_table), host_offset, lost)


def cluster_owners_of(
    image: Qcow2Image,
    budget: Budget,
    refcount_table: RefcountTable,
    bitmap_tables: list[BitmapTable],
    sets: TableSets,
) -> ClusterOwners:
    metadata = metadata_of(image, refcount_table, *_bitmap_data(image, bitmap_tables))
    return ClusterOwners(image.evidence, image.l1, metadata, sets, budget.out_of_time)


def _bitmap_data(image: Qcow2Image, tables: list[BitmapTable]) -> tuple[U64, I64]:
    """The host offsets of all clusters that hold bitmap data, and how often each is referenced there."""
    kept = tables if bitmaps_kept(image) else []
    offsets = [table.data_offsets()[table.readable()] for table in kept]
    times = [np.full(len(found), table.times) for found, table in zip(offsets, kept, strict=True)]
    return np.concatenate([np.zeros(0, np.uint64), *offsets]), np.concatenate([np.zeros(0, np.int64), *times])


def why_incomplete(image: Qcow2Image, refcount_table: RefcountTable, tables: list[BitmapTable]) -> str | None:
    """Why what is in use cannot be known in full, if structures beside L1 and L2 tables are broken."""
    if len(refcount_table.entries) < refcount_table.claimed_entries:
        return "the refcount table could not be read to its end"
    if image.header.nb_snapshots and (
        len(image.snapshots.snapshots) < image.header.nb_snapshots
        or image.snapshots.host_offset % image.geometry.cluster_size
    ):
        return "the snapshot table could not be read to its end"
    if image.luks and not image.luks.plausible:
        return "the LUKS header is not where or as long as it can be"
    if image.bitmaps and (
        image.bitmaps.missing or not image.bitmaps.size or not 1 <= image.bitmaps.claimed <= MAX_BITMAPS
    ):
        return "the bitmap directory could not be read to its end"
    if image.bitmaps and sum(table.times for table in tables) < len(image.bitmaps.bitmaps):
        return "not all bitmap tables were read"
    broken = next((table for table in tables if table.missing), None)
    return f"the table of bitmap {broken.bitmap.index} could not be read to its end" if broken else None
