"""What lies where in the file: the structures that one can point at, by host offset, without a walk over the disk."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from functools import cached_property

import numpy as np
from msgspec import Struct

from forensic.image import Qcow2Image
from forensic.qcow2.arrays import U64
from forensic.qcow2.geometry import ACTIVE, L1_ENTRY_SIZE, Geometry, Unusable
from forensic.qcow2.luks import LUKS1_HEADER_SIZE
from forensic.qcow2.snapshots import Snapshot
from forensic.qcow2.tables import L1Table, RefcountTable, read_l1, read_refcount_table
from forensic.structure import Structure

MAX_SNAPSHOT_TABLES = 256
"""L1 tables of snapshots that are looked into; an image may claim 65536 of 32 MiB each."""

MAX_SNAPSHOT_L1_BYTES = 64 << 20


class Kind(StrEnum):
    """What a part of the file is."""

    HEADER = "header"
    EXTENSION = "header extension"
    BACKING_NAME = "backing file name"
    L1_TABLE = "L1 table"
    L2_TABLE = "L2 table"
    REFCOUNT_TABLE = "refcount table"
    REFCOUNT_BLOCK = "refcount block"
    SNAPSHOT = "snapshot"
    BITMAP = "bitmap"
    LUKS = "LUKS header"
    OTHER = "no known structure"


class Region(Struct, frozen=True):
    """`length` bytes of the file from `host_offset` that are one structure.

    `index` is its number where there are many: the L1 index of an L2 table, the index in the refcount table of a
    block. `owner` is the disk a table belongs to. `structure` has the fields of what the Kaitai parser read, whose
    type in the `.ksy` is `ksy_type`.
    """

    kind: Kind
    name: str
    host_offset: int
    length: int
    index: int = 0
    owner: str = ""
    structure: Structure | None = None
    ksy_type: str = ""

    @property
    def end(self) -> int:
        """The host offset after the last byte."""
        return self.host_offset + self.length


class RegionIndex:
    """The regions of an image; tables are read when a place is first asked for."""

    def __init__(self, image: Qcow2Image) -> None:
        """Nothing is read yet."""
        self.image = image

    @cached_property
    def geometry(self) -> Geometry | None:
        """The geometry; None where the header gives none and only the header can be pointed at."""
        geometry = self.image.header_cluster.geometry
        return None if isinstance(geometry, Unusable) else geometry

    @property
    def cluster_size(self) -> int | None:
        """Bytes of a cluster; None where the header gives no geometry."""
        return self.geometry.cluster_size if self.geometry else None

    @cached_property
    def refcount_table(self) -> RefcountTable | None:
        """The refcount table."""
        return read_refcount_table(self.image.evidence, self.geometry) if self.geometry else None

    @cached_property
    def l1_tables(self) -> tuple[L1Table, ...]:
        """The L1 table of the active disk, then those of the snapshots that are looked into."""
        geometry = self.geometry
        if geometry is None:
            return ()
        tables, budget = [self.image.l1], MAX_SNAPSHOT_L1_BYTES
        for snapshot in self._snapshots()[:MAX_SNAPSHOT_TABLES]:
            place = (snapshot.l1_table_offset, snapshot.l1_size)
            table = read_l1(
                self.image.evidence, geometry, snapshot.owner, *place, snapshot.disk_size or self.image.virtual_size
            )
            budget -= table.entries.nbytes
            if budget < 0:
                break
            tables.append(table)
        return tuple(tables)

    @property
    def not_looked_into(self) -> int:
        """Snapshots whose L2 tables and data are not known here: there are too many, or their tables are too large."""
        return max(0, len(self._snapshots()) + 1 - len(self.l1_tables)) if self.geometry else 0

    @cached_property
    def fixed(self) -> tuple[Region, ...]:
        """The regions that the header and its companions describe one by one, header first."""
        regions = list(self._header_regions())
        if self.geometry is not None:
            regions += self._table_regions()
        return tuple(region for region in regions if region.length > 0)

    def region_at(self, host_offset: int) -> Region | None:
        """The structure that holds this byte; None for guest data, free clusters and what nothing points to."""
        candidates = np.flatnonzero((self._starts <= host_offset) & (host_offset < self._ends))
        if len(candidates):
            return min((self.fixed[int(number)] for number in candidates), key=lambda region: region.length)
        return self._l2_region(host_offset) or self._block_region(host_offset)

    def l2_region(self, table: L1Table, l1_index: int) -> Region | None:
        """The L2 table that an L1 entry leads to; None if it leads nowhere in the file."""
        if not 0 <= l1_index < len(table.entries) or not bool(table.readable()[l1_index]):
            return None
        return self._l2_named(table, l1_index, int(table.l2_offsets()[l1_index]))

    def block_region(self, index: int) -> Region | None:
        """The refcount block that an entry of the refcount table leads to; None if it leads nowhere in the file."""
        table = self.refcount_table
        if table is None or not 0 <= index < len(table.entries) or not bool(table.readable()[index]):
            return None
        size = table.geometry.cluster_size
        name = f"refcount block {index}"
        return Region(Kind.REFCOUNT_BLOCK, name, int(table.block_offsets()[index]), size, index)

    def table_of(self, owner: str) -> L1Table | None:
        """The L1 table of a disk."""
        return next((table for table in self.l1_tables if table.owner == owner), None)

    def _l2_named(self, table: L1Table, l1_index: int, host_offset: int) -> Region:
        prefix = "" if table.owner == ACTIVE else f"{table.owner} "
        name = f"{prefix}L1[{l1_index}] L2 table"
        return Region(Kind.L2_TABLE, name, host_offset, table.geometry.cluster_size, l1_index, table.owner)

    def _l2_region(self, host_offset: int) -> Region | None:
        for table, offsets, indices in self._l2_places:
            number = _covering(offsets, host_offset, table.geometry.cluster_size)
            if number is not None:
                return self._l2_named(table, int(indices[number]), int(offsets[number]))
        return None

    def _block_region(self, host_offset: int) -> Region | None:
        if self.refcount_table is None:
            return None
        offsets, indices = self._block_places
        number = _covering(offsets, host_offset, self.refcount_table.geometry.cluster_size)
        return None if number is None else self.block_region(int(indices[number]))

    @cached_property
    def _starts(self) -> U64:
        return np.array([region.host_offset for region in self.fixed], dtype=np.uint64)

    @cached_property
    def _ends(self) -> U64:
        limit = (1 << 64) - 1
        return np.array([min(region.end, limit) for region in self.fixed], dtype=np.uint64)

    @cached_property
    def _l2_places(self) -> list[tuple[L1Table, U64, U64]]:
        return [(table, *_sorted_places(table)) for table in self.l1_tables]

    @cached_property
    def _block_places(self) -> tuple[U64, U64]:
        table = self.refcount_table
        return _sorted_places(table) if table else (np.zeros(0, np.uint64), np.zeros(0, np.uint64))

    def _header_regions(self) -> Iterator[Region]:
        cluster = self.image.header_cluster
        header = cluster.header
        yield Region(Kind.HEADER, "header", 0, header.structure.length, structure=header.structure, ksy_type="qcow2")
        for extension in cluster.extensions.extensions:
            name = extension.known.name.lower().replace("_", " ") if extension.known is not None else "unknown"
            yield Region(
                Kind.EXTENSION,
                f"extension: {name}",
                extension.host_offset,
                extension.structure.length,
                structure=extension.structure,
                ksy_type="header_extension",
            )
        if cluster.backing_file is not None:
            length = len(cluster.backing_file.raw)
            yield Region(Kind.BACKING_NAME, "backing file name", header.backing_file_offset, length)

    def _table_regions(self) -> Iterator[Region]:
        for table in self.l1_tables:
            name = "L1 table" if table.owner == ACTIVE else f"L1 table of {table.owner}"
            yield Region(Kind.L1_TABLE, name, table.host_offset, table.entries.nbytes, owner=table.owner)
        for snapshot in self._snapshots()[len(self.l1_tables) - 1 :]:  # not looked into, but it lies there
            length = min(snapshot.l1_size * L1_ENTRY_SIZE, self.image.evidence.size - snapshot.l1_table_offset)
            name = f"L1 table of {snapshot.owner}"
            yield Region(Kind.L1_TABLE, name, snapshot.l1_table_offset, length, owner=snapshot.owner)
        refcounts = self.refcount_table
        if refcounts:
            yield Region(Kind.REFCOUNT_TABLE, "refcount table", refcounts.host_offset, refcounts.entries.nbytes)
        for snapshot in self._snapshots():
            yield Region(
                Kind.SNAPSHOT,
                f"snapshot {snapshot.index}",
                snapshot.host_offset,
                snapshot.length,
                snapshot.index,
                structure=snapshot.structure,
                ksy_type="snapshot",
            )
        yield from self._bitmap_regions()
        if self.image.luks:
            luks = self.image.luks
            length = min(luks.length, LUKS1_HEADER_SIZE)
            yield Region(
                Kind.LUKS, "LUKS header", luks.host_offset, length, structure=luks.structure, ksy_type="luks1_header"
            )

    def _bitmap_regions(self) -> Iterator[Region]:
        directory = self.image.bitmaps
        for bitmap in directory.bitmaps if directory else ():
            yield Region(
                Kind.BITMAP,
                f"bitmap {bitmap.index}",
                bitmap.host_offset,
                bitmap.length,
                bitmap.index,
                structure=bitmap.structure,
                ksy_type="bitmap_directory_entry",
            )

    def _snapshots(self) -> tuple[Snapshot, ...]:
        return self.image.snapshots.snapshots if self.image.header.nb_snapshots else ()


def _sorted_places(table: L1Table | RefcountTable) -> tuple[U64, U64]:
    """Host offsets of what a table's readable entries lead to, in file order, and the index of each entry."""
    indices = np.flatnonzero(table.readable())
    offsets = table.l2_offsets() if isinstance(table, L1Table) else table.block_offsets()
    order = np.argsort(offsets[indices], kind="stable")
    return offsets[indices][order], indices[order].astype(np.uint64)


def _covering(offsets: U64, host_offset: int, length: int) -> int | None:
    """The number of the first place whose `length` bytes hold the offset."""
    number = int(np.searchsorted(offsets, np.uint64(host_offset // length * length)))
    if number >= len(offsets):
        return None
    return number if int(offsets[number]) <= host_offset < int(offsets[number]) + length else None
