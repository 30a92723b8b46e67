"""Counters in bits, held against plain ones."""

from __future__ import annotations

import numpy as np
import pytest

from forensic.recovery.tally import AT_ONCE, MOST, Tally

SIZE = 5003


def numbers(rng: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """A stretch, some that lie far apart, or some of a few, in any order and perhaps again."""
    first = int(rng.integers(0, SIZE - 600))
    return [
        np.arange(first, first + int(rng.integers(1, 600))),
        rng.permutation(SIZE)[: rng.integers(1, 50)],
        rng.integers(first, first + 9, int(rng.integers(1, 300))),
        rng.permutation(np.arange(first, first + 100))[:60],
        np.zeros(0, dtype=np.int64),
    ][int(rng.integers(0, 5))]


@pytest.mark.parametrize("seed", range(20))
def test_what_is_counted_is_what_a_plain_array_counts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    plain, tally = np.zeros(SIZE, dtype=np.int64), Tally(SIZE)
    for _ in range(12):
        some = numbers(rng)
        tally.add(some)
        np.add.at(plain, some, 1)
        where, times = np.unique(numbers(rng), return_counts=True)
        times = times * int(rng.integers(0, 3))
        tally.put(where, times)
        plain[where] += times
        asked = rng.integers(0, SIZE, (3, 40))
        counts = np.minimum(plain, MOST)
        assert tally.at(asked).tolist() == counts[asked].tolist()
        assert tally.are_counted(asked).tolist() == (plain[asked] > 0).tolist()
        assert np.concatenate([tally.part(part) for part in tally.parts()]).tolist() == counts.tolist()
        assert tally.has_more == bool((plain > 1).any())
        assert tally.any == bool(plain.any())


def test_parts_end_with_the_last_counter() -> None:
    tally = Tally(2 * AT_ONCE + 5)
    tally.add(np.array([0, AT_ONCE, 2 * AT_ONCE + 4]))
    assert [(part.start, part.stop) for part in tally.parts()] == [
        (0, AT_ONCE), (AT_ONCE, 2 * AT_ONCE), (2 * AT_ONCE, 2 * AT_ONCE + 5),
    ]  # fmt: skip
    assert [int(tally.part(part).sum()) for part in tally.parts()] == [1, 1, 1]


def test_a_count_stops_at_the_largest_that_a_byte_holds() -> None:
    tally = Tally(8)
    for _ in range(300):
        tally.add(np.array([3]))
    assert tally.at(np.arange(8)).tolist() == [0, 0, 0, MOST, 0, 0, 0, 0]
