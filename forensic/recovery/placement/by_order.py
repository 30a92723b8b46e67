"""Placing tables by their order in the file: a converter writes them in the order of their slots, a guest does not."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from forensic.qcow2.arrays import U64, NDArray
from forensic.qcow2.entries import compressed_host_offset
from forensic.recovery.accounts import Accounts, located
from forensic.recovery.certainty import Certainty, Method
from forensic.recovery.placement.slots import Placed

FEWEST_PLACED = 2
"""Tables that have to be placed by other evidence, and to rise, before order says anything."""

CONVERTED = 0.9
"""The share of tables that have to look like a converter's."""

MOST_IN_GAP = 1 << 12
FEWEST_ENTRIES = 8
"""Entries of a table without which its pattern says nothing."""

MARGIN = 4
"""By so much a slot has to fit better than the others that the order leaves."""

Scores = NDArray[np.float32]


def looks_converted(accounts: Accounts, tables: U64) -> bool:
    """Whether nearly every table is followed by its own data, in the order of its entries, as a converter writes it."""
    like = 0
    size, bits = accounts.geometry.cluster_size, accounts.geometry.cluster_bits
    for batch, good in accounts.batches(np.arange(len(tables)), tables):
        places, streams = located(batch, good)
        for row, own in enumerate(batch.host_offsets.tolist()):
            starts = np.where(streams[row], compressed_host_offset(batch.entries[row], bits), places[row])
            used = starts[starts != 0].astype(np.int64)
            if not len(used):
                continue
            packed = bool(streams[row].any())  # the first stream may still have had room before the table
            rising = bool((np.diff(used) > 0).all())
            like += rising and own - packed * size < int(used[0]) <= own + 2 * size
    return len(tables) > 0 and like >= CONVERTED * len(tables)


def by_order(
    accounts: Accounts, orphans: U64, placed: Sequence[tuple[int, int]], free: Sequence[int], scores: Scores | None
) -> list[Placed]:
    """The orphans between two tables whose slots are known, in the order of the slots between them.

    Where there are more slots than tables, `scores` (orphans × slots of `free`) choose among them; without scores
    nothing does. The tables that are placed have to rise throughout, and all tables have to look like a converter's.
    """
    rising = sorted((table, slot) for slot, table in placed)
    everything = np.array([*orphans.tolist(), *(table for table, _ in rising)], dtype=np.uint64)
    if len(rising) < FEWEST_PLACED or any(later[1] <= before[1] for before, later in pairwise(rising)):
        return []
    if not looks_converted(accounts, np.sort(everything)):
        return []
    found: list[Placed] = []
    many = _entries_of(accounts, orphans) >= FEWEST_ENTRIES
    column = {slot: at for at, slot in enumerate(free)}
    for (begin, first), (end, last) in pairwise([*rising, (accounts.evidence.size, max(free, default=0) + 1)]):
        rows = np.flatnonzero((orphans > np.uint64(begin)) & (orphans < np.uint64(end)))
        rows = rows[np.argsort(orphans[rows])]
        slots = [slot for slot in free if first < slot < last]
        if not len(rows) or len(rows) > len(slots) or len(slots) > MOST_IN_GAP:
            continue
        if len(rows) == len(slots) and end < accounts.evidence.size:
            chosen: list[int | None] = list(range(len(slots)))
        elif scores is not None:
            chosen = decided(scores[rows][:, [column[slot] for slot in slots]])
            chosen = [at if many[row] else None for row, at in zip(rows.tolist(), chosen, strict=True)]
        else:
            continue
        because = f"it lies after the table of slot {first}, in the order in which a converter writes them"
        found += [
            Placed(slots[at], int(orphans[row]), Method.ORDER, Certainty.INFERRED, because)
            for row, at in zip(rows.tolist(), chosen, strict=True)
            if at is not None
        ]
    return found


def _entries_of(accounts: Accounts, tables: U64) -> NDArray[np.int64]:
    """How many entries of each table lead somewhere."""
    found = [np.zeros(0, np.int64)]
    for batch, good in accounts.batches(np.arange(len(tables)), tables):
        places, streams = located(batch, good)
        found.append(((places != 0) | streams).sum(axis=1))
    return np.concatenate(found)


def decided(scores: Scores) -> list[int | None]:
    """The columns of the best rising choice; None for a row that would fit another column between its neighbours'.

    None for all of them if any fits its own badly: the guest deleted much without a trace in the tables, or what is
    taken for its map of what is in use is not.
    """
    best = _best_in_order(scores)
    if any(scores[row, at] <= 0 for row, at in enumerate(best)):
        return [None] * len(best)
    found: list[int | None] = []
    for row, at in enumerate(best):
        low = best[row - 1] + 1 if row else 0
        high = best[row + 1] if row + 1 < len(best) else scores.shape[1]
        others = np.concatenate([scores[row, low:at], scores[row, at + 1 : high]])
        found.append(at if float(others.max(initial=-np.inf)) < scores[row, at] - MARGIN else None)
    return found


def _best_in_order(scores: Scores) -> list[int]:
    """For each row a column, rising, so that the sum of the scores is the largest."""
    rows, columns = scores.shape
    best = np.full((rows + 1, columns + 1), -np.inf, dtype=np.float64)
    best[0] = 0
    for row in range(rows):
        taken = best[row, :-1] + scores[row]
        best[row + 1, 1:] = np.maximum.accumulate(taken)
    chosen = []
    at = columns
    for row in range(rows, 0, -1):
        while at > 1 and best[row, at - 1] == best[row, at]:
            at -= 1
        at -= 1
        chosen.append(at)
    return chosen[::-1]
