"""The places of all compressed streams, kept in one number each until they can be compared with one another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forensic.qcow2.entries import COMPRESSED, SECTOR_SIZE, U64, compressed_offset_bits, distinct
from forensic.qcow2.geometry import Geometry
from forensic.qcow2.tables import L2Batch

MAX_STREAMS = 1 << 22
"""Streams whose places are kept: 32 MiB of numbers; of a larger image overlaps between streams are not judged."""


@dataclass(frozen=True)
class StreamOverlaps:
    """Streams that begin inside, or at the start of, another one: host offsets of both, and where the first ends.

    Two streams may share a sector, the last of one and the first of the other; that is how QEMU packs them.
    """

    geometry: Geometry
    first: U64
    first_end: U64
    second: U64


class StreamCollector:
    """Collects the descriptors of compressed clusters while the tables are walked."""

    def __init__(self, geometry: Geometry) -> None:
        """Start with none."""
        self._geometry = geometry
        self._active: list[U64] = []
        self._others: list[U64] = []
        self.count = 0

    @property
    def too_many(self) -> bool:
        """Whether there were more streams than are kept."""
        return self.count > MAX_STREAMS

    def add(self, batch: L2Batch) -> None:
        """Take the streams of a batch of distinct L2 tables."""
        if not batch.bits & COMPRESSED:
            return
        entries = batch.entries[batch.compressed & batch.in_file()]
        self.count += len(entries)
        if self.too_many:
            self._active.clear()
            self._others.clear()
            return
        (self._active if batch.owner == "active" else self._others).append(self._keys(entries))

    def overlaps(self) -> StreamOverlaps:
        """Compare each stream with the one that follows it in the file.

        Snapshots share streams with the active disk, so only two entries of the active disk may not name the same one.
        """
        active = np.sort(np.concatenate(self._active)) if self._active else np.zeros(0, dtype=np.uint64)
        shared = active[1:][active[1:] == active[:-1]]
        everything = distinct(np.concatenate([active, *self._others]))
        begins, last_sectors = self._places(everything)
        inside = np.flatnonzero(begins[1:] < np.maximum(last_sectors[:-1], begins[:-1] + np.uint64(1)))
        shared_begins, shared_last = self._places(distinct(shared))
        return StreamOverlaps(
            self._geometry,
            np.concatenate([shared_begins, begins[inside]]),
            np.concatenate([shared_last, last_sectors[inside]]) + np.uint64(SECTOR_SIZE),
            np.concatenate([shared_begins, begins[inside + 1]]),
        )

    def _keys(self, entries: U64) -> U64:
        """Descriptors turned round, so that their order is that of the file: host offset, then number of sectors."""
        offset_bits, count_bits = self._bits()
        offsets = entries & np.uint64((1 << offset_bits) - 1)
        counts = (entries >> np.uint64(offset_bits)) & np.uint64((1 << count_bits) - 1)
        keys: U64 = (offsets << np.uint64(count_bits)) | counts
        return keys

    def _places(self, keys: U64) -> tuple[U64, U64]:
        """Where streams begin, and where their last sectors do."""
        count_bits = np.uint64(self._bits()[1])
        begins = keys >> count_bits
        sectors = keys & ((np.uint64(1) << count_bits) - np.uint64(1))
        last_sectors: U64 = (begins & ~np.uint64(SECTOR_SIZE - 1)) + sectors * np.uint64(SECTOR_SIZE)
        return begins, last_sectors

    def _bits(self) -> tuple[int, int]:
        cluster_bits = self._geometry.cluster_bits
        return compressed_offset_bits(cluster_bits), cluster_bits - 8
