"""Counting in bulk gives what counting one by one gives, whatever the order, also where a byte overflows."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from forensic.accounting.cluster_counts import SATURATED, ClusterCounts, Use
from forensic.qcow2.geometry import Geometry
from forensic.qcow2.tables import L2Batch
from tests.images import COMPRESSED, COPIED, geometry

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
