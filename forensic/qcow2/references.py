"""Who says that a range of the file is theirs: the metadata of an image, and the table sets that lead to guest data."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from msgspec import Struct, field
from msgspec.structs import replace

from forensic.evidence import Evidence
from forensic.qcow2.bitmaps import BitmapDirectory
from forensic.qcow2.bits import COPIED, OFFSET_MASK
from forensic.qcow2.entries import U64, distinct, is_among
from forensic.qcow2.geometry import L1_ENTRY_SIZE, MAX_L1_ENTRIES
from forensic.qcow2.header import Autoclear
from forensic.qcow2.image import Qcow2Image
from forensic.qcow2.snapshots import MAX_SNAPSHOTS
from forensic.qcow2.tables import I64, L1Table, L2Batch, RefcountTable, believed_l2_batches, stored_clusters
from forensic.untrusted import Json

SETS_AT_ONCE = 8
"""Table sets told apart in one pass over the tables: one bit of a byte each."""


class Owner(StrEnum):
    """What a range of the file may be; the value is how it is called in findings."""

    HEADER = "header cluster"
    ACTIVE_L1 = "active L1 table"
    SNAPSHOT_L1 = "snapshot L1 table"
    L2_TABLE = "L2 table"
    REFCOUNT_TABLE = "refcount table"
    REFCOUNT_BLOCK = "refcount block"
    SNAPSHOT_TABLE = "snapshot table"
    BITMAP_DIRECTORY = "bitmap directory"
    BITMAP_TABLE = "bitmap table"
    BITMAP_DATA = "bitmap data"
    LUKS_HEADER = "LUKS header"
    DATA = "guest data"
    COMPRESSED = "compressed cluster"


class Claim(Struct, frozen=True):
    """One structure that says a range of the file is its own; guest data has a guest offset.

    `references` is how often the table sets lead there through this one place.
    """

    owner: Owner
    host_offset: int
    length: int
    path: str
    guest_offset: int | None = None
    references: int = 1

    def as_json(self) -> Json:
        """The object a report holds."""
        return {
            "owner": self.owner.name.lower(),
            "name": self.owner.value,
            "structure_path": self.path,
            "host_offset": self.host_offset,
            "length": self.length,
            "guest_offset": self.guest_offset,
            "references": self.references,
        }


class TableSet(Struct, frozen=True):
    """The distinct L2 tables that one L1 table leads to, in file order.

    `l1_indices[t]` is the first L1 entry that leads to table t, `references[t]` how many do; `times` is how many
    L1 tables (the active disk's, snapshots') lie in this very place.
    """

    owner: str
    times: int
    l1_indices: I64
    host_offsets: U64
    references: I64
    copied: npt.NDArray[np.bool_] | None
    saved_state_end: int


class DistinctTables(Struct, frozen=True):
    """Every L2 table once: set after set, those of a set in file order, each with the first set that leads there.

    `set_numbers[t]` is the number of that set, `l1_indices[t]` its L1 entry, `host_offsets[t]` where the table lies.
    """

    set_numbers: I64
    l1_indices: I64
    host_offsets: U64

    def only(self, wanted: U64) -> DistinctTables:
        """Those at the host offsets of `wanted`, which are in rising order."""
        chosen = is_among(self.host_offsets, wanted)
        return DistinctTables(self.set_numbers[chosen], self.l1_indices[chosen], self.host_offsets[chosen])

    def by_set(self) -> Iterator[tuple[int, I64, U64]]:
        """The tables of each set that has any: its number, the L1 indices, the host offsets."""
        edges = np.flatnonzero(np.diff(self.set_numbers, prepend=-1, append=-1))
        for begin, end in pairwise(edges.tolist()):
            yield int(self.set_numbers[begin]), self.l1_indices[begin:end], self.host_offsets[begin:end]


class TableSets(Struct):
    """All table sets, filled as the L1 tables are walked."""

    sets: list[TableSet] = field(default_factory=list)
    lost: str | None = None
    _order: DistinctTables | None = None

    def add(self, table: L1Table, times: int) -> None:
        """Take the L2 tables of an L1 table; what cannot be reached is remembered in `lost`."""
        size = table.geometry.cluster_size
        if table.overwritten:
            self.lost = self.lost or f"the L1 table of {table.owner} is overwritten"
        if len(table.entries) < min(table.claimed_entries, MAX_L1_ENTRIES) or table.host_offset % size:
            self.lost = self.lost or f"the L1 table of {table.owner} could not be read to its end"
        indices, used = _readable_entries(table)
        if not self.lost and np.count_nonzero(table.entries & np.uint64(OFFSET_MASK)) > len(indices):
            self.lost = f"an L2 table of {table.owner} could not be read"
        offsets, first, references = np.unique(used, return_index=True, return_counts=True)
        del used
        copied = None
        if table.owner == "active":
            copied = (table.entries[indices[first]] & np.uint64(COPIED)) != 0
        self.sets.append(
            TableSet(table.owner, times, indices[first], offsets, references, copied, table.saved_state_end)
        )

    def distinct(self) -> tuple[U64, I64]:
        """The host offsets of all L2 tables, and how often each is referenced by all sets together."""
        if len(self.sets) == 1:
            only = self.sets[0]
            return only.host_offsets, only.references * only.times
        everything = np.concatenate([tables.host_offsets for tables in self.sets])
        offsets = distinct(everything)
        references = np.zeros(len(offsets), dtype=np.int64)
        for tables in self.sets:
            references[np.searchsorted(offsets, tables.host_offsets)] += tables.references * tables.times
        return offsets, references

    def membership(self, first_set: int) -> tuple[U64, npt.NDArray[np.uint8]]:
        """The L2 tables of `SETS_AT_ONCE` sets from `first_set`, and for each the bits of the sets that lead there."""
        chosen = self.sets[first_set : first_set + SETS_AT_ONCE]
        offsets = distinct(np.concatenate([tables.host_offsets for tables in chosen]))
        masks = np.zeros(len(offsets), dtype=np.uint8)
        for bit, tables in enumerate(chosen):
            masks[np.searchsorted(offsets, tables.host_offsets)] |= np.uint8(1 << bit)
        return offsets, masks

    def batches(self, evidence: Evidence, active: L1Table, wanted: U64 | None = None) -> Iterator[L2Batch]:
        """Every L2 table that any set leads to, once, in file order, named after the first set that leads there.

        With `wanted` only the tables at these host offsets, in rising order. A table in a hole of the file maps nothing
        and is left out. Reading in file order keeps the disk's head still and finds neighbours that one call can read
        together.
        """
        tables = self._in_order() if wanted is None else self._in_order().only(wanted)
        for number, indices, offsets in tables.by_set():
            there = stored_clusters(evidence, offsets, active.geometry.cluster_size)
            owner = self.sets[number]
            for batch in believed_l2_batches(evidence, active.geometry, owner.owner, indices[there], offsets[there]):
                yield replace(batch, saved_state_end=owner.saved_state_end)

    def _in_order(self) -> DistinctTables:
        """Worked out once, when all sets are there: there may be thousands, and many walks."""
        if self._order is None:
            lengths = [len(tables.host_offsets) for tables in self.sets]
            numbers = np.repeat(np.arange(len(lengths)), lengths)
            indices = np.concatenate([tables.l1_indices for tables in self.sets])
            offsets = np.concatenate([tables.host_offsets for tables in self.sets])
            if len(lengths) > 1:
                by_offset = np.argsort(offsets, kind="stable")
                ordered = offsets[by_offset]
                first = np.sort(by_offset[np.diff(ordered, prepend=~ordered[:1]) != 0])
                numbers, indices, offsets = numbers[first], indices[first], offsets[first]
            self._order = DistinctTables(numbers, indices, offsets)
        return self._order


class Metadata(Struct, frozen=True):
    """Everything in the file that is not guest data.

    Single structures are claims; what exists many times is an array of host offsets of whole clusters.
    `bitmap_references` says how often each cluster of bitmap data is referenced there.
    """

    single: list[Claim]
    refcount_blocks: U64
    bitmap_data: U64
    bitmap_references: I64

    def claims_on(self, start: int, end: int) -> Iterator[Claim]:
        """The single structures that touch a range of the file."""
        for claim in self.single:
            if claim.host_offset < end and claim.host_offset + claim.length > start:
                yield claim


def _readable_entries(table: L1Table) -> tuple[I64, U64]:
    """The entries that lead to an L2 table, and the host offsets in them; none of a table that lies off its place."""
    if not table.bits or table.host_offset % table.geometry.cluster_size:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.uint64)
    indices = np.flatnonzero(table.readable())
    used: U64 = table.entries[indices]
    used &= np.uint64(OFFSET_MASK)
    return indices, used


def metadata_of(image: Qcow2Image, table: RefcountTable, bitmap_data: U64, bitmap_references: I64) -> Metadata:
    """The metadata of an image, as far as it could be located.

    A structure that does not begin on a cluster boundary, or ends a cluster or more behind the end of the file, leads
    nowhere and claims nothing: QEMU counts it so.
    """
    geometry = image.geometry
    limit = image.evidence.size + geometry.cluster_size
    found = [
        claim
        for claim in _single_structures(image, table)
        if claim.length > 0
        and claim.host_offset % geometry.cluster_size == 0
        and claim.host_offset + claim.length < limit
    ]
    return Metadata(found, table.block_offsets()[table.readable()], bitmap_data, bitmap_references)


def bitmaps_kept(image: Qcow2Image) -> BitmapDirectory | None:
    """The bitmap directory if the header says that it is up to date; otherwise the image does not own it any more."""
    return image.bitmaps if image.header.autoclear_features & Autoclear.BITMAPS else None


def _single_structures(image: Qcow2Image, table: RefcountTable) -> Iterator[Claim]:
    geometry = image.geometry
    yield Claim(Owner.HEADER, 0, geometry.cluster_size, "header")
    yield Claim(Owner.ACTIVE_L1, geometry.l1_table_offset, geometry.l1_entry_count * L1_ENTRY_SIZE, "L1")
    yield Claim(Owner.REFCOUNT_TABLE, table.host_offset, table.claimed_entries * L1_ENTRY_SIZE, "refcount_table")
    if image.header.nb_snapshots:
        snapshots = image.snapshots
        length = snapshots.end_offset - snapshots.host_offset
        if snapshots.claimed <= MAX_SNAPSHOTS:
            yield Claim(Owner.SNAPSHOT_TABLE, snapshots.host_offset, length, "snapshots")
        for snapshot in snapshots.snapshots:
            length = snapshot.l1_size * L1_ENTRY_SIZE
            path = f"{snapshot.owner} L1"
            yield Claim(Owner.SNAPSHOT_L1, snapshot.l1_table_offset, length, path)
    directory = bitmaps_kept(image)
    if directory and directory.host_offset:
        yield Claim(Owner.BITMAP_DIRECTORY, directory.host_offset, directory.size, "bitmap_directory")
        for bitmap in directory.bitmaps:
            path = f"bitmaps[{bitmap.index}] table"
            yield Claim(Owner.BITMAP_TABLE, bitmap.table_offset, bitmap.table_size * L1_ENTRY_SIZE, path)
    if image.luks:
        yield Claim(Owner.LUKS_HEADER, image.luks.host_offset, image.luks.length, "LUKS header")
