"""Recovery: scan, understand, place what lost its place, judge, and put it all into a plan."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from msgspec import Struct, field
from msgspec.structs import replace

from forensic.errors import NotAnImage, Unsupported
from forensic.evidence import Evidence
from forensic.qcow2.entries import U64
from forensic.qcow2.geometry import L1_ENTRY_SIZE, Geometry
from forensic.qcow2.header import MAGIC
from forensic.qcow2.image import identify
from forensic.qcow2.planned import ACTIVE
from forensic.qcow2.qcow1 import Qcow1Image
from forensic.qcow2.snapshots import Snapshot
from forensic.recovery import certainty as sure
from forensic.recovery.accounts import Accounts
from forensic.recovery.by_anchors import anchors_with_starts, by_anchors
from forensic.recovery.by_order import by_order
from forensic.recovery.by_pattern import by_pattern, reader_of, scores_of
from forensic.recovery.candidates import Candidates
from forensic.recovery.certainty import CONFIDENCE, Certainty, Method, Standing, Why
from forensic.recovery.composing import fill_run, judge_tables, ranges_of, slots_of
from forensic.recovery.generations import deleted_snapshots, judge_old_tables, old_tables
from forensic.recovery.layout import Knowledge, Layout, made_header, mended
from forensic.recovery.plan import (
    SCHEMA,
    Alternative,
    Decision,
    EvidenceOfPlan,
    GeometryOfPlan,
    HostRange,
    Plan,
    Region,
    Segment,
    region_of,
    sealed,
)
from forensic.recovery.scan import I64, Scan, Signature, scan
from forensic.recovery.slots import Placed, by_other_l1, by_twins, empty_slots, orphans_of, slots_needed, without_nested
from forensic.recovery.understanding import accounts_of, image_of, kept, luks_header, understand
from forensic.version import __version__

LISTED_SEGMENTS = 10_000
MAX_REGIONS = 1024
MOST_ROUNDS = 4
"""Rounds of placing by what is in use: each may place the table that holds the next bitmap."""

FEWEST_PLACED = 2
"""Tables that the guest's own structures have to place for a file without header, L1 table and refcounts."""

Progress = Callable[[int, int], None]


class Recovery(Struct):
    """What is damaged, in sentences, and the plan by which the disk can be read."""

    plan: Plan
    damage: list[str]
    notes: list[str] = field(default_factory=list)


class _Work(Struct):
    """What is known of a file while a plan is made."""

    evidence: Evidence
    found: Scan
    layout: Layout
    accounts: Accounts
    l1: U64
    broken: I64
    orphans: Candidates
    suspect: list[HostRange]
    everywhere: bool
    placed: list[Placed] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def geometry(self) -> Geometry:
        """The geometry to read by."""
        return self.layout.geometry


def recover(
    evidence: Evidence,
    knowledge: Knowledge | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Recovery:
    """The plan of the active disk of a damaged image.

    Raises `NotAnImage` if there is no trace of one, `Unsupported` for version 1, and `Interrupted`.
    """
    if isinstance(identify(evidence), Qcow1Image):
        raise Unsupported(evidence.path_as_given, "recovery knows versions 2 and 3; this is a version 1 image")
    work = begin(evidence, knowledge or Knowledge(), progress, cancelled)
    _place(work)
    if work.layout.form == "plan" and not (knowledge and knowledge.header) and not _is_trace(work):
        raise NotAnImage(evidence.path_as_given, "there is no trace of one: no header, and no tables that agree")
    return Recovery(_plan(work), work.damage, work.notes)


def recover_deleted(
    evidence: Evidence,
    knowledge: Knowledge | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> list[tuple[Snapshot, Recovery]]:
    """The plan of each deleted snapshot of which the entry is left, oldest first. Raises as `recover` does."""
    if isinstance(identify(evidence), Qcow1Image):
        raise Unsupported(evidence.path_as_given, "recovery knows versions 2 and 3; this is a version 1 image")
    work = begin(evidence, knowledge or Knowledge(), progress, cancelled)
    snapshots = deleted_snapshots(evidence, work.found, work.layout)
    return [
        (snapshot, Recovery(_plan_of_deleted(work, number, snapshot), work.damage, work.notes))
        for number, snapshot in enumerate(snapshots)
    ]


def _plan_of_deleted(work: _Work, number: int, snapshot: Snapshot) -> Plan:
    """The plan by which the disk of a deleted snapshot is read."""
    old = old_tables(work.evidence, work.layout.candidates, work.accounts, snapshot)
    current = _all_placed(work)
    for _, entries in _other_l1_tables(work):
        current += [(slot, table) for slot, table in enumerate(entries.tolist()) if table]
    judged = judge_old_tables(work.accounts, current, old)
    size = snapshot.disk_size or work.geometry.virtual_size
    geometry = replace(work.geometry, virtual_size=size)
    inferred, unknown, too_many = ranges_of(judged, geometry.cluster_bits, size)
    if too_many:
        raise Unsupported(work.evidence.path_as_given, "a plan of it would have too many ranges")
    how, method = sure.of_old_snapshot(), Method.OLD_SNAPSHOT
    because = (f"an entry of an old snapshot table lies at {snapshot.host_offset:#x}",)
    confidence = CONFIDENCE[method]
    decisions = {
        "D1": Decision("the tables of the snapshot are those of its old L1 table", how, confidence, method, because),
        "D2": Decision("slots without a table were empty", how, confidence, method, because),
        "D3": Decision(f"the disk had {size:,} bytes", how, confidence, method, because),
    }
    inside = old.slots < geometry.l1_entries_needed
    slots, tables = old.slots[inside], old.tables[inside]
    plan = Plan(
        SCHEMA,
        f"qcowscope {__version__}",
        f"deleted:{number}",
        EvidenceOfPlan(work.evidence.size, _regions(work, tables)),
        _geometry_of_plan(work, geometry, "D3"),
        tuple(slots_of(slots, tables, ["D1"] * len(slots))),
        "D2" if len(old.slots) + len(old.gone) else "",
        tuple(inferred),
        tuple(unknown),
        tuple(work.suspect),
        decisions,
    )
    return sealed(plan)


def begin(
    evidence: Evidence,
    knowledge: Knowledge,
    progress: Progress | None,
    cancelled: Callable[[], bool] | None,
) -> _Work:
    """Scan the file and understand what there is. Raises `NotAnImage`, `Interrupted`."""
    found = scan(evidence, progress, cancelled)
    layout = understand(evidence, found, knowledge)
    if layout is None:
        raise NotAnImage(evidence.path_as_given, "there is no trace of one: no header, and no tables")
    l1, broken = kept(evidence, found, layout)
    accounts = accounts_of(evidence, found, layout, l1)
    orphans = without_nested(orphans_of(layout.candidates, accounts), accounts)
    suspect, everywhere = _suspect(evidence, found, layout, l1)
    work = _Work(evidence, found, layout, accounts, l1, broken, orphans, suspect, everywhere)
    work.damage += _damage(work)
    if left := len(work.orphans.host_offsets) - len(_in_use(work)):
        work.notes.append(f"{_counted(left, 'L2 table')} not in use: remains of what was deleted")
    return work


def _is_trace(work: _Work) -> bool:
    """Whether tables without a header are those of an image that begins with the file, and not of one within it.

    An image in the middle of a file, such as one on a guest's disk, has tables whose offsets count from elsewhere.
    """
    if work.l1.any() or work.geometry.refcount_table_clusters:
        return True
    return sum(one.method == Method.ANCHORS for one in work.placed) >= FEWEST_PLACED


def _suspect(evidence: Evidence, found: Scan, layout: Layout, l1: U64) -> tuple[list[HostRange], bool]:
    """What of the file something was written over, if its header was; and whether that may have gone on anywhere."""
    if layout.form == "file" or evidence.read_up_to_bad(0, 4) == MAGIC or "magic" in layout.by_content:
        return [], False
    geometry = layout.geometry
    places = [geometry.l1_table_offset, geometry.refcount_table_offset, *l1[l1 != 0].tolist()]
    places += layout.candidates.host_offsets[:1].tolist()
    first = min((place for place in places if place), default=evidence.size)
    filled = fill_run(evidence, evidence.size)
    if filled >= min(geometry.cluster_size, evidence.size):
        return [HostRange(0, filled, "one_fill")], False
    newcomer = any(
        len(found.signatures[kind].sectors) and int(found.signatures[kind].sectors[0]) <= 2
        for kind in (Signature.EXT, Signature.XFS, Signature.NTFS_BOOT, Signature.GPT, Signature.LUKS)
    )
    return [HostRange(0, first, "start_overwritten")], newcomer


def _damage(work: _Work) -> list[str]:
    """What is wrong, in sentences."""
    layout, found = work.layout, list[str]()
    if layout.form == "plan":
        found.append("the header is lost")
    elif "magic" in layout.by_content:
        found.append("the magic of the header is wrong")
    if "header" in layout.by_content:
        found.append(f"the file's header is not used: {layout.by_content['header']}")
    others = {name: why for name, why in layout.by_content.items() if name not in ("magic", "header")}
    found += [f"{name} does not come from the header: {why}" for name, why in others.items()]
    if layout.doubtful:
        found.append("the tables look like those of another cluster size than the header says")
    if len(work.broken):
        found.append(f"L1 entries that lead to no table: {len(work.broken):,}")
    if not np.count_nonzero(work.l1) and len(work.orphans.host_offsets):
        found.append("no L1 table leads to any table")
    if count := len(_in_use(work)):
        found.append(f"{_counted(count, 'L2 table')} without an L1 entry")
    accounts = work.accounts
    if not accounts.possible:
        return found
    count = int(np.count_nonzero(accounts.unexplained))
    if not accounts.usable:
        found.append(f"the refcounts do not agree with the tables; {_counted(count, 'unclaimed cluster')} not zero")
    elif count:
        found.append(f"{_counted(count, 'cluster')} in use more often than anything claims")
    return found


def _counted(count: int, what: str) -> str:
    """A number and what it counts."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _place(work: _Work) -> None:
    """Give tables without an L1 entry their slots, strongest evidence first."""
    layout, accounts = work.layout, work.accounts
    in_use = _in_use(work)
    lost = bool(len(work.broken)) or layout.l1_method != Method.HEADER or len(in_use) > 0 or not work.l1.any()
    if not lost:
        return
    others = _other_l1_tables(work)
    needed = slots_needed(work.geometry, layout.l1, len(work.orphans.host_offsets) + int(np.count_nonzero(work.l1)))
    known = [(slot, table) for _, entries in others for slot, table in enumerate(entries.tolist()) if table]
    known += [(int(slot), int(work.l1[slot])) for slot in np.flatnonzero(work.l1)]
    free = set(empty_slots(work.l1, needed).tolist())
    wholly_lost = not work.l1.any()
    if others:
        _take(work, by_twins(accounts, in_use, known), free)
    _take(work, by_other_l1(work.orphans.host_offsets, sorted(free), others, wholly_lost), free)
    _take(work, _only_slot(work, in_use, needed, free), free)
    if free and len(work.placed) < len(in_use):
        doubtful = work.everywhere or layout.doubtful
        known += [(one.slot, one.host_offset) for one in work.placed]
        _take(work, by_anchors(accounts, in_use, known, needed, layout.size_known, doubtful), free)
        _by_what_is_in_use(work, in_use, needed, free)
    if work.placed:
        tables = np.array([one.host_offset for one in work.placed], dtype=np.uint64)
        work.accounts = accounts_of(work.evidence, work.found, layout, np.concatenate([work.l1, tables]))
        work.orphans = work.orphans.chosen(~np.isin(work.orphans.host_offsets, tables))


def _in_use(work: _Work) -> U64:
    """The orphans that are in use; all of them, where the refcounts know of no table and may be of another time."""
    orphans = work.orphans.host_offsets
    in_use = orphans[work.accounts.in_use(orphans)]
    return in_use if len(in_use) or work.l1.any() else orphans


def _by_what_is_in_use(work: _Work, in_use: U64, needed: int, free: set[int]) -> None:
    """Place by pattern, round after round, since each table may hold the next bitmap; then by order."""
    layout, accounts = work.layout, work.accounts
    for _ in range(MOST_ROUNDS):
        before = len(work.placed)
        left = in_use[~np.isin(in_use, [one.host_offset for one in work.placed])]
        anchors = anchors_with_starts(accounts, left, _all_placed(work), layout.size_known)
        read = reader_of(work.evidence, _header_of(work, needed), _all_placed(work), needed)
        _take(work, by_pattern(accounts, work.found, left, sorted(free), anchors, read), free)
        if len(work.placed) == before:
            scores = scores_of(accounts, work.found, left, sorted(free), anchors, read)
            _take(work, by_order(accounts, left, _all_placed(work), sorted(free), scores), free)
            return


def _header_of(work: _Work, slot_count: int) -> bytes:
    """A header whose disk has so many slots, to read what is placed so far."""
    geometry = work.geometry
    size = max(geometry.virtual_size, slot_count * geometry.l1_coverage)
    if work.layout.form == "plan":
        return made_header(replace(geometry, virtual_size=size, l1_entry_count=slot_count))
    return mended(work.layout.header, size, slot_count, geometry.l1_table_offset)


def _all_placed(work: _Work) -> list[tuple[int, int]]:
    """Slots and tables that are known so far."""
    by_l1 = [(int(slot), int(work.l1[slot])) for slot in np.flatnonzero(work.l1)]
    return by_l1 + [(one.slot, one.host_offset) for one in work.placed]


def _take(work: _Work, found: list[Placed], free: set[int]) -> None:
    """Take placements whose slot is free, and whose table has no other slot."""
    taken = {one.host_offset for one in work.placed}
    wanted: dict[int, list[Placed]] = {}
    for one in found:
        if one.slot in free and one.host_offset not in taken:
            wanted.setdefault(one.slot, []).append(one)
    for slot, choices in wanted.items():
        if len(choices) == 1:
            work.placed.append(choices[0])
            free.discard(slot)


def _other_l1_tables(work: _Work) -> list[tuple[str, U64]]:
    """L1 tables beside the disk's: those of its snapshots, then any that were found by their content."""
    from forensic.recovery.candidates import read_table

    evidence, layout = work.evidence, work.layout
    found: list[tuple[str, U64]] = []
    snapshots = layout.snapshots
    if layout.form != "plan":
        image = image_of(evidence, layout)
        snapshots = image.snapshots.snapshots if image.header.nb_snapshots else layout.snapshots
    places = set()
    for snapshot in reversed(snapshots):  # the last one shares most with the disk
        offset, length = snapshot.l1_table_offset, min(snapshot.l1_size, 1 << 22) * L1_ENTRY_SIZE
        length = max(0, min(length, evidence.size - offset)) // 8 * 8
        places.add(offset)
        entries = read_table(evidence, offset, length) & np.uint64(0x00FF_FFFF_FFFF_FE00)
        entries[~np.isin(entries, layout.candidates.host_offsets)] = 0
        found.append((f"the L1 table of snapshot {snapshot.index}", entries))
    for offset, entries in layout.l1_copies:
        if offset not in places:
            clean = entries & np.uint64(0x00FF_FFFF_FFFF_FE00)
            clean[~np.isin(clean, layout.candidates.host_offsets)] = 0
            found.append((f"the L1 table at {offset:#x}", clean))
    return found


def _only_slot(work: _Work, in_use: U64, needed: int, free: set[int]) -> list[Placed]:
    """The one table of a disk that needs one L1 entry."""
    if needed != 1 or 0 not in free or len(in_use) != 1:
        return []
    accounts = accounts_of(work.evidence, work.found, work.layout, in_use)
    rivals = len(work.orphans.host_offsets) - 1
    how = sure.of_only_slot(work.layout.size_known, rivals, accounts, work.everywhere or work.layout.doubtful)
    because = "the disk has one slot, and the file one table that is in use"
    return [Placed(0, int(in_use[0]), Method.ONLY_SLOT, how, because)]


def _plan(work: _Work) -> Plan:
    """Everything that was decided, as a plan."""
    decisions = _decisions(work)
    rows = sorted(_rows(work, decisions))
    slots = np.array([row[0] for row in rows], dtype=np.int64)
    tables = np.array([row[1] for row in rows], dtype=np.uint64)
    closed = _is_closed(work)
    suspect = tuple((part.host_offset, part.host_offset + part.length) for part in work.suspect)
    judged, last = judge_tables(work.accounts, slots, tables, Standing(work.accounts, closed, suspect))
    geometry = _with_known_size(work, last, int(slots[-1]) + 1 if len(slots) else 0)
    empty = sure.of_emptiness(closed, all(one.certainty == Certainty.CERTAIN for one in decisions.values()))
    name = f"D{len(decisions) + 1}" if empty != Certainty.UNKNOWN else ""
    if name:
        because = ("nothing is in use that nobody claims",)
        method = Method.CLOSED_ACCOUNTS
        decisions[name] = Decision("slots without a table are empty", empty, CONFIDENCE[method], method, because)
    judged.add_slots(np.setdiff1d(work.broken, slots), geometry.l2_entry_count, Why.OVERWRITTEN)
    size = f"D{len(decisions) + 1}"
    known = geometry.virtual_size == work.geometry.virtual_size and work.layout.size_known
    decisions[size] = _on_size(
        geometry.virtual_size, known, "size" in work.layout.by_content or work.layout.form == "plan"
    )
    inferred, unknown, too_many = ranges_of(judged, geometry.cluster_bits, geometry.virtual_size)
    if too_many:
        raise Unsupported(work.evidence.path_as_given, "a plan of it would have too many ranges")
    inside = slots < geometry.l1_entries_needed
    named = [row[2] for row, kept_row in zip(rows, inside.tolist(), strict=True) if kept_row]
    plan = Plan(
        SCHEMA,
        f"qcowscope {__version__}",
        ACTIVE,
        EvidenceOfPlan(work.evidence.size, _regions(work, tables)),
        _geometry_of_plan(work, geometry, size),
        tuple(slots_of(slots[inside], tables[inside], named)),
        name,
        tuple(inferred),
        tuple(unknown),
        tuple(work.suspect),
        decisions,
        *_segments(work),
    )
    return sealed(plan)


def _on_size(size: int, known: bool, told: bool) -> Decision:
    """The decision on the size of the disk: by header or examiner, or no less than what its tables map."""
    if known:
        what, method = f"the disk has {size:,} bytes", Method.EXAMINER if told else Method.HEADER
        because = "the examiner says so" if told else "the header says so"
        return Decision(what, sure.of_size(True, told), CONFIDENCE[method], method, (because,))
    method = Method.CONTENT
    what = f"the disk has {size:,} bytes, or more that are zero"
    return Decision(what, sure.of_size(False, told), CONFIDENCE[method], method, ("its tables map nothing after that",))


def _decisions(work: _Work) -> dict[str, Decision]:
    """The decisions by which tables have their slots; those of the L1 table first."""
    found: dict[str, Decision] = {}
    layout, method = work.layout, work.layout.l1_method
    if work.l1.any():
        what, because = "the L1 entries lead to the tables of the disk", ["the header says where the L1 table lies"]
        doubtful = work.everywhere or layout.doubtful
        if method == Method.HEADER:
            how = sure.of_pointers(layout.form != "plan" and "header" not in layout.by_content, doubtful)
        elif method == Method.EXAMINER:
            how, because = Certainty.INFERRED, ["the examiner says where the L1 table lies"]
        else:
            in_use = [one for one in layout.l1_copies if one[0] not in _listed(work)]
            offsets = np.array([offset for offset, _ in in_use], dtype=np.uint64)
            rivals = int(np.count_nonzero(work.accounts.in_use(offsets))) if len(offsets) else 0
            how = sure.of_l1_by_content(rivals, work.accounts, doubtful)
            because = [f"the table at {layout.geometry.l1_table_offset:#x} reads as an L1 table"]
        found["D1"] = Decision(what, how, CONFIDENCE[method], method, tuple(because))
        if len(_named_twice(work)):
            again = "two L1 entries lead to the same table"
            found["D2"] = Decision(again, Certainty.INFERRED, 0.5, method, ("no writer shares a table within a disk",))
    for number, one in enumerate(work.placed, len(found) + 1):
        what = f"the L2 table at {one.host_offset:#x} belongs to slot {one.slot}"
        others = tuple(Alternative(rival) for rival in one.rivals)
        found[f"D{number}"] = Decision(what, one.certainty, CONFIDENCE[one.method], one.method, (one.because,), others)
    return found


def _listed(work: _Work) -> set[int]:
    return {snapshot.l1_table_offset for snapshot in work.layout.snapshots}


def _named_twice(work: _Work) -> I64:
    """The slots whose table another slot has as well."""
    used = np.flatnonzero(work.l1)
    values, times = np.unique(work.l1[used], return_counts=True)
    found: I64 = used[np.isin(work.l1[used], values[times > 1])]
    return found


def _rows(work: _Work, decisions: dict[str, Decision]) -> list[tuple[int, int, str]]:
    """Slot, table and decision of every table."""
    twice = set(_named_twice(work).tolist())
    rows = [(slot, int(work.l1[slot]), "D2" if slot in twice else "D1") for slot in np.flatnonzero(work.l1).tolist()]
    first = len(decisions) - len(work.placed) + 1
    return rows + [(one.slot, one.host_offset, f"D{number}") for number, one in enumerate(work.placed, first)]


def _is_closed(work: _Work) -> bool:
    """Whether nothing is left that an empty entry could have led to.

    Refcounts alone do not say so if they may be of another time: where there are tables that nothing leads to, unless
    they are older versions of those that are placed, or where the disk has no table at all.
    """
    accounts = work.accounts
    if not accounts.closed or work.layout.doubtful or work.layout.candidates.more:
        return False
    if work.geometry.external_data_file:
        return work.layout.form == "file" and not len(work.broken)
    tables = [*work.l1[work.l1 != 0].tolist(), *(one.host_offset for one in work.placed)]
    if not tables:
        nothing = ~accounts.scan.zero_clusters(work.geometry.cluster_bits) & ~accounts.claimed
        return not nothing.any()
    if not len(work.orphans.host_offsets):
        return True
    placed = list(enumerate(tables))
    twins = {one.host_offset for one in by_twins(accounts, work.orphans.host_offsets, placed)}
    return all(int(offset) in twins for offset in work.orphans.host_offsets.tolist())


def _with_known_size(work: _Work, last: int, slots: int) -> Geometry:
    """The geometry with a size up to which something is mapped, where the header says none, or less than that."""
    geometry, layout = work.geometry, work.layout
    size = geometry.virtual_size
    has_snapshots = layout.form != "plan" and image_of(work.evidence, layout).header.nb_snapshots > 0
    short = last > -(-size // geometry.cluster_size) * geometry.cluster_size and not has_snapshots
    if not layout.size_known or short:
        size = max(size, last)
        work.damage.append(f"the size of the disk is not known: at least {size:,} bytes, where its last table ends")
    count = max(slots, -(-size // geometry.l1_coverage))
    return replace(geometry, virtual_size=size, l1_entry_count=count)


def _geometry_of_plan(work: _Work, geometry: Geometry, decision: str) -> GeometryOfPlan:
    layout = work.layout
    form = layout.form
    if form == "file" and geometry.virtual_size != layout.geometry.virtual_size:
        form = "mended"
    luks = luks_header(work.accounts) if form == "plan" else (0, 0)
    return GeometryOfPlan(
        header=form,
        version=geometry.version if form != "plan" else 3,
        cluster_bits=geometry.cluster_bits,
        virtual_size=geometry.virtual_size,
        extended_l2=geometry.extended_l2,
        refcount_order=4 if geometry.refcount_order is None else geometry.refcount_order,
        compression="zstd" if geometry.compression_type == 1 else "zlib",
        l1_table_offset=geometry.l1_table_offset,
        refcount_table_offset=geometry.refcount_table_offset,
        refcount_table_clusters=geometry.refcount_table_clusters,
        luks_offset=luks[0],
        luks_length=luks[1],
        decision=decision,
    )


def _regions(work: _Work, tables: U64) -> tuple[Region, ...]:
    """Hashes of what the plan relies on: the header, the L1 table, and (some of) the L2 tables."""
    geometry, evidence = work.geometry, work.evidence
    l1 = (geometry.l1_table_offset, 8 * max(1, len(work.layout.l1)))
    places = [(0, min(geometry.cluster_size, evidence.size)), *([l1] if l1[0] and l1[0] < evidence.size else [])]
    some = np.sort(tables)[:: -(-len(tables) // MAX_REGIONS) or 1]
    places += [(int(table), geometry.cluster_size) for table in some if int(table) < evidence.size]
    return tuple(region_of(evidence, offset, length) for offset, length in places)


def _segments(work: _Work) -> tuple[tuple[Segment, ...], int]:
    orphans = work.orphans
    in_use = np.flatnonzero(work.accounts.in_use(orphans.host_offsets)).tolist()
    found = [Segment(int(orphans.host_offsets[at]), int(orphans.located[at] + orphans.streams[at])) for at in in_use]
    return tuple(found[:LISTED_SEGMENTS]), max(0, len(found) - LISTED_SEGMENTS)
