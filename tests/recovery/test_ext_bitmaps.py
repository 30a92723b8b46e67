"""Bitmaps of ext4 are found by the checksums of their descriptors, on disks that lie in the file as they are."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from forensic.evidence import Evidence
from forensic.recovery.anchors.ext_bitmaps import bitmaps, bitmaps_of
from forensic.recovery.scanning import scan
from tests.oracles import require
from tests.recovery.images import MIB, filesystem, run

COPY = 40 * MIB


FEATURES = ("^metadata_csum_seed,^orphan_file", "metadata_csum_seed,orphan_file")
"""What mke2fs made until version 1.47.1, and what it has made since."""


def disk(folder: Path, size: int = 64 * MIB, features: str = FEATURES[0]) -> Path:
    require("mkfs.ext4")
    return filesystem("ext4", folder, size, random.Random(1), "-O", features)


def places(path: Path) -> dict[int, int]:
    """Where each bitmap lies, and where it says that it does."""
    with Evidence(path) as evidence:
        return {one.host_offset: one.place for one in bitmaps(evidence, scan(evidence))}


def change(path: Path, offset: int, body: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(body)


@pytest.mark.parametrize("features", FEATURES, ids=["sums begin with the UUID", "with a seed"])
@pytest.mark.parametrize("size", [64 * MIB, 640 * MIB], ids=["blocks of 1 KiB", "blocks of 4 KiB"])
def test_each_lies_where_it_says(size: int, features: str, tmp_path: Path) -> None:
    found = places(disk(tmp_path, size, features))
    assert len(found) >= 3
    assert all(offset == place for offset, place in found.items())


def test_one_that_has_a_copy_says_no_place_and_is_still_known(tmp_path: Path) -> None:
    path = disk(tmp_path)
    before = places(path)
    chosen = min(before)
    change(path, COPY, path.read_bytes()[chosen : chosen + 1024])
    assert places(path) == {offset: place for offset, place in before.items() if offset != chosen}
    with Evidence(path) as evidence:
        (known,) = bitmaps_of(evidence, scan(evidence))
    assert known.places[chosen // 1024] == {chosen, COPY}


def test_one_that_was_changed_is_none(tmp_path: Path) -> None:
    path = disk(tmp_path)
    before = places(path)
    chosen = min(before)
    change(path, chosen + 5, b"\x5a")
    assert places(path) == {offset: place for offset, place in before.items() if offset != chosen}


def test_sums_begin_with_the_seed_whatever_the_uuid_is_today(tmp_path: Path) -> None:
    require("tune2fs")
    path = disk(tmp_path, features=FEATURES[1])
    before = places(path)
    run("tune2fs", "-f", "-U", "random", path)
    assert before
    assert places(path) == before


@pytest.mark.parametrize("at", [1024 + 30, 1024 + 100], ids=["the superblock", "its features"])
def test_without_a_superblock_that_is_whole_there_are_none(at: int, tmp_path: Path) -> None:
    path = disk(tmp_path, 7 * MIB)  # in which there is no copy of it
    before = places(path)
    change(path, at, bytes([path.read_bytes()[at] ^ 1]))
    assert before
    assert places(path) == {}


def test_descriptors_whose_checksum_is_wrong_say_nothing(tmp_path: Path) -> None:
    path = disk(tmp_path, 7 * MIB)
    change(path, 2048 + 40, b"\x77")
    assert places(path) == {}
