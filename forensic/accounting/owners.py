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
from forensic.qcow2.entries import COMPRESSED, compressed_host_offset, compressed_stored_length
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


def metadata_of(image: Qcow2Image, table: RefcountTable, bitmap_data: U64, bitmap_references: I64) -> Metadata:
    """The metadata of an image, as far as it could be located.

    A structure that does not begin on a cluster boundary, or ends a cluster or more past the end of the file, leads
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


MAX_CLAIMS = 8
"""Claims on one cluster that are listed; a bomb makes millions."""


class Claims(Struct, frozen=True):
    """Access to all claims of an image."""

    evidence: Evidence
    active: L1Table
    metadata: Metadata
    sets: TableSets
    out_of_time: Callable[[], str | None]

    def on_clusters(self, clusters: Sequence[int]) -> dict[int, list[Claim]]:
        """The claims on each of these host clusters (numbers), metadata first; at most `MAX_CLAIMS` each."""
        wanted = distinct(np.asarray(clusters, dtype=np.uint64))
        found: dict[int, list[Claim]] = {int(cluster): [] for cluster in wanted}
        if not found:
            return found
        for cluster, claims in found.items():
            claims += islice(self._metadata_on(cluster), MAX_CLAIMS - 1)  # room for what they are in conflict with
        for batch in self.sets.batches(self.evidence, self.active):
            wanted = np.array([cluster for cluster in found if len(found[cluster]) < MAX_CLAIMS], dtype=np.uint64)
            if not len(wanted) or self.out_of_time():
                break
            for cluster, claim in _data_on(batch, wanted):
                if len(found[cluster]) < MAX_CLAIMS:
                    found[cluster].append(claim)
        return found

    def _metadata_on(self, cluster: int) -> Iterator[Claim]:
        size = self.active.geometry.cluster_size
        start = cluster * size
        yield from self.metadata.claims_on(start, start + size)
        for tables in self.sets.sets:
            at = int(np.searchsorted(tables.host_offsets, np.uint64(start)))
            if at < len(tables.host_offsets) and int(tables.host_offsets[at]) == start:
                path = f"{tables.owner} L1[{int(tables.l1_indices[at])}]"
                times = int(tables.references[at]) * tables.times
                yield Claim(Owner.L2_TABLE, start, size, path, None, times)
        blocks = np.count_nonzero(self.metadata.refcount_blocks == start)
        if blocks:
            yield Claim(Owner.REFCOUNT_BLOCK, start, size, "refcount_table", None, int(blocks))
        bitmap_data = self.metadata.bitmap_references[self.metadata.bitmap_data == start].sum()
        if bitmap_data:
            yield Claim(Owner.BITMAP_DATA, start, size, "bitmaps", None, int(bitmap_data))


def _data_on(batch: L2Batch, wanted: np.ndarray[tuple[int, ...], np.dtype[np.uint64]]) -> Iterator[tuple[int, Claim]]:
    """Guest data and compressed clusters of these tables that touch one of the wanted host clusters."""
    geometry = batch.geometry
    bits = np.uint64(geometry.cluster_bits)
    if geometry.external_data_file:
        return
    aligned = (batch.data_offsets & np.uint64(geometry.cluster_size - 1)) == 0
    clusters = batch.data_offsets >> bits
    hits = is_among(clusters, wanted) & (batch.data_offsets != 0) & aligned & batch.in_file()
    for table, index in _first_of_each(np.argwhere(hits), clusters[hits]):
        claim = _claim(batch, table, index, Owner.DATA, int(batch.data_offsets[table, index]), geometry.cluster_size)
        yield claim.host_offset >> geometry.cluster_bits, claim
    if not batch.bits & COMPRESSED:
        return
    begins = compressed_host_offset(batch.entries, geometry.cluster_bits)
    lengths = compressed_stored_length(batch.entries, geometry.cluster_bits)
    first, last = begins >> bits, (begins + lengths - np.uint64(1)) >> bits
    near = np.searchsorted(wanted, first)
    touches = (near < len(wanted)) & (wanted[np.minimum(near, len(wanted) - 1)] <= last)
    touches &= batch.compressed & batch.in_file()
    for table, index in _first_of_each(np.argwhere(touches), first[touches]):
        claim = _claim(batch, table, index, Owner.COMPRESSED, int(begins[table, index]), int(lengths[table, index]))
        for cluster in range(int(first[table, index]), int(last[table, index]) + 1):
            if cluster in wanted:
                yield cluster, claim


def _first_of_each(entries: I64, clusters: U64) -> list[list[int]]:
    """Of the entries (table, index) that lead to one host cluster the first `MAX_CLAIMS`."""
    order = np.argsort(clusters, kind="stable")
    ordered = clusters[order]
    rank = np.arange(len(ordered)) - np.searchsorted(ordered, ordered)
    chosen: list[list[int]] = entries[np.sort(order[rank < MAX_CLAIMS])].tolist()
    return chosen


def _claim(batch: L2Batch, table: int, index: int, owner: Owner, host_offset: int, length: int) -> Claim:
    path = f"{batch.owner} {batch.path(table, index)}"
    return Claim(owner, host_offset, length, path, batch.guest_offset(table, index))


def in_words(claims: Sequence[Claim]) -> str:
    """The claims on one cluster as the end of a sentence."""
    words = []
    for claim in claims:
        place = f", guest offset {claim.guest_offset:#x}" if claim.guest_offset is not None else ""
        times = f", {claim.references} times" if claim.references > 1 else ""
        words.append(f"{claim.owner.value} ({claim.path}{place}{times})")
    more = " and others" if len(claims) >= MAX_CLAIMS else ""
    return "; ".join(words) + more
