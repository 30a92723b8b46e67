"""The end of the file: whether what stands after the last structure is what QEMU leaves there, or was appended.

QEMU writes whole clusters, but for a few things: L1 and bitmap tables, the snapshot table, the bitmap directory,
compressed streams and subclusters. Only they let a file end inside a cluster, so they alone can be what is left of
freed clusters there.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec import Struct

from forensic.accounting.owners import Metadata
from forensic.budget import Budget
from forensic.disk.codecs import Codec
from forensic.disk.examination import fills_cluster, stream_end
from forensic.evidence import Evidence
from forensic.qcow2.arrays import I64, U64
from forensic.qcow2.entries import SECTOR_SIZE, compressed_host_offset, compressed_stored_length
from forensic.qcow2.geometry import Geometry
from forensic.qcow2.table_ends import ends_with_entry, is_table
from forensic.qcow2.tables import L2Batch
from forensic.residue.search import nonzero_areas

MAX_ENTRY = 4096
"""Bytes of a snapshot or bitmap entry that is recognised."""

SHORT_BYTES = 256
"""Remains up to this length, after a table or mostly zeros, may be what a new table left of a longer old one."""

MAX_STREAM_STARTS = 1 << 17
"""Places before the end that are tried as the beginning of a compressed stream, one by one."""


class FileEnd(Struct):
    """Finds the end of the last structure while the tables are walked; only where the file ends inside a cluster."""

    evidence: Evidence
    geometry: Geometry
    behind: int = 0

    @property
    def last_cluster(self) -> int:
        """The host offset of the cluster in which the file ends."""
        return self.evidence.size // self.geometry.cluster_size * self.geometry.cluster_size

    def add(self, batch: L2Batch) -> None:
        """Take the guest data of a batch of L2 tables."""
        size, file_size = self.geometry.cluster_size, self.evidence.size
        if self.last_cluster == file_size or self.geometry.external_data_file:
            return
        highest = batch.highest_data_offset
        if highest >= file_size:
            highest = int(batch.data_offsets[batch.data_offsets < np.uint64(file_size)].max(initial=0))
        self.behind = max(self.behind, highest + size if highest else 0)
        if batch.any_compressed:
            streams = batch.entries[batch.compressed]
            ends = compressed_host_offset(streams, self.geometry.cluster_bits)
            ends += compressed_stored_length(streams, self.geometry.cluster_bits)
            self.behind = max(self.behind, int(ends[ends < np.uint64(file_size + size)].max(initial=0)))

    def appended(self, metadata: Metadata, l2_offsets: U64, budget: Budget) -> I64:
        """The area that was appended, as begin and end in bytes of the file; no area if there is nothing to say so."""
        size = self.geometry.cluster_size
        nothing = np.zeros((0, 2), dtype=np.int64)
        if self.last_cluster == self.evidence.size:
            return nothing
        tables = (l2_offsets, metadata.refcount_blocks, metadata.bitmap_data)
        ends = [owned.host_offset + owned.length for owned in metadata.single]
        ends += [int(offsets.max()) + size for offsets in tables if len(offsets)]
        behind = max(self.behind, *ends)
        begin = max(behind, self.last_cluster)
        tail = self.evidence.read_or_nothing(begin, self.evidence.size - begin)
        behind_table = begin > max(self.behind, self.last_cluster)
        if not any(tail) or self._left_by_qemu(tail, begin, behind, behind_table):
            return nothing
        areas = nonzero_areas(self.evidence, np.array([behind]), np.array([self.evidence.size]), budget)
        return areas[-1:] if len(areas) and areas[-1, 1] > begin else nothing

    def _left_by_qemu(self, tail: bytes, begin: int, behind: int, behind_table: bool) -> bool:
        """Whether the tail can be the rest of something that QEMU wrote there before."""
        if len(tail) <= SHORT_BYTES and (behind_table or tail.count(0) > len(tail) // 4):
            return True
        if self.geometry.extended_l2 and self.evidence.size % self.geometry.subcluster_size == 0:
            return True
        first = max(behind, self.evidence.size - MAX_ENTRY) // 8 * 8
        return (
            (begin % 8 == 0 and is_table(tail, self.geometry.cluster_size, self.evidence.size))
            or ends_with_entry(self.evidence.read_or_nothing(first, self.evidence.size - first))
            or self._ends_with_stream(behind)
        )

    def _ends_with_stream(self, behind: int) -> bool:
        """Whether the file ends where a compressed cluster ends, but for the padding of a sector."""
        if self.geometry.compression_type not in list(Codec):
            return False
        size, file_size = self.geometry.cluster_size, self.evidence.size
        # The stream before it may end anywhere in the last sector that counts as its own.
        first = max(behind - SECTOR_SIZE, file_size - 2 * size)
        data = self.evidence.read_or_nothing(first, file_size - first)
        end = len(data.rstrip(b"\0"))
        return any(self._goes_to_the_end(data, at) for at in _starts(first, size, end))

    def _goes_to_the_end(self, data: bytes, at: int) -> bool:
        """Whether a stream begins there that ends with these bytes, or whose end is where such a one begins."""
        codec, size = self.geometry.compression_type, self.geometry.cluster_size
        stored = data[at:]
        while fills_cluster(stored, codec, size) and (length := stream_end(stored, codec, size)):
            stored = stored[length:]
            if len(stored) < SECTOR_SIZE and not any(stored):
                return True
        return False


def _starts(first: int, cluster_size: int, end: int) -> Iterator[int]:
    """Where a freed stream may begin in bytes from host offset `first` on, of which `end` are not padding.

    QEMU lets one begin where the one before it ends or, in a new place, with a cluster. Beside these all the places at
    the end are tried, as many as there may be.
    """
    near = min(SECTOR_SIZE + 1, end)
    yield from range(near)
    yield from range(-first % cluster_size, end, cluster_size)
    yield from range(max(near, end - MAX_STREAM_STARTS), end)
