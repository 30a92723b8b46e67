"""The cells that a check fills on its walk, against those of a walk of their own."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from forensic.budget import Limits
from forensic.checking import check
from forensic.disk.disk import Disk
from forensic.disk.opening import open_disk
from forensic.errors import ForensicError
from forensic.evidence import Evidence
from forensic.explore import disk_cells as disk_cells_module
from forensic.explore import walked_cells
from forensic.explore.disk_cells import DiskCells, disk_cells
from forensic.explore.walked_cells import WalkedCells, is_walked
from forensic.image import Image, identify, open_any, open_image
from forensic.mapping import table_rows
from forensic.mapping.rows import Rows
from forensic.qcow2.identify import ForeignFile
from samples.kinds import KINDS, Kind
from samples.recipes import Recipe
from tests.commands import RECIPES, damaged, qcowscope, sound
from tests.images import header
from tests.mapping.test_table_rows_plain import random_disk

COMMITTED = [kind for kind in KINDS.values() if kind.committed]


def walked(
    image: Image, disk: Disk, cell_size: int, for_reading: bool = False, limits: Limits | None = None
) -> DiskCells | None:
    """What a check fills."""
    cells = WalkedCells(disk, cell_size, for_reading)
    check(image, seen=cells.see, limits=limits, with_streams=False)
    return cells.found()


def require_same(found: DiskCells | None, plain: DiskCells) -> None:
    """Every byte of every kind in the same cell, and the walk as far."""
    assert found is not None
    assert found.reached == plain.reached == plain.size
    for kind in {*found.kinds, *plain.kinds}:
        nothing = np.zeros(plain.grid.cells, dtype=np.int64)
        assert found.kinds.get(kind, nothing).tolist() == plain.kinds.get(kind, nothing).tolist(), kind


def cell_size_of(disk: Disk, cells: int = 700) -> int:
    return max(512, -(-disk.size // cells))


@pytest.mark.parametrize("kind", COMMITTED, ids=lambda kind: kind.name)
@pytest.mark.parametrize("for_reading", [False, True])
def test_a_sound_image_has_the_cells_of_a_walk_of_its_own(kind: Kind, for_reading: bool) -> None:
    with open_any(sound(kind.name)) as image, image.disk() as disk:
        found = walked(image, disk, cell_size_of(disk), for_reading)
        require_same(found, disk_cells(disk, cell_size_of(disk), for_reading=for_reading))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_so_has_a_damaged_one_unless_the_check_leaves_tables_out(recipe: Recipe, tmp_path: Path) -> None:
    path = damaged(recipe.name, tmp_path)
    with Evidence(path) as evidence:
        image = identify(evidence)
        if isinstance(image, ForeignFile):
            return
        try:
            disk = image.disk()
        except ForensicError:
            return
        found = walked(image, disk, cell_size_of(disk))
        if found is None:
            assert recipe.name in LEFT_OUT
        elif disk.size:
            require_same(found, disk_cells(disk, cell_size_of(disk)))


LEFT_OUT = {"l1-table-unaligned"}
"""Recipes by which the check does not follow the tables that the mapping does."""


@pytest.mark.parametrize("seed", range(150))
def test_tables_named_again_cut_or_damaged_are_summed_up_alike(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)
    for name, value in (("ENTRIES_AT_ONCE", 1), ("ROWS_AT_ONCE", 3), ("L1_ENTRIES_AT_ONCE", 2)):
        if rng.random() < 0.5:
            monkeypatch.setattr(walked_cells, name, value)
    monkeypatch.setattr(table_rows, "OFTEN_ENTRIES", 2)
    plain = random_disk(rng, tmp_path / "image.qcow2")
    cell_size = rng.choice([1000, plain.layout.cluster_size, 7 * plain.layout.cluster_size])
    with open_any(tmp_path / "image.qcow2") as image, image.disk() as disk:
        for_reading = rng.random() < 0.5
        found = walked(image, disk, cell_size, for_reading)
        require_same(found, disk_cells(disk, cell_size, for_reading=for_reading))


def test_the_tables_of_snapshots_alone_map_nothing_of_the_disk() -> None:
    with open_image(sound("snapshots-512")) as image, image.disk() as disk:
        found = walked(image, disk, 512)
        assert found is not None
        with open_disk(image, image.snapshots.snapshots[0]) as before:
            assert not is_walked(before)
            assert disk_cells(before, 512).kinds["data"].tolist() != found.kinds["data"].tolist()


def test_a_disk_that_rests_on_another_is_not_told_by_its_own_tables() -> None:
    with open_any(sound("overlay-qcow2")) as image, image.disk() as disk:
        assert is_walked(disk)
        assert not is_walked(replace(disk, layers=disk.layers * 2))


def test_a_check_that_stops_tells_nothing_and_neither_do_too_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    with open_any(sound("two-l2-512")) as image, image.disk() as disk:
        rows = sum(map(len, disk.row_batches()))
        assert walked(image, disk, 512, limits=Limits(table_bytes=512)) is None
        assert walked(image, disk, 512, limits=Limits(snapshot_tables=0)) is not None
        monkeypatch.setattr(disk_cells_module, "MAX_ROWS", rows)
        assert walked(image, disk, 512) is not None
        monkeypatch.setattr(disk_cells_module, "MAX_ROWS", 1)
        assert walked(image, disk, 512) is None


def test_a_table_of_zeros_that_is_named_often_is_not_mapped_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 4096
    head = header(cluster_bits=9, virtual_size=count << 15, l1_size=count, l1_offset=1024)
    content = bytearray(1024 + 8 * count + 512)
    content[: len(head)] = head
    content[1024:-512] = struct.pack(">Q", 1024 + 8 * count) * count
    (tmp_path / "image.qcow2").write_bytes(content)
    mapped: list[int] = []
    add = WalkedCells._add

    def note(self: WalkedCells, rows: Rows) -> None:
        mapped.append(len(rows))
        add(self, rows)

    monkeypatch.setattr(WalkedCells, "_add", note)
    with open_any(tmp_path / "image.qcow2") as image, image.disk() as disk:
        require_same(walked(image, disk, 1 << 20), disk_cells(disk, 1 << 20))
    assert mapped == [1]


@pytest.mark.parametrize("name", ["data-512", "extended-16k", "version-1", "snapshots-512", "overlay-qcow2"])
def test_a_page_needs_no_walk_of_its_own(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        pytest.fail("the tables are walked again")

    pages = {}
    for walks in (True, False):
        if not walks:
            monkeypatch.setattr("forensic.explore.disk_cells.disk_cells", refuse)
        else:
            monkeypatch.setattr("forensic.explore.walked_cells.is_walked", lambda _: False)
        for command, output in (("check", []), ("extract", ["-o", str(tmp_path / f"{walks}.raw")])):
            page = tmp_path / f"{command}-{walks}.html"
            qcowscope(command, sound(name), *output, "--report", f"html:{page}")
            pages[command, walks] = page.read_text(encoding="utf-8").partition("Map of the disk")[2].partition("<h2")[0]
        monkeypatch.undo()
    assert pages["check", True] == pages["check", False] != ""
    assert pages["extract", True] == pages["extract", False] != ""
