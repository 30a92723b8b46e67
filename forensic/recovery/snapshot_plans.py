"""Plans of snapshots: by their own tables where they are in use, by what is left of them where they were deleted."""

from __future__ import annotations

import os

import numpy as np
from msgspec.structs import replace

from forensic.errors import Unsupported, WrongSupply
from forensic.numbers import counted
from forensic.qcow2.arrays import I64, U64
from forensic.qcow2.geometry import L1_ENTRY_SIZE, Geometry
from forensic.qcow2.snapshots import Snapshot
from forensic.recovery import certainty as sure
from forensic.recovery.candidates import read_table
from forensic.recovery.certainty import CONFIDENCE, Certainty, Method, Standing, Why
from forensic.recovery.composing import Ranges, judge_tables, ranges_of, slots_of
from forensic.recovery.generations import OldTables, judge_old_tables, judge_tables_of_now, old_tables
from forensic.recovery.placement.placing import all_placed, other_l1_tables
from forensic.recovery.plan import SCHEMA, Decision, EvidenceOfPlan, Plan
from forensic.recovery.plan_seals import sealed
from forensic.recovery.planning import bad_clusters, geometry_of_plan, regions_of
from forensic.recovery.understanding import accounts_of, kept, snapshots_in_use
from forensic.recovery.work import Work
from forensic.untrusted import shown
from forensic.version import __version__

Decided = tuple[str, Certainty, Method, str]
"""What was decided, how sure, by which method, and in words what says so."""


def snapshot_named(work: Work, word: str) -> Snapshot:
    """The snapshot in use with this id, or else this name, or else this place in the table (`#2`, from 0).

    Raises `WrongSupply` if there is none, or if several have it.
    """
    snapshots, raw = snapshots_in_use(work.evidence, work.layout), os.fsencode(word)
    for found in (
        [one for one in snapshots if one.id.raw == raw],
        [one for one in snapshots if one.name.raw == raw],
        [one for one in snapshots if word == f"#{one.index}"],
    ):
        if len(found) == 1:
            return found[0]
    message = f"no single snapshot in use has the id, name or #index {shown(word)}; {len(snapshots)} can be read"
    raise WrongSupply(work.evidence.path_as_given, message)


def make_plan_of_snapshot(work: Work, snapshot: Snapshot) -> Plan:
    """The plan of a snapshot that is in use.

    Where the header lists it, its tables are as certain as those of the disk. Where the header is lost, its entry was
    found by content, and it is read like one that was deleted: if it was, that shows what was written over since.
    """
    target = f"snapshot:{snapshot.index}"
    if work.layout.form == "plan":
        return _by_old_tables(work, target, snapshot)
    geometry, entries, broken, whole = _own_tables(work, snapshot)
    accounts = accounts_of(work.evidence, work.found, work.layout, entries)
    accounts.claim_tables(np.array([table for _, table in all_placed(work)], dtype=np.uint64), of_others=True)
    closed = whole and accounts.closed and not work.layout.candidates.more
    suspect = tuple((part.host_offset, part.host_offset + part.length) for part in work.suspect)
    slots = np.flatnonzero(entries)
    standing = Standing.of(accounts, closed, suspect, bad_clusters(work))
    judged, _ = judge_tables(accounts, slots, entries[slots], standing)
    judged.add_slots(broken, geometry.l2_entry_count, Why.OVERWRITTEN)
    how = sure.of_pointers("header" not in work.layout.by_content, work.everywhere or work.layout.doubtful)
    because = f"the snapshot table that the header leads to lists it, at {snapshot.host_offset:#x}"
    empty = sure.of_emptiness(closed, how == Certainty.CERTAIN)
    decided: list[Decided] = [
        ("the tables of the snapshot are those of its L1 table", how, Method.HEADER, because),
        (f"the disk had {geometry.virtual_size:,} bytes", how, Method.HEADER, because),
    ]
    if empty != Certainty.UNKNOWN:
        said = "everything in use is accounted for"
        decided.append(("slots without a table are empty", empty, Method.CLOSED_ACCOUNTS, said))
    return _composed(work, target, geometry, judged, slots, entries[slots], decided)


def make_plan_of_deleted(work: Work, number: int, snapshot: Snapshot) -> Plan:
    """The plan by which the disk of a deleted snapshot is read."""
    return _by_old_tables(work, f"deleted:{number}", snapshot)


def _own_tables(work: Work, snapshot: Snapshot) -> tuple[Geometry, U64, I64, bool]:
    """The geometry of a snapshot, its L1 table as far as it is believed, lost slots, and whether all of it is there."""
    evidence = work.evidence
    count = min(snapshot.l1_size, max(0, evidence.size - snapshot.l1_table_offset) // L1_ENTRY_SIZE)
    geometry = replace(
        work.geometry,
        virtual_size=snapshot.disk_size or work.geometry.virtual_size,
        l1_table_offset=snapshot.l1_table_offset,
        l1_entry_count=snapshot.l1_size,
    )
    count = min(count, geometry.l1_entries_needed)
    own = replace(work.layout, geometry=geometry, l1=read_table(evidence, snapshot.l1_table_offset, 8 * count))
    entries, broken = kept(evidence, work.found, own)
    return geometry, entries, broken, count == geometry.l1_entries_needed


def _by_old_tables(work: Work, target: str, snapshot: Snapshot) -> Plan:
    """The plan by the entry of a snapshot table that was found by its content."""
    in_use = {one.l1_table_offset for one in work.layout.snapshots} if work.layout.form == "plan" else set()
    current = all_placed(work)
    for _, entries in other_l1_tables(work):
        current += [(slot, table) for slot, table in enumerate(entries.tolist()) if table]
    old = old_tables(work.evidence, work.layout.candidates, work.accounts, snapshot, in_use, current)
    now = {slot: table for slot, table in all_placed(work) if slot in set(old.gone.tolist())}
    by_now = np.array(sorted(now), dtype=np.int64)
    tables_of_now = np.array([now[slot] for slot in by_now.tolist()], dtype=np.uint64)
    left = OldTables(old.slots, old.tables, np.setdiff1d(old.gone, by_now))
    judged = judge_old_tables(work.accounts, current, left)
    judged.join(judge_tables_of_now(work.accounts, by_now, tables_of_now, snapshot.l1_table_offset))
    size = snapshot.disk_size or work.geometry.virtual_size
    geometry = replace(work.geometry, virtual_size=size)
    how, method = sure.of_old_snapshot(), Method.OLD_SNAPSHOT
    because = f"an entry of a snapshot table lies at {snapshot.host_offset:#x}"
    decided: list[Decided] = [
        ("the tables of the snapshot are those of its old L1 table", how, method, because),
        (f"the disk had {size:,} bytes", how, method, because),
    ]
    if len(old.slots) + len(old.gone):
        decided.append(("slots without a table were empty", how, method, because))
    if len(by_now):
        count = counted(len(by_now), "table")
        said = f"{count} of the snapshot's own overwritten; what was not written since, the disk's have as well"
        decided.append(("what the disk has had since the snapshot was its own as well", how, method, said))
    slots, tables = np.concatenate([old.slots, by_now]), np.concatenate([old.tables, tables_of_now])
    order = np.argsort(slots, kind="stable")
    order = order[slots[order] < geometry.l1_entries_needed]
    names = ["D4" if slot in now else "D1" for slot in slots[order].tolist()]
    return _composed(work, target, geometry, judged, slots[order], tables[order], decided, names)


def _composed(
    work: Work,
    target: str,
    geometry: Geometry,
    judged: Ranges,
    slots: I64,
    tables: U64,
    decided: list[Decided],
    names: list[str] | None = None,
) -> Plan:
    """The plan; decisions are on the tables, on the size, and on slots without a table if anything says those.

    `names` are the decisions of the tables, if not all are of the first.
    """
    inferred, unknown, too_many = ranges_of(judged, geometry.cluster_bits, geometry.virtual_size)
    if too_many:
        raise Unsupported(work.evidence.path_as_given, "a plan of it would have too many ranges")
    decisions = {
        f"D{number}": Decision(what, how, CONFIDENCE[method], method, (because,))
        for number, (what, how, method, because) in enumerate(decided, 1)
    }
    plan = Plan(
        SCHEMA,
        f"qcowscope {__version__}",
        target,
        EvidenceOfPlan(work.evidence.size, regions_of(work, tables)),
        geometry_of_plan(work, geometry, "D2"),
        tuple(slots_of(slots, tables, names or ["D1"] * len(slots))),
        "D3" if len(decided) > 2 else "",
        tuple(inferred),
        tuple(unknown),
        tuple(work.suspect),
        decisions,
    )
    return sealed(plan)
