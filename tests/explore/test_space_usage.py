"""Sums for maps: every byte is counted in its cell, whatever the cells are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forensic import State, check, open_image
from forensic.explore import Fill, Grid, RegionIndex, file_space_usage, guest_space_usage
from forensic.explore.known_ranges import KnownRanges
from forensic.explore.space_usage import add_to_cells
from forensic.report.file_map import file_map
from samples.kinds import Kind
from tests.images import QCOW2, SOUND, sample


@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 300)), max_size=8),
    st.integers(0, 200),
    st.integers(1, 90),
    st.integers(1, 9),
)
def test_ranges_are_spread_as_if_byte_by_byte(
    ranges: list[tuple[int, int]], start: int, cell_size: int, cells: int
) -> None:
    grid = Grid(start, cell_size, cells)
    row = np.zeros(cells, dtype=np.int64)
    offsets = np.array([offset for offset, _ in ranges], dtype=np.uint64)
    add_to_cells(row, grid, offsets, np.array([length for _, length in ranges], dtype=np.uint64))
    expected = [0] * cells
    for offset, length in ranges:
        for byte in range(offset, offset + length):
            if 0 <= grid.cell_of(byte) < cells:
                expected[grid.cell_of(byte)] += 1
    assert row.tolist() == expected


def test_a_disk_larger_than_any_table_can_map_is_summed_without_overflow() -> None:
    row = np.zeros(1, dtype=np.int64)
    whole = np.array([(1 << 64) - 1], dtype=np.uint64)
    add_to_cells(row, Grid(0, 1 << 64, 1), np.zeros(1, dtype=np.uint64), whole)
    assert row.tolist() == [1 << 62]


@pytest.mark.parametrize("name", ["patterns-v3-4k", "two-l2-512", "extended-16k", "deflate-4k"])
@pytest.mark.parametrize("cells", [1, 7, 64])
def test_the_states_of_the_disk_add_up_to_its_extents(name: str, cells: int) -> None:
    with open_image(SOUND / f"{name}.qcow2") as image:
        grid = Grid(0, -(-image.virtual_size // cells), cells)
        *_, last = guest_space_usage(RegionIndex(image), grid)
        assert last.done == 1.0
        for state in State:
            assert last.sums[state].sum() == sum(extent.length for extent in image.extents() if extent.state == state)


def test_the_file_is_summed_by_use_and_what_only_snapshots_hold_is_told_apart() -> None:
    with open_image(SOUND / "snapshots-512.qcow2") as image:
        *_, last = file_space_usage(RegionIndex(image), Grid(0, 512, image.evidence.size // 512))
    cluster = {fill: np.flatnonzero(last.sums[fill]).tolist() for fill in Fill}
    assert cluster[Fill.HEADER] == [0]
    assert cluster[Fill.REFCOUNT] == [1, 2]
    assert cluster[Fill.DATA] == [5, 8, 12, 13, 16]
    assert cluster[Fill.SNAPSHOT_DATA] == [6, 7]


def test_an_image_without_geometry_has_a_header_and_no_more(tmp_path: object) -> None:
    with open_image(SOUND / "empty-512.qcow2") as image:
        *_, last = file_space_usage(RegionIndex(image), Grid(0, image.evidence.size, 1))
        assert last.sums[Fill.DATA].sum() == 0
        assert last.sums[Fill.HEADER].sum() > 0


@pytest.mark.parametrize("kind", QCOW2, ids=lambda kind: kind.name)
def test_tables_are_as_large_as_the_report_says_however_many_snapshots_share_them(kind: Kind) -> None:
    with open_image(sample(kind)) as image:
        index = RegionIndex(image)
        size = image.evidence.size
        *_, usage = file_space_usage(index, Grid(0, size, 1))
        known = KnownRanges(size, image.geometry)
        check(image, seen=known.see)
        reported = file_map(size, known.ranges(), 512).bytes_by_kind
    assert usage.sums[Fill.L2].sum() == reported.get("L2 table", 0)
    assert usage.sums[Fill.L1].sum() == reported["L1 table"]


def test_what_snapshots_share_is_counted_once() -> None:
    """The L1 table of a snapshot that is a copy of the active one leads to the same L2 tables."""
    with open_image(SOUND / "snapshots-512.qcow2") as image:
        index = RegionIndex(image)
        active = index.l1_tables[0]
        *_, once = file_space_usage(index, Grid(0, image.evidence.size, 1))
        index.__dict__["l1_tables"] = (*index.l1_tables, active, active)
        *_, thrice = file_space_usage(index, Grid(0, image.evidence.size, 1))
    assert thrice.sums[Fill.L2].sum() == once.sums[Fill.L2].sum()
