"""A qcow2 image of version 3, written from front to back: data, L2 tables, L1 table, refcounts, and last the header.

What is written follows the specification's sections "Header", "Cluster mapping" and "Host cluster management". Each
host cluster has one reference, but for those that hold several compressed streams.
"""

from __future__ import annotations

import os
import struct
from array import array
from collections.abc import Iterator

import numpy as np

from forensic.errors import OutputFailed
from forensic.output.chunk import Chunk
from forensic.output.new_file import NewFile
from forensic.output.raw_output import nonzero_runs
from forensic.qcow2.arrays import U64
from forensic.qcow2.entries import COMPRESSED, COPIED, SECTOR_SIZE, ZERO_FLAG, compressed_offset_bits
from forensic.qcow2.extensions import ExtensionType
from forensic.qcow2.geometry import MAX_L1_ENTRIES
from forensic.qcow2.header import MAGIC, PADDED_LENGTH, Incompatible

REFCOUNT_ORDER = 4
MOST_REFERENCES = (1 << (1 << REFCOUNT_ORDER)) - 1

MOST_REFCOUNT_TABLE_BYTES = 8 << 20
"""QEMU opens no image with a longer refcount table."""

HIGHEST_OFFSET = 1 << 56
WRITTEN_AT_ONCE = 1 << 20


class ImageWriter:
    """Takes the clusters of a disk in guest order; every method raises `OutputFailed`.

    `data_file` is the name of an external data file, in which every data cluster lies at its guest offset.
    """

    def __init__(
        self, file: NewFile, cluster_bits: int, disk_size: int, compression_type: int, data_file: bytes | None = None
    ) -> None:
        """Nothing is written yet; the first cluster is kept for the header."""
        self.cluster_size = 1 << cluster_bits
        self.tables = self.data_clusters = self.streams = 0
        self._file, self._bits, self._disk_size = file, cluster_bits, disk_size
        self._compression_type, self._data_file = compression_type, data_file
        self._entries = self.cluster_size // 8
        needed = -(-disk_size // (self.cluster_size * self._entries))
        if needed > MAX_L1_ENTRIES:
            raise OutputFailed(file.path, f"the disk needs {needed:,} L1 entries, and QEMU takes {MAX_L1_ENTRIES:,}")
        self._l1 = np.zeros(max(1, needed), dtype=">u8")
        self._l2 = np.zeros(self._entries, dtype=">u8")
        self._slot = 0
        self._end = self.cluster_size
        self._stream_at = self._stream_end = 0
        self._shared_clusters, self._shared_counts = array("Q"), array("H")

    @property
    def size(self) -> int:
        """Bytes of the file so far."""
        return self._end

    def data(self, first: int, count: int) -> int:
        """Map guest clusters to new data clusters in a row; the host offset of the first."""
        place = self._allocate(count)
        self.data_clusters += count
        self._map(first, count, place | COPIED, self.cluster_size)
        return place

    def reference(self, first: int, count: int) -> None:
        """Map guest clusters to the same offsets of the external data file."""
        self.data_clusters += count
        self._map(first, count, first << self._bits | COPIED, self.cluster_size)

    def zero(self, first: int, count: int) -> None:
        """Guest clusters that read as zeros."""
        self._map(first, count, ZERO_FLAG, 0)

    def stream(self, cluster: int, stored: bytes) -> None:
        """A compressed cluster; its stream comes right after the last one where that is possible, as QEMU has it."""
        place = self._place_of_stream(len(stored))
        self._file.write_at(place, memoryview(stored))
        self._count_stream(place, len(stored))
        self._stream_at = place + len(stored)
        self.streams += 1
        sectors = _sectors(place, len(stored))
        self._map(cluster, 1, COMPRESSED | (sectors - 1) << compressed_offset_bits(self._bits) | place, 0)

    def write(self, host_offset: int, chunk: Chunk) -> None:
        """Bytes of data clusters; zeros are left out."""
        if not isinstance(chunk, int):
            for start, end in nonzero_runs(chunk, host_offset):
                self._file.write_at(host_offset + start, chunk[start:end])

    def finish(self) -> None:
        """Write the tables that are left, the refcounts and the header."""
        self._end_table()
        l1_offset = self._allocate(self._clusters(len(self._l1) * 8))
        self._file.write_at(l1_offset, memoryview(self._l1.tobytes()))
        table, table_clusters = self._write_refcounts()
        self._file.set_size(self._end)
        self._file.write_at(0, memoryview(self._header(l1_offset, table, table_clusters)))

    def _allocate(self, count: int) -> int:
        place, self._end = self._end, self._end + count * self.cluster_size
        if self._end > HIGHEST_OFFSET:
            raise OutputFailed(self._file.path, "the image would be larger than an offset in it can say")
        return place

    def _clusters(self, length: int) -> int:
        return -(-length // self.cluster_size)

    def _map(self, first: int, count: int, entry: int, step: int) -> None:
        """Enter clusters whose entries are `step` apart."""
        while count:
            slot, index = divmod(first, self._entries)
            if slot != self._slot:
                self._end_table()
                self._slot = slot
            some = min(count, self._entries - index)
            values = np.arange(some, dtype=np.uint64) * np.uint64(step) + np.uint64(entry)
            self._l2[index : index + some] = values
            first, count, entry = first + some, count - some, entry + some * step

    def _end_table(self) -> None:
        """Write the L2 table in hand, unless it is empty."""
        if not self._l2.any():
            return
        place = self._allocate(1)
        self._file.write_at(place, memoryview(self._l2.tobytes()))
        self._l1[self._slot] = place | COPIED
        self._l2[:] = 0
        self.tables += 1

    def _place_of_stream(self, length: int) -> int:
        """Where a stream goes: behind the last one, if the clusters there are its own or can be made longer."""
        place, most = self._stream_at, 1 << (self._bits - 8)
        full = self._shared_counts and self._shared_counts[-1] == MOST_REFERENCES
        if full or _sectors(place, length) > most:
            self._stream_end = 0
        if place + length > self._stream_end:
            if not self._stream_end or self._stream_end != self._end:
                place = self._stream_end = self._end
            count = self._clusters(place + length - self._stream_end)
            self._stream_end = self._allocate(count) + count * self.cluster_size
        if place >> compressed_offset_bits(self._bits):
            raise OutputFailed(self._file.path, "the image would be larger than an offset of a stream can say")
        return place

    def _count_stream(self, place: int, length: int) -> None:
        """One more reference for each cluster that the sectors of a stream lie in."""
        end = place - place % SECTOR_SIZE + _sectors(place, length) * SECTOR_SIZE
        for cluster in range(place >> self._bits, (end - 1 >> self._bits) + 1):
            if self._shared_clusters and self._shared_clusters[-1] == cluster:
                self._shared_counts[-1] += 1
            else:
                self._shared_clusters.append(cluster)
                self._shared_counts.append(1)

    def _write_refcounts(self) -> tuple[int, int]:
        """Host offset and clusters of the refcount table, which counts itself and its blocks."""
        per_block = self.cluster_size * 8 >> REFCOUNT_ORDER
        others = self._end >> self._bits
        blocks = table = 0
        while True:
            total = others + blocks + table
            needed = -(-total // per_block), self._clusters(-(-total // per_block) * 8)
            if needed == (blocks, table):
                break
            blocks, table = needed
        if table * self.cluster_size > MOST_REFCOUNT_TABLE_BYTES:
            raise OutputFailed(self._file.path, "the image would need a longer refcount table than QEMU takes")
        place, first = self._allocate(table), self._allocate(blocks)
        offsets = np.arange(blocks, dtype=np.uint64) * np.uint64(self.cluster_size) + np.uint64(first)
        self._file.write_at(place, memoryview(offsets.astype(">u8").tobytes()))
        for number, counts in self._blocks(total, per_block):
            self._file.write_at(first + number * self.cluster_size, memoryview(counts))
        return place, table

    def _blocks(self, total: int, per_block: int) -> Iterator[tuple[int, bytes]]:
        """Number of a refcount block, and it and some that follow; the clusters are counted in order."""
        shared: U64 = np.frombuffer(self._shared_clusters, dtype=np.uint64)
        times = np.frombuffer(self._shared_counts, dtype=np.uint16)
        step = max(1, WRITTEN_AT_ONCE // self.cluster_size)
        for number in range(0, -(-total // per_block), step):
            begin = number * per_block
            count = min(step, -(-(total - begin) // per_block)) * per_block
            counts = np.zeros(count, dtype=">u2")
            counts[: total - begin] = 1
            low, high = np.searchsorted(shared, np.array([begin, begin + count], dtype=np.uint64)).tolist()
            counts[(shared[low:high] - np.uint64(begin)).astype(np.int64)] = times[low:high]
            yield number, counts.tobytes()

    def _header(self, l1_offset: int, table: int, table_clusters: int) -> bytes:
        features = Incompatible.COMPRESSION_TYPE if self._compression_type else 0
        extensions = b""
        if self._data_file is not None:
            features |= Incompatible.EXTERNAL_DATA_FILE
            name = self._data_file
            extensions = struct.pack(">II", ExtensionType.DATA_FILE, len(name)) + name + bytes(-len(name) % 8)
        fixed = struct.pack(
            ">4sIQIIQIIQQIIQ", MAGIC, 3, 0, 0, self._bits, self._disk_size, 0, len(self._l1), l1_offset, table,
            table_clusters, 0, 0,
        )  # fmt: skip
        fixed += struct.pack(">QQQIIB7x", features, 0, 0, REFCOUNT_ORDER, PADDED_LENGTH, self._compression_type)
        header = fixed + extensions + struct.pack(">II", ExtensionType.END, 0)
        if len(header) > self.cluster_size:
            raise OutputFailed(self._file.path, "the name of the data file is too long for the header")
        return header


def _sectors(host_offset: int, length: int) -> int:
    """The sectors in which a stream lies."""
    return -(-(host_offset % SECTOR_SIZE + length) // SECTOR_SIZE)


def name_of_data_file(image: str | os.PathLike[str], data_file: str | os.PathLike[str]) -> bytes:
    """How an image names its data file: by its own name in one folder, otherwise by the whole path."""
    folder, path = os.path.dirname(os.path.realpath(image)), os.path.realpath(data_file)
    return os.fsencode(os.path.basename(path) if os.path.dirname(path) == folder else path)
