"""Rules about internal snapshots: the table and the L1 tables its entries point to."""

from __future__ import annotations

from collections.abc import Iterator

from forensic.finding import FindingClass, Problem, Severity, host
from forensic.qcow2.geometry import L1_ENTRY_SIZE, MAX_L1_ENTRIES
from forensic.qcow2.snapshots import MAX_SNAPSHOTS, Snapshot, SnapshotTable
from forensic.rules.registry import rule


@rule(SnapshotTable, Severity.INFO, FindingClass.INFO)
def snapshots_present(table: SnapshotTable) -> Iterator[Problem]:
    """The image holds internal snapshots.

    Why: each is another state of the disk; the active disk alone is not all the image knows.
    Spec: Snapshots
    QEMU: lists them with `snapshot -l`.
    Next: extract them as well.
    """
    for snapshot in table.snapshots:
        yield Problem(
            f'snapshot {snapshot.index} has the id "{snapshot.id}" and the name "{snapshot.name}"',
            (host(snapshot.host_offset, snapshot.length),),
            f"snapshots[{snapshot.index}]",
        )


@rule(SnapshotTable, Severity.CRITICAL, FindingClass.CORRUPTION)
def snapshot_count_too_large(table: SnapshotTable) -> Iterator[Problem]:
    """The header claims more snapshots than 65536.

    Why: older readers allocated what a header claims (CVE-2014-0144); entries after the limit are not looked at.
    Spec: Header, bytes 60-63 (the limit is QEMU's)
    QEMU: refuses the image.
    Next: count the entries that the table really holds.
    """
    if table.claimed > MAX_SNAPSHOTS:
        yield Problem(f"nb_snapshots is {table.claimed:,}, more than {MAX_SNAPSHOTS:,}", (host(60, 4),), "header")


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
            (host(64, 8),),
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
    if table.missing:
        yield Problem(
            f"{len(table.snapshots):,} of {table.claimed:,} entries could be read: {table.missing}",
            (host(table.host_offset, table.end_offset - table.host_offset),),
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
            yield _at(
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
            yield _at(
                snapshot,
                f"the L1 table at host offset {snapshot.l1_table_offset:#x} ends at {end:#x}, the file at "
                f"{table.file_size:#x}",
            )


@rule(SnapshotTable, Severity.HIGH, FindingClass.CORRUPTION)
def snapshot_l1_too_large(table: SnapshotTable) -> Iterator[Problem]:
    """The L1 table of a snapshot is larger than 32 MiB.

    Why: older readers allocated what an entry claims (CVE-2014-0143) or copied it into a smaller buffer
    (CVE-2014-0145); only the first 32 MiB are looked at here.
    Spec: Snapshots, bytes 8-11 of an entry (the limit is QEMU's)
    QEMU: check reports it; converting the snapshot fails.
    Next: compare with what the snapshot's disk size needs.
    """
    for snapshot in table.snapshots:
        if snapshot.l1_size > MAX_L1_ENTRIES:
            yield _at(snapshot, f"the L1 table has {snapshot.l1_size:,} entries, more than {MAX_L1_ENTRIES:,}")


def _at(snapshot: Snapshot, text: str) -> Problem:
    """A problem of the first 12 bytes of an entry, which say where its L1 table is."""
    path = f"snapshots[{snapshot.index}]"
    return Problem(f"snapshot {snapshot.index}: {text}", (host(snapshot.host_offset, 12),), path)
