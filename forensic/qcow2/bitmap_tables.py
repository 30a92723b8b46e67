"""Bitmap tables: which clusters hold a dirty bitmap's bits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
from msgspec import Struct

from forensic.budget import Budget, Unexamined
from forensic.evidence import Evidence, ReadFailed
from forensic.qcow2.arrays import U64, Bools
from forensic.qcow2.bitmaps import Bitmap, BitmapFlag
from forensic.qcow2.entries import host_offset_of
from forensic.qcow2.geometry import Geometry
from forensic.qcow2.metadata import Qcow2Metadata
from forensic.qcow2.table_reading import read_table, within_file

MAX_ENTRIES = 0x800_0000
MAX_TABLE_BYTES_READ = 32 << 20
"""Of a table that claims more, only what the virtual disk needs is read."""

BITMAP_TABLES = "bytes of bitmap tables"
MAX_TABLES_COST = 32 << 20
TABLE_COST = 4096
"""What each table counts for beside its bytes: the time that it takes to judge it."""

MAX_GRANULARITY_BITS = 31
ALL_ONES = 1
"""Bit 0 of an entry without an offset: a cluster's worth of bits that are all set."""


class BitmapTable(Struct, frozen=True):
    """The table of one bitmap as far as the file holds it; `entries` may be shorter than the directory claims.

    `times` is how many bitmaps name this very table.
    """

    evidence: Evidence
    bitmap: Bitmap
    geometry: Geometry
    entries: U64
    file_size: int
    times: int = 1

    @property
    def missing(self) -> bool:
        """Whether entries that the directory claims could not be read."""
        return len(self.entries) < self.bitmap.table_size

    def entry_host_offset(self, index: int) -> int:
        """Where an entry lies in the file."""
        return self.bitmap.table_offset + index * 8

    def data_offsets(self) -> U64:
        """The host offset in each entry, 0 where a range of bits is all zeros or all ones."""
        return host_offset_of(self.entries)

    def readable(self) -> Bools:
        """Which entries lead to a cluster of bits that begins on a cluster boundary inside the file."""
        return within_file(self.data_offsets(), self.geometry.cluster_size, self.file_size)


def needed_entries(bitmap: Bitmap, geometry: Geometry) -> int:
    """Entries that a bitmap of this granularity needs for the virtual disk."""
    bits = -(-geometry.virtual_size // (1 << min(bitmap.granularity_bits, 63)))
    return -(-bits // (geometry.cluster_size * 8))


def read_bitmap_tables(image: Qcow2Metadata, budget: Budget) -> Iterator[BitmapTable | Unexamined]:
    """The tables of all bitmaps that the directory lists; nothing is read from an offset where no table can be.

    A table that several bitmaps name is read once, for the first. What is too much to read is said at the end.
    """
    geometry, directory = image.geometry, image.bitmaps
    named = Counter((bitmap.table_offset, bitmap.table_size) for bitmap in (directory.bitmaps if directory else ()))
    for bitmap in directory.bitmaps if directory else ():
        times = named.pop((bitmap.table_offset, bitmap.table_size), 0)
        if not times:
            continue
        believed = bitmap.table_size
        if believed * 8 > MAX_TABLE_BYTES_READ:
            believed = min(believed, needed_entries(bitmap, geometry), MAX_TABLE_BYTES_READ // 8)
        aligned = bitmap.table_offset and bitmap.table_offset % geometry.cluster_size == 0
        cost = TABLE_COST + (min(believed * 8, max(0, image.evidence.size - bitmap.table_offset)) if aligned else 0)
        stop = budget.exceeded(BITMAP_TABLES, MAX_TABLES_COST, cost)
        if stop:
            yield Unexamined(BitmapTable, f"{stop} before the table of bitmap {bitmap.index}", limit=True)
            return
        budget.spend(BITMAP_TABLES, cost)
        entries = read_table(image.evidence, bitmap.table_offset, believed if aligned else 0)
        yield BitmapTable(image.evidence, bitmap, geometry, entries, image.evidence.size, times)


def marked_bytes(table: BitmapTable) -> int | None:
    """Guest bytes that a bitmap marks as dirty; None if its bits cannot be read, or are not to be trusted."""
    if not _countable(table):
        return None
    geometry, offsets = table.geometry, table.data_offsets()
    granularity, per_cluster = 1 << table.bitmap.granularity_bits, geometry.cluster_size * 8
    last = len(offsets) - 1
    in_last = -(-geometry.virtual_size // granularity) - last * per_cluster
    all_ones = np.flatnonzero((offsets == 0) & ((table.entries & np.uint64(ALL_ONES)) != 0))
    last_is_marked = last in all_ones
    marked = len(all_ones) * per_cluster - (per_cluster - in_last if last_is_marked else 0)
    for index in np.flatnonzero(offsets).tolist():
        try:
            stretch = int.from_bytes(table.evidence.read_at(int(offsets[index]), geometry.cluster_size), "little")
        except ReadFailed:
            return None
        if index == last:
            stretch &= (1 << in_last) - 1
            last_is_marked = bool(stretch >> (in_last - 1))
        marked += stretch.bit_count()
    # The last bit stands for less where the disk ends.
    return marked * granularity - (-geometry.virtual_size % granularity if last_is_marked else 0)


def _countable(table: BitmapTable) -> bool:
    """Whether all bits of a bitmap are there, and were written when the image was closed."""
    bitmap, located = table.bitmap, table.data_offsets() != 0
    return (
        not bitmap.flags & BitmapFlag.IN_USE
        and bitmap.granularity_bits <= MAX_GRANULARITY_BITS
        and 0 < len(located) == bitmap.table_size == needed_entries(bitmap, table.geometry)
        and not bool((located & ~table.readable()).any())
    )
