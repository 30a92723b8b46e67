"""All structures of an image in the order in which they depend on one another; each distinct table once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from forensic.qcow2.bitmaps import BitmapDirectory
from forensic.qcow2.descriptors import Descriptors
from forensic.qcow2.foreign import ForeignFile
from forensic.qcow2.geometry import Unusable
from forensic.qcow2.image import HeaderCluster, Identified, Qcow2Image
from forensic.qcow2.luks import LuksHeader
from forensic.qcow2.qcow1 import Qcow1Header, Qcow1Image
from forensic.qcow2.qcow1_tables import Qcow1L1, Qcow1L2Batch
from forensic.qcow2.qcow1_tables import read_l2_batches as read_qcow1_batches
from forensic.qcow2.snapshots import SnapshotTable
from forensic.qcow2.streams import Allowance, StreamBatch, decode_streams
from forensic.qcow2.tables import (
    L1Table,
    L2Batch,
    RefcountTable,
    read_l1,
    read_l2_batches,
    read_refcount_table,
)

Structure = (
    ForeignFile
    | Qcow1Header
    | Qcow1L1
    | Qcow1L2Batch
    | HeaderCluster
    | L1Table
    | L2Batch
    | RefcountTable
    | SnapshotTable
    | BitmapDirectory
    | LuksHeader
    | StreamBatch
)
"""What rules examine."""


def structures(image: Identified, with_streams: bool = True) -> Iterator[Structure]:
    """Header first, then what it points to, and last the compressed streams, unless they are to be left out.

    Where the header gives no geometry nothing can be located, and the header is all there is.
    """
    if isinstance(image, ForeignFile):
        yield image
        return
    if isinstance(image, Qcow1Image):
        yield from _structures_of_version_1(image)
        return
    yield image.header_cluster
    if isinstance(image.header_cluster.geometry, Unusable):
        return
    yield read_refcount_table(image.evidence, image.geometry)
    if image.header.nb_snapshots:
        yield image.snapshots
    if image.bitmaps:
        yield image.bitmaps
    if image.luks:
        yield image.luks
    tables = l1_tables(image)
    yield from tables
    descriptors = Descriptors(image.geometry, image.evidence.size)
    allowance = Allowance.for_file(image.evidence.size)
    for batch in distinct_l2_batches(image, tables):
        yield batch
        if with_streams:
            descriptors.add(batch)
            if descriptors.full:
                yield from _decoded(image, descriptors, allowance)
    yield from _decoded(image, descriptors, allowance)


def _decoded(image: Qcow2Image, descriptors: Descriptors, allowance: Allowance) -> Iterator[StreamBatch]:
    """What became of the streams gathered so far."""
    streams = descriptors.take()
    if len(streams.host_offsets):
        names = tuple(descriptors.owner_names)
        yield from decode_streams(image.evidence, image.geometry, names, streams, allowance)


def _structures_of_version_1(image: Qcow1Image) -> Iterator[Structure]:
    yield image.header
    if image.header.unusable:
        return
    yield image.l1
    indices = np.flatnonzero(image.l1.readable())
    _, first = np.unique(image.l1.entries[indices], return_index=True)
    yield from read_qcow1_batches(image.evidence, image.l1, indices[first])


def l1_tables(image: Qcow2Image) -> list[L1Table]:
    """The L1 tables of the active disk and of every snapshot; one that several share is read once, for the first."""
    snapshots = image.snapshots.snapshots if image.header.nb_snapshots else ()
    coverage = image.geometry.l1_coverage
    saved_state_end = 0
    for snapshot in snapshots:
        if snapshot.vm_state_size:
            begins = -(-(snapshot.disk_size or image.virtual_size) // coverage) * coverage
            saved_state_end = max(saved_state_end, begins + snapshot.vm_state_size)
    tables = [replace(image.l1, saved_state_end=saved_state_end)]
    seen = {(image.l1.host_offset, image.l1.claimed_entries)}
    for snapshot in snapshots:
        place = (snapshot.l1_table_offset, snapshot.l1_size)
        if place not in seen:
            seen.add(place)
            disk_size = snapshot.disk_size or image.virtual_size
            table = read_l1(image.evidence, image.geometry, snapshot.owner, *place, disk_size)
            tables.append(replace(table, saved_state_size=snapshot.vm_state_size))
    return tables


def distinct_l2_batches(image: Qcow2Image, tables: list[L1Table]) -> Iterator[L2Batch]:
    """Every L2 table that any L1 table leads to, once, in file order, named after the first that leads there.

    Reading in file order keeps the disk's head still and finds neighbours that one call can read together.
    """
    seen = np.zeros(0, dtype=np.uint64)
    for table in tables:
        indices = np.flatnonzero(table.readable())
        offsets, first = np.unique(table.l2_offsets()[indices], return_index=True)
        fresh = ~np.isin(offsets, seen)
        seen = np.concatenate([seen, offsets[fresh]])
        places = indices[first][fresh], offsets[fresh]
        for batch in read_l2_batches(image.evidence, image.geometry, table.owner, *places):
            yield replace(batch, saved_state_end=table.saved_state_end)
