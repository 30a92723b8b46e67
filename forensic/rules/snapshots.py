"""Rules about internal snapshots: the table and the L1 tables its entries point to."""

from __future__ import annotations

from collections.abc import Iterator

from forensic.finding import FindingClass, Problem, Severity, host_range
from forensic.numbers import NANOSECONDS, counted
from forensic.qcow2.geometry import L1_ENTRY_SIZE, MAX_L1_ENTRIES, Geometry
from forensic.qcow2.metadata import HeaderCluster
from forensic.qcow2.snapshots import MAX_SNAPSHOTS, SnapshotTable
from forensic.rules.places import at_snapshot_l1, in_snapshot
from forensic.rules.registry import rule

REQUIRED_EXTRA_BYTES = 16
"""Extra data that version 3 requires: the sizes of the saved state and of the disk."""

MAX_EXTRA_BYTES = 1024


@rule(SnapshotTable, Severity.INFO, FindingClass.INFO)
def snapshots_present(table: SnapshotTable) -> Iterator[Problem]:
    """The image holds internal snapshots.

    Why: each is another state of the disk; the image holds more than the active disk.
    Spec: Snapshots
    QEMU: lists them with `snapshot -l`.
    Next: extract them as well.
    """
    for snapshot in table.snapshots:
        yield Problem(
            f'snapshot {snapshot.index} has the id "{snapshot.id}" and the name "{snapshot.name}"',
            (host_range(snapshot.host_offset, snapshot.length),),
            f"snapshots[{snapshot.index}]",
        )


@rule(SnapshotTable, Severity.CRITICAL, FindingClass.CORRUPTION)
def snapshot_count_too_large(table: SnapshotTable) -> Iterator[Problem]:
    """The header claims more snapshots than 65536.

    Why: older readers allocated what a header claims (CVE-2014-0144); entries past the limit are not examined.
    Spec: Header, bytes 60-63 (the limit is QEMU's)
    QEMU: refuses the image.
    Next: count the entries that the table really holds.
    """
    if table.claimed > MAX_SNAPSHOTS:
        yield Problem(f"nb_snapshots is {table.claimed:,}, more than {MAX_SNAPSHOTS:,}", (host_range(60, 4),), "header")


LARGEST_OFFSET = (1 << 63) - 1
"""The last host offset that QEMU, and any system, can seek to."""


@rule(HeaderCluster, Severity.MEDIUM, FindingClass.SPEC_VIOLATION)
def snapshot_offset_without_snapshots(cluster: HeaderCluster) -> Iterator[Problem]:
    """The header gives an impossible location for a snapshot table, though it counts no snapshots.

    Why: one of the two fields is damaged: QEMU sets both to 0 when the last snapshot is deleted. No table can begin off
    a cluster boundary, nor from host offset 2^63 on.
    Spec: Header, bytes 60-71
    QEMU: its check gives up on the image.
    Next: see whether snapshot table entries lie on the cluster boundaries nearby.
    """
    header, geometry = cluster.header, cluster.geometry
    if not isinstance(geometry, Geometry) or header.nb_snapshots:
        return
    if header.snapshots_offset % geometry.cluster_size or header.snapshots_offset > LARGEST_OFFSET:
        yield Problem(
            f"nb_snapshots is 0, snapshots_offset is {header.snapshots_offset:#x}", (host_range(60, 12),), "header"
        )


@rule(SnapshotTable, Severity.CRITICAL, FindingClass.CORRUPTION)
def snapshot_table_unaligned(table: SnapshotTable) -> Iterator[Problem]:
    """The snapshot table does not begin on a cluster boundary.

    Why: the offset is damaged; the table is read from where it points, which may not be a table at all.
    Spec: Header, bytes 64-71
    QEMU: refuses the image.
    Next: look for a table on the cluster boundaries nearby.
    """
    if table.host_offset % table.cluster_size:
        yield Problem(
            f"snapshots_offset is {table.host_offset:#x}, not a multiple of the {table.cluster_size:#x}-byte cluster",
            (host_range(64, 8),),
            "header",
        )


@rule(SnapshotTable, Severity.HIGH, FindingClass.CORRUPTION)
def snapshot_table_outside_file(table: SnapshotTable) -> Iterator[Problem]:
    """The snapshot table cannot be read to its end.

    Why: the entries that are missing are snapshots whose data cannot be located.
    Spec: Snapshots
    QEMU: reads missing bytes as zeros and makes empty snapshots of them.
    Next: look for the rest of the file.
    """
    if table.missing and not table.unread:
        yield Problem(
            f"{len(table.snapshots):,} of {counted(table.claimed, 'entry', 'entries')} could be read: {table.missing}",
            (host_range(table.host_offset, table.end_offset - table.host_offset),),
            "snapshots",
        )


@rule(SnapshotTable, Severity.HIGH, FindingClass.CORRUPTION)
def snapshot_l1_unaligned(table: SnapshotTable) -> Iterator[Problem]:
    """The L1 table of a snapshot does not begin on a cluster boundary.

    Why: the offset is damaged; the snapshot is read from where it points, which may not be a table at all.
    Spec: Snapshots, bytes 0-7 of an entry
    QEMU: check reports it; the active disk and other snapshots keep working.
    Next: look for a table on the cluster boundaries nearby.
    """
    for snapshot in table.snapshots:
        if snapshot.l1_table_offset % table.cluster_size:
            yield at_snapshot_l1(
                snapshot,
                f"L1 table offset {snapshot.l1_table_offset:#x} is not a multiple of the "
                f"{table.cluster_size:#x}-byte cluster",
            )


@rule(SnapshotTable, Severity.HIGH, FindingClass.CORRUPTION)
def snapshot_l1_outside_file(table: SnapshotTable) -> Iterator[Problem]:
    """The L1 table of a snapshot reaches past the end of the file.

    Why: what it should map is absent, not zero.
    Spec: Snapshots, bytes 0-11 of an entry
    QEMU: check reports it; converting the snapshot gives zeros and returns 0.
    Next: look for the rest of the file.
    """
    for snapshot in table.snapshots:
        end = snapshot.l1_table_offset + snapshot.l1_size * L1_ENTRY_SIZE
        if 0 < snapshot.l1_size <= MAX_L1_ENTRIES and end > table.file_size:
            yield at_snapshot_l1(
                snapshot,
                f"the L1 table at host offset {snapshot.l1_table_offset:#x} ends at {end:#x}, the file at "
                f"{table.file_size:#x}",
            )


@rule(SnapshotTable, Severity.HIGH, FindingClass.CORRUPTION)
def snapshot_l1_too_large(table: SnapshotTable) -> Iterator[Problem]:
    """The L1 table of a snapshot is larger than 32 MiB.

    Why: older readers allocated what an entry claims (CVE-2014-0143) or copied it into a smaller buffer
    (CVE-2014-0145); only the first 32 MiB are examined here.
    Spec: Snapshots, bytes 8-11 of an entry (the limit is QEMU's)
    QEMU: check reports it; converting the snapshot fails.
    Next: compare with what the snapshot's disk size needs.
    """
    for snapshot in table.snapshots:
        if snapshot.l1_size > MAX_L1_ENTRIES:
            yield at_snapshot_l1(
                snapshot, f"the L1 table has {snapshot.l1_size:,} entries, more than {MAX_L1_ENTRIES:,}"
            )


@rule(SnapshotTable, Severity.CRITICAL, FindingClass.CORRUPTION)
def snapshot_table_in_header(table: SnapshotTable) -> Iterator[Problem]:
    """The header counts snapshots but gives no location for their table.

    Why: the table is lost; at offset 0 there is the header, which is not read as a table here.
    Spec: Header, bytes 60-71
    QEMU: reads the header as snapshots; check reports the resulting nonsense, convert ignores them.
    Next: search the unreferenced clusters for the table: its entries hold names and dates.
    """
    if not table.host_offset:
        yield Problem(f"nb_snapshots is {table.claimed:,}, snapshots_offset is 0", (host_range(60, 12),), "header")


@rule(SnapshotTable, Severity.HIGH, FindingClass.CORRUPTION)
def snapshots_with_data_file(table: SnapshotTable) -> Iterator[Problem]:
    """The image has internal snapshots and an external data file.

    Why: clusters of a data file are not counted, so a snapshot cannot preserve any: it shows the active disk.
    Spec: Header, incompatible feature bit 2
    QEMU: check reports a corruption for each cluster that is shared.
    Next: do not rely on a snapshot's data of this image.
    """
    if table.geometry.external_data_file:
        yield Problem(
            f"nb_snapshots is {table.claimed:,}, and incompatible feature bit 2 is set", (host_range(60, 4),), "header"
        )


@rule(SnapshotTable, Severity.MEDIUM, FindingClass.CORRUPTION)
def snapshot_extra_data_short(table: SnapshotTable) -> Iterator[Problem]:
    """A snapshot of a version 3 image has less extra data than version 3 requires.

    Why: the size of its disk is not recorded, and may differ from the one in the header.
    Spec: Snapshots, bytes 36-39 of an entry
    QEMU: check reports it as incomplete; its repair rewrites the table.
    Next: the snapshot's L1 table says how large its disk can be.
    """
    for snapshot in table.snapshots:
        if table.geometry.version >= 3 and snapshot.extra_data_size < REQUIRED_EXTRA_BYTES:
            text = f"{snapshot.extra_data_size} bytes of extra data, expected at least {REQUIRED_EXTRA_BYTES}"
            yield in_snapshot(snapshot, text, "len_extra_data")


@rule(SnapshotTable, Severity.CRITICAL, FindingClass.CORRUPTION)
def snapshot_extra_data_too_large(table: SnapshotTable) -> Iterator[Problem]:
    """A snapshot has more extra data than QEMU takes.

    Why: no known extra data is this long; consistent with hidden data, or with a damaged length that shifts all that
    follows.
    Spec: Snapshots, bytes 36-39 of an entry (the limit is QEMU's)
    QEMU: refuses the image; its repair would cut the extra data off.
    Next: examine the bytes; never repair the original.
    """
    for snapshot in table.snapshots:
        if snapshot.extra_data_size > MAX_EXTRA_BYTES:
            text = f"{snapshot.extra_data_size:,} bytes of extra data, expected at most {MAX_EXTRA_BYTES:,}"
            yield in_snapshot(snapshot, text, "len_extra_data")


@rule(SnapshotTable, Severity.MEDIUM, FindingClass.HIDDEN_DATA)
def snapshot_extra_data_unknown(table: SnapshotTable) -> Iterator[Problem]:
    """The extra data of a snapshot holds more than any known field.

    Why: it comes from a newer format, or it holds something that no tool shows.
    Spec: Snapshots, extra data
    QEMU: keeps the bytes and reports nothing.
    Next: examine the bytes.
    """
    for snapshot in table.snapshots:
        unknown = snapshot.unknown_extra_data
        if any(unknown):
            text = f"{len(unknown):,} bytes of extra data belong to no known field: {unknown[:16].hex(' ')}"
            yield in_snapshot(snapshot, text, "extra_data.unknown")


@rule(SnapshotTable, Severity.MEDIUM, FindingClass.ANOMALY)
def snapshot_disk_size(table: SnapshotTable) -> Iterator[Problem]:
    """The disk of a snapshot is larger than its L1 table can map.

    Why: one of the two is wrong; nothing maps the end of the snapshot's disk.
    Spec: Snapshots, virtual disk size
    QEMU: reports nothing; converting the snapshot gives as much as the active disk has.
    Next: data can only be reached through the L1 table; the range after it is absent.
    """
    for snapshot in table.snapshots:
        mapped = snapshot.l1_size * table.geometry.l1_coverage
        if snapshot.disk_size is not None and snapshot.disk_size > mapped:
            entries = counted(snapshot.l1_size, "L1 entry", "L1 entries")
            text = f"the disk has {snapshot.disk_size:#x} bytes, {entries} can map {mapped:#x}"
            yield in_snapshot(snapshot, text, "extra_data.disk_size")


@rule(SnapshotTable, Severity.INFO, FindingClass.INFO)
def snapshot_disk_size_differs(table: SnapshotTable) -> Iterator[Problem]:
    """The disk of a snapshot differs in size from the active disk.

    Why: the disk was resized after the snapshot was taken.
    Spec: Snapshots, virtual disk size
    QEMU: reverting to the snapshot resizes the disk again; converting it uses the active disk's size.
    Next: extract the snapshot with its own size.
    """
    for snapshot in table.snapshots:
        if snapshot.disk_size not in (None, table.geometry.virtual_size):
            text = f"the disk has {snapshot.disk_size:#x} bytes, the active one {table.geometry.virtual_size:#x}"
            yield in_snapshot(snapshot, text, "extra_data.disk_size")


@rule(SnapshotTable, Severity.MEDIUM, FindingClass.ANOMALY)
def snapshot_saved_state_size(table: SnapshotTable) -> Iterator[Problem]:
    """The saved machine state of a snapshot is larger than its L1 table can map.

    Why: one of the two is wrong; nothing maps the end of the saved memory.
    Spec: Snapshots, VM state size
    QEMU: reports nothing and lists the size as recorded.
    Next: the state can only be reached through the L1 table.
    """
    coverage = table.geometry.l1_coverage
    for snapshot in table.snapshots:
        disk_size = table.geometry.virtual_size if snapshot.disk_size is None else snapshot.disk_size
        room = max(0, snapshot.l1_size - -(-disk_size // coverage)) * coverage
        # Of a disk that is not even mapped itself the state has no place at all, which is said of the disk's size.
        if snapshot.vm_state_size > room and disk_size <= snapshot.l1_size * coverage:
            text = f"the saved state has {snapshot.vm_state_size:#x} bytes, the L1 entries past the disk map {room:#x}"
            yield in_snapshot(snapshot, text, "extra_data.len_vm_state_large", "len_vm_state")


@rule(SnapshotTable, Severity.LOW, FindingClass.SPEC_VIOLATION)
def snapshot_time(table: SnapshotTable) -> Iterator[Problem]:
    """The time of a snapshot has a billion nanoseconds or more.

    Why: no clock gives such a time. Whether the time is otherwise plausible is not judged: findings about the same
    bytes must not depend on the day of the check.
    Spec: Snapshots, bytes 20-23 of an entry
    QEMU: reports nothing.
    Next: do not rely on the times of this table.
    """
    for snapshot in table.snapshots:
        if snapshot.date_nsec >= NANOSECONDS:
            yield in_snapshot(snapshot, f"the time has {snapshot.date_nsec:,} nanoseconds", "date_nsec")
