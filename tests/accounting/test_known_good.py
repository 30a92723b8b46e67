"""Of which streams an extraction leaves nothing to find out."""

from __future__ import annotations

import random

import numpy as np
import pytest

from forensic.accounting.streams import DecodedRange, Streams


def streams(starts: list[int], lengths: list[int], guests: list[int], owners: list[int]) -> Streams:
    columns = [np.array(column, dtype=np.uint64) for column in (starts, lengths, guests, owners)]
    return Streams(*columns)


@pytest.mark.parametrize(
    ("guest", "missing", "good"),
    [
        (8192, [], True),
        (8192 - 4096, [], False),  # before what was extracted
        (16384, [], False),  # after it
        (8192, [(8191, 8192)], True),
        (8192, [(8191, 8193)], False),
        (8192, [(12287, 12288)], False),
        (8192, [(12288, 12289)], True),
        (8192, [(0, 1), (8192, 8193), (20000, 20001)], False),
        (8192, [(0, 1), (20000, 20001)], True),
    ],
)
def test_a_stream_is_known_where_all_of_its_cluster_was_read(
    guest: int, missing: list[tuple[int, int]], good: bool
) -> None:
    found = streams([1000, 1900], [1048, 660], [guest, 0], [0, 0])
    known = DecodedRange(8192, 16384, missing).known_good(found, found.next_offsets(), ["active"], 4096, 1 << 20)
    assert known.tolist() == [good, False]


@pytest.mark.parametrize(
    ("following", "good"), [(1535, False), (1536, False), (1537, True), (2047, True), (2048, False)]
)
def test_only_of_a_stream_whose_last_sector_holds_the_next_nothing_else_is_asked(following: int, good: bool) -> None:
    found = streams([1000, following], [1048, 512], [0, 4096], [0, 0])
    known = DecodedRange(0, 8192).known_good(found, found.next_offsets(), ["active"], 4096, 1 << 20)
    assert known.tolist() == [good, False]


@pytest.mark.parametrize(("file_size", "good"), [(1 << 20, True), (2560, True), (2559, False)])
def test_what_a_snapshot_names_first_was_not_decoded(file_size: int, good: bool) -> None:
    found = streams([1000, 1900, 2500], [1048, 660, 60], [0, 4096, 8192], [1, 0, 0])
    known = DecodedRange(0, 8192).known_good(found, found.next_offsets(), ["active", "snapshot 1"], 4096, file_size)
    assert known.tolist() == [False, good, False]


@pytest.mark.parametrize("seed", range(60))
def test_streams_are_known_that_a_look_at_each_by_itself_says_are(seed: int) -> None:
    """In guest clusters of 4096 bytes, of which an extraction may have missed parts of some."""
    rng = random.Random(seed)
    size, file_size = 4096, rng.choice([1 << 20, 20_000, 20 * 512])
    starts = sorted(rng.choice([rng.randrange(20_000), rng.randrange(40) * 512]) for _ in range(rng.randrange(1, 40)))
    lengths = [512 * rng.randrange(1, 4) - start % 512 for start in starts]
    lengths = [length if length > 0 else length + 512 for length in lengths]
    guests, owners = [rng.randrange(20) * size for _ in starts], [rng.choice([0, 0, 1]) for _ in starts]
    edges = [rng.randrange(20) * size + rng.choice([-1, 0, 1]) for _ in range(rng.choice([0, 2, 6]))]
    edges = sorted({max(0, edge) for edge in edges})
    missing = list(zip(edges[::2], edges[1::2], strict=False))
    first, end = rng.randrange(10) * size, rng.randrange(10, 21) * size
    found = streams(starts, lengths, guests, owners)
    names = ["active", "snapshot 1"]
    known = DecodedRange(first, end, missing).known_good(found, found.next_offsets(), names, size, file_size)
    for start, length, guest, owner, good in zip(starts, lengths, guests, owners, known.tolist(), strict=True):
        following = min((other for other in starts if other > start), default=1 << 60)
        last_sector = start + length - 512
        whole = all(until <= guest or guest + size <= begin for begin, until in missing)
        expected = owner == 0 and last_sector < following < start + length <= file_size
        assert good == (expected and first <= guest < end and whole)
