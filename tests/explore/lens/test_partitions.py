"""Partition tables, and volumes that lie behind them."""

from __future__ import annotations

import struct
from pathlib import Path

from tests.explore.lens.looking import fields, lens_of, number, path_at
from tests.filesystems.disks import PLAIN, ext4, fat, gpt, make_tree


def test_gpt_and_what_is_in_its_partitions(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree", PLAIN)
    disk = gpt(tmp_path / "disk", ext4(tmp_path / "a", tree), fat(tmp_path / "b", tree))
    lens = lens_of(disk.path)
    assert path_at(lens, 446 + 4) == "MBR · entries[0].type"
    guard = fields(lens, 446, 16)
    assert guard["OSType"].endswith("gpt_guard")
    header = fields(lens, 512, 92)
    assert (number(header["MyLBA"]), number(header["NumberOfPartitionEntries"])) == (1, 128)
    assert header["DiskGUID"] == "00000000-0000-0000-0000-000000000063"
    second = fields(lens, 1024 + 128, 128)
    assert (number(second["StartingLBA"]), second["PartitionName"]) == (disk.starts[1], "part2")
    assert second["PartitionTypeGUID"] == "0fc63daf-8483-4772-8e79-3d69d8477de4"
    assert path_at(lens, disk.starts[0] * 512 + 1024) == "volume 1 · superblock · inodes_count"
    assert path_at(lens, disk.starts[1] * 512 + 3) == "volume 2 · boot sector · oem_name"


def mbr(*entries: tuple[int, int, int]) -> bytes:
    table = b"".join(struct.pack("<4xB3xII", *entry) for entry in entries).ljust(64, b"\0")
    return bytes(446) + table + b"\x55\xaa"


def test_chain_of_logical_partitions_and_one_that_leads_in_a_circle() -> None:
    sectors = {0: mbr((0x83, 1, 1), (0x05, 10, 50)), 10: mbr((0x83, 1, 2), (0x05, 20, 9)), 30: mbr((0x83, 1, 2))}
    for last in ((), (0x05, 0, 9)):
        if last:
            sectors[30] = mbr((0x83, 1, 2), last)
        disk = bytearray(100 * 512)
        for sector, data in sectors.items():
            disk[sector * 512 : sector * 512 + 512] = data
        lens = lens_of(bytes(disk))
        places = [number for number in range(100) if path_at(lens, number * 512 + 510)]
        assert places == [0, 10, 30]
        assert path_at(lens, 10 * 512 + 446) == "extended boot record · entries[0].status"


def test_boot_sector_of_a_file_system_is_no_partition_table(tmp_path: Path) -> None:
    disk = fat(tmp_path / "disk", make_tree(tmp_path / "tree", PLAIN))
    assert path_at(lens_of(disk), 0) == "boot sector · jump"
