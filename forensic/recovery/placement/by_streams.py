"""Compressed clusters of lost L2 tables: places by what they hold, and by the order in which a converter writes them.

A converter writes what holds something in the order of the disk, compressed or not, and leaves out what is zero. So
between two clusters whose places are known there are never more others than there is room for on the disk; where there
are as many, each has its place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from msgspec import Struct

from forensic.qcow2.arrays import I64
from forensic.qcow2.entries import compressed_host_offset
from forensic.recovery.accounts import located
from forensic.recovery.certainty import Method
from forensic.recovery.placement.by_order import looks_converted
from forensic.recovery.placement.by_place import LONGEST_RUN, said_places
from forensic.recovery.placement.lost_streams import Found, unclaimed_runs
from forensic.recovery.placement.placing import all_placed
from forensic.recovery.work import PlacedData, Streams, Work

MOST_ITEMS = 1 << 22

NEAR, FEWEST_NEAR = 8, 16
"""Of clusters that are no farther apart so many pairs have to rise; a converter writes so many at once."""


class Items(Struct, frozen=True):
    """Everything that no table leads to, in the order of the file: streams and plain clusters (length 0)."""

    starts: I64
    lengths: I64
    cluster_size: int

    def have_one_order(self, first: int, end: int) -> bool:
        """Whether a converter can have written these in the order of the file alone.

        A plain cluster takes the next free one, but a stream what is left of the one before, if that is enough: of a
        stream that lies within a cluster, after its begin, and of the plain cluster after it either may be first.
        """
        starts, lengths = self.starts[first:end], self.lengths[first:end]
        within = starts % self.cluster_size
        filled_up = (lengths > 0) & (within > 0) & (within + lengths <= self.cluster_size)
        return not bool((filled_up[:-1] & (lengths[1:] == 0)).any())


def by_streams(work: Work, slots: I64, found: Found) -> list[PlacedData]:
    """The clusters of these slots, whose tables are lost, where streams are among them.

    It proves nothing: another writer than a converter may have put them into another order.
    """
    streams = found.streams()
    if not len(slots) or not len(streams.host_offsets) or work.everywhere or work.suspect:
        return []
    items = _items(work, streams)
    if items is None:
        return []
    lost = set(slots.tolist())
    converted = _is_converted(work)
    placed = _filled(work, lost, items) if converted else {}
    said = _said(work, lost, found, items)
    taken = {item for item, _ in placed.values()}
    if converted or (converted is None and _rises(said, items)):
        said = _with_runs(work, lost, said, items)
    for guest, item in said.items():
        if guest not in placed and item not in taken:
            placed[guest] = (item, Method.ANCHORED_DATA)
    return list(_per_slot(work, placed, items))


def _items(work: Work, streams: Streams) -> Items | None:
    """The streams, and the clusters that are in use in which none of them lies; None if there are too many."""
    size = work.geometry.cluster_size
    first, last = streams.host_offsets // size, (streams.host_offsets + streams.lengths - 1) // size
    touched = np.unique(np.concatenate([first, last]))
    plain, count = [np.zeros(0, dtype=np.int64)], 0
    for begin, stop in unclaimed_runs(work):
        clusters = np.arange(begin, stop)
        plain.append(clusters[~np.isin(clusters, touched)])
        count += len(plain[-1])
        if count > MOST_ITEMS:
            return None
    starts = np.concatenate([streams.host_offsets, np.concatenate(plain) * size])
    lengths = np.concatenate([streams.lengths, np.zeros(len(starts) - len(streams.lengths), dtype=np.int64)])
    order = np.argsort(starts, kind="stable")
    return Items(starts[order], lengths[order], size)


def _is_converted(work: Work) -> bool | None:
    """Whether the tables that are left rise with their slots, each before its data; None if none is left."""
    tables = np.array([table for _, table in sorted(all_placed(work))], dtype=np.uint64)
    clusters = (tables >> np.uint64(work.geometry.cluster_bits)).astype(np.int64)
    tables = tables[~work.found.zero_among(clusters, work.geometry.cluster_bits)]
    rising = bool((tables[1:] > tables[:-1]).all())
    return (rising and looks_converted(work.accounts, tables)) if len(tables) else None


def _filled(work: Work, lost: set[int], items: Items) -> dict[int, tuple[int, Method]]:
    """Guest cluster → item, where as many items lie between two tables as the lost slots between them have entries."""
    geometry = work.geometry
    per_table = geometry.l2_entry_count
    disk = -(-geometry.virtual_size // geometry.cluster_size)
    found: dict[int, tuple[int, Method]] = {}
    for (before, begin), (after, end) in pairwise(_known_ranges(work)):
        guests = [
            np.arange(slot * per_table, min(disk, (slot + 1) * per_table))
            for slot in sorted(lost)
            if before < slot < after
        ]
        low, high = np.searchsorted(items.starts, [begin[1], end[0]])
        wanted = np.concatenate([np.zeros(0, np.int64), *guests])
        if 0 < len(wanted) == high - low and items.have_one_order(int(low), int(high)):
            pairs = zip(wanted.tolist(), range(int(low), int(high)), strict=True)
            found.update({guest: (item, Method.EXACT_COUNT) for guest, item in pairs})
    return found


def _known_ranges(work: Work) -> list[tuple[int, tuple[int, int]]]:
    """Slot and host range of the data of each table whose slot is known, in order, and the ends of the file."""
    bits, ends = work.geometry.cluster_bits, work.evidence.size + 1
    found: list[tuple[int, tuple[int, int]]] = [(-1, (0, 0))]
    known = sorted(all_placed(work))
    slots = np.array([slot for slot, _ in known], dtype=np.int64)
    for batch, good in work.accounts.batches(slots, np.array([table for _, table in known], dtype=np.uint64)):
        places, streams = located(batch, good)
        starts = np.where(streams, compressed_host_offset(batch.entries, bits), places)
        for row, slot in enumerate(batch.l1_indices.tolist()):
            used = starts[row][starts[row] != 0].astype(np.int64)
            if len(used):
                found.append((slot, (int(used.min()), int(used.max()) + 1)))
    return [*found, (1 << 62, (ends, ends))]


def _said(work: Work, slots: set[int], found: Found, items: Items) -> dict[int, int]:
    """Guest cluster → item, as structures in the data of both say; each of either once."""
    pairs: set[tuple[int, int]] = set()
    places = said_places(work, slots, found.structured)
    for guest, host_offset in places:
        at = int(np.searchsorted(items.starts, host_offset))
        if at < len(items.starts) and int(items.starts[at]) == host_offset:
            pairs.add((guest, at))
    guests, hosts = Counter(guest for guest, _ in pairs), Counter(item for _, item in pairs)
    return {guest: item for guest, item in sorted(pairs) if guests[guest] == hosts[item] == 1}


def _rises(said: dict[int, int], items: Items) -> bool:
    """Whether many streams that say their places, and that lie close together on the disk, rise in the file as well.

    A converter that writes out of order mixes up those that are written at once.
    """
    known = [(guest, item) for guest, item in sorted(said.items()) if items.lengths[item]]
    near = [later[1] > one[1] for one, later in pairwise(known) if later[0] - one[0] <= NEAR]
    return len(near) >= FEWEST_NEAR and all(near)


def _with_runs(work: Work, slots: set[int], said: dict[int, int], items: Items) -> dict[int, int]:
    """The same with the items between two that have as many items between them as there are clusters on the disk."""
    found, per_table = dict(said), work.geometry.l2_entry_count
    for (guest, item), (next_guest, next_item) in pairwise(sorted(said.items())):
        count = next_guest - guest
        through = range(guest // per_table, next_guest // per_table + 1)
        if count != next_item - item or not 1 < count <= LONGEST_RUN or not slots.issuperset(through):
            continue
        if items.have_one_order(item, next_item + 1):
            found.update(zip(range(guest, next_guest), range(item, next_item), strict=True))
    return found


def _per_slot(work: Work, placed: dict[int, tuple[int, Method]], items: Items) -> Iterator[PlacedData]:
    """What was placed, slot by slot and method by method."""
    by_slot: dict[tuple[int, Method], list[tuple[int, int]]] = {}
    for guest, (item, method) in sorted(placed.items()):
        slot, index = divmod(guest, work.geometry.l2_entry_count)
        by_slot.setdefault((slot, method), []).append((index, item))
    because = {
        Method.EXACT_COUNT: "as many clusters as the lost tables had entries lie between those of their neighbours",
        Method.ANCHORED_DATA: "structures of the guest in these clusters, or before and after them, say where they lie",
    }
    for (slot, method), pairs in sorted(by_slot.items()):
        indices, rows = (np.array(column, dtype=np.int64) for column in zip(*pairs, strict=True))
        yield PlacedData(slot, indices, items.starts[rows], method, because[method], items.lengths[rows])


def not_placed(streams: Streams, placed: list[PlacedData]) -> Streams:
    """The streams that are in none of what was placed."""
    taken = np.concatenate([np.zeros(0, np.int64), *(one.host_offsets for one in placed)])
    kept = ~np.isin(streams.host_offsets, taken)
    return Streams(streams.host_offsets[kept], streams.lengths[kept])
