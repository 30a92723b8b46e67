"""The start of counting: a window of the file in which the metadata of an image is counted, and no guest data yet."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from forensic.accounting.cluster_counts import ClusterCounts
from forensic.accounting.owners import ClusterOwners
from forensic.accounting.table_sets import TABLES_AT_ONCE
from forensic.qcow2.arrays import I64, U64


def counted_window(
    cluster_owners: ClusterOwners, first: int, end: int, l2_offsets: U64, l2_references: I64
) -> ClusterCounts:
    """A window in which the metadata of the image is counted already."""
    window = ClusterCounts(first, end, len(cluster_owners.sets.sets))
    size, bits = cluster_owners.active.geometry.cluster_size, np.uint64(cluster_owners.active.geometry.cluster_bits)
    for owned in cluster_owners.metadata.single:
        window.add_range(owned.host_offset // size, -(-(owned.host_offset + owned.length) // size))
    for part in _parts_of_window(window, l2_offsets, size):
        window.add_metadata(l2_offsets[part] >> bits, l2_references[part])
    window.add_metadata(cluster_owners.metadata.refcount_blocks >> bits)
    window.add_metadata(cluster_owners.metadata.bitmap_data >> bits, cluster_owners.metadata.bitmap_references)
    active = cluster_owners.sets.sets[0]
    if active.copied is not None:
        for part in _parts_of_window(window, active.host_offsets, size):
            window.mark_l2_tables(active.host_offsets[part] >> bits, active.copied[part])
    return window


def _parts_of_window(window: ClusterCounts, host_offsets: U64, cluster_size: int) -> Iterator[slice]:
    """Where tables in file order, each of which is there once, lie in a window; some at a time, of millions."""
    ends = np.array([window.first * cluster_size, window.end * cluster_size], dtype=np.uint64)
    begin, stop = np.searchsorted(host_offsets, ends).tolist()
    for first in range(begin, stop, TABLES_AT_ONCE):
        yield slice(first, min(first + TABLES_AT_ONCE, stop))
