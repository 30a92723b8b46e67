"""The map of the file: cells, what stands for a cell, and the ranges of real images."""

from pathlib import Path

import numpy as np
import pytest

from forensic.checking import check
from forensic.evidence import Evidence
from forensic.explore.known_ranges import MAX_UNITS, Units
from forensic.image import identify
from forensic.mapped_report import ranges_to_draw
from forensic.report.file_map import MAX_CELLS, UNOWNED, CellMap, file_map
from forensic.report.map_svg import legend, map_svg
from samples.kinds import Kind
from tests.commands import QCOW2_KINDS, damaged, sound


def ranges_of(path: Path) -> list[tuple[int, int, str]]:
    with Evidence(path) as evidence:
        image = identify(evidence)
        known = ranges_to_draw(image, ["html"])
        check(image, seen=known.see if known else None)
        return list(known.ranges()) if known else []


def test_a_small_file_has_a_cell_for_each_cluster() -> None:
    drawn = file_map(2560, [(0, 512, "header"), (512, 512, "refcounts"), (2048, 512, "data")])
    assert drawn == CellMap(
        2560, 512, ("header", "refcounts", UNOWNED, UNOWNED, "data"), {"header": 512, "refcounts": 512, "data": 512}
    )


def test_a_large_file_is_drawn_in_whole_clusters_and_few_cells() -> None:
    drawn = file_map(1 << 40, [(0, 1 << 40, "data")], granularity=65536)
    assert len(drawn.cells) <= MAX_CELLS
    assert drawn.cell_size % 65536 == 0
    assert set(drawn.cells) == {"data"}


def test_structures_stand_out_among_data_and_the_rarest_among_structures() -> None:
    ranges = [(0, 1000, "data"), (1000, 8, "L2 table"), (1008, 8, "L1 table"), (2048, 8, "L2 table"), (3072, 9, "data")]
    drawn = file_map(3072 + 512, [*ranges, (3081, 10, "compressed")], granularity=1024)
    assert drawn.cells == ("L1 table", UNOWNED, "L2 table", "compressed")
    assert drawn.bytes_by_kind == {"data": 1009, "L2 table": 16, "L1 table": 8, "compressed": 10}


def test_the_header_stands_for_its_cell() -> None:
    assert file_map(1024, [(0, 512, "header"), (512, 8, "L1 table")], granularity=1024).cells == ("header",)


def test_ranges_are_cut_at_the_end_of_the_file() -> None:
    drawn = file_map(1000, [(900, 1 << 62, "data"), (5000, 10, "data"), (100, 0, "data")])
    assert drawn.bytes_by_kind == {"data": 100}
    assert file_map(0, [(0, 5, "data")]).cells == ()


def test_the_ranges_of_a_small_image_are_its_clusters() -> None:
    assert sorted(ranges_of(sound("data-512"))) == [
        (0, 512, "header"),
        (512, 512, "refcounts"),
        (1024, 512, "refcounts"),
        (1536, 8, "L1 table"),
        (2048, 512, "L2 table"),
        (2560, 512, "data"),
    ]


def test_snapshots_bitmaps_and_keys_have_their_ranges() -> None:
    assert "snapshot table" in {kind for _, _, kind in ranges_of(sound("snapshots-512"))}
    assert "bitmaps" in {kind for _, _, kind in ranges_of(sound("bitmaps-512"))}
    assert "LUKS header" in {kind for _, _, kind in ranges_of(sound("luks-4k"))}
    assert "compressed" in {kind for _, _, kind in ranges_of(sound("zstd-4k"))}
    assert "data" not in {kind for _, _, kind in ranges_of(sound("data-file"))}


def test_an_image_without_geometry_and_another_file_have_no_ranges(tmp_path: Path) -> None:
    assert ranges_of(damaged("header-version", tmp_path)) == []
    assert ranges_of(sound("version-1")) == []


@pytest.mark.parametrize("kind", QCOW2_KINDS, ids=lambda kind: kind.name)
def test_the_ranges_of_a_sound_image_begin_within_its_file(kind: Kind) -> None:
    path = sound(kind.name)
    size = path.stat().st_size
    assert [place for place in ranges_of(path) if not 0 <= place[0] < size or place[1] <= 0] == []


def test_the_drawing_marks_the_cells_that_findings_are_about() -> None:
    drawn = file_map(4096, [(0, 512, "header")])
    assert 'class="mark"' not in map_svg(drawn).source
    marked = map_svg(drawn, [(512, 8), (1000, 100), (1 << 60, 8)]).source
    mark = marked.partition('class="mark" d="')[2].partition('"')[0]
    assert mark.count("M") == 2


def test_kinds_that_are_not_known_are_drawn_and_named() -> None:
    drawn = file_map(1024, [(0, 512, "<new> kind")])
    assert "kind-other" in map_svg(drawn).source
    assert "&lt;new&gt; kind" in legend(drawn).source


def test_clusters_that_only_a_snapshot_uses_are_not_taken_for_unowned() -> None:
    path = sound("snapshots-512")
    drawn = file_map(path.stat().st_size, ranges_of(path), 512)
    assert drawn.bytes_by_kind["snapshot data"] >= 512
    assert "snapshot data" in drawn.cells
    assert UNOWNED not in file_map(sound("data-512").stat().st_size, ranges_of(sound("data-512")), 512).cells


def test_a_stream_that_reaches_over_clusters_marks_each_of_them() -> None:
    units = Units(8 * 512, 512)
    units.mark("compressed", np.array([500, 2048, 1 << 40], dtype=np.uint64), np.array([1024, 1, 5], dtype=np.uint64))
    assert list(units.ranges()) == [(0, 1536, "compressed"), (2048, 512, "compressed")]


def test_a_file_of_very_many_clusters_is_told_apart_in_larger_parts() -> None:
    units = Units(1 << 40, 512)
    units.mark_clusters("data", np.array([0, (1 << 40) - 512], dtype=np.uint64))
    assert units.size * MAX_UNITS == 1 << 40
    assert list(units.ranges()) == [(0, units.size, "data"), ((1 << 40) - units.size, units.size, "data")]


@pytest.mark.parametrize("clusters", [0, 1, MAX_UNITS - 1, MAX_UNITS, MAX_UNITS + 1, 2 * MAX_UNITS, 2 * MAX_UNITS + 1])
@pytest.mark.parametrize("cluster_size", [512, 1 << 21])
def test_a_part_is_the_smallest_power_of_two_of_which_there_are_few_enough(clusters: int, cluster_size: int) -> None:
    units = Units(clusters * cluster_size, cluster_size)
    assert units.size >= cluster_size
    assert units.size.bit_count() == 1
    assert clusters * cluster_size <= MAX_UNITS * units.size
    assert units.size == cluster_size or clusters * cluster_size > MAX_UNITS * units.size // 2
    if clusters:
        last = (clusters - 1) * cluster_size
        units.mark_clusters("data", np.array([last, clusters * cluster_size], dtype=np.uint64))
        first_of_part = last // units.size * units.size
        assert list(units.ranges()) == [(first_of_part, units.size, "data")]
