"""Which slot of the L1 table an L2 table belongs to, when no entry says so: the ladder, strongest evidence first.

A slot is the index of an L1 entry. What cannot be placed stays a segment: a table whose guest offset is not known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from forensic.qcow2.arrays import I64, U64, distinct, is_among
from forensic.qcow2.entries import host_offset_of, is_copied
from forensic.qcow2.geometry import Geometry
from forensic.recovery.accounts import Accounts, located
from forensic.recovery.candidates import Candidates
from forensic.recovery.certainty import Certainty, Method
from forensic.recovery.headers import MOST_SLOTS_OF_A_TABLE

MOST_ORPHANS = 1 << 15
"""Tables without an L1 entry that are looked at; of more, those with most entries. They may be planted."""

MAX_TWIN_CLUSTERS = 1 << 24
"""Host clusters up to which twins are looked for: eight bytes are held for each."""


class Placed(Struct, frozen=True):
    """A table and its slot, by which method, how sure, and in words what says so."""

    slot: int
    host_offset: int
    method: Method
    certainty: Certainty
    because: str
    rivals: tuple[int, ...] = ()


def orphans_of(candidates: Candidates, accounts: Accounts) -> Candidates:
    """The candidates that nothing claims, without those that lead to other tables; none without accounts."""
    if not accounts.possible:
        return candidates.chosen(np.zeros(len(candidates.host_offsets), dtype=np.bool_))
    clusters = (candidates.host_offsets >> np.uint64(accounts.geometry.cluster_bits)).astype(np.int64)
    free = ~accounts.are_claimed(clusters)
    free &= ~(candidates.l1_like & (candidates.tables > 0))
    free &= (candidates.located + candidates.streams) > 0
    free &= (candidates.used > 1) | (candidates.copied > 0)  # a single word proves nothing
    found = candidates.chosen(free)
    if len(found.host_offsets) <= MOST_ORPHANS:
        return found
    best = np.argsort(-(found.located + found.streams), kind="stable")[:MOST_ORPHANS]
    return found.chosen(np.sort(best))


def without_nested(orphans: Candidates, accounts: Accounts) -> Candidates:
    """The orphans that do not lie in the data of another: those are the guest's own, such as an image in the image."""
    if not len(orphans.host_offsets):
        return orphans
    inside: Counter[int] = Counter()
    leads: dict[int, U64] = {}
    for batch, good in accounts.batches(np.arange(len(orphans.host_offsets)), orphans.host_offsets):
        places, _ = located(batch, good)
        for row, own in enumerate(batch.host_offsets.tolist()):
            found = distinct(places[row][is_among(places[row], orphans.host_offsets)])
            if len(found):
                leads[own] = found
                inside.update(found.tolist())
    roots = [own for own in leads if own not in inside]
    nested = {int(found) for own in roots for found in leads[own].tolist()}
    return orphans.chosen(~np.isin(orphans.host_offsets, np.array(sorted(nested), dtype=np.uint64)))


def by_other_l1(
    orphans: U64, empty: Sequence[int] | range, tables: Iterable[tuple[str, U64]], also_shared: bool
) -> list[Placed]:
    """Tables that another L1 table names: a snapshot's, or one from before the disk was made larger.

    It proves that the table was in that slot then. With `also_shared` tables that this other L1 table still owns are
    taken, too: after a snapshot the disk shares them until it writes.
    """
    wanted = set(empty)
    found: dict[int, list[tuple[str, int]]] = {}
    only_slot: dict[int, int] = {}  # -1 for a table that several slots name
    for name, entries in tables:
        offsets = host_offset_of(entries)
        usable = offsets != 0
        if not also_shared:
            usable &= is_among(offsets, orphans)
        for slot in np.flatnonzero(usable).tolist():
            offset = int(offsets[slot])
            only_slot[offset] = slot if only_slot.get(offset, slot) == slot else -1
            if slot in wanted:
                found.setdefault(slot, []).append((name, offset))
    placed = []
    for slot, named in sorted(found.items()):
        choices = list(dict.fromkeys(offset for _, offset in named if only_slot[offset] >= 0))
        if choices:
            because = f"{named[0][0]} lists it in this slot"
            placed.append(Placed(slot, choices[0], Method.OTHER_L1, Certainty.INFERRED, because, tuple(choices[1:])))
    return placed


def by_twins(accounts: Accounts, orphans: U64, placed: Sequence[tuple[int, int]]) -> list[Placed]:
    """Orphans that lead to the same host clusters at the same indices as a table whose slot is known.

    Such a table is another version of that one: of the same slot, for a cluster is never moved to another guest offset.
    `placed` are slots and tables.
    """
    if not accounts.possible or accounts.clusters > MAX_TWIN_CLUSTERS or not placed or not len(orphans):
        return []
    guest = np.full(accounts.clusters, -1, dtype=np.int64)
    per_table = accounts.geometry.l2_entry_count
    bits = np.uint64(accounts.geometry.cluster_bits)
    slots = np.array([slot for slot, _ in placed], dtype=np.int64)
    for batch, good in accounts.batches(slots, np.array([offset for _, offset in placed], dtype=np.uint64)):
        places, _ = located(batch, good)
        inside = (places != 0) & (places < np.uint64(accounts.evidence.size))
        numbers = batch.l1_indices[:, np.newaxis] * per_table + np.arange(per_table)
        guest[(places[inside] >> bits).astype(np.int64)] = numbers[inside]
    found = []
    for batch, good in accounts.batches(np.arange(len(orphans)), orphans):
        places, _ = located(batch, good)
        inside = (places != 0) & (places < np.uint64(accounts.evidence.size))
        for row, own in enumerate(batch.host_offsets.tolist()):
            indices = np.flatnonzero(inside[row])
            there = guest[(places[row][indices] >> bits).astype(np.int64)]
            same = (there >= 0) & (there % per_table == indices)
            votes = Counter((there[same] // per_table).tolist())
            if votes and 2 * np.count_nonzero(same) > np.count_nonzero(there >= 0):
                slot, count = votes.most_common(1)[0]
                because = f"{count:,} of its entries agree with the table in this slot"
                found.append(Placed(slot, own, Method.TWIN, Certainty.INFERRED, because))
    return found


def newest_of_twins(orphans: Candidates, twins: list[Placed]) -> list[Placed]:
    """Of several twins for one slot the one that was written to last: it has most copied bits.

    A snapshot clears them in the table that it takes, and the disk's own copy has them for what was written since. It
    proves nothing where a snapshot was gone back to: what was the disk before that has them as well. Where no twin has
    more than the others, all are left.
    """
    found: dict[int, list[tuple[int, Placed]]] = {}
    for one in twins:
        at = orphans.index(one.host_offset)
        found.setdefault(one.slot, []).append((0 if at is None else int(orphans.copied[at]), one))
    newest = []
    for choices in found.values():
        choices.sort(key=lambda choice: (-choice[0], choice[1].host_offset))
        rivals = tuple(one.host_offset for _, one in choices[1:])
        first = len(choices) == 1 or choices[0][0] > choices[1][0]
        newest += [replace(choices[0][1], rivals=rivals)] if first else [one for _, one in choices]
    return newest


def is_current(accounts: Accounts, host_offset: int, counted_now: bool) -> bool:
    """Whether a table has one reference, which is that of the disk.

    By its refcount it has, or since every cluster in it says so of itself. A table that only a snapshot has left has a
    refcount of one as well, but no copied bits: these are cleared when the snapshot is made, and set in the copy that
    the disk gets. One of nothing but compressed clusters has no such bits, and tells only where no snapshot can be.
    The refcounts are believed only if they know of such tables (`counted_now`); after an image was created over
    another they are those of the new one.
    """
    by_count = counted_now and accounts.usable
    if by_count and not _has_one_reference(accounts, host_offset):
        return False
    for batch, good in accounts.batches(np.zeros(1, np.int64), np.array([host_offset], dtype=np.uint64)):
        places, streams = located(batch, good)
        copied = is_copied(batch.entries[places != 0])
        if by_count:
            return bool(copied.any()) or accounts.without_snapshots
        return bool(copied.all()) and not bool(streams.any())
    return False


def _has_one_reference(accounts: Accounts, host_offset: int) -> bool:
    cluster = np.array([host_offset >> accounts.geometry.cluster_bits])
    return accounts.stored is not None and int(accounts.stored.at(cluster)[0]) == 1


def slots_needed(geometry: Geometry, l1: U64, evidence_tables: int) -> int:
    """How many slots there may be; a size that nothing confirms counts only as far as there is evidence for it."""
    most = MOST_SLOTS_OF_A_TABLE * max(1, evidence_tables)
    return max(len(l1), min(geometry.l1_entries_needed, most) if geometry.virtual_size else most)


def empty_slots(l1: U64, count: int) -> I64:
    """The slots without a table."""
    entries = np.zeros(max(count, len(l1)), dtype=np.uint64)
    entries[: len(l1)] = l1
    found: I64 = np.flatnonzero(host_offset_of(entries) == 0)
    return found
