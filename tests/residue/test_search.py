"""Remains are found where they are, whatever lies around them, against a search that goes byte by byte."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from forensic.budget import Budget, Limits
from forensic.evidence import Evidence
from forensic.qcow2.tables import L2Batch
from forensic.residue import search
from forensic.residue.content import READ_BYTES
from forensic.residue.search import GRANULE, FreeSearch, Place, nonzero_areas, table_residue
from tests.images import geometry, header, written

SIZE = 96 * GRANULE
NEAR_BYTES = 4 * GRANULE


def plain_areas(content: bytes, ranges: list[tuple[int, int]]) -> list[list[int]]:
    """The same, one granule after the other."""
    merged: list[list[int]] = []
    for begin, end in ranges:
        if merged and merged[-1][1] == begin:
            merged[-1][1] = end
        else:
            merged.append([begin, end])
    found: list[list[int]] = []
    for begin, end in merged:
        mine: list[list[int]] = []
        for start in range(begin, end, GRANULE):
            stop = min(start + GRANULE, end)
            if not any(content[start:stop]):
                continue
            if mine and start - mine[-1][1] < NEAR_BYTES:
                mine[-1][1] = stop
            else:
                mine.append([start, stop])
        found += mine
    return found


def dotted(rng: random.Random, size: int) -> bytes:
    """Zeros, and here and there a byte, often the first or last of a granule."""
    content = bytearray(size)
    for _ in range(rng.randrange(12)):
        granule = rng.randrange(size // GRANULE) * GRANULE
        content[granule + rng.choice([0, 1, 7, 8, 300, GRANULE - 1])] = rng.randrange(1, 256)
    return bytes(content)


def some_ranges(rng: random.Random, size: int) -> list[tuple[int, int]]:
    edges = sorted(rng.sample(range(0, size + 1, GRANULE), 2 * rng.randrange(1, 8)))
    ranges = list(pairwise(edges))
    return ranges if rng.random() < 0.3 else ranges[::2]


@pytest.mark.parametrize("seed", range(60))
def test_areas_are_those_of_a_plain_search(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "NEAR", NEAR_BYTES)
    monkeypatch.setattr(search, "READ_BYTES", 8 * GRANULE)
    rng = random.Random(seed)
    content = dotted(rng, SIZE) + bytes(rng.choice([0, 0, 100])) + b"x" * rng.choice([0, 5])
    ranges = some_ranges(rng, SIZE)
    if ranges[-1][1] == SIZE:
        ranges[-1] = (ranges[-1][0], len(content))
    begins, ends = (np.array(column, dtype=np.int64) for column in zip(*ranges, strict=True))
    with Evidence(written(tmp_path, content)) as evidence:
        assert nonzero_areas(evidence, begins, ends, Budget(Limits())).tolist() == plain_areas(content, ranges)


def test_no_ranges_hold_nothing(tmp_path: Path) -> None:
    nothing = np.zeros(0, dtype=np.int64)
    with Evidence(written(tmp_path, b"x" * SIZE)) as evidence:
        assert nonzero_areas(evidence, nothing, nothing, Budget(Limits())).shape == (0, 2)


def test_a_search_ends_with_its_budget_and_keeps_what_it_found(tmp_path: Path) -> None:
    limits = Limits(residue_bytes=2 * READ_BYTES)
    content = b"x" * 5 * READ_BYTES
    with Evidence(written(tmp_path, content)) as evidence:
        found = nonzero_areas(evidence, np.array([0]), np.array([len(content)]), Budget(limits))
    assert found.tolist() == [[0, 2 * READ_BYTES]]


@pytest.mark.parametrize("counted_end", [0, 10, 11, 12, 40])
@pytest.mark.parametrize("appended", [None, 38, 39])
def test_remains_are_named_after_what_lies_behind_them(counted_end: int, appended: int | None, tmp_path: Path) -> None:
    """Of remains in granules 2, 10, 11 to 11 and 39 what lies before the last cluster in use is in free clusters."""
    content = bytearray(40 * GRANULE)
    for granule in (2, 10, 39):
        content[granule * GRANULE] = 1
    end = np.array([[appended * GRANULE, 40 * GRANULE]]) if appended else np.zeros((0, 2), dtype=np.int64)
    with Evidence(written(tmp_path, bytes(content))) as evidence:
        search = FreeSearch(evidence, Budget(Limits()))
        found = []
        for begin, stop, used in ((1, 5, 0), (9, 40, 6)):
            ranges = np.array([begin * GRANULE]), np.array([stop * GRANULE])
            found += list(search.search(*ranges, used * GRANULE))
        found += list(search.rest(counted_end * GRANULE, end))
    areas = [(each.place, begin // GRANULE) for each in found for begin, _ in each.areas.tolist()]
    joined = [(Place.FREE, 2)]  # 10 and 39 are near one another, so they are one
    tail = [] if appended else [(Place.FILE_END if counted_end > 10 else Place.NEVER_ALLOCATED, 10)]
    assert areas == joined + ([(Place.APPENDED, appended)] if appended else []) + tail


@pytest.mark.parametrize("rest", [0, 1, 100, 511])
@pytest.mark.parametrize("used", [1, 63, 64, 65])
@pytest.mark.parametrize("flag", [0, 1])
def test_what_the_last_cluster_holds_behind_the_end_of_the_disk(
    rest: int, used: int, flag: int, tmp_path: Path
) -> None:
    size = used * 512 - rest
    layout = replace(geometry(header()), virtual_size=size)
    words = np.zeros((2, 64), dtype=np.uint64)
    words[(used - 1) // 64, (used - 1) % 64] = 512 * 3 | flag
    content = bytearray(5 * 512)
    content[4 * 512 - 1] = content[4 * 512 - max(rest, 1) - 1] = 7
    path = written(tmp_path, bytes(content))
    offsets, present = np.array([512, 1024], dtype=np.uint64), np.array([64, 64])
    batch = L2Batch("active", layout, len(content), np.array([0, 1]), offsets, present, words, None)
    with Evidence(path) as evidence:
        found = {each.place: each.areas.tolist() for each in table_residue(batch, evidence, Budget(Limits()))}
        other = list(table_residue(replace(batch, owner="snapshot 0"), evidence, Budget(Limits())))
    assert found.get(Place.DISK_END) == ([[4 * 512 - 1, 4 * 512]] if rest and not flag else None)
    assert found.get(Place.ZERO_CLUSTER) == ([[3 * 512, 4 * 512]] if flag else None)
    assert Place.DISK_END not in {each.place for each in other}


@pytest.mark.parametrize("allocated", [0, 1, 1 << 31, 0x5555_5555, 0xFFFF_FFFE, 0xFFFF_FFFF])
@pytest.mark.parametrize("zero", [0, 0xFFFF_FFFF])
def test_subclusters_that_are_not_allocated_hide_what_they_hold(allocated: int, zero: int, tmp_path: Path) -> None:
    layout = replace(geometry(header(cluster_bits=14, features=1 << 4)), virtual_size=1 << 20)
    words = np.zeros((1, layout.l2_entry_count), dtype=np.uint64)
    bitmaps = np.zeros_like(words)
    words[0, 0], bitmaps[0, 0] = 1 << 14, zero << 32 | allocated
    marked = [0, 5, 31]
    content = bytearray(2 << 14)
    for number in marked:
        content[(1 << 14) + number * 512] = 9
    batch = L2Batch(
        "active", layout, len(content), np.array([0]), np.array([0], dtype=np.uint64),
        np.array([layout.l2_entry_count]), words, bitmaps,
    )  # fmt: skip
    with Evidence(written(tmp_path, bytes(content))) as evidence:
        found = [each for each in table_residue(batch, evidence, Budget(Limits())) if each.place == Place.SUBCLUSTER]
    covered = {granule for each in found for begin, end in each.areas.tolist() for granule in range(begin, end, 512)}
    hidden = {(1 << 14) + number * 512 for number in marked if not allocated >> number & 1}
    assert hidden <= covered
    assert (
        not {(1 << 14) + number * 512 for number in range(32) if allocated >> number & 1} & covered
        or allocated == 0x5555_5555
    )
