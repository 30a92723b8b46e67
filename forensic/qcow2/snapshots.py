"""The snapshot table: one entry after the other, as far as the file holds them."""

from __future__ import annotations

from dataclasses import dataclass

from forensic.evidence import Evidence, ReadFailed
from forensic.format.qcow2 import Qcow2
from forensic.qcow2.geometry import Geometry
from forensic.structure import Structure, parse
from forensic.untrusted import Untrusted

ENTRY_HEADER_SIZE = 40
EXTRA_OFFSET = ENTRY_HEADER_SIZE
MAX_SNAPSHOTS = 65536
MAX_TABLE_BYTES = 64 << 20
MAX_ENTRY_BYTES = ENTRY_HEADER_SIZE + (1 << 20) + 2 * 0xFFFF
"""Bytes of one entry that are read: id and name at their largest, and a megabyte of extra data (QEMU allows 1 KiB)."""


@dataclass(frozen=True)
class Snapshot:
    """One entry of the snapshot table; sizes in bytes, offsets are host offsets. Specification: "Snapshots"."""

    structure: Structure
    index: int
    host_offset: int
    length: int
    l1_table_offset: int
    l1_size: int
    id: Untrusted
    name: Untrusted
    date_sec: int
    date_nsec: int
    vm_clock_nsec: int
    vm_state_size: int
    extra_data_size: int
    disk_size: int | None
    icount: int | None

    @property
    def owner(self) -> str:
        """How its tables are named in findings."""
        return f"snapshot {self.index}"


@dataclass(frozen=True)
class SnapshotTable:
    """The entries that could be read; fewer than `claimed` where the table is broken, and `missing` says why."""

    host_offset: int
    claimed: int
    snapshots: tuple[Snapshot, ...]
    missing: str | None
    geometry: Geometry
    file_size: int

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
    while len(found) < min(claimed, MAX_SNAPSHOTS):
        if offset - host_offset > MAX_TABLE_BYTES:
            missing = f"entry {len(found)} begins more than {MAX_TABLE_BYTES:,} bytes into the table"
            break
        snapshot = _read_snapshot(evidence, len(found), offset)
        if isinstance(snapshot, str):
            missing = f"entry {len(found)} at host offset {offset:#x}: {snapshot}"
            break
        found.append(snapshot)
        offset += snapshot.length
    return SnapshotTable(host_offset, claimed, tuple(found), missing, geometry, evidence.size)


def _read_snapshot(evidence: Evidence, index: int, host_offset: int) -> Snapshot | str:
    """One entry, or why it cannot be read."""
    try:
        head = evidence.read_at(host_offset, ENTRY_HEADER_SIZE)
        if len(head) < ENTRY_HEADER_SIZE:
            return "the file ends inside the entry"
        id_length, name_length = int.from_bytes(head[12:14], "big"), int.from_bytes(head[14:16], "big")
        extra_length = int.from_bytes(head[36:40], "big")
        end = ENTRY_HEADER_SIZE + extra_length + id_length + name_length
        if end > MAX_ENTRY_BYTES:
            return f"the entry claims {extra_length:,} bytes of extra data"
        data = evidence.read_at(host_offset, (end + 7) // 8 * 8)
    except ReadFailed as failure:
        return failure.reason
    if len(data) < end:
        return "the file ends inside the entry"
    return _snapshot(parse(Qcow2.Snapshot, data, host_offset, f"snapshot {index}"), index, (end + 7) // 8 * 8)


def _snapshot(structure: Structure, index: int, length: int) -> Snapshot:
    disk_size = structure.field("extra_data.disk_size")
    icount = structure.field("extra_data.icount")
    return Snapshot(
        structure=structure,
        index=index,
        host_offset=structure.host_offset,
        length=length,
        l1_table_offset=structure.integer("ofs_l1_table"),
        l1_size=structure.integer("num_l1_entries"),
        id=Untrusted(structure.raw("id")),
        name=Untrusted(structure.raw("name")),
        date_sec=structure.integer("date_sec"),
        date_nsec=structure.integer("date_nsec"),
        vm_clock_nsec=structure.integer("vm_clock_nsec"),
        vm_state_size=structure.integer("extra_data.len_vm_state_large", structure.integer("len_vm_state")),
        extra_data_size=structure.integer("len_extra_data"),
        disk_size=int(disk_size.value) if disk_size else None,
        icount=int(icount.value) if icount else None,
    )
