"""Giving tables without an L1 entry their slots, strongest evidence first."""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace

from forensic.qcow2.arrays import U64, is_among
from forensic.qcow2.entries import host_offset_of, l1_reserved_bits
from forensic.qcow2.geometry import L1_ENTRY_SIZE
from forensic.recovery import certainty as sure
from forensic.recovery.candidates import read_table
from forensic.recovery.certainty import Method
from forensic.recovery.headers import made_header, mended
from forensic.recovery.placement.by_anchors import anchors_with_starts, by_anchors
from forensic.recovery.placement.by_continuation import by_continuation
from forensic.recovery.placement.by_order import by_order
from forensic.recovery.placement.by_pattern import by_pattern, fits_of, reader_of
from forensic.recovery.placement.in_streams import Decoded
from forensic.recovery.placement.slots import (
    Placed,
    by_other_l1,
    by_twins,
    empty_slots,
    newest_of_twins,
    slots_needed,
)
from forensic.recovery.placement.starts import DiskShape
from forensic.recovery.understanding import accounts_of, image_of
from forensic.recovery.work import Work

MOST_ROUNDS = 4
"""Rounds of placing by what is in use: each may place the table that holds the next bitmap."""


FARTHEST_TIMES = 16
"""Times the size of the file beyond which no L1 entry is believed to have led before the file was cut."""


def place_tables(work: Work) -> None:
    """Give tables without an L1 entry their slots, strongest evidence first."""
    layout, accounts = work.layout, work.accounts
    in_use = orphans_in_use(work)
    lost = bool(len(work.broken)) or layout.l1_method != Method.HEADER or len(in_use) > 0 or not work.l1.any()
    if not lost:
        return
    others = other_l1_tables(work)
    needed = slots_needed(work.geometry, layout.l1, len(work.orphans.host_offsets) + int(np.count_nonzero(work.l1)))
    known = [(slot, table) for _, entries in others for slot, table in enumerate(entries.tolist()) if table]
    known += [(int(slot), int(work.l1[slot])) for slot in np.flatnonzero(work.l1)]
    free = set(empty_slots(work.l1, needed).tolist())
    wholly_lost = not work.l1.any()
    if others:
        unlisted = in_use[~np.isin(in_use, np.array([table for _, table in known], dtype=np.uint64))]
        _take(work, newest_of_twins(work.orphans, by_twins(accounts, unlisted, known)), free)
    shared = sorted(free - _slots_with_lost_tables(work))  # of the others there may be an older version
    _take(work, by_other_l1(work.orphans.host_offsets, shared, others, wholly_lost), free)
    _take(work, _only_slot(work, in_use, needed, free), free)
    if free and len(work.placed) < len(in_use) and not work.is_late("placing tables by what the guest holds"):
        doubtful = work.everywhere or layout.doubtful or work.found.stopped_at is not None
        known += [(one.slot, one.host_offset) for one in work.placed]
        decoded = Decoded()
        counted_now = bool(accounts.in_use(in_use).any())
        in_use = in_use[~np.isin(in_use, _older_versions(work, in_use, known))]
        _take(work, by_anchors(accounts, in_use, known, needed, disk_shape(work), decoded, counted_now, doubtful), free)
        _by_what_is_in_use(work, in_use, needed, free, decoded)
    if work.placed:
        tables = np.array([one.host_offset for one in work.placed], dtype=np.uint64)
        work.accounts = accounts_of(work.evidence, work.found, layout, np.concatenate([work.l1, tables]))
        work.orphans = work.orphans.chosen(~np.isin(work.orphans.host_offsets, tables))


def _older_versions(work: Work, tables: U64, known: list[tuple[int, int]]) -> list[int]:
    """Those of some tables whose slot is known and was not given to them: another version of it has it.

    Another L1 table names them, or they lead to the same clusters as a table that is known.
    """
    taken = {one.host_offset for one in work.placed}
    named = {table for _, table in known} | {one.host_offset for one in by_twins(work.accounts, tables, known)}
    return sorted(named - taken)


def _slots_with_lost_tables(work: Work) -> set[int]:
    """The slots whose L1 entry is sound and leads to a place where no table is any more, or past the file's end."""
    named = work.layout.l1[work.broken]
    offsets = host_offset_of(named)
    sound = (l1_reserved_bits(named) == 0) & ((offsets & np.uint64(work.geometry.cluster_size - 1)) == 0)
    sound &= (offsets != 0) & (offsets < np.uint64(FARTHEST_TIMES * work.evidence.size))
    return set(work.broken[sound].tolist())


def orphans_in_use(work: Work) -> U64:
    """The orphans that are in use; all of them, where the refcounts know of no table and may be of another time."""
    orphans = work.orphans.host_offsets
    in_use = orphans[work.accounts.in_use(orphans)]
    return in_use if len(in_use) or work.l1.any() else orphans


def disk_shape(work: Work) -> DiskShape:
    """What is known of the disk's size; a header that is right about little else may still have it."""
    geometry = work.geometry
    return DiskShape(geometry.l1_coverage, geometry.virtual_size, work.layout.size_known)


def _by_what_is_in_use(work: Work, in_use: U64, needed: int, free: set[int], decoded: Decoded) -> None:
    """Place by pattern, round after round, since each table may hold the next bitmap; then by order."""
    accounts = work.accounts
    for _ in range(MOST_ROUNDS):
        if work.is_late("placing tables by what the guest has in use"):
            return
        before = len(work.placed)
        left = in_use[~np.isin(in_use, [one.host_offset for one in work.placed])]
        anchors = anchors_with_starts(accounts, left, all_placed(work), disk_shape(work), decoded)
        read = reader_of(accounts, header_with(work, needed), all_placed(work), needed)
        slots = sorted(free)
        fits = fits_of(accounts, work.found, left, slots, anchors, read)
        _take(work, by_pattern(left, slots, fits), free)
        if len(work.placed) == before:
            scores = None if fits is None else fits[0]
            _take(work, by_order(accounts, left, all_placed(work), slots, scores), free)
            _take(work, by_continuation(accounts, left, all_placed(work), slots, scores), free)
            return


def header_with(work: Work, slot_count: int) -> bytes:
    """A header whose disk has so many slots, to read what is placed so far."""
    geometry = work.geometry
    size = max(geometry.virtual_size, slot_count * geometry.l1_coverage)
    if work.layout.form == "plan":
        return made_header(replace(geometry, virtual_size=size, l1_entry_count=slot_count))
    return mended(work.layout.header, size, slot_count, geometry.l1_table_offset)


def all_placed(work: Work) -> list[tuple[int, int]]:
    """Slots and tables that are known so far."""
    by_l1 = [(int(slot), int(work.l1[slot])) for slot in np.flatnonzero(work.l1)]
    return by_l1 + [(one.slot, one.host_offset) for one in work.placed]


def _take(work: Work, found: list[Placed], free: set[int]) -> None:
    """Take placements whose slot is free, and whose table has no other slot."""
    taken = {one.host_offset for one in work.placed}
    lost = _slots_with_lost_tables(work)
    wanted: dict[int, list[Placed]] = {}
    for one in found:
        if one.slot in free and one.host_offset not in taken:
            wanted.setdefault(one.slot, []).append(_as_older(one) if one.slot in lost else one)
    for slot, choices in wanted.items():
        if len(choices) == 1:
            work.placed.append(choices[0])
            free.discard(slot)


def _as_older(one: Placed) -> Placed:
    """A table in a slot whose L1 entry names another place: it is what the slot had before, and never certain."""
    because = f"the L1 entry names another place, where no table is any more; {one.because}"
    return replace(one, method=Method.OLDER_TABLE, certainty=sure.Certainty.INFERRED, because=because)


def other_l1_tables(work: Work) -> list[tuple[str, U64]]:
    """L1 tables beside the disk's: those of its snapshots, then any that were found by their content."""

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
        entries = host_offset_of(read_table(evidence, offset, length))
        entries[~is_among(entries, layout.candidates.host_offsets)] = 0
        found.append((f"the L1 table of snapshot {snapshot.index}", entries))
    for offset, entries in layout.l1_copies:
        if offset not in places:
            clean = host_offset_of(entries)
            clean[~is_among(clean, layout.candidates.host_offsets)] = 0
            found.append((f"the L1 table at {offset:#x}", clean))
    return found


def _only_slot(work: Work, in_use: U64, needed: int, free: set[int]) -> list[Placed]:
    """The one table of a disk that needs one L1 entry."""
    if needed != 1 or 0 not in free or len(in_use) != 1:
        return []
    accounts = accounts_of(work.evidence, work.found, work.layout, in_use)
    rivals = len(work.orphans.host_offsets) - 1
    doubtful = work.everywhere or work.layout.doubtful or work.found.stopped_at is not None
    how = sure.of_only_slot(work.layout.size_known, rivals, accounts, doubtful)
    because = "the disk has one slot, and the file one table that is in use"
    return [Placed(0, int(in_use[0]), Method.ONLY_SLOT, how, because)]
