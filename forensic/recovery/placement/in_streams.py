"""Structures of the guest in compressed clusters: what tables without a place lead to is decoded and searched."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import numpy as np
from msgspec import Struct, field

from forensic.disk.codecs import decode
from forensic.evidence import Evidence
from forensic.files.opened_files import OpenedFiles
from forensic.qcow2.arrays import U64
from forensic.qcow2.entries import compressed_host_offset, compressed_stored_length
from forensic.recovery.accounts import Accounts, located
from forensic.recovery.anchors import find_anchors
from forensic.recovery.anchors.anchor import Anchor
from forensic.recovery.scanning import scan
from forensic.recovery.sectors import Signature, heads_of, structures_in

MOST_DECODED = 1 << 30
"""Bytes that are decoded to look for structures."""

MOST_KEPT = 32 << 20
"""Bytes of clusters with structures that are held at once."""


class Cluster(Struct, frozen=True):
    """A cluster that was decoded: the table and the index that lead to it, where its stream lies, and what it holds."""

    table: int
    index: int
    host_offset: int
    data: bytes


class Decoded(Struct):
    """The clusters in which a structure may begin, and the first of each table; of tables that were looked through."""

    tables: set[int] = field(default_factory=set)
    clusters: list[Cluster] = field(default_factory=list)
    left: int = MOST_DECODED
    room: int = MOST_KEPT


def decode_for_anchors(accounts: Accounts, tables: U64, found: Decoded) -> None:
    """Look through the streams of tables that were not looked through yet, as far as there is room."""
    new = np.array([table for table in tables.tolist() if table not in found.tables], dtype=np.uint64)
    size = accounts.geometry.cluster_size
    for cluster in _decoded(accounts, new, found):
        heads = heads_of(np.frombuffer(cluster.data, dtype=np.uint8))
        kinds = {kind for kind, _ in structures_in(heads)} - {Signature.QCOW2}
        if (kinds or not cluster.index) and found.room >= size:
            found.clusters.append(cluster)
            found.room -= size
    found.tables.update(new.tolist())


def anchors_of(clusters: Sequence[Cluster], size: int) -> Iterator[tuple[Anchor, Cluster, int]]:
    """The anchors in clusters that were decoded, the cluster of each, and how far from its begin it lies.

    They are searched as if the clusters were a file of their own, one after another.
    """
    if not clusters:
        return
    descriptor = os.memfd_create("clusters")
    opened = OpenedFiles.of_descriptor(_filled(descriptor, clusters))
    with Evidence.of_opened(opened, "compressed clusters") as evidence:
        for anchor in find_anchors(evidence, scan(evidence)):
            number, inside = divmod(anchor.host_offset, size)
            yield anchor, clusters[number], inside


def _filled(descriptor: int, clusters: Sequence[Cluster]) -> int:
    for cluster in clusters:
        os.write(descriptor, cluster.data)
    return descriptor


def _decoded(accounts: Accounts, tables: U64, found: Decoded) -> Iterator[Cluster]:
    """Every cluster that these tables lead to as a stream, and that can be decoded."""
    geometry, evidence = accounts.geometry, accounts.evidence
    for batch, good in accounts.batches(np.arange(len(tables)), tables):
        _, streams = located(batch, good)
        for row, index in zip(*(one.tolist() for one in np.nonzero(streams)), strict=True):
            if found.left < geometry.cluster_size:
                return
            found.left -= geometry.cluster_size
            entry = int(batch.entries[row, index])
            place = compressed_host_offset(entry, geometry.cluster_bits)
            stored = evidence.read_or_nothing(place, compressed_stored_length(entry, geometry.cluster_bits))
            decoded = decode(stored, geometry.compression_type, geometry.cluster_size)
            if not decoded.fault:
                yield Cluster(int(batch.host_offsets[row]), index, place, bytes(decoded.data))
