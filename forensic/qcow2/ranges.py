"""Which ranges of the file the structures that were read lead to, for the map of a report."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from forensic.qcow2.entries import U64
from forensic.qcow2.foreign import ForeignFile
from forensic.qcow2.geometry import L1_ENTRY_SIZE, Geometry
from forensic.qcow2.image import Qcow2Image
from forensic.qcow2.mapping import State
from forensic.qcow2.tables import RefcountTable, read_refcount_table
from forensic.qcow2.walk import distinct_l2_batches, l1_tables

HostRange = tuple[int, int, str]
"""Host offset, length in bytes, kind."""

MAX_DATA_RANGES = 1 << 20
"""Ranges of guest data that are given; a map cannot show more, and an image could have a billion."""


def known_ranges(image: Qcow2Image | ForeignFile) -> Iterator[HostRange]:
    """The ranges of the header, the tables and the active disk's data; none where the header gives no geometry."""
    if isinstance(image, ForeignFile) or not isinstance(image.header_cluster.geometry, Geometry):
        return
    geometry = image.header_cluster.geometry
    yield 0, geometry.cluster_size, "header"
    yield from _refcount_ranges(read_refcount_table(image.evidence, geometry), geometry)
    yield from _single_structures(image)
    tables = l1_tables(image)
    for table in tables:
        yield table.host_offset, len(table.entries) * L1_ENTRY_SIZE, "L1 table"
    for batch in distinct_l2_batches(image, tables):
        yield from _clusters(batch.host_offsets, geometry.cluster_size, "L2 table")
    if not geometry.external_data_file:
        yield from _data_ranges(image)


def _refcount_ranges(table: RefcountTable, geometry: Geometry) -> Iterator[HostRange]:
    yield table.host_offset, table.claimed_entries * 8, "refcounts"
    yield from _clusters(table.block_offsets()[table.readable()], geometry.cluster_size, "refcounts")


def _single_structures(image: Qcow2Image) -> Iterator[HostRange]:
    if image.header.nb_snapshots:
        snapshots = image.snapshots
        yield snapshots.host_offset, snapshots.end_offset - snapshots.host_offset, "snapshot table"
    if image.bitmaps:
        yield image.bitmaps.host_offset, image.bitmaps.size, "bitmaps"
        for bitmap in image.bitmaps.bitmaps:
            yield bitmap.table_offset, bitmap.table_size * 8, "bitmaps"
    if image.luks:
        yield image.luks.host_offset, image.luks.length, "LUKS header"


def _clusters(host_offsets: U64, cluster_size: int, kind: str) -> Iterator[HostRange]:
    """Clusters of one kind, neighbours as one range."""
    offsets = np.unique(host_offsets)
    breaks = (np.flatnonzero(np.diff(offsets) != cluster_size) + 1).tolist()
    for first, end in pairwise([0, *breaks, len(offsets)] if len(offsets) else []):
        yield int(offsets[first]), (end - first) * cluster_size, kind


def _data_ranges(image: Qcow2Image) -> Iterator[HostRange]:
    given = 0
    for rows in image.row_batches():
        stored = rows[(rows["state"] == State.DATA) | (rows["state"] == State.COMPRESSED)]
        for host_offset, length, stored_length, state in stored[
            ["host_offset", "length", "stored_length", "state"]
        ].tolist():
            compressed = state == State.COMPRESSED
            yield host_offset, stored_length if compressed else length, "compressed" if compressed else "data"
        reserved = rows[rows["state"] == State.ZERO_ALLOCATED]
        for host_offset, length in reserved[["host_offset", "length"]].tolist():
            yield host_offset, length, "zeroed"
        given += len(stored) + len(reserved)
        if given > MAX_DATA_RANGES:
            return
