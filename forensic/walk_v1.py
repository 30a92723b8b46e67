"""All structures of a version 1 image in order, and what they refer to."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec import Struct, field

from forensic.accounting.stream_decoding import decode_streams
from forensic.accounting.streams import Allowance, StreamBatch, Streams
from forensic.budget import Budget, Unexamined
from forensic.disk.codecs import Codec
from forensic.image import Qcow1Image
from forensic.qcow2.arrays import I64, U64
from forensic.qcow2.entries import SECTOR_SIZE
from forensic.qcow2.geometry import ACTIVE, Geometry
from forensic.qcow2.header import V1_LENGTH
from forensic.qcow2.table_reading import ENTRY_SIZE
from forensic.qcow2.v1 import Qcow1Header
from forensic.qcow2.v1_tables import Qcow1L1, Qcow1L2Batch
from forensic.qcow2.v1_tables import read_l2_batches as read_qcow1_batches
from forensic.residue.search import (
    FreeResidue,
    Place,
    nonzero_areas,
)


def structures_of_version_1(
    image: Qcow1Image, with_streams: bool, budget: Budget
) -> Iterator[Qcow1Header | Qcow1L1 | Qcow1L2Batch | StreamBatch | Qcow1Usage | FreeResidue | Unexamined]:
    yield image.header
    if image.header.unusable:
        return
    yield image.l1
    indices = np.flatnonzero(image.l1.readable())
    _, first = np.unique(image.l1.entries[indices], return_index=True)
    counter = Qcow1Counter.begin(image, budget)
    for batch in read_qcow1_batches(image.evidence, image.l1, indices[first]):
        yield batch
        counter.add(batch)
        if with_streams:
            yield from counter.streams(batch)
    yield from counter.results()


MAX_CLUSTERS = 1 << 23
"""Data clusters that are held against one another, in some 130 megabytes; more are not judged."""


class Qcow1Geometry(Geometry, frozen=True):
    """The sizes of a version 1 image to decode streams; an L2 table has a size of its own."""

    l2_bits: int = 9

    @property
    def l2_entry_count(self) -> int:
        """Entries of an L2 table, which need not fill a cluster."""
        return 1 << self.l2_bits


class Qcow1Usage(Struct, frozen=True):
    """Data clusters of a version 1 image that lie where a table or the header is, or where other data is.

    Host and guest offsets of the clusters, those of the second kind in file order.
    """

    header: Qcow1Header
    in_metadata: U64
    in_metadata_guest: U64
    twice: U64
    twice_guest: U64


class Qcow1Counter(Struct):
    """Gathers what the tables refer to while they are walked."""

    image: Qcow1Image
    budget: Budget
    allowance: Allowance
    metadata: list[tuple[int, int]]
    whole: bool
    end: int
    offsets: list[U64] = field(default_factory=list)
    guests: list[U64] = field(default_factory=list)
    clusters: int = 0

    @classmethod
    def begin(cls, image: Qcow1Image, budget: Budget) -> Qcow1Counter:
        """Begin with the header and the L1 table."""
        header, l1 = image.header, image.l1
        metadata = [(0, V1_LENGTH), (l1.host_offset, l1.host_offset + header.l1_entry_count * ENTRY_SIZE)]
        if image.backing_file:
            metadata.append((header.backing_file_offset, header.backing_file_offset + len(image.backing_file.raw)))
        whole = len(l1.entries) == header.l1_entry_count and int(np.count_nonzero(l1.entries)) == int(
            np.count_nonzero(l1.readable())
        )
        allowance = Allowance.for_file(image.evidence.size)
        return cls(image, budget, allowance, metadata, whole, max(end for _, end in metadata))

    def add(self, batch: Qcow1L2Batch) -> None:
        """Take the entries of these tables."""
        size, in_file = batch.header.cluster_size, batch.in_file()
        self.whole &= bool(in_file.all())
        for place in batch.host_offsets.tolist():
            self.metadata.append((place, place + batch.header.l2_entry_count * ENTRY_SIZE))
        compressed, places = batch.compressed(), batch.stored_offsets()
        plain = in_file & ~compressed & (batch.entries != 0) & (places < np.uint64(batch.file_size))
        plain &= places % np.uint64(SECTOR_SIZE) == 0
        tables, indices = np.nonzero(plain)
        self.clusters += len(tables)
        if len(tables) and self.clusters <= MAX_CLUSTERS:
            self.offsets.append(places[plain])
            self.guests.append(_guest_offsets(batch, tables, indices))
        ends = np.where(compressed, places + batch.stored_lengths(), places + np.uint64(size))
        used = in_file & (batch.entries != 0) & (places < np.uint64(batch.file_size))
        self.end = max(self.end, int(ends[used].max(initial=0)), *(end for _, end in self.metadata[-len(in_file) :]))

    def streams(self, batch: Qcow1L2Batch) -> Iterator[StreamBatch]:
        """What became of the streams that these tables lead to."""
        places, lengths = batch.stored_offsets(), batch.stored_lengths()
        chosen = batch.in_file() & batch.compressed() & (lengths > 0) & (places < np.uint64(batch.file_size))
        tables, indices = np.nonzero(chosen)
        if not len(tables):
            return
        starts, first = np.unique(places[chosen], return_index=True)
        guests = _guest_offsets(batch, tables, indices)[first]
        streams = Streams(starts, lengths[chosen][first], guests, np.zeros(len(starts), dtype=np.uint64))
        yield from decode_streams(self.image.evidence, _geometry(batch.header), (ACTIVE,), streams, self.allowance)

    def results(self) -> Iterator[Qcow1Usage | FreeResidue | Unexamined]:
        """What lies over something else, and what comes after everything."""
        if self.clusters > MAX_CLUSTERS:
            yield Unexamined(Qcow1Usage, f"more than {MAX_CLUSTERS:,} data clusters", limit=True)
        else:
            yield self._overlaps()
        if not self.whole:
            yield Unexamined(FreeResidue, "not all tables could be read, so what is in use is not fully known")
            return
        evidence, end = self.image.evidence, min(self.end, self.image.evidence.size)
        areas = nonzero_areas(evidence, np.array([end]), np.array([evidence.size]), self.budget)
        yield FreeResidue(Place.APPENDED, "end of the file", evidence, areas)

    def _overlaps(self) -> Qcow1Usage:
        size = np.uint64(self.image.header.cluster_size)
        nothing = np.zeros(0, dtype=np.uint64)
        offsets, guests = np.concatenate([nothing, *self.offsets]), np.concatenate([nothing, *self.guests])
        order = np.argsort(offsets, kind="stable")
        offsets, guests = offsets[order], guests[order]
        known = sorted(part for part in self.metadata if part[1] < 1 << 63)
        begins = np.array([begin for begin, _ in known], dtype=np.uint64)
        ends = np.maximum.accumulate(np.array([end for _, end in known], dtype=np.uint64))
        before = np.searchsorted(begins, offsets + size)  # the metadata that begins before a cluster ends
        over = (before > 0) & (ends[np.maximum(before, 1) - 1] > offsets)
        again = np.append(False, offsets[1:] < offsets[:-1] + size) if len(offsets) else np.zeros(0, dtype=np.bool_)
        return Qcow1Usage(self.image.header, offsets[over], guests[over], offsets[again], guests[again])


def _guest_offsets(batch: Qcow1L2Batch, tables: I64, indices: I64) -> U64:
    clusters = batch.l1_indices[tables] * batch.header.l2_entry_count + indices
    offsets: U64 = clusters.astype(np.uint64) * np.uint64(batch.header.cluster_size)
    return offsets


def _geometry(header: Qcow1Header) -> Qcow1Geometry:
    return Qcow1Geometry(
        version=1,
        cluster_bits=header.cluster_bits,
        virtual_size=header.size,
        l1_table_offset=header.l1_table_offset,
        l1_entry_count=header.l1_entry_count,
        refcount_table_offset=0,
        refcount_table_clusters=0,
        refcount_order=None,
        extended_l2=False,
        compression_type=Codec.DEFLATE,
        external_data_file=False,
        crypt_method=header.crypt_method,
        l2_bits=header.l2_bits,
    )
