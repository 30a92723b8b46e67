"""The tables of version 1 as arrays, and what they say about the disk: the level that a `Disk` reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct, field

from forensic.evidence import Evidence
from forensic.qcow2.bits import SECTOR_SIZE
from forensic.qcow2.codecs import Codec
from forensic.qcow2.content import Fault, read_data
from forensic.qcow2.entries import U64, big_endian, distinct
from forensic.qcow2.geometry import MAX_L1_ENTRIES
from forensic.qcow2.levels import Cluster, LastDecoded, decoded_cluster, put_cluster
from forensic.qcow2.mapping import ROW, Rows, clipped, coalesced, cut_at_file_end, mark_absent, single_row
from forensic.qcow2.qcow1 import Qcow1Header, Qcow1Image
from forensic.qcow2.states import Reason, Run, State
from forensic.qcow2.tables import BATCH_BYTES, ENTRY_SIZE, I64, Bools, read_what_is_there
from forensic.untrusted import Untrusted

if TYPE_CHECKING:  # cryptography is loaded for encrypted images alone
    from forensic.qcow2.crypto import SectorCipher

COMPRESSED = 1 << 63
"""The top bit of an L2 entry; there is no copied bit, since there are no refcounts."""


class Qcow1L1(Struct, frozen=True):
    """The L1 table as far as the file holds it: each entry is the host offset of an L2 table, or 0."""

    header: Qcow1Header
    entries: U64
    file_size: int

    @property
    def host_offset(self) -> int:
        """Where the table lies."""
        return self.header.l1_table_offset

    def readable(self) -> Bools:
        """Which entries lead to an L2 table that begins inside the file."""
        readable: Bools = (self.entries != 0) & (self.entries < self.file_size)
        return readable


class Qcow1L2Batch(Struct, frozen=True):
    """Some L2 tables: `entries[t, i]` is entry i of table t, of which the file holds the first `present[t]`."""

    header: Qcow1Header
    file_size: int
    l1_indices: I64
    host_offsets: U64
    present: I64
    entries: U64

    def in_file(self) -> Bools:
        """Which entries the file holds, in the shape of `entries`."""
        return np.arange(self.entries.shape[1]) < self.present[:, np.newaxis]

    def compressed(self) -> Bools:
        """Which entries are compressed descriptors."""
        compressed: Bools = (self.entries & np.uint64(COMPRESSED)) != 0
        return compressed

    def stored_offsets(self) -> U64:
        """The host offset in each entry."""
        narrow = np.uint64((1 << _offset_bits(self.header)) - 1)
        return np.where(self.compressed(), self.entries & narrow, self.entries & np.uint64(COMPRESSED - 1))

    def stored_lengths(self) -> U64:
        """The bytes of each compressed stream; 0 for other entries."""
        lengths = (self.entries >> np.uint64(_offset_bits(self.header))) & np.uint64(self.header.cluster_size - 1)
        return np.where(self.compressed(), lengths, np.uint64(0))

    def entry_host_offset(self, table: int, index: int) -> int:
        """Where an entry lies in the file."""
        return int(self.host_offsets[table]) + index * ENTRY_SIZE

    def path(self, table: int, index: int) -> str:
        """The entry's name, such as `L1[3].L2[17]`."""
        return f"L1[{int(self.l1_indices[table])}].L2[{index}]"


def read_l1(evidence: Evidence, header: Qcow1Header) -> Qcow1L1:
    """Read the L1 table, bounded by the file and by the longest table that is read of any image."""
    length = min(header.l1_entry_count, MAX_L1_ENTRIES) * ENTRY_SIZE
    raw = read_what_is_there(evidence, header.l1_table_offset, length)
    return Qcow1L1(header, big_endian(raw), evidence.size)


def read_l2_batches(evidence: Evidence, l1: Qcow1L1, indices: I64) -> Iterator[Qcow1L2Batch]:
    """Read the L2 tables that these L1 entries lead to, in batches of about `BATCH_BYTES`."""
    count = l1.header.l2_entry_count
    step = max(1, BATCH_BYTES // (count * ENTRY_SIZE))
    for start in range(0, len(indices), step):
        chosen = indices[start : start + step]
        offsets = l1.entries[chosen]
        entries = np.zeros((len(chosen), count), dtype=np.uint64)
        present = np.zeros(len(chosen), dtype=np.int64)
        for table, host_offset in enumerate(offsets.tolist()):
            found = big_endian(read_what_is_there(evidence, host_offset, count * ENTRY_SIZE))
            entries[table, : len(found)] = found
            present[table] = len(found)
        yield Qcow1L2Batch(l1.header, evidence.size, chosen, offsets, present, entries)


class Qcow1Level(Struct, frozen=True):
    """A version 1 image as one level of a chain; see `forensic.qcow2.levels.Level`."""

    image: Qcow1Image
    l1: Qcow1L1
    cipher: SectorCipher | None = None
    as_stored: bool = False
    decoded: LastDecoded = field(default_factory=LastDecoded)
    salvage: bool = False

    @property
    def size(self) -> int:
        """The size of the disk."""
        return self.image.virtual_size

    @property
    def evidences(self) -> tuple[Evidence, ...]:
        """The image."""
        return (self.image.evidence,)

    @property
    def data_lacks(self) -> Reason:
        """What is missing for reading data."""
        locked = self.image.encrypted and self.cipher is None and not self.as_stored
        return Reason.KEY_NOT_SUPPLIED if locked else Reason.NONE

    @property
    def backing_file(self) -> Untrusted | None:
        """The declared backing file, empty where its name is damaged."""
        return (self.image.backing_file or Untrusted(b"")) if self.image.has_backing_file else None

    @property
    def backing_format(self) -> Untrusted | None:
        """Version 1 has no place for it."""
        return None

    @property
    def encryption(self) -> str | None:
        """`aes`."""
        return "aes" if self.image.encrypted else None

    @property
    def plain_data(self) -> Evidence | None:
        """The image, if its data is not encrypted."""
        return None if self.cipher else self.image.evidence

    def row_batches(self, guest_start: int, guest_end: int) -> Iterator[Rows]:
        """The rows of the tables."""
        coverage = self.l1.header.l1_coverage
        first, last = guest_start // coverage, -(-guest_end // coverage)
        known = min(last, len(self.l1.entries))
        readable = self.l1.readable()[first:known]
        breaks = np.flatnonzero(np.diff(readable)) + 1
        for run in np.split(np.arange(first, max(first, known), dtype=np.int64), breaks):
            if len(run) and readable[run[0] - first]:
                for batch in read_l2_batches(self.image.evidence, self.l1, run):
                    yield clipped(_rows_of(batch), guest_start, guest_end)
            elif len(run):
                yield clipped(self._rows_without_tables(run), guest_start, guest_end)
        if known < last:
            start = max(guest_start, max(first, known) * coverage)
            yield single_row(start, guest_end - start, State.ABSENT, Reason.L2_UNREADABLE)

    def most_extents(self) -> int:
        """One for each entry of a distinct L2 table, one for each L1 entry."""
        tables = distinct(self.l1.entries[self.l1.readable()])
        return len(self.l1.entries) + len(tables) * self.l1.header.l2_entry_count

    def few_runs(self, guest_start: int, guest_end: int) -> Iterator[list[Run]]:
        """Nothing: images of version 1 are too rare to be decoded in two ways."""
        return iter(())

    def read_data(self, guest_offset: int, host_offset: int, buffer: memoryview) -> list[Fault]:
        """Fill the buffer from the image."""
        if self.cipher is None:
            return read_data(self.image.evidence, host_offset, buffer)
        from forensic.qcow2.crypto import read_encrypted

        return read_encrypted(self.image.evidence, self.cipher, guest_offset, host_offset, buffer)

    def read_compressed(self, host_offset: int, stored_length: int, skip: int, buffer: memoryview) -> list[Fault]:
        """Fill the buffer from a compressed cluster; those are never encrypted."""
        cluster = self.decoded.cluster(self.image.evidence, host_offset, stored_length, self._decode)
        return put_cluster(cluster, skip, buffer)

    def decode_stored(self, stored: bytes, skip: int, buffer: memoryview) -> list[Fault]:
        """The same with stored bytes that were read already."""
        return put_cluster(self._decode(stored), skip, buffer)

    def _decode(self, stored: bytes) -> Cluster:
        return decoded_cluster(stored, Codec.DEFLATE, self.l1.header.cluster_size, self.salvage)

    def _rows_without_tables(self, run: I64) -> Rows:
        """A run of L1 entries of which none leads to a table: empty ones, and ones that lead out of the file."""
        coverage = self.l1.header.l1_coverage
        rows = np.zeros(len(run), dtype=ROW)
        rows["guest_offset"] = run.astype(np.uint64) * np.uint64(coverage)
        rows["length"] = coverage
        mark_absent(rows, self.l1.entries[run] != 0, Reason.L2_UNREADABLE)
        return coalesced(rows)


def _offset_bits(header: Qcow1Header) -> int:
    """How many low bits of a compressed descriptor hold the host offset; the stored length stands above them."""
    return 63 - header.cluster_bits


def _rows_of(batch: Qcow1L2Batch) -> Rows:
    cluster_size = batch.header.cluster_size
    entries, compressed = batch.entries.reshape(-1), batch.compressed().reshape(-1)
    rows = np.zeros(len(entries), dtype=ROW)
    clusters = batch.l1_indices[:, np.newaxis] * batch.header.l2_entry_count + np.arange(batch.header.l2_entry_count)
    rows["guest_offset"] = clusters.reshape(-1).astype(np.uint64) * np.uint64(cluster_size)
    rows["length"] = cluster_size
    rows["host_offset"] = batch.stored_offsets().reshape(-1)
    rows["state"] = np.where(entries != 0, State.DATA, State.UNALLOCATED)
    rows["state"][compressed] = State.COMPRESSED
    rows["stored_length"] = batch.stored_lengths().reshape(-1)
    empty_stream = compressed & (rows["stored_length"] == 0)
    mark_absent(rows, empty_stream, Reason.DECOMPRESS_FAILED)
    unaligned = ~compressed & (rows["host_offset"] % np.uint64(SECTOR_SIZE) != 0)
    mark_absent(rows, unaligned, Reason.ENTRY_UNALIGNED)
    mark_absent(rows, ~batch.in_file().reshape(-1), Reason.L2_UNREADABLE)
    return cut_at_file_end(coalesced(rows), batch.file_size)
