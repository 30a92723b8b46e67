"""On a raw disk every anchor lies where it says; one that was moved or changed says nothing, or the same."""

from __future__ import annotations

import random
import struct
import zlib
from pathlib import Path

import pytest

from forensic.evidence import Evidence
from forensic.recovery.anchors import find_anchors
from forensic.recovery.anchors.anchor import Anchor
from forensic.recovery.anchors.partitions import Partitions, by_gpt, by_mbr
from forensic.recovery.scanning import scan
from tests.oracles import require
from tests.recovery.images import filesystem

SIZES = {"ext4": 64 << 20, "xfs": 320 << 20}
KINDS = {
    "ext4": {"ext_superblock", "ext_bitmap"},
    "xfs": {"xfs_agf", "xfs_agi", "xfs_agfl", "xfs_inode", "xfs_log", "xfs_tree", "xfs_directory"},
}


def anchors_in(path: Path) -> list[Anchor]:
    with Evidence(path) as evidence:
        return find_anchors(evidence, scan(evidence))


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_every_anchor_of_a_raw_disk_lies_where_it_says(kind: str, tmp_path: Path) -> None:
    require(f"mkfs.{kind}")
    found = anchors_in(filesystem(kind, tmp_path, SIZES[kind], random.Random(1)))
    assert {one.kind for one in found} == KINDS[kind]
    assert {one.kind for one in found if not one.checked} <= {"xfs_log", "ext_bitmap"}
    assert [one for one in found if one.place != one.host_offset] == []
    assert {one.span for one in found} == {SIZES[kind]}


def test_a_superblock_whose_checksum_is_wrong_is_none(tmp_path: Path) -> None:
    require("mkfs.ext4")
    raw = filesystem("ext4", tmp_path, SIZES["ext4"], random.Random(1))
    before = anchors_in(raw)
    with raw.open("r+b") as file:
        file.seek(before[1].host_offset + 90)
        file.write(b"\x05")
    assert anchors_in(raw) == [before[0], *before[2:]]


def gpt_header(sector: int, start: int) -> bytes:
    """A header in this sector of the disk, and one entry after it."""
    entry = (b"\1" * 16 + b"\2" * 16 + struct.pack("<QQ", start, start + 99)).ljust(128, b"\0")
    fields = struct.pack("<QQQQ16sQIII", sector, 9999, 34, 9900, b"\3" * 16, 2, 128, 128, zlib.crc32(entry * 1))
    head = b"EFI PART" + struct.pack("<III", 0x10000, 92, 0) + bytes(4) + fields
    checksum = zlib.crc32(head.ljust(92, b"\0"))
    return (head[:16] + struct.pack("<I", checksum) + head[20:]).ljust(512, b"\0") + entry.ljust(512, b"\0")


def test_a_gpt_header_says_its_sector_and_where_partitions_begin(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    path.write_bytes(bytes(4096) + gpt_header(1, 2048) + bytes(32 * 512))
    (found,) = anchors_in(path)
    assert (found.kind, found.host_offset, found.place, found.absolute) == ("gpt_header", 4096, 512, True)
    with Evidence(path) as evidence:
        raw = evidence.read_at(4096, 34 * 512)
    assert by_gpt(raw, found) == Partitions((2048 * 512,), 10_000 * 512)
    assert by_gpt(raw[:512], found).starts == ()
    path.write_bytes(bytes(4096) + gpt_header(1, 2048).replace(b"\3" * 16, b"\4" * 16) + bytes(32 * 512))
    assert anchors_in(path) == []


def test_a_master_boot_record_says_where_partitions_begin() -> None:
    entry = struct.pack("<B3sB3sII", 0x80, b"\0" * 3, 0x83, b"\0" * 3, 63, 1000)
    record = bytes(446) + entry + bytes(48) + b"\x55\xaa"
    assert by_mbr(record) == Partitions((63 * 512,), 1063 * 512)
    for none in (bytes(510) + b"\x55\xaa", record[:446] + b"\x01" + record[447:], record[:510] + b"\0\0", b""):
        assert by_mbr(none) == Partitions()


def test_a_btrfs_superblock_is_taken_at_its_word_only_where_one_can_be(tmp_path: Path) -> None:
    from forensic.recovery.crc import crc32c

    def superblock(place: int) -> bytes:
        import numpy as np

        body = bytes(16) + struct.pack("<QQ", place, 0) + b"_BHRfS_M" + bytes(40) + struct.pack("<Q", 1 << 30)
        body = body.ljust(4096 - 32, b"\0")
        checksum = int(crc32c(np.frombuffer(body, dtype=np.uint8).reshape(1, -1))[0])
        return struct.pack("<I", checksum).ljust(32, b"\0") + body

    path = tmp_path / "disk"
    path.write_bytes(bytes(8192) + superblock(64 << 10) + bytes(8192))
    (found,) = anchors_in(path)
    assert (found.kind, found.host_offset, found.place, found.span) == ("btrfs_superblock", 8192, 64 << 10, 1 << 30)
    path.write_bytes(bytes(8192) + superblock(12345) + bytes(8192))
    assert anchors_in(path) == []


CLUSTER, TABLE_RUNS = 4096, ((100, 4), (30, 2))
"""An NTFS of 16 MiB whose file table lies in two runs: first cluster and how many."""


def boot_sector(serial: bytes = b"\1\2\3\4\5\6\7\x08") -> bytes:
    raw = bytearray(512)
    raw[3:11], raw[510:] = b"NTFS    ", b"\x55\xaa"
    raw[11:14], raw[40:48], raw[48:56] = b"\0\2\x08", (32768).to_bytes(8, "little"), (100).to_bytes(8, "little")
    raw[64], raw[72:80] = 256 - 10, serial
    return bytes(raw)


def file_record(number: int, attributes: bytes = b"") -> bytes:
    raw = bytearray(1024)
    raw[:8], raw[20:22] = b"FILE" + struct.pack("<HH", 48, 3), struct.pack("<H", 56)
    raw[44:48] = number.to_bytes(4, "little")
    raw[56 : 56 + len(attributes)] = attributes
    raw[56 + len(attributes) : 60 + len(attributes)] = b"\xff" * 4
    for place in (48, 510, 1022):
        raw[place : place + 2] = b"\x34\x12"
    return bytes(raw)


def table_record() -> bytes:
    """Record 0 with the runs: the second lies 70 clusters before the first."""
    runs = bytes([0x11, 4, 100, 0x11, 2, 256 - 70, 0])
    body = struct.pack("<IIBBHHHQQH", 0x80, 72, 1, 0, 0, 0, 0, 0, 5, 64).ljust(64, b"\0") + runs.ljust(8, b"\0")
    return file_record(0, body)


def ntfs() -> bytearray:
    disk = bytearray(16 << 20)
    disk[:512] = boot_sector()
    disk[-512:] = boot_sector()
    places = [
        (start + at) * CLUSTER + part * 1024 for start, count in TABLE_RUNS for at in range(count) for part in range(4)
    ]
    for number, place in enumerate(places):
        disk[place : place + 1024] = table_record() if number == 0 else file_record(number)
    for number in range(4):  # the mirror
        disk[200 * CLUSTER + number * 1024 : 200 * CLUSTER + (number + 1) * 1024] = (
            table_record() if number == 0 else file_record(number)
        )
    return disk


def test_records_of_ntfs_lie_where_the_runs_of_their_table_say(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    path.write_bytes(ntfs())
    found = anchors_in(path)
    assert len(found) == 24 - 4  # the first four have copies
    assert [one for one in found if one.place != one.host_offset or one.checked or one.kind != "ntfs_record"] == []
    moved = ntfs()
    moved[300 * CLUSTER : 300 * CLUSTER + 1024] = file_record(21)
    path.write_bytes(moved)
    assert [one.place for one in anchors_in(path) if one.host_offset == 300 * CLUSTER] == [31 * CLUSTER + 1024]


@pytest.mark.parametrize("what", ["sector", "table", "boot", "number", "two"])
def test_records_of_ntfs_say_nothing_without_what_vouches_for_them(what: str, tmp_path: Path) -> None:
    disk = ntfs()
    if what == "sector":  # of one record
        disk[103 * CLUSTER + 510] ^= 1
    elif what == "table":
        for place in (100, 200):
            disk[place * CLUSTER + 56 + 64 + 2] ^= 1
    elif what == "boot":
        disk[:512] = disk[-512:] = bytes(512)
    elif what == "number":
        disk[103 * CLUSTER + 44 : 103 * CLUSTER + 48] = b"\xff" * 4
    else:
        disk[-512:] = boot_sector(b"another!")
    path = tmp_path / "disk"
    path.write_bytes(disk)
    found = anchors_in(path)
    assert len(found) == (24 - 4 - 1 if what in ("sector", "number") else 0)
