"""A disk in clusters of 512 bytes, each with its place, as `qemu-img create -o preallocation=metadata` writes it."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np

CLUSTER = 512
L2_ENTRIES = CLUSTER // 8
REFCOUNTS = CLUSTER // 2
"""Refcounts of 16 bits in a block."""

COPIED = 1 << 63
HEADER_BYTES = 104


def write(path: Path, virtual_size: int) -> None:
    """Write the image; its data is a hole. `virtual_size`, in bytes, is a multiple of 32 KiB, which one table maps."""
    data = virtual_size // CLUSTER
    l2_tables = data // L2_ENTRIES
    l1_clusters = -(-l2_tables // L2_ENTRIES)
    blocks = table_clusters = 0
    while True:  # refcount blocks count themselves as well
        total = 1 + table_clusters + blocks + l1_clusters + l2_tables + data
        needed = -(-total // REFCOUNTS)
        if needed == blocks:
            break
        blocks, table_clusters = needed, -(-needed // L2_ENTRIES)
    first_block = 1 + table_clusters
    first_l1 = first_block + blocks
    first_l2 = first_l1 + l1_clusters
    places = (first_l1 * CLUSTER, CLUSTER, table_clusters)
    with path.open("wb") as image:
        image.write(_header(virtual_size, l2_tables, *places))
        image.seek(CLUSTER)
        image.write(_offsets(first_block, blocks).tobytes())
        image.seek(first_block * CLUSTER)
        image.write(np.ones(total, ">u2").tobytes())
        image.seek(first_l1 * CLUSTER)
        image.write((_offsets(first_l2, l2_tables) | COPIED).tobytes())
        image.seek(first_l2 * CLUSTER)
        image.write((_offsets(first_l2 + l2_tables, data) | COPIED).tobytes())
        image.truncate(total * CLUSTER)


def _offsets(first: int, count: int) -> np.ndarray:
    """Host offsets of so many clusters that follow one another."""
    return ((np.arange(count, dtype=np.uint64) + np.uint64(first)) * np.uint64(CLUSTER)).astype(">u8")


def _header(virtual_size: int, l1_entries: int, l1_offset: int, table_offset: int, table_clusters: int) -> bytes:
    """Version 3, without snapshots, extensions or features."""
    version_2 = struct.pack(
        ">4sIQIIQIIQQIIQ",
        b"QFI\xfb", 3, 0, 0, CLUSTER.bit_length() - 1, virtual_size, 0, l1_entries, l1_offset, table_offset,
        table_clusters, 0, 0,
    )  # fmt: skip
    return version_2 + struct.pack(">QQQII", 0, 0, 0, 4, HEADER_BYTES)


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]))
