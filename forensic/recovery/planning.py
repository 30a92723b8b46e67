"""Everything that was decided, put into a plan."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from forensic.errors import Unsupported
from forensic.evidence import Evidence
from forensic.numbers import counted
from forensic.qcow2.arrays import I64, U64, distinct_counted, is_among, without
from forensic.qcow2.entries import SECTOR_SIZE
from forensic.qcow2.geometry import ACTIVE, L1_ENTRY_SIZE, Geometry
from forensic.recovery import certainty as sure
from forensic.recovery.certainty import CONFIDENCE, Certainty, Method, Standing, Why
from forensic.recovery.composing import judge_tables, ranges_of, slots_of
from forensic.recovery.kinds import Sector
from forensic.recovery.placement.disk_size import decide_size
from forensic.recovery.placement.lost_tables import data_ranges
from forensic.recovery.placement.slots import by_twins
from forensic.recovery.plan import (
    SCHEMA,
    Alternative,
    Decision,
    EvidenceOfPlan,
    GeometryOfPlan,
    Plan,
    Region,
    Segment,
    StreamRun,
    region_of,
)
from forensic.recovery.plan_seals import sealed
from forensic.recovery.scan import is_one_of
from forensic.recovery.tally import Tally
from forensic.recovery.understanding import luks_header
from forensic.recovery.work import Work
from forensic.version import __version__

LISTED_SEGMENTS = 10_000
LISTED_STREAMS = 1 << 19

MAX_REGIONS = 1024


def make_plan(work: Work, target: str = ACTIVE) -> Plan:
    """Everything that was decided, put into a plan."""
    decisions = _decisions(work)
    data = data_ranges(work, len(decisions) - len(work.placed_data))
    rows = sorted(_rows(work, decisions))
    slots = np.array([row[0] for row in rows], dtype=np.int64)
    tables = np.array([row[1] for row in rows], dtype=np.uint64)
    closed = _is_closed(work)
    suspect = tuple((part.host_offset, part.host_offset + part.length) for part in work.suspect)
    standing = Standing.of(work.accounts, closed, suspect, bad_clusters(work))
    judged, last = judge_tables(work.accounts, slots, tables, standing)
    last = max([last, *(part.guest_offset + part.length for part in data)])
    on_size, geometry = decide_size(work, last, int(slots[-1]) + 1 if len(slots) else 0)
    empty = sure.of_emptiness(closed, all(one.certainty == Certainty.CERTAIN for one in decisions.values()))
    name = f"D{len(decisions) + 1}" if empty != Certainty.UNKNOWN else ""
    if name:
        because = ("everything in use is accounted for",)
        method = Method.CLOSED_ACCOUNTS
        decisions[name] = Decision("slots without a table are empty", empty, CONFIDENCE[method], method, because)
    replaced = sorted({one.slot for one in work.placed_data})
    for slot in replaced:  # of which several methods may have placed some
        indices = np.concatenate(
            [part for one in work.placed_data if one.slot == slot for part in (one.indices, one.empty)]
        )
        judged.add_rest(slot, indices, geometry.l2_entry_count, Why.OVERWRITTEN)
    judged.add_slots(without(work.broken, [*slots.tolist(), *replaced]), geometry.l2_entry_count, Why.OVERWRITTEN)
    size = f"D{len(decisions) + 1}"
    decisions[size] = on_size
    inferred, unknown, too_many = ranges_of(judged, geometry.cluster_bits, geometry.virtual_size)
    if too_many:
        raise Unsupported(work.evidence.path_as_given, "a plan of it would have too many ranges")
    inside = slots < geometry.l1_entries_needed
    named = [row[2] for row, kept_row in zip(rows, inside.tolist(), strict=True) if kept_row]
    plan = Plan(
        SCHEMA,
        f"qcowscope {__version__}",
        target,
        EvidenceOfPlan(work.evidence.size, regions_of(work, tables)),
        geometry_of_plan(work, geometry, size),
        tuple(slots_of(slots[inside], tables[inside], named)),
        name,
        tuple(inferred),
        tuple(unknown),
        tuple(work.suspect),
        decisions,
        data,
        *_segments(work),
        *_streams(work),
    )
    return sealed(plan)


def bad_clusters(work: Work) -> Tally | None:
    """The host clusters that touch a range of the evidence's bad sectors; None if it has none."""
    if not work.evidence.known_bad:
        return None
    size = work.geometry.cluster_size
    found = Tally(-(-work.evidence.size // size))
    for start, end in work.evidence.known_bad:
        found.add(np.arange(start // size, min(found.size, -(-end // size))))
    return found


def _decisions(work: Work) -> dict[str, Decision]:
    """The decisions by which tables have their slots; those of the L1 table first."""
    found: dict[str, Decision] = {}
    layout, method = work.layout, work.layout.l1_method
    if work.l1.any():
        what, because = "the L1 entries lead to the tables of the disk", ["the header gives the place of the L1 table"]
        doubtful = work.everywhere or layout.doubtful
        if method == Method.HEADER:
            how = sure.of_pointers(layout.has_header and "header" not in layout.by_content, doubtful)
        elif method == Method.EXAMINER:
            how, because = Certainty.INFERRED, ["the examiner gave the place of the L1 table"]
        else:
            in_use = [one for one in layout.l1_copies if one[0] not in _listed(work)]
            offsets = np.array([offset for offset, _ in in_use], dtype=np.uint64)
            rivals = int(np.count_nonzero(work.accounts.in_use(offsets))) if len(offsets) else 0
            how = sure.of_l1_by_content(rivals, work.accounts, doubtful)
            place = layout.geometry.l1_table_offset  # the header of a plan for version 1 names none
            because = [
                f"the table at {place:#x} reads as an L1 table" if place else layout.by_content["l1_table_offset"]
            ]
        found["D1"] = Decision(what, how, CONFIDENCE[method], method, tuple(because))
        if len(_named_twice(work)):
            again = "two L1 entries lead to the same table"
            found["D2"] = Decision(again, Certainty.INFERRED, 0.5, method, ("no writer shares a table within a disk",))
    for number, one in enumerate(work.placed, len(found) + 1):
        what = f"the L2 table at {one.host_offset:#x} belongs to slot {one.slot}"
        others = tuple(Alternative(rival) for rival in one.rivals)
        found[f"D{number}"] = Decision(what, one.certainty, CONFIDENCE[one.method], one.method, (one.because,), others)
    for part in work.placed_data:
        method = part.method
        lost = "" if method in (Method.HEADER, Method.L1_BY_CONTENT) else ", whose table is lost"
        what = f"{counted(len(part.indices), 'cluster')} of slot {part.slot}{lost}"
        name = f"D{len(found) + 1}"
        found[name] = Decision(what, Certainty.INFERRED, CONFIDENCE[method], method, (part.because,))
    return found


def _listed(work: Work) -> set[int]:
    return {snapshot.l1_table_offset for snapshot in work.layout.snapshots}


def _named_twice(work: Work) -> I64:
    """The slots whose table another slot has as well."""
    used = np.flatnonzero(work.l1)
    values, times = distinct_counted(work.l1[used])
    found: I64 = used[is_among(work.l1[used], values[times > 1])]
    return found


def _rows(work: Work, decisions: dict[str, Decision]) -> list[tuple[int, int, str]]:
    """Slot, table and decision of every table."""
    twice = set(_named_twice(work).tolist())
    rows = [(slot, int(work.l1[slot]), "D2" if slot in twice else "D1") for slot in np.flatnonzero(work.l1).tolist()]
    first = len(decisions) - len(work.placed) - len(work.placed_data) + 1
    return rows + [(one.slot, one.host_offset, f"D{number}") for number, one in enumerate(work.placed, first)]


def _is_closed(work: Work) -> bool:
    """Whether nothing is left that an empty entry could have led to.

    Refcounts alone do not say so if they may be of another time: where there are tables that nothing leads to, unless
    they are older versions of those that are placed, or where the disk has no table at all.
    """
    accounts = work.accounts
    if not accounts.closed or work.layout.doubtful or work.layout.candidates.more or _l1_is_cut(work):
        return False
    if work.found.stopped_at is not None:
        return False
    if work.geometry.external_data_file:
        return work.layout.form == "file" and not len(work.broken)
    tables = [*work.l1[work.l1 != 0].tolist(), *(one.host_offset for one in work.placed)]
    if not tables:
        if not _l1_ends_with_zeros(work):
            return False
        used = accounts.scan.used_clusters(work.geometry.cluster_bits)
        return all(bool(accounts.are_claimed(clusters).all()) for clusters in used)
    if not len(work.orphans.host_offsets):
        return True
    placed = list(enumerate(tables))
    twins = {one.host_offset for one in by_twins(accounts, work.orphans.host_offsets, placed)}
    return all(int(offset) in twins for offset in work.orphans.host_offsets.tolist())


def _l1_ends_with_zeros(work: Work) -> bool:
    """Whether nothing lies after the L1 table in its last cluster: a new one is written up to its last entry alone.

    What an image held before that a new one was created over may be left there.
    """
    geometry = work.geometry
    end = geometry.l1_table_offset + L1_ENTRY_SIZE * geometry.l1_entry_count
    first, stop = -(-end // SECTOR_SIZE), -(-end // geometry.cluster_size) * (geometry.cluster_size // SECTOR_SIZE)
    rest = work.found.sectors.part(first, stop)
    return bool(is_one_of(rest, (Sector.ZERO,)).all())


def _l1_is_cut(work: Work) -> bool:
    """Whether the file ends before the L1 table does: the entries after its end are not empty, but not there."""
    geometry = work.geometry
    return geometry.l1_table_offset + L1_ENTRY_SIZE * geometry.l1_entries_needed > work.evidence.size


def geometry_of_plan(work: Work, geometry: Geometry, decision: str) -> GeometryOfPlan:
    """The geometry as a plan has it; `decision` is the one on the size of the disk."""
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
        l1_table_offset=_within(work.evidence, geometry.l1_table_offset),
        refcount_table_offset=_within(work.evidence, geometry.refcount_table_offset),
        refcount_table_clusters=geometry.refcount_table_clusters,
        luks_offset=luks[0],
        luks_length=luks[1],
        decision=decision,
    )


def _within(evidence: Evidence, host_offset: int) -> int:
    """A host offset that a header gives, or 0 where it leads past the end of the file: no plan can say it."""
    return host_offset if host_offset < evidence.size else 0


def regions_of(work: Work, tables: U64) -> tuple[Region, ...]:
    """Hashes of what the plan relies on: the header, the L1 table, and (some of) the L2 tables."""
    geometry, evidence = work.geometry, work.evidence
    l1 = (geometry.l1_table_offset, 8 * max(1, len(work.layout.l1)))
    places = [(0, min(geometry.cluster_size, evidence.size)), *([l1] if l1[0] and l1[0] < evidence.size else [])]
    some = np.sort(tables)[:: -(-len(tables) // MAX_REGIONS) or 1]
    places += [(int(table), geometry.cluster_size) for table in some if int(table) < evidence.size]
    return tuple(region_of(evidence, offset, length) for offset, length in places)


def _segments(work: Work) -> tuple[tuple[Segment, ...], int]:
    orphans = work.orphans
    in_use = np.flatnonzero(work.accounts.in_use(orphans.host_offsets)).tolist()
    found = [Segment(int(orphans.host_offsets[at]), int(orphans.located[at] + orphans.streams[at])) for at in in_use]
    return tuple(found[:LISTED_SEGMENTS]), max(0, len(found) - LISTED_SEGMENTS)


def _streams(work: Work) -> tuple[tuple[StreamRun, ...], int]:
    """The streams that have no place, those that lie one after another together; and how many are not listed."""
    starts, lengths = work.streams.host_offsets[:LISTED_STREAMS], work.streams.lengths[:LISTED_STREAMS]
    breaks = np.flatnonzero(starts[1:] != starts[:-1] + lengths[:-1]) + 1
    edges = [0, *breaks.tolist(), len(starts)] if len(starts) else []
    runs = tuple(StreamRun(int(starts[at]), tuple(lengths[at:stop].tolist())) for at, stop in pairwise(edges))
    return runs, len(work.streams.host_offsets) - len(starts)
