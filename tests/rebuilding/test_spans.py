"""The clusters of a new image, held against a plain look at every byte of the disk."""

from __future__ import annotations

import random

import pytest

from forensic.mapping.extents import Reason, Run, State
from forensic.rebuilding.spans import KINDS, Kind, Span, spans

CLUSTER = 8


def some_runs(rng: random.Random) -> list[Run]:
    """Runs of any length, a stream now and then; neighbours may be of one kind."""
    found: list[Run] = []
    position = 0
    for _ in range(rng.randrange(1, 12)):
        state = rng.choice(list(State))
        length = rng.choice([CLUSTER, CLUSTER * rng.randrange(1, 5), rng.randrange(1, 3 * CLUSTER)])
        stored = 3 if state == State.COMPRESSED else 0
        skip = rng.choice([0, 0, 2]) if stored else 0
        found.append((position, length, 1000 + position, stored, state, Reason.NONE, 0, skip))
        position += length
    return found


def plain(runs: list[Run], size: int) -> list[set[tuple[Kind, int]]]:
    """Of each cluster the kinds of its bytes, with the number of their run."""
    clusters: list[set[tuple[Kind, int]]] = [set() for _ in range(-(-size // CLUSTER))]
    for number, (start, length, *_, state, _, _, _) in enumerate(runs):
        for at in range(start, start + length):
            clusters[at // CLUSTER].add((KINDS[State(state)], number))
    return clusters


@pytest.mark.parametrize("seed", range(300))
def test_each_cluster_is_the_highest_of_what_it_holds(seed: int) -> None:
    runs = some_runs(random.Random(seed))
    size = sum(run[1] for run in runs)
    expected = plain(runs, size)
    found = list(spans(iter(runs), CLUSTER, size))
    assert [cluster for one in found for cluster in range(one.first, one.first + one.count)] == list(
        range(len(expected))
    )
    for one in found:
        for cluster in range(one.first, one.first + one.count):
            kinds = expected[cluster]
            highest = max(kind for kind, _ in kinds)
            if one.kind == Kind.STREAM:
                assert len(kinds) == 1
                assert one.stored_length == 3
            else:
                assert one.kind == min(highest, Kind.DATA)
            assert one.mixed or len(kinds) == 1


def test_a_stream_is_kept_only_as_one_whole_cluster() -> None:
    def of(guest_offset: int, length: int, skip: int, size: int) -> list[Span]:
        head = [(0, guest_offset, 0, 0, State.ZERO, Reason.NONE, 0, 0)] if guest_offset else []
        run = (guest_offset, length, 77, 5, State.COMPRESSED, Reason.NONE, 1, skip)
        return list(spans([*head, run], CLUSTER, size))

    assert of(0, CLUSTER, 0, CLUSTER) == [Span(0, 1, Kind.STREAM, 77, 5, 1)]
    assert of(CLUSTER, 3, 0, CLUSTER + 3)[1] == Span(1, 1, Kind.STREAM, 77, 5, 1)  # the disk ends there
    assert {one.kind for one in of(0, CLUSTER, 2, CLUSTER)} == {Kind.DATA}
    assert {one.kind for one in of(0, 2 * CLUSTER, 0, 2 * CLUSTER)} == {Kind.DATA}
    assert [one.kind for one in of(4, CLUSTER, 0, CLUSTER + 4)] == [Kind.DATA, Kind.DATA]
