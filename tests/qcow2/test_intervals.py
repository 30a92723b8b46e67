"""Intervals against plain loops over their elements."""

from itertools import groupby

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from forensic.qcow2.intervals import clipped, equal_runs, joined, merged, piece_starts, pieces, true_runs

MARKS = st.lists(st.booleans(), max_size=40)
RANGES = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 12)), max_size=12).map(
    lambda pairs: sorted((begin, begin + length) for begin, length in pairs)
)
"""Ranges as they may come: with gaps, touching and overlapping."""

MAYBE_EMPTY = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12)), max_size=12).map(
    lambda pairs: sorted((begin, begin + length) for begin, length in pairs)
)

Ranges = list[tuple[int, int]]


def rows(ranges: Ranges) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.array(ranges, dtype=np.int64).reshape(-1, 2)


def places(ranges: Ranges) -> set[int]:
    return {place for begin, end in ranges for place in range(begin, end)}


def runs_of(wanted: set[int]) -> list[list[int]]:
    """Runs of neighbouring numbers as begin and end."""
    ordered = sorted(wanted)
    groups = groupby(enumerate(ordered), lambda pair: pair[1] - pair[0])
    found = [[number for _, number in group] for _, group in groups]
    return [[run[0], run[-1] + 1] for run in found]


@given(MARKS)
def test_pieces_begin_after_each_break(breaks: list[bool]) -> None:
    found: list[list[int]] = [[]]
    for index in range(len(breaks) + 1):
        found[-1].append(index)
        if index < len(breaks) and breaks[index]:
            found.append([])
    array = np.array(breaks, dtype=np.bool_)
    assert pieces(array).tolist() == [[piece[0], piece[-1] + 1] for piece in found]
    assert piece_starts(array).tolist() == [piece[0] for piece in found]


@given(st.lists(st.integers(0, 2), max_size=40))
def test_equal_neighbours_are_one_run(values: list[int]) -> None:
    at, expected = 0, []
    for _, group in groupby(values):
        length = len(list(group))
        expected.append([at, at + length])
        at += length
    runs = equal_runs(np.array(values, dtype=np.int64))
    assert (runs.tolist(), runs.shape) == (expected, (len(expected), 2))


@given(MARKS)
def test_runs_of_marks_are_where_marks_are_set(marks: list[bool]) -> None:
    wanted = {index for index, mark in enumerate(marks) if mark}
    assert true_runs(np.array(marks, dtype=np.bool_)).tolist() == runs_of(wanted)


@given(RANGES)
def test_merged_ranges_cover_the_same_places_with_gaps_between_them(ranges: Ranges) -> None:
    assert merged(rows(ranges)).tolist() == runs_of(places(ranges))


@given(RANGES, st.data())
def test_joined_ranges_reach_from_the_first_to_the_last_of_a_piece(ranges: Ranges, data: st.DataObject) -> None:
    count = max(0, len(ranges) - 1)
    breaks = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)), dtype=np.bool_)
    expected: list[list[int]] = []
    for index, (begin, end) in enumerate(ranges):
        if index and not breaks[index - 1]:
            expected[-1][1] = end
        else:
            expected.append([begin, end])
    assert joined(rows(ranges), breaks).tolist() == expected


@given(MAYBE_EMPTY, MAYBE_EMPTY)
@example([(7, 7)], [(7, 7)])
def test_clipped_ranges_lie_within_the_others(ranges: Ranges, others: Ranges) -> None:
    within = [(begin, end) for begin, end in merged(rows(others)).tolist()]
    expected = [
        [max(begin, low), min(end, high)] for begin, end in ranges for low, high in within if begin < high and low < end
    ]
    assert clipped(rows(ranges), rows(within)).tolist() == expected
