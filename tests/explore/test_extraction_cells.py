"""The strip that is watched adds up to what the ledger says in the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from forensic.explore.extraction_cells import ExtractionCells, Fate
from forensic.extraction.extract import extract
from forensic.image import open_image
from samples import recipes
from tests.images import COMPLETE, sample

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
