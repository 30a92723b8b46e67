"""The files of a backing chain, each one level: where its guest bytes lie, and how they are read."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct, field

from forensic.evidence import Evidence, ReadFailed
from forensic.qcow2.codecs import Partial, decode, salvaged
from forensic.qcow2.content import Fault, read_data
from forensic.qcow2.extensions import ExtensionType
from forensic.qcow2.few_entries import few_runs
from forensic.qcow2.header import CryptMethod
from forensic.qcow2.image import Qcow2Image
from forensic.qcow2.states import Reason, Run, State
from forensic.untrusted import Untrusted

if TYPE_CHECKING:  # cryptography is loaded for encrypted images alone, numpy for those that need arrays
    from forensic.qcow2.crypto import SectorCipher
    from forensic.qcow2.mapping import Rows
    from forensic.qcow2.planned import Planned
    from forensic.qcow2.tables import L1Table


class Level(Protocol):
    """One level of a chain; the image itself is level 0, its backing file level 1, and so on.

    `size` is in guest bytes. Rows are UNALLOCATED where the next level shows through. `data_lacks` says why data
    cannot be read though it is mapped (a key or a data file was not supplied). `backing_file` is the name of the next
    level as this one declares it (None: there is none; empty: a damaged one), `backing_format` what that is to be read
    as, `encryption` the method by which data is encrypted. `plain_data` is the file whose holes are zeros of the
    guest, or None.
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

    def row_batches(self, guest_start: int, guest_end: int) -> Iterator[Rows]:
        """The rows that cover a guest range within `size`."""

    def most_extents(self) -> int:
        """How many extents all distinct tables could make; more come only from tables that are used again and again."""

    def few_runs(self, guest_start: int, guest_end: int) -> Iterator[list[Run]]:
        """The same as runs, neighbours of one kind merged, as far as that can be had without arrays; maybe nothing."""

    def read_data(self, guest_offset: int, host_offset: int, buffer: memoryview) -> list[Fault]:
        """Fill the buffer with data that lies in one run."""

    def read_compressed(self, host_offset: int, stored_length: int, skip: int, buffer: memoryview) -> list[Fault]:
        """Fill the buffer with a decoded cluster from its byte `skip` on; all zeros if it gives no whole cluster."""

    def decode_stored(self, stored: bytes, skip: int, buffer: memoryview) -> list[Fault]:
        """The same with stored bytes that were read already."""


Cluster = bytes | bytearray | Partial | Reason
"""A decoded cluster, what could be salvaged of it, or why there is none."""


def decoded_cluster(stored: bytes, compression_type: int, cluster_size: int, salvage: bool) -> Cluster:
    """Decode one compressed cluster; what a broken one gives before it breaks only with `salvage`."""
    found = decode(stored, compression_type, cluster_size)
    if not found.fault:
        return found.data
    if salvage and (data := salvaged(stored, compression_type, cluster_size)):
        return Partial(data, found.fault)
    return Reason[found.fault.upper()]


class LastDecoded(Struct, frozen=True):
    """The cluster that a thread decoded last, for a reader who takes a cluster in several parts."""

    thread: threading.local = field(default_factory=threading.local)

    def cluster(
        self,
        evidence: Evidence,
        host_offset: int,
        stored_length: int,
        decoder: Callable[[bytes], Cluster],
    ) -> Cluster:
        """The decoded cluster, or why there is none."""
        key = (host_offset, stored_length)
        if getattr(self.thread, "key", None) != key:
            try:
                self.thread.cluster = decoder(evidence.read_at(host_offset, stored_length))
            except ReadFailed:
                return Reason.IO_ERROR
            self.thread.key = key
        cluster: Cluster = self.thread.cluster
        return cluster


def put_cluster(cluster: Cluster, skip: int, buffer: memoryview) -> list[Fault]:
    """Fill the buffer from a decoded cluster.

    What a broken stream gives before it breaks is not vouched for by any checksum, so it is not passed on as data; if
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


class L1Place(Struct, frozen=True):
    """Where an L1 table lies, whose it is, how many entries it claims, and the size of its disk in bytes."""

    owner: str
    host_offset: int
    entry_count: int
    disk_size: int


def active_l1(image: Qcow2Image) -> L1Place:
    """The place of the L1 table of the active disk. Raises `Unsupported` where the header gives no geometry."""
    geometry = image.geometry
    return L1Place("active", geometry.l1_table_offset, geometry.l1_entry_count, geometry.virtual_size)


class Qcow2Level(Struct, frozen=True, dict=True):
    """A qcow2 image read through one of its L1 tables.

    The disk begins at guest offset `base` of the table: 0, but for a saved machine state, which lies behind the disk.
    Encrypted data is decrypted with `cipher`, or given as it is stored if `as_stored` asks for that. With `salvage` a
    compressed cluster that breaks is given as far as it can be decoded.
    """

    image: Qcow2Image
    l1_place: L1Place
    size: int
    base: int = 0
    data_file: Evidence | None = None
    cipher: SectorCipher | None = None
    as_stored: bool = False
    decoded: LastDecoded = field(default_factory=LastDecoded)
    salvage: bool = False

    @cached_property
    def l1(self) -> L1Table:
        """The L1 table."""
        from forensic.qcow2.tables import believed_l1, read_l1

        place = self.l1_place
        evidence, geometry = self.image.evidence, self.image.geometry
        if self.planned:
            return self.planned.l1(geometry, evidence.size)
        return believed_l1(
            read_l1(evidence, geometry, place.owner, place.host_offset, place.entry_count, place.disk_size)
        )

    @property
    def planned(self) -> Planned | None:
        """The recovery plan that this level is read by; it says nothing about snapshots."""
        return self.image.planned if self.l1_place.owner == "active" else None

    @property
    def evidences(self) -> tuple[Evidence, ...]:
        """The image, and its data file if there is one."""
        return (self.image.evidence, self.data_file) if self.data_file else (self.image.evidence,)

    @property
    def data_lacks(self) -> Reason:
        """What is missing for reading data."""
        geometry = self.image.geometry
        if geometry.external_data_file and self.data_file is None:
            return Reason.DATA_FILE_NOT_SUPPLIED
        locked = self.image.encrypted and self.cipher is None and not self.as_stored
        return Reason.KEY_NOT_SUPPLIED if locked else Reason.NONE

    @property
    def backing_file(self) -> Untrusted | None:
        """The declared backing file, empty where its name is damaged; past the end of the disk it says nothing."""
        return (self.image.backing_file or Untrusted(b"")) if self.image.has_backing_file and not self.base else None

    @property
    def backing_format(self) -> Untrusted | None:
        """The declared format of the backing file."""
        return self.image.header_cluster.extensions.text(ExtensionType.BACKING_FORMAT)

    @property
    def encryption(self) -> str | None:
        """`aes` or `luks`."""
        return CryptMethod(self.image.header.crypt_method).name.lower() if self.image.encrypted else None

    @property
    def plain_data(self) -> Evidence | None:
        """The file that holds the data, if it is not encrypted."""
        return None if self.cipher else self._data

    @property
    def _data(self) -> Evidence:
        return self.data_file or self.image.evidence

    def row_batches(self, guest_start: int, guest_end: int) -> Iterator[Rows]:
        """The rows of the L1 table."""
        from forensic.qcow2.mapping import row_batches

        data_size = self.data_file.size if self.data_file else None
        start, end = guest_start + self.base, guest_end + self.base
        for rows in row_batches(self.image.evidence, self.l1, start, end, data_size):
            rows["guest_offset"] -= self.base
            yield self.planned.marked(rows) if self.planned else rows

    def most_extents(self) -> int:
        """One for each entry and subcluster of a distinct L2 table, one for each L1 entry."""
        from forensic.qcow2.mapping import most_extents

        return most_extents(self.image.evidence, self.l1)

    def few_runs(self, guest_start: int, guest_end: int) -> Iterator[list[Run]]:
        """The runs of an L1 table that begins with the disk, up to the first entry that needs a closer look."""
        place = self.l1_place
        if not self.base and not self.planned:
            yield from few_runs(
                self.image.evidence,
                self.image.geometry,
                place.host_offset,
                place.entry_count,
                guest_start,
                guest_end,
            )

    def read_data(self, guest_offset: int, host_offset: int, buffer: memoryview) -> list[Fault]:
        """Fill the buffer from the file that holds the data."""
        if self.cipher is None:
            return read_data(self._data, host_offset, buffer)
        from forensic.qcow2.crypto import read_encrypted

        return read_encrypted(self._data, self.cipher, guest_offset + self.base, host_offset, buffer)

    def read_compressed(self, host_offset: int, stored_length: int, skip: int, buffer: memoryview) -> list[Fault]:
        """Fill the buffer from a compressed cluster; those are never encrypted, whatever the image is."""
        cluster = self.decoded.cluster(self.image.evidence, host_offset, stored_length, self._decode)
        return put_cluster(cluster, skip, buffer)

    def decode_stored(self, stored: bytes, skip: int, buffer: memoryview) -> list[Fault]:
        """The same with stored bytes that were read already."""
        return put_cluster(self._decode(stored), skip, buffer)

    def _decode(self, stored: bytes) -> Cluster:
        geometry = self.image.geometry
        return decoded_cluster(stored, geometry.compression_type, geometry.cluster_size, self.salvage)


class RawLevel(Struct, frozen=True):
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

    def row_batches(self, guest_start: int, guest_end: int) -> Iterator[Rows]:
        """One row of data."""
        import numpy as np

        from forensic.qcow2.mapping import ROW

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

    def read_compressed(self, host_offset: int, stored_length: int, skip: int, buffer: memoryview) -> list[Fault]:
        """A raw file holds nothing compressed. Raises `ValueError`."""
        raise ValueError("a raw file has no compressed clusters")

    def decode_stored(self, stored: bytes, skip: int, buffer: memoryview) -> list[Fault]:
        """The same. Raises `ValueError`."""
        raise ValueError("a raw file has no compressed clusters")
