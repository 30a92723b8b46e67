"""Placing tables by which of their entries are allocated, held against what the guest's file systems have in use."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from forensic.disk.planned import UNKNOWN, Judged, Planned
from forensic.image import Qcow2Image
from forensic.mapping.extents import State
from forensic.qcow2.arrays import I64, U64, NDArray
from forensic.qcow2.geometry import ACTIVE
from forensic.recovery.accounts import Accounts, located
from forensic.recovery.anchors.anchor import Anchor
from forensic.recovery.anchors.file_ends import file_ends
from forensic.recovery.certainty import Certainty, Method
from forensic.recovery.placement.file_end_scores import file_end_scores
from forensic.recovery.placement.slots import Placed
from forensic.recovery.placement.usedmap import FREE, NOT_KNOWN, USED, Read, of_slots, used_maps
from forensic.recovery.scan import Scan

MARGIN = 20
"""By so much a slot has to be better than any other for a table, and the table than any other for the slot."""

MOST_COMPARED = 1 << 31
"""Tables × slots × entries that are compared; with more of them nothing is placed this way."""

READ = (State.DATA, State.COMPRESSED)

Scores = NDArray[np.float32]


def reader_of(accounts: Accounts, header: bytes, placed: Sequence[tuple[int, int]], slot_count: int) -> Read:
    """Reads what the placed tables map; everything else is not known, nor is what another image has taken since."""
    evidence = accounts.evidence
    entries = np.zeros(slot_count, dtype=np.uint64)
    for slot, table in placed:
        if slot < slot_count:
            entries[slot] = table
    planned = Planned(header, 0, entries, ACTIVE, (), [0], [Judged(UNKNOWN, 0.0, "", "")])
    disk = Qcow2Image(evidence, planned).disk()
    known = {slot for slot, _ in placed}
    coverage = Qcow2Image(evidence, planned).geometry.l1_coverage

    def read(guest_offset: int, length: int) -> bytes | None:
        end = guest_offset + length
        if length > 64 << 20 or guest_offset < 0 or end > slot_count * coverage:
            return None
        if not known.issuperset(range(guest_offset // coverage, -(-end // coverage))):
            return None
        found = bytearray(length)
        for run in (run for runs in disk.runs(guest_offset, end) for run in runs):
            start, count, host_offset, stored_length, state, _, depth, skip = run
            place = memoryview(found)[start - guest_offset : start - guest_offset + count]
            if state == State.ABSENT or (state in READ and _is_taken(accounts, host_offset, stored_length or count)):
                return None
            if state in READ and disk.read(depth, start, host_offset, stored_length, skip, place):
                return None
        return bytes(found)

    return read


def _is_taken(accounts: Accounts, host_offset: int, length: int) -> bool:
    """Whether another image has taken a part of this host range."""
    if accounts.taken is None:
        return False
    bits = accounts.geometry.cluster_bits
    part = np.arange(host_offset >> bits, min(accounts.taken.size, ((host_offset + length - 1) >> bits) + 1))
    return bool(accounts.taken.are_counted(part).any())


def by_pattern(orphans: U64, slots: Sequence[int], fits: tuple[Scores, Scores] | None) -> list[Placed]:
    """Tables of which one slot fits best by far, and no other table fits that slot as well; `fits` is of `fits_of`."""
    if fits is None:
        return []
    scores, possible = fits
    found: list[Placed] = []
    open_tables, open_slots = np.ones(len(orphans), dtype=np.bool_), np.ones(len(slots), dtype=np.bool_)
    while True:
        taken = _mutual(np.where(open_tables[:, np.newaxis] & open_slots, scores, -np.inf), possible)
        if not taken:
            return found
        for table, slot, margin in taken:
            open_tables[table] = open_slots[slot] = False
            because = f"its entries fit what the guest's file system has in use there, by {margin:,} points"
            found.append(Placed(slots[slot], int(orphans[table]), Method.PATTERN, Certainty.INFERRED, because))


def fits_of(
    accounts: Accounts,
    scan: Scan,
    orphans: U64,
    free: Sequence[int],
    anchors: Sequence[tuple[Anchor, int]],
    read: Read,
) -> tuple[Scores, Scores] | None:
    """How well each of the orphans fits each free slot, and at most if more were known of what is in use.

    `free` is in rising order. None if nothing is known of what is in use.
    """
    geometry = accounts.geometry
    maps = used_maps(accounts.evidence, scan, anchors, read)
    slots: I64 = np.array(free, dtype=np.int64)
    entries = geometry.l2_entry_count
    if not maps or not len(orphans) or not len(slots) or len(orphans) * len(slots) * entries > MOST_COMPARED:
        return None
    allocated, states = _allocated(accounts, orphans), of_slots(maps, slots, entries, geometry.cluster_size)
    scores = _scores(allocated, states)
    scores += file_end_scores(accounts, scan, orphans, slots, file_ends(accounts.evidence, scan, anchors, read))
    return scores, scores + _not_known(allocated, states)


def _allocated(accounts: Accounts, orphans: U64) -> Scores:
    rows = []
    for batch, good in accounts.batches(np.arange(len(orphans)), orphans):
        places, streams = located(batch, good)
        rows.append(((places != 0) | streams).astype(np.float32))
    return np.concatenate(rows)


def _scores(allocated: Scores, states: NDArray[np.uint8]) -> Scores:
    """+2 where both have something, +1 where neither has, -2 and -6 where one has: a guest writes nothing to what is
    free, but what is in use may be zeros that were never stored."""
    used, free = (states == USED).astype(np.float32), (states == FREE).astype(np.float32)
    nothing = np.float32(1) - allocated
    found: Scores = 2 * allocated @ used.T - 6 * allocated @ free.T - 2 * nothing @ used.T + nothing @ free.T
    return found


def _not_known(allocated: Scores, states: NDArray[np.uint8]) -> Scores:
    """What a table would score if all that is not known of a slot were as the table has it."""
    not_known = (states == NOT_KNOWN).astype(np.float32)
    found: Scores = 2 * allocated @ not_known.T + (np.float32(1) - allocated) @ not_known.T
    return found


def _mutual(scores: Scores, possible: Scores) -> list[tuple[int, int, int]]:
    """Pairs of table and slot that are each other's best, by `MARGIN`; and by how much.

    Another slot counts with what is `possible` there: a full table fits each of which nothing is known as well.
    """
    if not np.isfinite(scores).any():
        return []
    best_slot, best_table = scores.argmax(axis=1), scores.argmax(axis=0)
    found = []
    for table, slot in enumerate(best_slot.tolist()):
        score = scores[table, slot]
        if not np.isfinite(score) or int(best_table[slot]) != table or score <= 0:
            continue
        elsewhere = np.where(np.isfinite(scores[table]), possible[table], -np.inf)
        others = np.concatenate([np.delete(elsewhere, slot), np.delete(scores[:, slot], table)])
        rival = float(others.max(initial=-np.inf))
        margin = score - rival if np.isfinite(rival) else score
        if margin >= MARGIN:
            found.append((table, int(slot), int(margin)))
    return found
