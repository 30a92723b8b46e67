"""Counting for the report while an image is walked: what is allocated, what snapshots share, what bitmaps mark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from forensic.measured import Measured
from forensic.qcow2.allocation import AllocationCounter
from forensic.qcow2.bitmap_tables import BitmapTable, marked_bytes
from forensic.qcow2.codecs import Outcome
from forensic.qcow2.image import Qcow2Image
from forensic.qcow2.references import TableSets
from forensic.qcow2.sharing import Sharing
from forensic.qcow2.states import State
from forensic.qcow2.streams import StreamBatch
from forensic.qcow2.tables import L2Batch
from forensic.qcow2.usage import FreeClusters, LeakedClusters, UsageCounter

MAX_BIT_BYTES = 64 << 20
"""Bytes of bitmap data that are counted in all; a terabyte at 64 KiB a bit takes 2 MiB."""

READABLE_OUTCOMES = (Outcome.OK, Outcome.TOO_LONG)


class Measuring:
    """Takes what the walk reads; `measured` gives the sums when all tables were walked."""

    def __init__(self, image: Qcow2Image, sets: TableSets, bitmap_tables: Sequence[BitmapTable]) -> None:
        """Start with what stands in the L1 table and the bitmaps."""
        self._image = image
        self._sets = sets
        self._allocation = AllocationCounter(image)
        self._sharing = Sharing(sets, -(-image.evidence.size // image.geometry.cluster_size))
        self._dirty = _dirty_bytes(bitmap_tables, image.geometry.cluster_size)
        self._lost_in_streams = 0
        self._not_decoded = 0
        self._free_bytes = 0
        self._leaked_clusters = 0

    def add(self, batch: L2Batch) -> None:
        """Take a batch of L2 tables."""
        if batch.owner == "active":
            self._allocation.add(batch)
        self._sharing.add(batch)

    def add_streams(self, batch: StreamBatch) -> None:
        """Take what became of streams; those of snapshots are no part of the active disk."""
        active = np.array([name == "active" for name in batch.owner_names])[batch.owners.astype(np.int64)]
        lost = active & ~np.isin(batch.outcomes, READABLE_OUTCOMES)
        self._lost_in_streams += int(np.count_nonzero(lost)) * batch.geometry.cluster_size
        self._not_decoded += int(np.count_nonzero(active & (batch.outcomes == Outcome.NOT_DECODED)))

    def add_usage(self, found: object) -> None:
        """Take clusters that nothing refers to; leaked are those of them that have a refcount."""
        if isinstance(found, FreeClusters):
            self._free_bytes += int((found.ends - found.begins).sum())
        elif isinstance(found, LeakedClusters):
            self._leaked_clusters += int(np.count_nonzero(found.counted == 0))

    def measured(self, counter: UsageCounter, with_streams: bool) -> Measured:
        """The sums; what the file holds beside the disk is known only where every table could be read."""
        states, size = self._allocation.bytes_by_state(), self._image.evidence.size
        end_of_data = None
        allocation = self._of_disk(states)
        if not counter.lost:
            end_of_data = min(counter.last_used * self._image.geometry.cluster_size, size)
            allocation |= self._of_file(counter)
        decoded = with_streams and not self._not_decoded
        readable = self._readable_fraction(states) if decoded or not states[State.COMPRESSED] else None
        return Measured(allocation, readable, end_of_data, self._snapshot_clusters(), self._dirty)

    def _of_disk(self, states: Mapping[State, int]) -> dict[str, int]:
        """Guest bytes of the active disk by state; all but the details of others add up to its size."""
        data_file = self._image.geometry.external_data_file
        found = {
            "in_data_file" if data_file else "data": states[State.DATA],
            "compressed": states[State.COMPRESSED],
            "compressed_stored": self._allocation.compressed_stored,
            "zero_explicit": states[State.ZERO] + states[State.ZERO_ALLOCATED],
            "zero_allocated": states[State.ZERO_ALLOCATED],
            "from_backing" if self._image.has_backing_file else "unallocated": states[State.UNALLOCATED],
            "unreadable": states[State.ABSENT],
        }
        return found | ({"encrypted": states[State.DATA]} if self._image.encrypted else {})

    def _of_file(self, counter: UsageCounter) -> dict[str, int]:
        """Bytes of the file that are metadata, leaked or free, in whole clusters."""
        size, metadata = self._image.geometry.cluster_size, counter.metadata
        tables = len(counter.l2_offsets) + len(metadata.refcount_blocks) + len(metadata.bitmap_data)
        leaked = self._leaked_clusters * size
        return {
            "metadata": (tables + sum(-(-claim.length // size) for claim in metadata.single)) * size,
            "leaked": leaked,
            "free": max(0, self._free_bytes - leaked),
        }

    def _readable_fraction(self, states: Mapping[State, int]) -> float:
        """Four digits, rounded down, so that 1 means all of it."""
        size = self._image.virtual_size
        lost = min(size, states[State.ABSENT] + self._lost_in_streams)
        return (size - lost) * 10_000 // size / 10_000 if size else 1.0

    def _snapshot_clusters(self) -> dict[int, tuple[int, int]]:
        """By index of the snapshot; of several whose L1 table is the same one, none holds anything alone."""
        if not self._sharing.known:
            return {}
        geometry = self._image.geometry
        names = {(geometry.l1_table_offset, geometry.l1_entry_count): "active"}
        by_name = {}
        for tables, (alone, shared) in zip(self._sets.sets, self._sharing.of_sets(), strict=True):
            by_name[tables.owner] = (alone, shared) if tables.times == 1 else (0, alone + shared)
        found = {}
        for snapshot in self._image.snapshots.snapshots:
            name = names.setdefault((snapshot.l1_table_offset, snapshot.l1_size), snapshot.owner)
            if name in by_name:
                found[snapshot.index] = by_name[name]
        return found


def _dirty_bytes(tables: Sequence[BitmapTable], cluster_size: int) -> dict[int, int]:
    """What each bitmap marks, as long as there is room to count."""
    found: dict[int, int] = {}
    room = MAX_BIT_BYTES
    for table in tables:
        room -= int(np.count_nonzero(table.entries)) * cluster_size
        marked = marked_bytes(table) if room >= 0 else None
        if marked is not None:
            found[table.bitmap.index] = marked
    return found
