"""Inodes of XFS made by hand: where their files end, and of which nothing can be said."""

from __future__ import annotations

from pathlib import Path

import pytest

from forensic.evidence import Evidence
from forensic.recovery.anchors import xfs_files
from forensic.recovery.scanning import scan
from tests.recovery.anchors.test_xfs import GROUP_BLOCKS, GROUP_LOG, INODE_SIZE, UUID, put, summed, superblock

BLOCK = 4096
Extent = tuple[int, int, int]
"""First block in the file, block in the file system as group << 10 | block, number of blocks."""


def records(extents: list[Extent], unwritten: bool = False) -> bytes:
    words = [unwritten << 127 | first << 73 | block << 21 | count for first, block, count in extents]
    return b"".join(word.to_bytes(16, "big") for word in words)


def inode(
    size: int, extents: list[Extent], *, number: int = 131, mode: int = 0o100644, form: int = 2,
    count: int | None = None, wide: bool = False, written: int = 5, unwritten: bool = False,
) -> bytes:  # fmt: skip
    raw = bytearray(INODE_SIZE)
    raw[:2], raw[5], raw[160:176] = b"IN", form, UUID
    body = records(extents, unwritten)
    raw[176 : 176 + len(body)] = body
    count = len(extents) if count is None else count
    for at, layout, value in (
        (2, ">H", mode), (56, ">Q", size), (112, ">Q", written), (120, ">Q", wide << 4), (152, ">Q", number),
        (24, ">Q", count if wide else 0), (76, ">I", 0 if wide else count),
    ):  # fmt: skip
        put(raw, at, layout, value)
    return summed(raw, 100)


def leaf(owner: int, extents: list[Extent], level: int = 0, count: int | None = None, magic: bytes = b"BMA3") -> bytes:
    raw = bytearray(BLOCK)
    raw[:4], raw[40:56] = magic, UUID
    body = records(extents)
    raw[72 : 72 + len(body)] = body
    for at, layout, value in ((4, ">H", level), (6, ">H", len(extents) if count is None else count), (56, ">Q", owner)):
        put(raw, at, layout, value)
    return summed(raw, 64)


def ends(folder: Path, *structures: bytes, system: bytes = UUID) -> list[tuple[int, int]]:
    path = folder / "disk"
    path.write_bytes(superblock().ljust(BLOCK, b"\0") + b"".join(one.ljust(BLOCK, b"\0") for one in structures))
    with Evidence(path) as evidence:
        return list(xfs_files.ends(evidence, scan(evidence), system))


def place(group: int, block: int) -> int:
    return (group * GROUP_BLOCKS + block) * BLOCK


EXTENTS = [(0, 1 << GROUP_LOG | 20, 3), (3, 2 << GROUP_LOG | 7, 2)]


@pytest.mark.parametrize(
    ("size", "end"),
    [
        (1, place(1, 20) + 1),
        (BLOCK, place(1, 20) + BLOCK),
        (3 * BLOCK, place(1, 23)),
        (3 * BLOCK + 1, place(2, 7) + 1),
        (5 * BLOCK, place(2, 9)),
    ],
)
@pytest.mark.parametrize("wide", [False, True])
def test_a_file_ends_in_the_extent_of_its_last_byte(size: int, end: int, wide: bool, tmp_path: Path) -> None:
    assert ends(tmp_path, inode(size, EXTENTS, wide=wide)) == [(end, -size % BLOCK)]
    in_tree = inode(size, [], form=3)
    assert ends(tmp_path, in_tree, leaf(131, EXTENTS)) == [(end, -size % BLOCK)]
    assert ends(tmp_path, leaf(131, EXTENTS[1:]), in_tree, leaf(131, EXTENTS[:1])) == [(end, -size % BLOCK)]


@pytest.mark.parametrize(
    "structures",
    [
        [inode(0, EXTENTS)],
        [inode(1 << 60, [(0, 1, 1), ((1 << 48) - 1, 1, 1)])],
        [inode(100, EXTENTS, mode=0o040755)],  # a directory
        [inode(100, EXTENTS, mode=0o120777)],  # a symbolic link
        [inode(100, EXTENTS, unwritten=True)],
        [inode(5 * BLOCK + 1, EXTENTS)],  # a hole at its end
        [inode(4 * BLOCK, EXTENTS, count=1)],
        [inode(100, EXTENTS, form=1)],
        [inode(100, EXTENTS, form=3)],
        [inode(100, [(0, 3 << GROUP_LOG | 600, 1)])],  # past the end of the file system
        [inode(100, [], form=3), leaf(130, EXTENTS)],
        [inode(100, [], form=3), leaf(131, EXTENTS, level=1)],
        [inode(100, [], form=3), leaf(131, EXTENTS, count=0)],
        [inode(100, [], form=3), leaf(131, EXTENTS, magic=b"BMA2")],
        [inode(100, [], form=2), leaf(131, EXTENTS)],
    ],
)
def test_of_others_nothing_is_said(structures: list[bytes], tmp_path: Path) -> None:
    assert ends(tmp_path, *structures) == []


def test_of_another_system_nothing_is_said(tmp_path: Path) -> None:
    assert ends(tmp_path, inode(100, EXTENTS), system=b"\1" * 16) == []


def test_of_one_number_the_inode_counts_that_was_written_last(tmp_path: Path) -> None:
    older, newer = inode(100, EXTENTS, written=255), inode(200, EXTENTS, written=256)
    for order in ([older, newer], [newer, older]):
        assert ends(tmp_path, *order) == [(place(1, 20) + 200, BLOCK - 200)]
    other = inode(300, EXTENTS, number=132)
    assert sorted(ends(tmp_path, older, other)) == [
        (place(1, 20) + 100, BLOCK - 100),
        (place(1, 20) + 300, BLOCK - 300),
    ]


def test_the_last_byte_of_the_file_system_may_be_a_files(tmp_path: Path) -> None:
    assert ends(tmp_path, inode(BLOCK, [(0, 3 << GROUP_LOG | 499, 1)])) == [(3500 * BLOCK, 0)]
