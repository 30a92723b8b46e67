"""The files of a backing chain, each one layer: where its guest bytes lie, and how they are read."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct, field

from forensic.disk.codecs import Partial, decode, salvaged
from forensic.evidence import Evidence, ReadFailed
from forensic.mapping.extents import Reason, Run, State
from forensic.untrusted import Untrusted

if TYPE_CHECKING:  # numpy is loaded where arrays are needed
    from forensic.mapping.rows import Rows

RETRY_BLOCK = 4096
"""Bytes that are given up together around a bad sector."""


class Fault(Struct, frozen=True):
    """`length` bytes from `start` of a buffer that could not be read and are zero there."""

    start: int
    length: int
    reason: Reason


def read_data(evidence: Evidence, host_offset: int, buffer: memoryview) -> list[Fault]:
    """Fill the buffer from the file; after a bad sector, everything around it that can be read."""
    try:
        evidence.read_into(host_offset, buffer)
    except ReadFailed:
        return _read_blockwise(evidence, host_offset, buffer)
    return []


def _read_blockwise(evidence: Evidence, host_offset: int, buffer: memoryview) -> list[Fault]:
    faults: list[Fault] = []
    for start in range(0, len(buffer), RETRY_BLOCK):
        block = buffer[start : start + RETRY_BLOCK]
        try:
            evidence.read_into(host_offset + start, block)
        except ReadFailed:
            block[:] = bytes(len(block))
            faults.append(Fault(start, len(block), Reason.IO_ERROR))
    return faults


class Layer(Protocol):
    """One layer of a chain; the image itself is layer 0, its backing file layer 1, and so on.

    `size` is in guest bytes. Rows are UNALLOCATED where the next layer shows through. `data_lacks` says why data
    cannot be read though it is mapped (a key or a data file was not supplied). `backing_file` is the name of the next
    layer as this one declares it (None: there is none; empty: a damaged one), `backing_format` what that is to be read
    as, `encryption` the method by which data is encrypted. `plain_data` is the file whose holes are zeros of the
    guest, or None. `decoder` reads its compressed clusters.
    """

    @property
    def size(self) -> int: ...
    @property
    def evidences(self) -> tuple[Evidence, ...]: ...
    @property
    def data_lacks(self) -> Reason: ...
    @property
    def backing_file(self) -> Untrusted | None: ...
    @property
    def backing_format(self) -> Untrusted | None: ...
    @property
    def encryption(self) -> str | None: ...
    @property
    def plain_data(self) -> Evidence | None: ...
    @property
    def decoder(self) -> ClusterDecoder: ...

    def row_batches(self, guest_start: int, guest_end: int) -> Iterator[Rows]:
        """The rows that cover a guest range within `size`."""

    def most_extents(self) -> int:
        """How many extents all distinct tables could make; more come only from tables that are used again and again."""

    def few_runs(self, guest_start: int, guest_end: int) -> Iterator[list[Run]]:
        """The same as runs, neighbours of one kind merged, as far as that is possible without arrays; maybe nothing."""

    def read_data(self, guest_offset: int, host_offset: int, buffer: memoryview) -> list[Fault]:
        """Fill the buffer with data that lies in one run."""


Cluster = bytes | bytearray | Partial | Reason
"""A decoded cluster, what could be salvaged of it, or why there is none."""


REMEMBERED_BYTES = 1 << 20


class _Remembered(threading.local):
    """The clusters that a thread decoded last, by host offset and stored length."""

    def __init__(self) -> None:
        self.clusters: OrderedDict[tuple[int, int], Cluster] = OrderedDict()


class ClusterDecoder(Struct, frozen=True):
    """Decodes the compressed clusters of one image; those are never encrypted, whatever the image is.

    Each thread keeps those that it decoded last, for a reader who takes clusters in several parts, or looks at some by
    turns.
    """

    evidence: Evidence
    compression_type: int
    cluster_size: int
    salvage: bool
    thread: _Remembered = field(default_factory=_Remembered)

    def read(self, host_offset: int, stored_length: int, skip: int, buffer: memoryview) -> list[Fault]:
        """Fill the buffer with a decoded cluster from its byte `skip` on; all zeros if it gives no whole cluster."""
        clusters, key = self.thread.clusters, (host_offset, stored_length)
        if key in clusters:
            clusters.move_to_end(key)
        else:
            try:
                clusters[key] = self._decode(self.evidence.read_at(host_offset, stored_length))
            except ReadFailed:
                return [Fault(0, len(buffer), Reason.IO_ERROR)]
            while len(clusters) > max(2, REMEMBERED_BYTES // self.cluster_size):
                clusters.popitem(last=False)
        return _put_cluster(clusters[key], skip, buffer)

    def decode_stored(self, stored: bytes, skip: int, buffer: memoryview) -> list[Fault]:
        """The same with stored bytes that were read already."""
        return _put_cluster(self._decode(stored), skip, buffer)

    def _decode(self, stored: bytes) -> Cluster:
        """One cluster; what a broken one gives before it breaks only with `salvage`."""
        found = decode(stored, self.compression_type, self.cluster_size)
        if not found.fault:
            return found.data
        reason = Reason[found.fault.upper()]
        crashed = reason == Reason.DECODER_FAILED  # in another process; here it would crash this one
        if self.salvage and not crashed and (data := salvaged(stored, self.compression_type, self.cluster_size)):
            return Partial(data, found.fault)
        return reason


def _put_cluster(cluster: Cluster, skip: int, buffer: memoryview) -> list[Fault]:
    """Fill the buffer from a decoded cluster.

    What a broken stream gives before it breaks is covered by no checksum, so it is not passed on as data; if
    it is asked for, it is in the buffer and a fault of its own says so.
    """
    if isinstance(cluster, Partial):
        there = max(0, min(len(cluster.data) - skip, len(buffer)))
        buffer[:there] = memoryview(cluster.data)[skip : skip + there]
        faults = (
            Fault(0, there, Reason.SALVAGED),
            Fault(there, len(buffer) - there, Reason[cluster.fault.upper()]),
        )
        return [fault for fault in faults if fault.length]
    if isinstance(cluster, Reason):
        return [Fault(0, len(buffer), cluster)]
    buffer[:] = memoryview(cluster)[skip : skip + len(buffer)]
    return []


class RawLayer(Struct, frozen=True):
    """A raw file: guest offsets are host offsets."""

    evidence: Evidence

    @property
    def size(self) -> int:
        """The size of the file."""
        return self.evidence.size

    @property
    def evidences(self) -> tuple[Evidence, ...]:
        """The file."""
        return (self.evidence,)

    @property
    def data_lacks(self) -> Reason:
        """Nothing."""
        return Reason.NONE

    @property
    def backing_file(self) -> Untrusted | None:
        """A raw file names nothing."""
        return None

    @property
    def backing_format(self) -> Untrusted | None:
        """Nothing."""
        return None

    @property
    def encryption(self) -> str | None:
        """None."""
        return None

    @property
    def plain_data(self) -> Evidence | None:
        """The file."""
        return self.evidence

    @property
    def decoder(self) -> ClusterDecoder:
        """A raw file holds nothing compressed. Raises `ValueError`."""
        raise ValueError("a raw file has no compressed clusters")

    def row_batches(self, guest_start: int, guest_end: int) -> Iterator[Rows]:
        """One row of data."""
        import numpy as np

        from forensic.mapping.rows import ROW

        for runs in self.few_runs(guest_start, guest_end):
            yield np.array(runs, dtype=ROW)

    def most_extents(self) -> int:
        """One."""
        return 1

    def few_runs(self, guest_start: int, guest_end: int) -> Iterator[list[Run]]:
        """One run of data."""
        if guest_start < guest_end:
            yield [(guest_start, guest_end - guest_start, guest_start, 0, State.DATA, Reason.NONE, 0, 0)]

    def read_data(self, guest_offset: int, host_offset: int, buffer: memoryview) -> list[Fault]:
        """Fill the buffer from the file."""
        return read_data(self.evidence, host_offset, buffer)
