"""Placing tables by what goes on across their borders, where a converter wrote them in the order of their slots."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from forensic.qcow2.arrays import U64
from forensic.recovery.accounts import Accounts, located
from forensic.recovery.certainty import Certainty, Method
from forensic.recovery.placement.by_order import FEWEST_ENTRIES, FEWEST_PLACED, Scores, looks_converted
from forensic.recovery.placement.slots import Placed

Edges = dict[int, tuple[bool, bool]]
"""Of tables by host offset whether their first entry leads somewhere, and whether their last one does."""


def by_continuation(
    accounts: Accounts, orphans: U64, placed: Sequence[tuple[int, int]], free: Sequence[int], scores: Scores | None
) -> list[Placed]:
    """The orphans that begin with data, where that of the table before them in the file reaches the end of its slot.

    The two are mostly one stretch. It proves little: a slot may lie between them in which nothing was written. So it is
    asked last, of tables with several entries, and a slot that the map of what is in use speaks against is not taken.
    Nothing goes backwards: with groups of ext begin copies of its superblock, so most tables there begin with data.
    `scores` are those of `by_order`.
    """
    rising = sorted((table, slot) for slot, table in placed)
    if len(rising) < FEWEST_PLACED or any(later[1] <= before[1] for before, later in pairwise(rising)):
        return []
    everything = np.sort(np.array([*orphans.tolist(), *(table for table, _ in rising)], dtype=np.uint64))
    if not looks_converted(accounts, everything):
        return []
    edges, enough = _edges(accounts, everything)
    slot_of = dict(rising)
    row, column = {int(table): at for at, table in enumerate(orphans)}, {slot: at for at, slot in enumerate(free)}
    taken = set(slot_of.values())

    def fits(table: int, slot: int) -> bool:
        if slot not in column or slot in taken or table not in enough:
            return False
        return scores is None or float(scores[row[table], column[slot]]) >= 0

    found: list[Placed] = []
    order = everything.tolist()
    for before, table in pairwise(order):
        slot = slot_of.get(before, -2) + 1
        if table not in slot_of and edges[before][1] and edges[table][0] and fits(table, slot):
            slot_of[table] = slot
            taken.add(slot)
            because = f"the data of slot {slot - 1} goes on in that of this table, which follows it in the file"
            found.append(Placed(slot, table, Method.ORDER, Certainty.INFERRED, because))
    slots = [slot_of[table] for table in order if table in slot_of]
    return found if slots == sorted(slots) else []


def _edges(accounts: Accounts, tables: U64) -> tuple[Edges, set[int]]:
    """The edges of tables, and those of them that have enough entries to say something."""
    edges: Edges = {}
    enough: set[int] = set()
    for batch, good in accounts.batches(np.arange(len(tables)), tables):
        places, streams = located(batch, good)
        used = (places != 0) | streams
        for at, table in enumerate(batch.host_offsets.tolist()):
            edges[table] = bool(used[at, 0]), bool(used[at, -1])
            if int(used[at].sum()) >= FEWEST_ENTRIES:
                enough.add(table)
    return edges, enough
