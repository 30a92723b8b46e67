"""A file of the guest may hold a disk of another machine: what its file system says of its place is not true here."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

from forensic.evidence import Evidence
from forensic.recovery.recover import recover
from tests.oracles import require
from tests.recovery.figures import figures_of
from tests.recovery.images import Made, converted, damaged_again, filesystem, known, run

MIB = 1 << 20
OUTER, INNER = 192 * MIB, 96 * MIB
COVERAGE = 512 * 4096
"""Bytes of the disk that an L1 entry covers: a file that begins on such a boundary is worst."""


def inner_disk(folder: Path, partitioned: bool) -> bytes:
    """A file system of many groups, each with a superblock; after a partition table if that is wanted."""
    raw = folder / "inner.raw"
    with raw.open("wb") as file:
        file.truncate(INNER)
    run("mkfs.ext4", "-q", "-F", "-b", "1024", "-g", "2048", "-O", "^sparse_super,^resize_inode", raw)
    if not partitioned:
        return raw.read_bytes()
    entry = struct.pack("<B3sB3sII", 0x80, b"\0" * 3, 0x83, b"\0" * 3, 2048, INNER // 512)
    return (bytes(446) + entry + bytes(48) + b"\x55\xaa").ljust(MIB, b"\0") + raw.read_bytes()


def nested(folder: Path, outer: str, partitioned: bool, at: int) -> Made:
    """An image whose disk has a file system, and another one in a file that begins at a guest offset."""
    raw = filesystem(outer, folder, OUTER, random.Random(1)) if outer == "ext4" else folder / "disk.raw"
    if outer == "noise":
        raw.write_bytes(random.Random(2).randbytes(OUTER))
    body = inner_disk(folder, partitioned)
    with raw.open("r+b") as file:
        file.seek(at)
        file.write(body[: OUTER - at])
    converted(raw, folder / "image.qcow2", "cluster_size=4096")
    return known(folder / "image.qcow2")


@pytest.mark.parametrize("partitioned", [False, True])
@pytest.mark.parametrize("outer", ["ext4", "noise"])
@pytest.mark.parametrize("damage", ["L1 zero", "half of L1 zero", "L1 and refcounts zero", "created again"])
def test_a_file_system_in_a_file_makes_nothing_certain_that_is_wrong(
    outer: str, partitioned: bool, damage: str, tmp_path: Path
) -> None:
    require("qemu-img", "mkfs.ext4")
    made = nested(tmp_path, outer, partitioned, 32 * COVERAGE)
    found = figures_of(damaged_again(made, damage, seed=1))
    assert found.wrong_certain == 0, str(found)
    assert outer == "noise" or found.wrong_inferred <= 0.02 * found.all_inferred, str(found)


def test_a_file_system_in_a_file_is_found_where_it_begins_if_tables_say_where(tmp_path: Path) -> None:
    """It begins in the middle of the disk, which tables that are placed show; but a file may lie in pieces."""
    require("qemu-img", "mkfs.ext4")
    made = nested(tmp_path, "noise", False, 32 * COVERAGE)
    start, _ = made.l1
    copy = damaged_again(made, "none", seed=1)
    copy.put(start + 8 * 40, bytes(8))
    copy.save()
    with Evidence(copy.path) as evidence:
        decisions = recover(evidence).plan.decisions.values()
    placed = [one for one in decisions if "belongs to slot" in one.what]
    assert [(one.method, one.certainty, one.what.rpartition(" ")[2]) for one in placed] == [
        ("anchors", "inferred", "40")
    ]
