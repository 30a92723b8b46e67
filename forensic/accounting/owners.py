"""Which structures refer to a host cluster.

The metadata of an image are listed; for a few clusters one more walk over the tables says what else leads there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from itertools import islice

import numpy as np
from msgspec import Struct

from forensic.accounting.table_sets import TableSets
from forensic.evidence import Evidence
from forensic.image import Qcow2Image
from forensic.qcow2.arrays import I64, U64, distinct, is_among
from forensic.qcow2.bitmaps import BitmapDirectory
from forensic.qcow2.entries import compressed_host_offset, compressed_stored_length
from forensic.qcow2.geometry import L1_ENTRY_SIZE
from forensic.qcow2.header import Autoclear
from forensic.qcow2.snapshots import MAX_SNAPSHOTS
from forensic.qcow2.tables import L1Table, L2Batch, RefcountTable
from forensic.untrusted import Json


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


class OwnedRange(Struct, frozen=True):
    """A range of the file and the structure that it belongs to; guest data has a guest offset.

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


class Metadata(Struct, frozen=True):
    """Everything in the file that is not guest data.

    Single structures are owned ranges; what exists many times is an array of host offsets of whole clusters.
    `bitmap_references` says how often each cluster of bitmap data is referenced there.
    """

    single: list[OwnedRange]
    refcount_blocks: U64
    bitmap_data: U64
    bitmap_references: I64

    def touching(self, start: int, end: int) -> Iterator[OwnedRange]:
        """The single structures that touch a range of the file."""
        for owned in self.single:
            if owned.host_offset < end and owned.host_offset + owned.length > start:
                yield owned


def metadata_of(image: Qcow2Image, table: RefcountTable, bitmap_data: U64, bitmap_references: I64) -> Metadata:
    """The metadata of an image, as far as it could be located.

    A structure that does not begin on a cluster boundary, or ends a cluster or more past the end of the file, leads
    nowhere and owns nothing: QEMU counts it so.
    """
    geometry = image.geometry
    limit = image.evidence.size + geometry.cluster_size
    found = [
        owned
        for owned in _single_structures(image, table)
        if owned.length > 0
        and owned.host_offset % geometry.cluster_size == 0
        and owned.host_offset + owned.length < limit
    ]
    return Metadata(found, table.block_offsets()[table.readable()], bitmap_data, bitmap_references)


def bitmaps_kept(image: Qcow2Image) -> BitmapDirectory | None:
    """The bitmap directory if the header says that it is up to date; otherwise the image does not own it any more."""
    return image.bitmaps if image.header.autoclear_features & Autoclear.BITMAPS else None


def _single_structures(image: Qcow2Image, table: RefcountTable) -> Iterator[OwnedRange]:
    geometry = image.geometry
    yield OwnedRange(Owner.HEADER, 0, geometry.cluster_size, "header")
    if geometry.l1_table_offset or image.planned is None:  # a plan may have the only L1 table that there is
        yield OwnedRange(Owner.ACTIVE_L1, geometry.l1_table_offset, geometry.l1_entry_count * L1_ENTRY_SIZE, "L1")
    yield OwnedRange(Owner.REFCOUNT_TABLE, table.host_offset, table.claimed_entries * L1_ENTRY_SIZE, "refcount_table")
    if image.header.nb_snapshots:
        snapshots = image.snapshots
        length = snapshots.end_offset - snapshots.host_offset
        if snapshots.claimed <= MAX_SNAPSHOTS:
            yield OwnedRange(Owner.SNAPSHOT_TABLE, snapshots.host_offset, length, "snapshots")
        for snapshot in snapshots.snapshots:
            length = snapshot.l1_size * L1_ENTRY_SIZE
            path = f"{snapshot.owner} L1"
            yield OwnedRange(Owner.SNAPSHOT_L1, snapshot.l1_table_offset, length, path)
    directory = bitmaps_kept(image)
    if directory and directory.host_offset:
        yield OwnedRange(Owner.BITMAP_DIRECTORY, directory.host_offset, directory.size, "bitmap_directory")
        for bitmap in directory.bitmaps:
            path = f"bitmaps[{bitmap.index}] table"
            yield OwnedRange(Owner.BITMAP_TABLE, bitmap.table_offset, bitmap.table_size * L1_ENTRY_SIZE, path)
    if image.luks:
        yield OwnedRange(Owner.LUKS_HEADER, image.luks.host_offset, image.luks.length, "LUKS header")


MAX_OWNERS = 8
"""ClusterOwners on one cluster that are listed; a bomb makes millions."""


class ClusterOwners(Struct, frozen=True):
    """Finds the owners of host clusters in all that an image holds."""

    evidence: Evidence
    active: L1Table
    metadata: Metadata
    sets: TableSets
    out_of_time: Callable[[], str | None]

    def of_clusters(self, clusters: Sequence[int]) -> dict[int, list[OwnedRange]]:
        """The owners of each of these host clusters (numbers), metadata first; at most `MAX_OWNERS` each."""
        wanted = distinct(np.asarray(clusters, dtype=np.uint64))
        found: dict[int, list[OwnedRange]] = {int(cluster): [] for cluster in wanted}
        if not found:
            return found
        for cluster, owners in found.items():
            owners += islice(self._metadata_of(cluster), MAX_OWNERS - 1)  # room for what they are in conflict with
        for batch in self.sets.batches(self.evidence, self.active):
            wanted = np.array([cluster for cluster in found if len(found[cluster]) < MAX_OWNERS], dtype=np.uint64)
            if not len(wanted) or self.out_of_time():
                break
            for cluster, owned in _data_of(batch, wanted):
                if len(found[cluster]) < MAX_OWNERS:
                    found[cluster].append(owned)
        return found

    def _metadata_of(self, cluster: int) -> Iterator[OwnedRange]:
        size = self.active.geometry.cluster_size
        start = cluster * size
        yield from self.metadata.touching(start, start + size)
        for tables in self.sets.sets:
            at = int(np.searchsorted(tables.host_offsets, np.uint64(start)))
            if at < len(tables.host_offsets) and int(tables.host_offsets[at]) == start:
                path = f"{tables.owner} L1[{int(tables.l1_indices[at])}]"
                times = int(tables.references[at]) * tables.times
                yield OwnedRange(Owner.L2_TABLE, start, size, path, None, times)
        blocks = np.count_nonzero(self.metadata.refcount_blocks == start)
        if blocks:
            yield OwnedRange(Owner.REFCOUNT_BLOCK, start, size, "refcount_table", None, int(blocks))
        bitmap_data = self.metadata.bitmap_references[self.metadata.bitmap_data == start].sum()
        if bitmap_data:
            yield OwnedRange(Owner.BITMAP_DATA, start, size, "bitmaps", None, int(bitmap_data))


def _data_of(
    batch: L2Batch, wanted: np.ndarray[tuple[int, ...], np.dtype[np.uint64]]
) -> Iterator[tuple[int, OwnedRange]]:
    """Guest data and compressed clusters of these tables that touch one of the wanted host clusters."""
    geometry = batch.geometry
    bits = np.uint64(geometry.cluster_bits)
    if geometry.external_data_file:
        return
    aligned = (batch.data_offsets & np.uint64(geometry.cluster_size - 1)) == 0
    clusters = batch.data_offsets >> bits
    hits = is_among(clusters, wanted) & (batch.data_offsets != 0) & aligned & batch.in_file()
    for table, index in _first_of_each(np.argwhere(hits), clusters[hits]):
        owned = _owned_range(
            batch, table, index, Owner.DATA, int(batch.data_offsets[table, index]), geometry.cluster_size
        )
        yield owned.host_offset >> geometry.cluster_bits, owned
    if not batch.any_compressed:
        return
    begins = compressed_host_offset(batch.entries, geometry.cluster_bits)
    lengths = compressed_stored_length(batch.entries, geometry.cluster_bits)
    first, last = begins >> bits, (begins + lengths - np.uint64(1)) >> bits
    near = np.searchsorted(wanted, first)
    touches = (near < len(wanted)) & (wanted[np.minimum(near, len(wanted) - 1)] <= last)
    touches &= batch.compressed & batch.in_file()
    for table, index in _first_of_each(np.argwhere(touches), first[touches]):
        owned = _owned_range(
            batch, table, index, Owner.COMPRESSED, int(begins[table, index]), int(lengths[table, index])
        )
        for cluster in range(int(first[table, index]), int(last[table, index]) + 1):
            if cluster in wanted:
                yield cluster, owned


def _first_of_each(entries: I64, clusters: U64) -> list[list[int]]:
    """Of the entries (table, index) that lead to one host cluster the first `MAX_OWNERS`."""
    order = np.argsort(clusters, kind="stable")
    ordered = clusters[order]
    rank = np.arange(len(ordered)) - np.searchsorted(ordered, ordered)
    chosen: list[list[int]] = entries[np.sort(order[rank < MAX_OWNERS])].tolist()
    return chosen


def _owned_range(batch: L2Batch, table: int, index: int, owner: Owner, host_offset: int, length: int) -> OwnedRange:
    path = f"{batch.owner} {batch.path(table, index)}"
    return OwnedRange(owner, host_offset, length, path, batch.guest_offset(table, index))


def in_words(owners: Sequence[OwnedRange]) -> str:
    """The owners of one cluster as the end of a sentence."""
    words = []
    for owned in owners:
        place = f", guest offset {owned.guest_offset:#x}" if owned.guest_offset is not None else ""
        times = f", {owned.references} times" if owned.references > 1 else ""
        words.append(f"{owned.owner.value} ({owned.path}{place}{times})")
    more = " and others" if len(owners) >= MAX_OWNERS else ""
    return "; ".join(words) + more
