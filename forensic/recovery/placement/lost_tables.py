"""L2 tables that were written over: what can be put in their place, which is never certain.

A snapshot may have an older table of the slot. A converter writes the clusters of a table right after it, in the order
of its entries: where there are as many of them as the table has entries, each has its place.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from msgspec import Struct

from forensic.qcow2.arrays import I64, U64, without
from forensic.qcow2.entries import OFFSET_MASK
from forensic.recovery.certainty import Certainty, Method
from forensic.recovery.placement.by_order import looks_converted
from forensic.recovery.placement.by_place import by_place
from forensic.recovery.placement.by_streams import by_streams, not_placed
from forensic.recovery.placement.lost_streams import Found, find_streams
from forensic.recovery.placement.placing import all_placed, other_l1_tables
from forensic.recovery.placement.slots import Placed
from forensic.recovery.plan import DataRange
from forensic.recovery.work import PlacedData, Work

CLUSTERS_AT_ONCE = 1 << 16


def replace_lost_tables(work: Work) -> None:
    """Give the slots whose table was written over an older table, or the data that lies where it belongs."""
    slots = lost_slots(work)
    if not work.accounts.possible:
        return
    found = Found() if work.accounts.closed else find_streams(work)
    work.streams = found.streams()
    if not found.complete and len(work.streams.host_offsets):
        work.notes.append("compressed clusters without a table were not looked for everywhere")
    if not len(slots):
        return
    older = by_older_tables(work, slots)
    work.placed += older
    left = without(slots, [one.slot for one in older])
    work.placed_data += by_exact_count(work, left)
    left = without(left, [one.slot for one in work.placed_data])
    in_streams = by_streams(work, left, found)
    work.streams = not_placed(work.streams, in_streams)
    work.placed_data += in_streams
    work.placed_data += by_place(work, without(left, [one.slot for one in in_streams]))
    replaced = [one.slot for one in older] + [one.slot for one in work.placed_data]
    l1 = work.l1.copy()
    l1[[slot for slot in replaced if slot < len(l1)]] = 0
    work.l1 = l1


def lost_slots(work: Work) -> I64:
    """The slots whose L1 entry leads to no table, or to one of nothing but zeros though the accounts do not close.

    QEMU leaves no L2 table of zeros; one that was wiped leaves its clusters in use.
    """
    wiped = np.zeros(0, dtype=np.int64)
    if work.accounts.possible and not work.accounts.closed:
        used = np.flatnonzero(work.l1)
        clusters = (work.l1[used] >> np.uint64(work.geometry.cluster_bits)).astype(np.int64)
        wiped = used[work.found.zero_among(clusters, work.geometry.cluster_bits)]
    placed = [one.slot for one in work.placed]
    found: I64 = without(np.concatenate([work.broken, wiped]), placed)
    return found


def by_older_tables(work: Work, slots: I64) -> list[Placed]:
    """The table that the last snapshot, or else one before it, has in a slot.

    It proves what the slot held when that snapshot was made; what was written since is in the table that is lost.
    """
    found: list[Placed] = []
    others = other_l1_tables(work)
    for slot in slots.tolist():
        for name, entries in others:
            table = int(entries[slot]) if slot < len(entries) else 0
            if table:
                because = f"its own table is lost; {name} has an older one in this slot"
                found.append(Placed(slot, table, Method.OLDER_TABLE, Certainty.INFERRED, because))
                break
    return found


def data_ranges(work: Work, first: int) -> tuple[DataRange, ...]:
    """The data that was placed, as ranges of a plan; its decisions come after the first so many."""
    found: list[DataRange] = []
    size = work.geometry.cluster_size
    for number, part in sorted(enumerate(work.placed_data, first + 1), key=lambda one: one[1].slot):
        start, places = part.slot * work.geometry.l1_coverage, part.host_offsets
        stored = np.zeros(len(places), dtype=np.int64) if part.stored_lengths is None else part.stored_lengths
        breaks = (np.diff(places) != size) | (np.diff(part.indices) != 1) | (stored[1:] > 0) | (stored[:-1] > 0)
        for begin, stop in pairwise([0, *(np.flatnonzero(breaks) + 1).tolist(), len(places)]):
            guest, length = start + int(part.indices[begin]) * size, (stop - begin) * size
            length = min(length, max(0, work.geometry.virtual_size - guest)) if work.layout.size_known else length
            found.append(DataRange(guest, length, int(places[begin]), f"D{number}", int(stored[begin])))
    return tuple(sorted(found, key=lambda one: one.guest_offset))


class _Gap(Struct, frozen=True):
    """A slot, where its lost table lay, and where the next table lies; host offsets."""

    slot: int
    begin: int
    end: int


def by_exact_count(work: Work, slots: I64) -> list[PlacedData]:
    """The clusters between a lost table and the next one, where they are as many as the table has entries.

    It proves nothing: a guest that fills a slot before it goes on to the next leaves the same picture, in another order
    perhaps. So the tables have to rise with their slots, and those that are left have to look like a converter's.
    """
    geometry, accounts = work.geometry, work.accounts
    placed = np.array(sorted(table for _, table in all_placed(work) if table), dtype=np.uint64)
    intact = placed[~work.found.zero_among(_clusters(work, placed), geometry.cluster_bits)]
    if work.suspect or work.everywhere or (len(intact) and not looks_converted(accounts, intact)):
        return []
    found = []
    last = -(-geometry.virtual_size // geometry.cluster_size)
    for gap in _gaps(work, set(slots.tolist())):
        first = (gap.begin >> geometry.cluster_bits) + 1
        wanted = min(geometry.l2_entry_count, last - gap.slot * geometry.l2_entry_count)
        clusters = _unclaimed(work, first, gap.end >> geometry.cluster_bits, wanted)
        if len(clusters) == wanted > 1:
            because = f"as many clusters as it needs lie between the place of its table at {gap.begin:#x} and the next"
            places = clusters << geometry.cluster_bits
            found.append(PlacedData(gap.slot, np.arange(wanted), places, Method.EXACT_COUNT, because))
    return found


def _unclaimed(work: Work, first: int, end: int, wanted: int) -> I64:
    """The clusters of a part of the file that are in use and that nothing claims; it is not asked beyond `wanted`."""
    accounts, found = work.accounts, [np.zeros(0, dtype=np.int64)]
    count = 0
    for at in range(first, min(end, accounts.clusters), CLUSTERS_AT_ONCE):
        part = np.arange(at, min(end, accounts.clusters, at + CLUSTERS_AT_ONCE))
        part = part[~accounts.are_claimed(part)]
        if accounts.usable and accounts.stored is not None:
            part = part[accounts.stored.are_counted(part)]
        else:
            part = part[~work.found.zero_among(part, work.geometry.cluster_bits)]
        found.append(part)
        count += len(part)
        if count > wanted:
            break
    return np.concatenate(found)


def _clusters(work: Work, tables: U64) -> I64:
    found: I64 = (tables >> np.uint64(work.geometry.cluster_bits)).astype(np.int64)
    return found


def _gaps(work: Work, lost: set[int]) -> list[_Gap]:
    """What lies between the place of each lost table and the next table; nothing unless all rise with their slots."""
    size = work.evidence.size
    named = work.layout.l1 & np.uint64(OFFSET_MASK)
    aligned = (named & np.uint64(work.geometry.cluster_size - 1)) == 0
    slots = np.flatnonzero((named != 0) & aligned & (named < np.uint64(size)))
    places = named[slots].astype(np.int64)
    if (np.diff(places) <= 0).any():
        return []
    ends = [*places.tolist(), size + -size % work.geometry.cluster_size]
    return [
        _Gap(slot, begin, end)
        for slot, (begin, end) in zip(slots.tolist(), pairwise(ends), strict=True)
        if slot in lost
    ]
