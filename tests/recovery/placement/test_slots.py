"""Placing by order and by pattern, held against plain ways to do the same."""

from __future__ import annotations

import random
import tracemalloc
from itertools import combinations

import numpy as np
import pytest

from forensic.recovery.certainty import Why
from forensic.recovery.composing import Ranges, slots_of
from forensic.recovery.placement.by_order import _best_in_order, decided
from forensic.recovery.placement.by_pattern import MARGIN, _mutual, _not_known, _scores
from forensic.recovery.placement.usedmap import FREE, NOT_KNOWN, USED, UsedMap, of_slots


@pytest.mark.parametrize("seed", range(30))
def test_the_best_rising_choice_is_that_of_trying_all(seed: int) -> None:
    rng = random.Random(seed)
    rows = rng.randrange(1, 5)
    columns = rng.randrange(rows, 8)
    scores = np.array([[rng.randrange(-9, 30) for _ in range(columns)] for _ in range(rows)], dtype=np.float32)
    best = max(sum(scores[row, at] for row, at in enumerate(tried)) for tried in combinations(range(columns), rows))
    chosen = _best_in_order(scores)
    assert chosen == sorted(set(chosen))
    assert sum(scores[row, at] for row, at in enumerate(chosen)) == best


def test_a_row_that_fits_several_columns_is_left_open() -> None:
    scores = np.array([[50, 0, 0, 0], [0, 9, 9, 0], [0, 0, 0, 50]], dtype=np.float32)
    assert decided(scores) == [0, None, 3]
    scores[1, 2] = 0
    assert decided(scores) == [0, 1, 3]


def test_where_one_row_fits_its_place_badly_none_is_put_in_order() -> None:
    """What the guest deleted is still allocated: then what it has in use is no measure."""
    scores = np.array([[50, 0, 0], [0, -30, -60], [0, 0, 50]], dtype=np.float32)
    assert decided(scores) == [None] * 3
    scores[1, 1] = 30
    assert decided(scores) == [0, 1, 2]


def test_a_pair_is_taken_only_if_each_is_the_other_s_best_by_far() -> None:
    far = np.array([[100, 10], [20, 90]], dtype=np.float32)
    near = np.array([[100, 100 - MARGIN + 1], [20, 90]], dtype=np.float32)
    rivals = np.array([[100, 0], [99, 0]], dtype=np.float32)
    assert [(table, slot) for table, slot, _ in _mutual(far, far)] == [(0, 0), (1, 1)]
    assert _mutual(near, near) == []
    assert _mutual(rivals, rivals) == []
    nothing = np.full((2, 2), -np.inf, dtype=np.float32)
    assert _mutual(nothing, nothing) == []


def test_a_slot_of_which_nothing_is_known_is_a_rival_with_all_that_is_possible_there() -> None:
    allocated = np.ones((1, 100), dtype=np.float32)
    states = np.array([[USED] * 100, [NOT_KNOWN] * 100, [FREE] * 100], dtype=np.uint8)
    scores = _scores(allocated, states)
    possible = scores + _not_known(allocated, states)
    assert possible.tolist() == [[200, 200, -600]]
    assert _mutual(scores, scores) == [(0, 0, 200)]
    assert _mutual(scores, possible) == []
    assert _mutual(scores[:, [0, 2]], possible[:, [0, 2]]) == [(0, 0, 800)]


def test_what_is_allocated_though_free_counts_most() -> None:
    allocated = np.array([[1, 1, 0, 0]], dtype=np.float32)
    states = np.array([[USED, USED, FREE, FREE], [FREE, USED, USED, FREE], [NOT_KNOWN] * 4], dtype=np.uint8)
    assert _scores(allocated, states).tolist() == [[2 + 2 + 1 + 1, -6 + 2 - 2 + 1, 0]]


@pytest.mark.parametrize(("block", "cluster"), [(1024, 4096), (4096, 4096), (4096, 1024)])
def test_a_cluster_is_in_use_if_any_block_in_it_is(block: int, cluster: int) -> None:
    rng = random.Random(block + cluster)
    blocks = np.array([rng.choice([FREE, USED, NOT_KNOWN]) for _ in range(64 * 4096 // block)], dtype=np.uint8)
    start, entries = 4096 * 4, 8
    found = of_slots([UsedMap(start, block, blocks)], np.array([0, 1, 2]), entries, cluster)
    for slot in range(3):
        for index in range(entries):
            begin = (slot * entries + index) * cluster - start
            inside = {
                int(blocks[at // block]) if 0 <= at // block < len(blocks) else NOT_KNOWN
                for at in range(begin, begin + cluster, min(block, cluster))
            }
            expected = USED if USED in inside else FREE if inside == {FREE} else NOT_KNOWN
            assert found[slot, index] == expected, (slot, index)


def test_a_slot_far_larger_than_the_file_system_costs_nothing_for_the_rest() -> None:
    blocks = np.full(64, USED, dtype=np.uint8)
    tracemalloc.start()
    found = of_slots([UsedMap(0, 1024, blocks)], np.arange(16), 1 << 18, 2 << 20)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.argwhere(found == USED).tolist() == [[0, 0]]
    assert most < found.nbytes + (4 << 20)


def test_runs_of_doubt_are_joined_across_tables_and_not_across_gaps() -> None:
    found = Ranges([], [], [])
    found.add(np.array([0, 1, 3]), np.array([[0, 17], [17, 1], [1, 0]], dtype=np.uint8))
    found.add_slots(np.array([4]), 2, Why.OVERWRITTEN)
    assert list(found.joined()) == [
        (1, 3, Why.EMPTINESS_DOUBTFUL), (3, 4, Why.CLAIMED_TWICE), (6, 7, Why.CLAIMED_TWICE), (8, 10, Why.OVERWRITTEN),
    ]  # fmt: skip


def test_slots_in_a_row_whose_tables_are_equally_far_apart_are_one_line() -> None:
    slots = np.array([0, 1, 2, 3, 7])
    tables = np.array([512, 1024, 1536, 4096, 8192], dtype=np.uint64)
    lines = slots_of(slots, tables, ["D1"] * 5)
    assert [(one.slot, one.l2_offset, one.count, one.step) for one in lines] == [
        (0, 512, 3, 512), (3, 4096, 1, 0), (7, 8192, 1, 0),
    ]  # fmt: skip
