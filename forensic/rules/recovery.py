"""Rules about tables that lost their place: what `qcowscope recover` may read more of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from forensic.disk.planned import Planned
from forensic.finding import FindingClass, Problem, Problems, Severity, guest_range, host_range
from forensic.numbers import counted
from forensic.residue.unreferenced import Unreferenced
from forensic.rules.registry import rule


@rule(Unreferenced, Severity.INFO, FindingClass.RECOVERY)
def orphan_l2_tables(found: Unreferenced) -> Iterable[Problem]:
    """Clusters that nothing refers to read as L2 tables.

    Why: QEMU leaves the tables of what it deletes, and a table whose L1 entry was lost stays where it is. Both lead to
    guest data that the image no longer refers to.
    Spec: Cluster mapping
    QEMU: does not check this; check -r leaks frees them, and they are overwritten sooner or later.
    Next: run qcowscope recover before anything else writes to the image.
    """

    stop = "" if found.stopped_at is None else f"; the search for more stopped at host offset {found.stopped_at:#x}"

    def described() -> Iterator[Problem]:
        for offset, entries in zip(found.tables.tolist(), found.entries.tolist(), strict=True):
            yield Problem(
                f"the cluster at host offset {offset:#x} reads as an L2 table that nothing refers to "
                f"({counted(entries, 'entry', 'entries')}, all inside the file){stop}",
                (host_range(offset, found.geometry.cluster_size),),
            )

    return Problems(len(found.tables), described)


@rule(Unreferenced, Severity.MEDIUM, FindingClass.RECOVERY)
def l1_table_wiped(found: Unreferenced) -> Iterable[Problem]:
    """The L1 table is empty, but the file holds L2 tables that nothing refers to.

    Why: a disk that was never written to has no L2 tables. This one had some: its L1 table was zeroed, or a new image
    was created over it. The whole disk reads as zeros. Reverting to a snapshot of an empty disk leaves such tables as
    well: where the entry of such a snapshot, an empty L1 table or space for one is found, only the tables are reported.
    Spec: L1 table entry
    QEMU: reads zeros, and check calls the image clean or leaking.
    Next: copy the image before anything writes to it, and run qcowscope recover.
    """
    if found.l1_is_empty and len(found.tables) and not found.may_be_reverted:
        place = host_range(found.l1.host_offset, 8 * len(found.l1.entries))
        yield Problem(
            f"no entry of the L1 table at host offset {found.l1.host_offset:#x} (of {len(found.l1.entries):,}) "
            f"leads to an L2 table, but such tables lie in the file: {len(found.tables):,} were seen, the first at "
            f"{int(found.tables[0]):#x}",
            (place,),
            "L1",
        )


@rule(Unreferenced, Severity.MEDIUM, FindingClass.RECOVERY)
def l2_table_wiped(found: Unreferenced) -> Iterable[Problem]:
    """An L2 table is all zeros, and there are clusters in use that nothing refers to.

    Why: QEMU does not normally leave an empty L2 table, and frees the clusters of one that it empties. A table that was
    zeroed leaves its clusters in use; their guest range reads as zeros.
    Spec: L2 table entry
    QEMU: reads zeros, and check reports leaks.
    Next: copy the image before anything repairs it, since repairing leaks frees the data; then run qcowscope recover.
    """
    if not found.leaks:
        return
    for offset in found.empty_tables:
        yield Problem(
            f"the L2 table at host offset {offset:#x} is all zeros, and "
            f"{counted(found.leaks, 'cluster is', 'clusters are')} in use that "
            "nothing refers to",
            (host_range(offset, found.geometry.cluster_size),),
        )


@rule(Unreferenced, Severity.INFO, FindingClass.RECOVERY)
def deleted_snapshot_remains(found: Unreferenced) -> Iterable[Problem]:
    """The file holds an entry of a snapshot table that is no longer in use.

    Why: QEMU writes a new snapshot table when a snapshot is created or deleted, and does not wipe the old one. A
    deleted snapshot can be read as long as its tables and data have not been overwritten.
    Spec: Snapshots
    QEMU: does not check this.
    Next: qcowscope recover --deleted-snapshots shows how much of it is left.
    """
    for snapshot in found.snapshots:
        yield Problem(
            f'the entry at host offset {snapshot.host_offset:#x} is of a snapshot with id "{snapshot.id}" and name '
            f'"{snapshot.name}", whose L1 table lay at {snapshot.l1_table_offset:#x}',
            (host_range(snapshot.host_offset, snapshot.length),),
        )


@rule(Planned, Severity.LOW, FindingClass.RECOVERY)
def recovered_by_inference(planned: Planned) -> Iterable[Problem]:
    """The disk is read by a recovery plan, which infers where bytes belong.

    Why: what a plan infers is likely, but not recorded in the image. Readers of the output have to know that.
    Spec: Cluster mapping
    QEMU: has no such plans.
    Next: see the decisions of the plan; the ledger of an extraction names the one behind each range.
    """
    ends = [*planned.starts[1:], planned.size]
    ranges = [
        (start, end - start, judged)
        for start, end, judged in zip(planned.starts, ends, planned.judged, strict=True)
        if judged.certainty == "inferred"
    ]
    if ranges:
        total = sum(length for _, length, _ in ranges)
        yield Problem(
            f"{counted(total, 'byte is', 'bytes are')} placed by inference; "
            "the image does not say that they belong there",
            tuple(guest_range(start, length) for start, length, _ in ranges[:64]),
        )
