"""Which clusters a snapshot holds alone, against sets that are kept one by one."""

from __future__ import annotations

import random

import numpy as np
import pytest
from msgspec.structs import replace

from forensic.accounting.shared_clusters import Sharing
from forensic.accounting.table_sets import TableSets
from forensic.qcow2.tables import L1Table, L2Batch
from tests.accounting.plain_usage import SIZE
from tests.images import COMPRESSED, COPIED, geometry, header

CLUSTERS = 60


def touched(entry: int) -> set[int]:
    """The host clusters of data that an entry of an L2 table leads to."""
    if entry & COMPRESSED:
        begin = entry & (1 << 58) - 1
        return set(range(begin // SIZE, -(-(begin // 512 * 512 + ((entry >> 58 & 15) + 1) * 512) // SIZE)))
    offset = entry & ~COPIED
    return {offset // SIZE} if offset and offset % SIZE == 0 and offset < CLUSTERS * SIZE else set()


@pytest.mark.parametrize("seed", range(40))
def test_shares_are_those_of_plain_sets(seed: int) -> None:
    """Tables of plain clusters and of streams, which touch up to three, some of them past the end of the file."""
    rng = random.Random(seed)
    layout, file_size = replace(geometry(header(cluster_bits=12))), CLUSTERS * SIZE
    places = [number * SIZE for number in range(1, 8)]
    rows = {place: [0] * 8 for place in places}
    for row in rows.values():
        for index in range(8):
            stream = COMPRESSED | rng.randrange(16) << 58 | rng.randrange(CLUSTERS * SIZE)
            row[index] = rng.choice([rng.randrange(CLUSTERS + 2) * SIZE, COPIED | 9 * SIZE, 9 * SIZE + 512, stream, 0])
    present = {place: rng.choice([8, 8, 5]) for place in places}
    sets, held = TableSets(), list[set[int]]()
    for number in range(rng.choice([2, 3, 9])):
        entries = np.array(rng.sample(places, 3), dtype=np.uint64)
        sets.add(L1Table(f"snapshot {number}", 0, 3, entries, layout, file_size), 1)
        words = [entry for place in entries.tolist() for entry in rows[place][: present[place]]]
        held.append({cluster for entry in words for cluster in touched(entry) if cluster < CLUSTERS})
    offsets, _ = sets.distinct()
    shares = Sharing(sets, CLUSTERS)
    for some in (offsets[:2], offsets[2:]):
        table = np.array([rows[place] for place in some.tolist()], dtype=np.uint64).reshape(-1, 8)
        kept = np.array([present[place] for place in some.tolist()], dtype=np.int64)
        indices = np.arange(len(some), dtype=np.int64)
        if len(some):
            shares.add(L2Batch("active", layout, file_size, indices, some, kept, table, None))
    expected = []
    for number, mine in enumerate(held):
        others = set().union(*held[:number], *held[number + 1 :])
        expected.append((len(mine - others), len(mine & others)))
    assert shares.of_sets() == expected
