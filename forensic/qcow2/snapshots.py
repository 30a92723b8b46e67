"""The snapshot table: one entry after the other, as far as the file holds them."""

from __future__ import annotations

import struct
from functools import cached_property

from msgspec import Struct

from forensic.evidence import Evidence, ReadFailed
from forensic.format.qcow2 import Qcow2
from forensic.qcow2.geometry import Geometry
from forensic.structure import Structure, parse
from forensic.untrusted import Untrusted

ENTRY_HEADER = struct.Struct(">QIHHIIQII")
ENTRY_HEADER_SIZE = ENTRY_HEADER.size
EXTRA_OFFSET = ENTRY_HEADER_SIZE
KNOWN_EXTRA_BYTES = 24
FIELD_PLACES = {
    "len_id": (12, 2),
    "len_name": (14, 2),
    "date_nsec": (20, 4),
    "len_vm_state": (32, 4),
    "len_extra_data": (36, 4),
    "extra_data.len_vm_state_large": (40, 8),
    "extra_data.disk_size": (48, 8),
    "extra_data.icount": (56, 8),
}
"""Where the fields lie in an entry whose place rules name: offset and length."""

ICOUNT_OFF = (1 << 64) - 1
"""What QEMU writes where the guest's instructions were not counted."""

MAX_SNAPSHOTS = 65536
MAX_TABLE_BYTES = 64 << 20
MAX_ENTRY_BYTES = ENTRY_HEADER_SIZE + (1 << 20) + 2 * 0xFFFF
"""Bytes of one entry that are read: id and name at their largest, and a megabyte of extra data (QEMU allows 1 KiB)."""


class Snapshot(Struct, frozen=True, dict=True):
    """One entry of the snapshot table; sizes in bytes, offsets are host offsets. Specification: "Snapshots".

    `data` is the entry as it stands in the file, with its padding as far as the file holds it.
    """

    data: bytes
    index: int
    host_offset: int
    length: int
    l1_table_offset: int
    l1_size: int
    id_length: int
    name_length: int
    date_sec: int
    date_nsec: int
    vm_clock_nsec: int
    vm_state_size: int
    extra_data_size: int
    disk_size: int | None
    icount: int | None

    @property
    def id(self) -> Untrusted:
        """The unique ID string."""
        texts = EXTRA_OFFSET + self.extra_data_size
        return Untrusted(self.data[texts : texts + self.id_length])

    @property
    def name(self) -> Untrusted:
        """The name; cut out of the entry when it is asked for, since thousands of names may have 64 KiB each."""
        begin = EXTRA_OFFSET + self.extra_data_size + self.id_length
        return Untrusted(self.data[begin : begin + self.name_length])

    @property
    def owner(self) -> str:
        """How its tables are named in findings."""
        return f"snapshot {self.index}"

    @property
    def unknown_extra_data(self) -> bytes:
        """Extra data after the fields that the specification defines."""
        return self.data[EXTRA_OFFSET + KNOWN_EXTRA_BYTES : EXTRA_OFFSET + self.extra_data_size]

    def place(self, name: str) -> tuple[int, int] | None:
        """Host offset and length of a field by its name in the `.ksy`; None if the entry has no such field."""
        texts = EXTRA_OFFSET + self.extra_data_size
        begin, length = {
            **FIELD_PLACES,
            "extra_data.unknown": (EXTRA_OFFSET + KNOWN_EXTRA_BYTES, len(self.unknown_extra_data)),
            "id": (texts, self.id_length),
            "name": (texts + self.id_length, self.name_length),
        }[name]
        there = not name.startswith("extra_data.") or begin + length <= texts
        return (self.host_offset + begin, length) if there and length else None

    @cached_property
    def structure(self) -> Structure:
        """The entry with its fields; parsed when it is asked for, since a bomb has 65536 entries."""
        return parse(Qcow2.Snapshot, self.data, self.host_offset, f"snapshot {self.index}")


class SnapshotTable(Struct, frozen=True):
    """The entries that could be read; fewer than `claimed` where the table is broken, and `missing` says why.

    `unread` says that it is the medium that is broken.
    """

    host_offset: int
    claimed: int
    snapshots: tuple[Snapshot, ...]
    missing: str | None
    geometry: Geometry
    file_size: int
    disk_usage: int
    unread: bool = False

    @property
    def cluster_size(self) -> int:
        """Bytes of a cluster."""
        return self.geometry.cluster_size

    @property
    def end_offset(self) -> int:
        """The host offset after the last entry that was read."""
        last = self.snapshots[-1] if self.snapshots else None
        return last.host_offset + last.length if last else self.host_offset


def read_snapshots(evidence: Evidence, host_offset: int, claimed: int, geometry: Geometry) -> SnapshotTable:
    """Read the snapshot table, bounded by the file, by QEMU's 65536 entries and by 64 MiB."""
    found: list[Snapshot] = []
    missing = None
    offset = host_offset
    unread = False
    while len(found) < min(claimed, MAX_SNAPSHOTS):
        if offset - host_offset > MAX_TABLE_BYTES:
            missing = f"entry {len(found)} begins more than {MAX_TABLE_BYTES:,} bytes into the table"
            break
        try:
            snapshot = _read_snapshot(evidence, len(found), offset)
        except ReadFailed as failure:
            snapshot, unread = failure.reason, True
        if isinstance(snapshot, str):
            missing = f"entry {len(found)} at host offset {offset:#x}: {snapshot}"
            break
        found.append(snapshot)
        offset += snapshot.length
    return SnapshotTable(
        host_offset, claimed, tuple(found), missing, geometry, evidence.size, evidence.disk_usage, unread
    )


def _read_snapshot(evidence: Evidence, index: int, host_offset: int) -> Snapshot | str:
    """One entry, or why there is none. Raises `ReadFailed`."""
    head = evidence.read_at(host_offset, ENTRY_HEADER_SIZE)
    if len(head) < ENTRY_HEADER_SIZE:
        return "the file ends inside the entry"
    id_length, name_length = int.from_bytes(head[12:14], "big"), int.from_bytes(head[14:16], "big")
    extra_length = int.from_bytes(head[36:40], "big")
    end = ENTRY_HEADER_SIZE + extra_length + id_length + name_length
    if end > MAX_ENTRY_BYTES:
        return f"the entry claims {extra_length:,} bytes of extra data"
    data = evidence.read_at(host_offset, (end + 7) // 8 * 8)
    if len(data) < end:
        return "the file ends inside the entry"
    return _snapshot(data, index, host_offset)


def _snapshot(data: bytes, index: int, host_offset: int) -> Snapshot:
    l1_table_offset, l1_size, id_length, name_length, *rest = ENTRY_HEADER.unpack_from(data)
    date_sec, date_nsec, vm_clock_nsec, vm_state_size, extra_data_size = rest
    extra = [
        int.from_bytes(data[EXTRA_OFFSET + start : EXTRA_OFFSET + start + 8], "big")
        if start + 8 <= extra_data_size
        else None
        for start in (0, 8, 16)
    ]
    texts = EXTRA_OFFSET + extra_data_size
    return Snapshot(
        data=data,
        index=index,
        host_offset=host_offset,
        length=(texts + id_length + name_length + 7) // 8 * 8,
        l1_table_offset=l1_table_offset,
        l1_size=l1_size,
        id_length=id_length,
        name_length=name_length,
        date_sec=date_sec,
        date_nsec=date_nsec,
        vm_clock_nsec=vm_clock_nsec,
        vm_state_size=vm_state_size if extra[0] is None else extra[0],
        extra_data_size=extra_data_size,
        disk_size=extra[1],
        icount=None if extra[2] == ICOUNT_OFF else extra[2],
    )
