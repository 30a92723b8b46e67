"""Counting in bulk gives what counting one by one gives, whatever the order, also where a byte overflows."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from forensic.accounting import cluster_counts
from forensic.accounting.cluster_counts import (
    MAX_COUNT,
    ODD_OR_WRONGLY_COPIED,
    SATURATED,
    ClusterCounts,
    Use,
    odd_uses,
)
from forensic.qcow2.geometry import Geometry
from forensic.qcow2.tables import L2Batch
from tests.accounting.plain_usage import SIZE, PlainWindow
from tests.images import COMPRESSED, COPIED, geometry, header

CLUSTERS = 512
ENTRIES = 64

offsets = st.integers(0, CLUSTERS + 8).map(lambda cluster: cluster * 512)
entries = st.builds(lambda offset, flags: offset | flags, offsets, st.sampled_from([0, COPIED]))
tables = st.lists(st.lists(entries, min_size=ENTRIES, max_size=ENTRIES), min_size=1, max_size=4)


def batch(rows: list[list[int]], owner: str = "active", shape: Geometry | None = None) -> L2Batch:
    """L2 tables of a file of `CLUSTERS` clusters of 512 bytes."""
    count = len(rows)
    return L2Batch(
        owner,
        shape or geometry(),
        CLUSTERS * 512,
        np.arange(count, dtype=np.int64),
        np.arange(count, dtype=np.uint64) * np.uint64(512),
        np.full(count, ENTRIES, dtype=np.int64),
        np.array(rows, dtype=np.uint64),
        None,
    )


def counted(window: ClusterCounts, first: int = 0, end: int = CLUSTERS) -> list[int]:
    return [int(count) for count in window.count_of(np.arange(end - first))]


@given(rows=tables, times=st.lists(st.integers(1, 400), min_size=4, max_size=4))
def test_data_is_counted_as_often_as_its_table_is_referenced(rows: list[list[int]], times: list[int]) -> None:
    window = ClusterCounts(0, CLUSTERS, 1)
    chosen = np.array(times[: len(rows)])
    window.add_tables(batch(rows), chosen, np.ones(len(rows), dtype=np.uint8))
    expected: Counter[int] = Counter()
    for row, each in zip(rows, times, strict=False):
        for entry in row:
            cluster = (entry & ~COPIED) // 512
            if 0 < cluster < CLUSTERS:
                expected[cluster] += each
    assert counted(window) == [expected[cluster] for cluster in range(CLUSTERS)]


@given(rows=tables)
def test_clusters_named_twice_in_one_set_are_marked(rows: list[list[int]]) -> None:
    window = ClusterCounts(0, CLUSTERS, 1)
    window.add_tables(batch(rows), np.ones(len(rows), dtype=np.int64), np.ones(len(rows), dtype=np.uint8))
    names = Counter((entry & ~COPIED) // 512 for row in rows for entry in row)
    twice = {cluster for cluster, count in names.items() if count > 1 and 0 < cluster < CLUSTERS}
    assert set(np.flatnonzero(window.use & Use.TWICE).tolist()) == twice


@given(rows=tables, width=st.integers(1, 200))
def test_windows_together_count_what_one_counts(rows: list[list[int]], width: int) -> None:
    whole, parts = ClusterCounts(0, CLUSTERS, 1), []
    times, sets = np.ones(len(rows), dtype=np.int64), np.ones(len(rows), dtype=np.uint8)
    whole.add_tables(batch(rows), times, sets)
    for first in range(0, CLUSTERS, width):
        window = ClusterCounts(first, min(first + width, CLUSTERS), 1)
        window.add_tables(batch(rows), times, sets)
        parts += counted(window, first, window.end)
    assert parts == counted(whole)


@given(rows=tables)
def test_what_lies_behind_the_first_window_is_noted_with_its_table(rows: list[list[int]]) -> None:
    window = ClusterCounts(0, 100, 1)
    window.elsewhere_wanted = True
    window.add_tables(batch(rows), np.ones(len(rows), dtype=np.int64), np.ones(len(rows), dtype=np.uint8))
    found = {
        pair for windows, places in window.elsewhere for pair in zip(windows.tolist(), places.tolist(), strict=True)
    }
    expected = set()
    for number, row in enumerate(rows):
        clusters = [(entry & ~COPIED) // 512 for entry in row]
        expected |= {(cluster // 100, number * 512) for cluster in clusters if 100 <= cluster < CLUSTERS}
    assert found == expected


def test_what_leads_elsewhere_is_noted_only_if_it_is_asked_for() -> None:
    window = ClusterCounts(0, 100, 1)
    window.add_tables(batch([[200 * 512] * ENTRIES]), np.ones(1, dtype=np.int64), np.ones(1, dtype=np.uint8))
    assert window.elsewhere == []


@pytest.mark.parametrize("sets", [1, 2, 9])
@pytest.mark.parametrize("first", [0, 1, 300])
def test_a_window_takes_two_bytes_a_cluster_wherever_it_is_and_a_third_for_several_sets(first: int, sets: int) -> None:
    window = ClusterCounts(first, first + 100, sets)
    assert (len(window.counts), len(window.use), len(window._sets)) == (100, 100, 100 if sets > 1 else 0)


@pytest.mark.parametrize("off", [0, 512, 1024, 2048, 3584, 4096])
def test_an_entry_that_leads_into_a_cluster_counts_for_nothing_among_any_others(off: int) -> None:
    """The others all lead to a whole cluster of the file, in which case they are not looked at one by one."""
    window = ClusterCounts(0, 64, 1)
    rows = [[6 * 4096 + off] + [6 * 4096] * (ENTRIES - 1)]
    shape = geometry(header(cluster_bits=12))
    window.add_tables(batch(rows, shape=shape), np.ones(1, dtype=np.int64), np.ones(1, dtype=np.uint8))
    expected = {6: ENTRIES} if off == 0 else {6: ENTRIES - 1, 7: 1} if off == 4096 else {6: ENTRIES - 1}
    assert {cluster: count for cluster, count in enumerate(counted(window, 0, 64)) if count} == expected


def test_two_sets_may_share_a_cluster_but_one_may_not_use_it_twice() -> None:
    window = ClusterCounts(0, CLUSTERS, 2)
    row = [[512 * 7] + [0] * 63]
    for mask in (1, 2):
        window.add_tables(batch(row, "active"), np.array([1]), np.array([mask], dtype=np.uint8))
    assert not window.use[7] & Use.TWICE
    window.add_tables(batch(row, "active"), np.array([1]), np.array([2], dtype=np.uint8))
    assert window.use[7] & Use.TWICE
    assert counted(window)[7] == 3


def test_counts_beyond_a_byte_stay_exact() -> None:
    window = ClusterCounts(0, CLUSTERS, 1)
    row = batch([[512 * 7] * 64])
    window.add_tables(row, np.array([SATURATED * 1000]), np.array([1], dtype=np.uint8))
    window.add_tables(row, np.array([1]), np.array([1], dtype=np.uint8))
    assert counted(window)[7] == 64 * (SATURATED * 1000 + 1)
    assert window.many_between(0, CLUSTERS).tolist() == [7]


def test_a_stream_counts_every_cluster_that_it_touches() -> None:
    shape = replace(geometry(), cluster_bits=9)
    window = ClusterCounts(0, CLUSTERS, 1)
    # At 512-byte clusters bit 61 is the number of sectors after the first.
    row = [COMPRESSED | 512 * 9 + 100, COMPRESSED | 1 << 61 | 512 * 20 + 500] + [0] * 62
    window.add_tables(batch([row], shape=shape), np.array([1]), np.array([1], dtype=np.uint8))
    assert [number for number, count in enumerate(counted(window)) if count] == [9, 20, 21]
    assert set(np.flatnonzero(window.use & Use.COMPRESSED).tolist()) == {9, 20, 21}


@given(
    bits=st.sampled_from([9, 12]),
    begins=st.integers(0, CLUSTERS * 512 - 1),
    sectors=st.integers(0, 15),
    first=st.integers(0, 20),
)
@example(bits=12, begins=CLUSTERS * 512 - 4097, sectors=15, first=0)  # ends a sector before the largest end there is
@example(bits=12, begins=CLUSTERS * 512 - 4096, sectors=15, first=0)
def test_a_stream_of_any_length_counts_the_clusters_from_its_first_byte_to_its_last_sector(
    bits: int, begins: int, sectors: int, first: int
) -> None:
    """Up to three clusters: a descriptor may claim almost two, and begin at the end of one."""
    shape, size, file_size = replace(geometry(), cluster_bits=bits), 1 << bits, CLUSTERS * 512
    sectors %= 1 << (bits - 8)
    row = [COMPRESSED | sectors << 70 - bits | begins] + [0] * (ENTRIES - 1)
    ends = begins // 512 * 512 + (sectors + 1) * 512
    touched = set(range(begins // size, (ends - 1) // size + 1)) if ends < file_size + size else set()
    window = ClusterCounts(first, file_size // size, 1)
    window.elsewhere_wanted = True
    window.add_tables(batch([row], shape=shape), np.array([1]), np.array([1], dtype=np.uint8))
    inside = {cluster for cluster in touched if first <= cluster < window.end}
    counts = counted(window, first, window.end)
    assert {first + number for number, count in enumerate(counts) if count == 1} == inside
    assert set((np.flatnonzero(window.use & Use.COMPRESSED) + first).tolist()) == inside
    noted = {number for windows, _ in window.elsewhere for number in windows.tolist()}
    assert noted == {cluster // window.end for cluster in touched - inside}


def test_metadata_on_metadata_is_an_overlap() -> None:
    window = ClusterCounts(0, CLUSTERS, 1)
    window.add_range(2, 5)
    window.add_metadata(np.array([4, 6, 8, 8], dtype=np.uint64))
    window.add_range(6, 7)
    assert np.flatnonzero(window.use & Use.OVERLAP).tolist() == [4, 6, 8]
    assert counted(window)[2:9] == [1, 1, 2, 0, 2, 0, 2]


FILES = [96 * SIZE - 300, 96 * SIZE]
"""Files of 96 clusters, of which the last is whole or is not."""


def rows_of_one_part(rng: random.Random, count: int, width: int) -> list[list[int]]:
    """Tables in which every entry leads to data, all of it in one part of the file, or right after it as well."""
    first = rng.randrange(1, 96 // width) * width
    clusters = range(first, first + width + rng.choice([0, 0, 1]))
    return [[rng.choice([0, COPIED]) | rng.choice(clusters) * SIZE for _ in range(32)] for _ in range(count)]


def random_row(rng: random.Random) -> list[int]:
    """Entries of an L2 table: a run as a writer lays it out, the same with holes, or anything anywhere."""
    kind = rng.randrange(6)
    flags = rng.choice([[COPIED], [0], [0, COPIED]])
    if kind < 3:
        first = rng.randrange(1, 66)
        row = [rng.choice(flags) | (first + number) * SIZE for number in range(32)]
        if kind == 1:
            row = [entry if rng.random() < 0.9 else 0 for entry in row]
        if rng.random() < 0.3:  # a run and little else
            row[rng.choice([0, -1])] = 0
        if kind == 2:
            rng.shuffle(row)
        return row
    if kind == 5:  # all of them lead somewhere, some off a cluster boundary
        return [rng.choice(flags) | rng.randrange(1, 90) * SIZE + rng.choice([0, 0, 512, 2048]) for _ in range(32)]
    some = [lambda: rng.randrange(100) * SIZE, lambda: rng.randrange(100) * SIZE]
    if kind == 4:
        some += [
            lambda: rng.randrange(100) * SIZE + 512,
            lambda: COMPRESSED | rng.randrange(16) << 58 | rng.randrange(98 * SIZE),
            lambda: 0,
        ]
    return [
        (entry if entry & COMPRESSED else entry | rng.choice(flags))
        for entry in (rng.choice(some)() for _ in range(32))
    ]


@pytest.mark.parametrize("seed", range(150))
def test_a_window_counts_and_marks_what_a_plain_one_does(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any tables, referenced any number of times by any sets, in windows anywhere; runs are added as slices early."""
    rng = random.Random(seed)
    monkeypatch.setattr(cluster_counts, "RUN_WORTH_A_SLICE", rng.choice([4, 256]))
    first = rng.choice([0, 0, 1, 40])
    end, sets = rng.choice([97, 96, first + 8]), rng.choice([1, 3])
    file_size = rng.choice(FILES)
    window, plain = ClusterCounts(first, end, sets), PlainWindow(first, end, sets, file_size)
    window.elsewhere_wanted = wanted = rng.random() < 0.7
    for _ in range(rng.randrange(3)):
        begin = rng.randrange(100)
        stop = begin + rng.randrange(4)
        window.add_range(begin, stop)
        for cluster in range(begin, stop):
            plain.metadata(cluster)
    clusters = [rng.randrange(100) for _ in range(rng.randrange(8))]
    every = rng.choice([1, 1, 300, SATURATED])
    window.add_metadata(np.array(clusters, dtype=np.uint64), every)
    for cluster in clusters:
        plain.metadata(cluster, every)
    alone = sorted(rng.sample(range(100), rng.randrange(8)))
    many = np.array([rng.choice([1, 2, 249, 250, 251, 1000]) for _ in alone], dtype=np.int64)
    window.add_metadata(np.array(alone, dtype=np.uint64), many)
    for cluster, times_of_it in zip(alone, many.tolist(), strict=True):
        plain.metadata(cluster, times_of_it)
    copied = np.array([rng.random() < 0.5 for _ in alone], dtype=np.bool_)
    window.mark_l2_tables(np.array(alone, dtype=np.uint64), copied)
    for cluster, flag in zip(alone, copied.tolist(), strict=True):
        if first <= cluster < end:
            plain.use[cluster] |= Use.COPIED if flag else Use.NOT_COPIED
    for _ in range(rng.randrange(1, 4)):
        count = rng.randrange(1, 4)
        rows = [random_row(rng) for _ in range(count)]
        if end <= 48 and rng.random() < 0.6:
            rows = rows_of_one_part(rng, count, end)
        present = [rng.choice([32, 32, rng.randrange(33)]) for _ in range(count)]
        words = [row[:held] + [0] * (32 - held) for row, held in zip(rows, present, strict=True)]
        shape = replace(geometry(), cluster_bits=12, external_data_file=rng.random() < 0.1)
        places = np.array(rng.sample(range(100), count), dtype=np.uint64) * np.uint64(SIZE)
        owner, entries_of = rng.choice(["active", "active", "snapshot 0"]), np.array(words, dtype=np.uint64)
        one = L2Batch(owner, shape, file_size, np.arange(count), places, np.array(present), entries_of, None)
        times = [rng.choice([1, 1, 2, 251]) for _ in range(count)]
        masks = [rng.choice([1, 2, 3]) if sets > 1 else 1 for _ in range(count)]
        window.add_tables(one, np.array(times), np.array(masks, dtype=np.uint8))
        for row in range(count):
            plain.table(one, row, times[row], masks[row])
        if sets > 1 and rng.random() < 0.3:
            window.next_sets()
            plain.sets.clear()
    expected = [plain.counts[cluster] for cluster in range(first, end)]
    assert counted(window, first, end) == expected
    assert window.use.tolist() == [plain.use[cluster] for cluster in range(first, end)]
    noted = {
        pair for numbers, tables in window.elsewhere for pair in zip(numbers.tolist(), tables.tolist(), strict=True)
    }
    assert noted == (plain.elsewhere if wanted else set())
    some = np.array(sorted(rng.sample(range(end - first), rng.randrange(end - first))), dtype=np.int64)
    assert window.count_of(some).tolist() == [expected[number] for number in some.tolist()]
    begin, stop = sorted((rng.randrange(100), rng.randrange(100)))
    beyond = set(window.many_between(begin, stop).tolist())
    assert beyond == {number for number in window._many if begin <= number < stop}
    assert {number for number, count in enumerate(expected) if count > SATURATED} <= set(window._many)
    assert int(window.counts.max()) <= SATURATED


def test_counts_stop_at_the_largest_number() -> None:
    window = ClusterCounts(0, 4, 1)
    for _ in range(3):
        window.add_metadata(np.array([2], dtype=np.uint64), MAX_COUNT)
    assert counted(window, 0, 4) == [0, 0, MAX_COUNT, 0]
    assert MAX_COUNT == (1 << 63) - 1
    assert SATURATED == 250


@pytest.mark.parametrize("by", [-1, 0, 1])
def test_counts_are_exact_around_what_a_byte_holds(by: int) -> None:
    for first, second in ((SATURATED + by, 0), (SATURATED, by + 1), (1, SATURATED - 1 + by)):
        window = ClusterCounts(0, 4, 1)
        for times in (first, second):
            window.add_metadata(np.array([1, 2], dtype=np.uint64), np.array([times, 1]))
        assert counted(window, 0, 4) == [0, first + second, 2, 0]
        assert window.many_between(0, 4).tolist() == ([1] if first + second > SATURATED else [])


def test_each_use_has_a_bit_of_its_own_and_one_is_left() -> None:
    """The highest says elsewhere that the stored refcount is one."""
    assert [use.value for use in Use] == [1 << number for number in range(7)]


def test_for_every_combination_of_uses_it_is_known_whether_they_go_together() -> None:
    """The highest bit says that the stored refcount is one, with which the copied bit has to agree."""
    every = np.arange(256, dtype=np.uint8)
    odd = [PlainWindow.is_odd(use) for use in range(256)]
    assert odd_uses(every).tolist() == odd
    wrong = [bool(use & (Use.NOT_COPIED if use >= 128 else Use.COPIED)) for use in range(256)]
    assert ODD_OR_WRONGLY_COPIED.tolist() == [any(pair) for pair in zip(odd, wrong, strict=True)]


@pytest.mark.parametrize("by", [-1, 0, 1, 2])
def test_runs_that_are_added_as_slices_leave_the_byte_like_single_clusters(
    by: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_counts, "RUN_WORTH_A_SLICE", 4)
    window = ClusterCounts(0, CLUSTERS, 1)
    run = batch([[COPIED | (7 + number) * 512 for number in range(ENTRIES)]])
    for _ in range(SATURATED + by):
        window.add_tables(run, np.array([1]), np.array([1], dtype=np.uint8))
    assert counted(window)[6 : 8 + ENTRIES] == [0] + [SATURATED + by] * ENTRIES + [0]
    assert window.many_between(0, CLUSTERS).tolist() == (list(range(7, 7 + ENTRIES)) if by > 0 else [])
    assert int(window.counts.max()) <= SATURATED
