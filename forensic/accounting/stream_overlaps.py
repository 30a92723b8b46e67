"""The places of all compressed streams, kept in one number each until they can be compared with one another."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from msgspec import Struct

from forensic.budget import Unexamined
from forensic.qcow2.arrays import U64, distinct
from forensic.qcow2.entries import SECTOR_SIZE, compressed_host_offset, compressed_more_sectors
from forensic.qcow2.geometry import ACTIVE, Geometry
from forensic.qcow2.tables import L2Batch

MAX_STREAMS = 1 << 22
"""Streams whose places are kept at one time: 32 MiB of numbers. Of more, the tables are walked again for each part of
the file that holds no more than these."""

MAX_PARTS = 64
BUCKETS = 1 << 16
"""Parts of the file in which streams are counted, to know where to cut."""


class StreamOverlaps(Struct, frozen=True):
    """Streams that begin inside, or at the start of, another one: host offsets of both, and where the first ends.

    Two streams may share a sector, the last of one and the first of the other; that is how QEMU packs them.
    """

    geometry: Geometry
    first: U64
    first_end: U64
    second: U64


class StreamCollector:
    """Collects the descriptors of compressed clusters that begin in a part of the file while the tables are walked."""

    def __init__(self, geometry: Geometry, file_size: int, part: tuple[int, int] | None = None) -> None:
        """Start with none; `part` is begin and end in bytes of the file, None for all of it."""
        self._geometry = geometry
        self._file_size = file_size
        self._part = part
        self._active: list[U64] = []
        self._others: list[U64] = []
        self._bucket_bits = max(0, file_size.bit_length() - (BUCKETS.bit_length() - 1))
        self._counts = np.zeros(BUCKETS, dtype=np.int64)
        self.count = 0
        self.last = np.zeros(0, dtype=np.uint64)

    @property
    def too_many(self) -> bool:
        """Whether there were more streams than are kept."""
        return self.count > MAX_STREAMS

    def add(self, batch: L2Batch) -> None:
        """Take the streams of a batch of distinct L2 tables."""
        if not batch.any_compressed:
            return
        keys = self._keys(batch.entries[batch.compressed & batch.in_file()])
        begins, _ = self._places(keys)
        if self._part is not None:
            begin, end = self._part
            inside = (begins >= np.uint64(begin)) & (begins < np.uint64(end))
            keys, begins = keys[inside], begins[inside]
        self.count += len(keys)
        buckets = np.minimum(begins >> np.uint64(self._bucket_bits), np.uint64(BUCKETS - 1)).astype(np.int64)
        self._counts += np.bincount(buckets, minlength=BUCKETS)
        if self.too_many:
            self._active.clear()
            self._others.clear()
            return
        (self._active if batch.owner == ACTIVE else self._others).append(keys)

    def overlaps(self, before: U64 | None = None) -> StreamOverlaps:
        """Compare each stream with the one that follows it in the file; `before` is the last one before the part.

        Snapshots share streams with the active disk, so only two entries of the active disk may not name the same one.
        """
        active = np.sort(np.concatenate([np.zeros(0, dtype=np.uint64), *self._active]))
        shared = active[1:][active[1:] == active[:-1]]
        others = self._others if before is None else [before, *self._others]
        everything = distinct(np.concatenate([active, *others]))
        begins, last_sectors = self._places(everything)
        inside = np.flatnonzero(begins[1:] < np.maximum(last_sectors[:-1], begins[:-1] + np.uint64(1)))
        shared_begins, shared_last = self._places(distinct(shared))
        self.last = everything[-1:]
        return StreamOverlaps(
            self._geometry,
            np.concatenate([shared_begins, begins[inside]]),
            np.concatenate([shared_last, last_sectors[inside]]) + np.uint64(SECTOR_SIZE),
            np.concatenate([shared_begins, begins[inside + 1]]),
        )

    def overlaps_by_part(self, batches: Callable[[], Iterator[L2Batch]]) -> Iterator[StreamOverlaps | Unexamined]:
        """The same for more streams than are kept at one time; `batches` walks the tables once more."""
        before = np.zeros(0, dtype=np.uint64)
        for number, (begin, end) in enumerate(self._parts()):
            if number >= MAX_PARTS:
                reason = f"{self.count:,} compressed clusters are more than are compared with one another"
                yield Unexamined(StreamOverlaps, f"{reason}: those from host offset {begin:#x} on were left out")
                return
            part = StreamCollector(self._geometry, self._file_size, (begin, end))
            for batch in batches():
                part.add(batch)
            if part.too_many:
                reason = f"{part.count:,} compressed clusters begin in {end - begin:,} bytes of the file"
                yield Unexamined(StreamOverlaps, f"{reason}, more than are compared with one another")
                continue
            yield part.overlaps(before)
            before = part.last

    def _parts(self) -> Iterator[tuple[int, int]]:
        """Host ranges that hold as many streams as are kept, or a single bucket."""
        size = 1 << self._bucket_bits
        first, held = 0, 0
        for bucket, count in enumerate(self._counts.tolist()):
            if held and held + count > MAX_STREAMS:
                yield first * size, bucket * size
                first, held = bucket, 0
            held += count
        yield first * size, 1 << 63

    def _keys(self, entries: U64) -> U64:
        """Descriptors turned round, so that their order is that of the file: host offset, then number of sectors."""
        bits = self._geometry.cluster_bits
        offsets, counts = compressed_host_offset(entries, bits), compressed_more_sectors(entries, bits)
        keys: U64 = (offsets << np.uint64(self._count_bits)) | counts
        return keys

    def _places(self, keys: U64) -> tuple[U64, U64]:
        """Where streams begin, and where their last sectors do."""
        count_bits = np.uint64(self._count_bits)
        begins = keys >> count_bits
        sectors = keys & ((np.uint64(1) << count_bits) - np.uint64(1))
        last_sectors: U64 = (begins & ~np.uint64(SECTOR_SIZE - 1)) + sectors * np.uint64(SECTOR_SIZE)
        return begins, last_sectors

    @property
    def _count_bits(self) -> int:
        """The low bits of a key that hold the number of sectors."""
        return self._geometry.cluster_bits - 8
