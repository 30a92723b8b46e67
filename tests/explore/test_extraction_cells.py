"""The strip that is watched adds up to what the ledger says in the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from forensic.explore.extraction_cells import ExtractionCells, Fate
from forensic.extraction.extract import extract
from forensic.extraction.settings import Settings
from forensic.image import open_image
from samples import recipes
from tests.images import COMPLETE, SOUND, sample

DAMAGED = ("compressed-stream-broken", "l2-entry-outside-file", "l1-entry-outside-file")


@pytest.mark.parametrize("cells", [1, 7, 512])
@pytest.mark.parametrize("name", DAMAGED)
def test_the_sums_are_those_of_the_ledger(name: str, cells: int, tmp_path: Path) -> None:
    path = recipes.apply(recipes.load(recipes.HERE / "damaged" / f"{name}.toml"), tmp_path / "image.qcow2")
    with open_image(path) as image, image.disk() as disk:
        drawn = ExtractionCells(disk, cells)
        extraction = extract(disk, tmp_path / "out.raw", missed=drawn.missed)
    ledger = extraction.ledger
    assert ledger.bytes_missing
    assert drawn.sums.sum(axis=1).tolist() == [ledger.bytes_read, ledger.bytes_zero, ledger.bytes_missing]
    assert Fate.MISSING in drawn.fates(extraction.size)


def test_only_what_was_reached_has_a_fate() -> None:
    with open_image(sample(COMPLETE[0])) as image, image.disk() as disk:
        drawn = ExtractionCells(disk, 8)
        assert drawn.fates(0) == []
        assert len(drawn.fates(1)) == 1
        assert len(drawn.fates(disk.size)) == 8


@pytest.mark.parametrize("share", [(0, 3), (1, 5), (2, 2), (7, 8)])
@pytest.mark.parametrize("name", ["overlay-qcow2", "luks-4k", "data-file", "patterns-v3-512"])
def test_of_a_range_no_more_is_said_than_the_extraction_of_the_range_says(
    name: str, share: tuple[int, int], tmp_path: Path
) -> None:
    """Ranges that begin and end within clusters, of disks that lack a file or a key."""
    with open_image(SOUND / f"{name}.qcow2") as image, image.disk() as disk:
        start = disk.size * share[0] // 9 | 1
        end = min(disk.size, start + disk.size * share[1] // 9 + 300)
        drawn = ExtractionCells(disk, 16, start, end)
        settings = Settings(guest_range=(start, end - start))
        ledger = extract(disk, tmp_path / "out.raw", settings, missed=drawn.missed).ledger
        assert sum(drawn.bytes_by_reason.values()) == ledger.bytes_missing
        assert drawn.sums.sum(axis=1).tolist() == [ledger.bytes_read, ledger.bytes_zero, ledger.bytes_missing]
        assert len(drawn.fates(end - start)) == min(16, -(-(end - start) // drawn.grid.cell_size))
