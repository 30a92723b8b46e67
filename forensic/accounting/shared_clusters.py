"""Which host clusters snapshots and the active disk share, and which each of them holds alone."""

from __future__ import annotations

import numpy as np

from forensic.accounting.table_sets import TableSets
from forensic.qcow2.arrays import U64, NDArray, distinct
from forensic.qcow2.entries import compressed_host_offset, compressed_stored_length
from forensic.qcow2.table_reading import within_file
from forensic.qcow2.tables import L2Batch

MAX_SETS = 64
MAX_BYTES = 32 << 20
"""Memory for one mark a host cluster; in a longer file the shares are not known."""

Marks = NDArray[np.unsignedinteger]

WIDTHS = (8, 16, 32, 64)


class Sharing:
    """One bit a table set for every host cluster of guest data, set while the tables are walked."""

    def __init__(self, sets: TableSets, clusters: int) -> None:
        """Start with no marks; with one set nothing is shared, and nothing is kept."""
        count = len(sets.sets)
        width = next(width for width in WIDTHS if min(count, MAX_SETS) <= width)
        self.known = 1 < count <= MAX_SETS and clusters * width // 8 <= MAX_BYTES
        self._sets = sets
        self._marks: Marks = np.zeros(clusters if self.known else 0, dtype=f"u{width // 8}")
        self._offsets, _ = sets.distinct()
        self._members = np.zeros(len(self._offsets) if self.known else 0, dtype=np.uint64)
        for bit, tables in enumerate(sets.sets if self.known else ()):
            self._members[np.searchsorted(self._offsets, tables.host_offsets)] |= np.uint64(1 << bit)

    def add(self, batch: L2Batch) -> None:
        """Mark what a batch of L2 tables leads to."""
        if not self.known:
            return
        members = self._members[np.searchsorted(self._offsets, batch.host_offsets)]
        inside = batch.in_file()
        located = within_file(batch.data_offsets, batch.geometry.cluster_size, batch.file_size) & inside
        bits = np.uint64(batch.geometry.cluster_bits)
        for member in distinct(members).tolist():
            rows = members == np.uint64(member)
            self._mark(batch.data_offsets[rows][located[rows]] >> bits, member)
            if batch.any_compressed:
                self._mark_streams(batch, batch.entries[rows][(batch.compressed & inside)[rows]], member)

    def of_sets(self) -> list[tuple[int, int]]:
        """For each table set the host clusters of data that it alone leads to, and those that others lead to too."""
        kinds, counts = np.unique(self._marks[self._marks != 0], return_counts=True)
        found = []
        for bit in range(len(self._sets.sets)):
            alone = int(counts[kinds == 1 << bit].sum())
            held = int(counts[(kinds.astype(np.uint64) & np.uint64(1 << bit)) != 0].sum())
            found.append((alone, held - alone))
        return found

    def _mark(self, clusters: U64, member: int) -> None:
        where = clusters[clusters < len(self._marks)].astype(np.int64)
        self._marks[where] = self._marks[where] | self._marks.dtype.type(member)

    def _mark_streams(self, batch: L2Batch, entries: U64, member: int) -> None:
        bits = batch.geometry.cluster_bits
        begins = compressed_host_offset(entries, bits)
        last = (begins + compressed_stored_length(entries, bits) - np.uint64(1)) >> np.uint64(bits)
        first = begins >> np.uint64(bits)
        for distance in range(3):  # a stream touches three clusters at most
            touched = first + np.uint64(distance)
            self._mark(touched[touched <= last], member)
