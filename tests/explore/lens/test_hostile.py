"""Structures that lie: fewer fields, never an exception, never a long time; and what cannot be read."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from forensic.explore import GuestLens
from tests.filesystems.disks import MIB, PLAIN, ext4, fat, make_tree, ntfs, xfs

MAKERS: dict[str, Callable[[Path, Path], Path]] = {"ext4": ext4, "ntfs": ntfs, "fat": fat, "xfs": xfs}
HEADS = {"ext4": (1024, 4096), "ntfs": (0, 512), "fat": (0, 512), "xfs": (0, 2048)}
WHOLE = 3 * MIB // 2


def look_around(lens: GuestLens, size: int, places: range) -> None:
    for offset in places:
        for span in lens.spans_between(offset, min(offset + 64, size)):
            assert span.place.length > 0
            assert lens.inspect(span.place.offset) is not None
        lens.inspect(offset)


@pytest.mark.parametrize("name", MAKERS)
def test_any_number_in_the_head_may_be_any_number(tmp_path: Path, name: str) -> None:
    disk = MAKERS[name](tmp_path / "disk", make_tree(tmp_path / "tree", {"a.txt": b"a", "b/c.txt": b"c"}))
    data = disk.read_bytes()
    dice = random.Random(name)
    start, end = HEADS[name]
    for turn in range(60):
        head = bytearray(data[start:end])
        for _ in range(dice.randint(1, 6)):
            at, width = dice.randrange(len(head) - 8), dice.choice((1, 2, 4, 8))
            value = dice.choice((bytes(8), b"\xff" * 8, dice.randbytes(8)))
            head[at : at + width] = value[:width]
        changed = bytes(head)

        def read(offset: int, length: int, changed: bytes = changed) -> bytes | str:
            if offset < end and offset + length > start:
                whole = data[:start] + changed + data[end : offset + length]
                return whole[offset : offset + length]
            return data[offset : offset + length]

        began = time.monotonic()
        lens = GuestLens(read, len(data))
        look_around(lens, len(data), range(0, WHOLE, 16381 + turn))
        look_around(lens, len(data), range(0, 4096, 61))
        assert time.monotonic() - began < 10


@pytest.mark.parametrize("name", MAKERS)
def test_any_structure_may_be_damaged(tmp_path: Path, name: str) -> None:
    disk = MAKERS[name](tmp_path / "disk", make_tree(tmp_path / "tree", PLAIN))
    data = bytearray(disk.read_bytes())
    dice = random.Random(name)
    for _ in range(20_000):  # the head stays, so that all else is still looked at
        data[dice.randrange(HEADS[name][1], WHOLE)] = dice.choice((0, 0xFF, dice.randrange(256)))
    damaged = bytes(data)
    lens = GuestLens(lambda offset, length: damaged[offset : offset + length], len(damaged))
    look_around(lens, len(damaged), range(0, WHOLE, 509))


def test_what_cannot_be_read_has_no_fields() -> None:
    lens = GuestLens(lambda _offset, _length: "a sector is bad", 1 << 40)
    assert lens.inspect(0) is None
    assert lens.spans_between(0, 4096) == []
