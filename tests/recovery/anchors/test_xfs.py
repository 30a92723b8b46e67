"""Structures of XFS made by hand: what each says of its place, and when it says nothing."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from forensic.evidence import Evidence
from forensic.recovery.anchors import xfs
from forensic.recovery.anchors.anchor import Anchor
from forensic.recovery.crc import crc32c
from forensic.recovery.scanning import scan

UUID = bytes(range(16))
GROUP_BLOCKS, GROUP_LOG, INODE_SIZE, PER_BLOCK_LOG = 1000, 10, 512, 3
BLOCKS = 3500
LOG_START, LOG_BLOCKS = 2 << GROUP_LOG | 17, 20
LOG_BEGIN = (2 * GROUP_BLOCKS + 17) * 4096

SAYS_ITS_SECTOR = {  # magic and where it is; checksum, sector of 512 bytes, UUID
    "free space by place": ("xfs_tree", b"AB3B", 0, 52, 16, 32),
    "free space by size": ("xfs_tree", b"AB3C", 0, 52, 16, 32),
    "inodes": ("xfs_tree", b"IAB3", 0, 52, 16, 32),
    "free inodes": ("xfs_tree", b"FIB3", 0, 52, 16, 32),
    "owners": ("xfs_tree", b"RMB3", 0, 52, 16, 32),
    "references": ("xfs_tree", b"R3FC", 0, 52, 16, 32),
    "extents": ("xfs_long_tree", b"BMA3", 0, 64, 24, 40),
    "directory of a block": ("xfs_directory", b"XDB3", 0, 4, 8, 24),
    "directory data": ("xfs_directory", b"XDD3", 0, 4, 8, 24),
    "directory free space": ("xfs_directory", b"XDF3", 0, 4, 8, 24),
    "attribute": ("xfs_attribute", b"XARM", 0, 12, 40, 16),
    "symbolic link": ("xfs_symbolic_link", b"XSLM", 0, 12, 40, 16),
    "leaf of a directory": ("xfs_names", b"\x3d\xf1", 8, 12, 16, 32),
    "leaf of names": ("xfs_names", b"\x3d\xff", 8, 12, 16, 32),
    "node of names": ("xfs_names", b"\x3e\xbe", 8, 12, 16, 32),
    "leaf of attributes": ("xfs_names", b"\x3b\xee", 8, 12, 16, 32),
}


def summed(raw: bytearray, at: int) -> bytes:
    """With its checksum, counted with zeros there."""
    raw[at : at + 4] = bytes(4)
    raw[at : at + 4] = struct.pack("<I", int(crc32c(np.frombuffer(bytes(raw), dtype=np.uint8).reshape(1, -1))[0]))
    return bytes(raw)


def put(raw: bytearray, at: int, form: str, value: int) -> None:
    struct.pack_into(form, raw, at, value)


def superblock(
    sector: int = 512, block: int = 4096, directory_log: int = 0, version: int = 5, inode: int = INODE_SIZE,
    group_blocks: int = GROUP_BLOCKS, group_log: int = GROUP_LOG, log_start: int = LOG_START, uuid: bytes = UUID,
    said: int | None = None,
) -> bytes:  # fmt: skip
    raw = bytearray(sector)
    raw[:4], raw[32:48] = b"XFSB", uuid
    for at, form, value in (
        (4, ">I", block), (8, ">Q", BLOCKS), (48, ">Q", log_start), (84, ">I", group_blocks), (96, ">I", LOG_BLOCKS),
        (100, ">H", 0xB4A0 | version), (102, ">H", said or sector), (104, ">H", inode), (123, ">B", PER_BLOCK_LOG),
        (124, ">B", group_log), (192, ">B", directory_log),
    ):  # fmt: skip
        put(raw, at, form, value)
    return summed(raw, 224)


def says_its_sector(name: str, place: int, size: int = 4096, uuid: bytes = UUID) -> bytes:
    _, magic, magic_at, sum_at, place_at, uuid_at = SAYS_ITS_SECTOR[name]
    raw = bytearray(b"\x11" * size)
    raw[magic_at : magic_at + 4], raw[uuid_at : uuid_at + 16] = magic.ljust(4, b"\0"), uuid
    put(raw, place_at, ">Q", place // 512)
    return summed(raw, sum_at)


def inode(number: int) -> bytes:
    raw = bytearray(b"\x22" * INODE_SIZE)
    raw[:2], raw[160:176] = b"IN", UUID
    put(raw, 152, ">Q", number)
    return summed(raw, 100)


def group_head(kind: str, group: int, size: int = 512) -> bytes:
    magic, number_at, sum_at, uuid_at = {
        "xfs_agf": (b"XAGF", 8, 216, 64), "xfs_agi": (b"XAGI", 8, 312, 296), "xfs_agfl": (b"XAFL", 4, 32, 8),
    }[kind]  # fmt: skip
    raw = bytearray(size)
    raw[:4], raw[uuid_at : uuid_at + 16] = magic, UUID
    put(raw, number_at, ">I", group)
    return summed(raw, sum_at)


def log_record(sector: int, uuid: bytes = UUID) -> bytes:
    raw = bytearray(512)
    raw[:4], raw[304:320] = b"\xfe\xed\xba\xbe", uuid
    put(raw, 16, ">I", 7)
    put(raw, 20, ">I", sector)
    return bytes(raw)


def anchors(folder: Path, *structures: bytes, first: bytes | None = None) -> list[Anchor]:
    """What a file says that has a superblock, and from 64 KiB on these structures, each 16 KiB after the one before."""
    path = folder / "disk"
    content = (superblock() if first is None else first).ljust(65536, b"\0")
    path.write_bytes(content + b"".join(one.ljust(16384, b"\0") for one in structures))
    with Evidence(path) as evidence:
        return xfs.structures(evidence, scan(evidence))


def said(found: list[Anchor]) -> list[tuple[str, int, int, bool]]:
    return [(one.kind, one.host_offset, one.place, one.checked) for one in found]


@pytest.mark.parametrize("name", list(SAYS_ITS_SECTOR))
def test_blocks_lie_in_the_sector_that_they_say(name: str, tmp_path: Path) -> None:
    block = says_its_sector(name, 0x7_6543_2000)
    (found,) = anchors(tmp_path, block)
    assert said([found]) == [(SAYS_ITS_SECTOR[name][0], 65536, 0x7_6543_2000, True)]
    assert (found.system, found.span) == (UUID, BLOCKS * 4096)
    for at in (SAYS_ITS_SECTOR[name][4] + 7, 4095):  # its place, and its last byte
        changed = bytearray(block)
        changed[at] ^= 1
        assert anchors(tmp_path, bytes(changed)) == []
    assert anchors(tmp_path, says_its_sector(name, 4096, uuid=UUID[:15] + b"\xff")) == []


def test_a_magic_in_the_wrong_place_is_none(tmp_path: Path) -> None:
    """The checksum and the UUID of this one are where a block of names has them."""
    _, _, _, sum_at, place_at, uuid_at = SAYS_ITS_SECTOR["leaf of names"]
    raw = bytearray(4096)
    raw[:4], raw[uuid_at : uuid_at + 16] = b"AB3B", UUID
    put(raw, place_at, ">Q", 99)
    assert anchors(tmp_path, summed(raw, sum_at)) == []


@pytest.mark.parametrize("number", [128, 7, 5 << PER_BLOCK_LOG | 3, (2 << GROUP_LOG | 999) << PER_BLOCK_LOG | 6])
def test_inodes_lie_where_their_number_says(number: int, tmp_path: Path) -> None:
    group, block, index = number >> 13, number >> 3 & 1023, number & 7
    place = (group * GROUP_BLOCKS + block) * 4096 + index * INODE_SIZE
    assert said(anchors(tmp_path, inode(number))) == [("xfs_inode", 65536, place, True)]


@pytest.mark.parametrize("sector", [512, 4096])
@pytest.mark.parametrize(("kind", "after"), [("xfs_agf", 1), ("xfs_agi", 2), ("xfs_agfl", 3)])
def test_heads_of_groups_follow_the_superblock_of_theirs(kind: str, after: int, sector: int, tmp_path: Path) -> None:
    found = anchors(tmp_path, group_head(kind, 3, sector), first=superblock(sector))
    assert said(found) == [(kind, 65536, 3 * GROUP_BLOCKS * 4096 + after * sector, True)]
    assert anchors(tmp_path, group_head(kind, 3, 512), first=superblock(4096)) == []


def test_records_of_the_log_lie_within_it(tmp_path: Path) -> None:
    last = LOG_BLOCKS * 8 - 1
    found = anchors(tmp_path, log_record(0), log_record(last), log_record(last + 1), log_record(3, UUID[:15] + b"\xee"))
    assert said(found) == [
        ("xfs_log", 65536, LOG_BEGIN, False),
        ("xfs_log", 65536 + 16384, LOG_BEGIN + last * 512, False),
    ]
    assert anchors(tmp_path, log_record(0), first=superblock(log_start=0)) == []


def test_directories_may_have_larger_blocks(tmp_path: Path) -> None:
    large, small = says_its_sector("directory data", 1 << 20, 16384), says_its_sector("inodes", 2 << 20)
    found = anchors(tmp_path, large, small, first=superblock(directory_log=2))
    assert sorted(said(found)) == [("xfs_directory", 65536, 1 << 20, True), ("xfs_tree", 81920, 2 << 20, True)]
    assert anchors(tmp_path, large, first=superblock(directory_log=1)) == []


@pytest.mark.parametrize(
    "first",
    [
        superblock(version=4),
        superblock(block=256),
        superblock(block=1 << 17),
        superblock(directory_log=5),
        superblock(inode=255),
        superblock(inode=2049),
        superblock(group_blocks=0),
        superblock(group_log=32),
        superblock(sector=512, said=4096),
        superblock(sector=4096, said=512),
        superblock(sector=512)[:230] + b"\1" + superblock()[231:],
        superblock(sector=4096)[:512] + b"\1",
        b"",
    ],
)
def test_a_superblock_that_cannot_be_vouches_for_nothing(first: bytes, tmp_path: Path) -> None:
    assert anchors(tmp_path, says_its_sector("inodes", 4096), inode(128), first=first) == []


@pytest.mark.parametrize(
    "first", [superblock(block=512), superblock(block=65536), superblock(inode=256), superblock(directory_log=4)]
)
def test_the_limits_of_sizes_are_possible(first: bytes, tmp_path: Path) -> None:
    assert [one.kind for one in anchors(tmp_path, group_head("xfs_agf", 0), first=first)] == ["xfs_agf"]


@pytest.mark.parametrize("sector", [512, 1024, 2048, 4096])
def test_superblocks_have_the_size_of_a_sector(sector: int, tmp_path: Path) -> None:
    assert len(anchors(tmp_path, says_its_sector("inodes", 4096), first=superblock(sector))) == 1


def test_so_many_systems_are_looked_for(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    path.write_bytes(b"".join(superblock(uuid=bytes([number]) * 16).ljust(4096, b"\0") for number in range(20)))
    with Evidence(path) as evidence:
        assert len(xfs.shapes(evidence, scan(evidence))) == xfs.MOST_SYSTEMS


def test_more_structures_than_are_held_at_once_are_all_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xfs, "BYTES_AT_ONCE", 3 * 4096)
    blocks = [says_its_sector("inodes", 4096 * number) for number in range(8)]
    found = anchors(tmp_path, *blocks)
    assert [(one.host_offset - 65536) // 16384 for one in found] == list(range(8))
    assert [one.place // 4096 for one in found] == list(range(8))
