"""What is done with rows, against the same done one byte or one row at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forensic.mapping import rows as rows_module
from forensic.mapping.extents import Reason, State
from forensic.mapping.rows import ROW, ROWS_AT_ONCE, Rows, clipped, coalesced, joined

PLACED = (State.DATA, State.ZERO_ALLOCATED)
"""States in which every byte has a place of its own in the file."""

choices = st.tuples(
    st.integers(1, 3),  # length
    st.sampled_from([State.DATA, State.ZERO_ALLOCATED, State.COMPRESSED, State.UNALLOCATED, State.ABSENT]),
    st.sampled_from([Reason.NONE, Reason.ENTRY_BEYOND_EOF, Reason.RESERVED_BITS_SET]),
    st.integers(0, 1),  # depth
    st.sampled_from(["anywhere", "goes on", "the same again", "the stream of another place goes on"]),
)


@st.composite
def some_rows(draw: st.DrawFn, most: int = 8) -> Rows:
    """Rows without gaps, many of which go on with the one before."""
    found: list[tuple[int, ...]] = []
    guest = draw(st.integers(0, 3))
    state: int
    reason: int
    for length, state, reason, depth, follows_how in draw(st.lists(choices, min_size=1, max_size=most)):
        host, skip = draw(st.sampled_from([0, 512, 1024])), 0
        if follows_how != "anywhere" and found:
            _, before, host, _, state, reason, depth, skip = found[-1]
            if follows_how != "the same again":
                skip += before if state == State.COMPRESSED else 0
                host += 0 if state == State.COMPRESSED else before
            if follows_how == "the stream of another place goes on":
                host += 512
        elif state != State.ABSENT:  # what can be read needs no reason
            reason = Reason.NONE
        found.append((guest, length, host, 9 * (state == State.COMPRESSED), state, reason, depth, skip))
        guest += length
    return np.array(found, dtype=ROW)


def bytes_of(rows: Rows) -> list[tuple[object, ...]]:
    """What is said of each guest byte."""
    found: list[tuple[object, ...]] = []
    for guest, length, host, stored, state, reason, depth, skip in rows.tolist():
        for at in range(length):
            place: object = None
            if state in PLACED or reason == Reason.ENTRY_BEYOND_EOF:
                place = host + at
            if state == State.COMPRESSED:
                place = host, stored, skip + at
            found.append((guest + at, state, reason, depth, place))
    return found


def follows(before: tuple[object, ...], after: tuple[object, ...]) -> bool:
    """Whether two neighbouring bytes are of one run."""
    one, other = before[4], after[4]
    if before[1:4] != after[1:4]:
        return False
    if isinstance(one, tuple) and isinstance(other, tuple):
        return bool(one[0] == other[0] and one[2] + 1 == other[2])
    return other == (one + 1 if isinstance(one, int) else None)


def runs_of(rows: Rows) -> list[int]:
    """The guest offsets at which runs begin."""
    found = bytes_of(rows)
    return [byte[0] for at, byte in enumerate(found) if not at or not follows(found[at - 1], byte)]  # type: ignore[misc]


@given(rows=some_rows())
def test_neighbours_of_one_run_are_one_row(rows: Rows) -> None:
    merged = coalesced(rows.copy())
    assert bytes_of(merged) == bytes_of(rows)
    assert merged["guest_offset"].tolist() == runs_of(rows)


@given(rows=some_rows(), cuts=st.lists(st.integers(0, 8), max_size=3))
def test_neighbours_in_different_batches_are_one_row_too(rows: Rows, cuts: list[int]) -> None:
    batches = np.split(rows, sorted(min(cut, len(rows)) for cut in cuts))
    expected = coalesced(rows).tolist()
    for at_once in (1, 2, 3, ROWS_AT_ONCE):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(rows_module, "ROWS_AT_ONCE", at_once)
            found = list(joined(batches))
        assert np.concatenate(found).tolist() == expected
        assert 0 < min(map(len, found)) <= max(map(len, found)) <= at_once


@given(rows=some_rows(), start=st.integers(0, 30), length=st.integers(1, 30))
def test_of_rows_that_are_clipped_the_bytes_within_the_range_stay_as_they_are(
    rows: Rows, start: int, length: int
) -> None:
    found = clipped(rows, start, start + length)
    kept = [byte for byte in bytes_of(rows) if start <= byte[0] < start + length]  # type: ignore[operator]
    assert bytes_of(found) == kept
    assert (found["length"] > 0).all()


@pytest.mark.parametrize("by", [-1, 0, 1, 2])
def test_one_byte_more_than_is_asked_for_is_cut_off(by: int) -> None:
    rows = np.array([(0, 10, 512, 0, State.DATA, Reason.NONE, 0, 0)], dtype=ROW)
    assert clipped(rows, 0, 10 - by)["length"].tolist() == [10 - max(by, 0)]
    assert clipped(rows, by, 20)["length"].tolist() == [10 - max(by, 0)]
