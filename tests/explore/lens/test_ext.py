"""ext structures as `dumpe2fs` and `debugfs` see them, whatever the size of blocks and descriptors."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.explore.lens.looking import fields, lens_of, number, path_at
from tests.filesystems.disks import MIB, PLAIN, ext4, make_tree
from tests.oracles import require

FORMS = {
    "1k": ("-b", "1024"),
    "4k": ("-b", "4096", "-N", "4096", "-g", "1024"),
    "32-bit": ("-b", "1024", "-O", "^64bit,^metadata_csum"),
    "meta_bg": ("-b", "1024", "-O", "meta_bg,^resize_inode", "-g", "1024"),
    "not flexible": ("-b", "1024", "-O", "^flex_bg", "-g", "2048"),
    "small inodes": ("-b", "1024", "-I", "128", "-O", "^sparse_super,^resize_inode"),
}


def told(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("form", FORMS)
def test_superblock_descriptors_and_inodes_are_where_the_tools_find_them(tmp_path: Path, form: str) -> None:
    require("dumpe2fs", "debugfs")
    disk = ext4(tmp_path / "disk", make_tree(tmp_path / "tree", PLAIN), 24 * MIB, *FORMS[form])
    lens = lens_of(disk)
    head = dict(re.findall(r"^(.+?):\s+(.*)$", told(["dumpe2fs", "-h", str(disk)]), re.MULTILINE))
    superblock = fields(lens, 1024, 1024)
    for name, theirs in (
        ("s_inodes_count", "Inode count"),
        ("s_blocks_count_lo", "Block count"),
        ("s_free_blocks_count_lo", "Free blocks"),
        ("s_first_data_block", "First block"),
        ("s_blocks_per_group", "Blocks per group"),
        ("s_inode_size", "Inode size"),
        ("s_journal_inum", "Journal inode"),
    ):
        assert number(superblock[name]) == int(head[theirs]), name
    assert superblock["s_uuid"] == head["Filesystem UUID"]
    assert ("extents" in superblock["s_feature_incompat"]) == ("extent" in head["Filesystem features"].split())
    assert superblock["s_state"].endswith("clean")

    block_size = int(head["Block size"])
    groups = told(["dumpe2fs", str(disk)])
    starts = re.findall(r"^Group (\d+): \(Blocks (\d+)", groups, re.MULTILINE)
    tables = re.findall(r"Inode table at (\d+)", groups)
    supers = {int(block) for block in re.findall(r"(?:Primary|Backup) superblock at (\d+)", groups)}
    assert len(starts) == len(tables) > 1
    for (group, start), table in zip(starts, tables, strict=True):
        copied = path_at(lens, int(start) * block_size + 0x38) == f"superblock of group {group} · magic"
        assert copied == (int(start) in supers and group != "0")
        assert path_at(lens, int(table) * block_size).startswith("inode ")
    descriptors = [
        int(block)
        for first, last in re.findall(r"Group descriptors? at (\d+)(?:-(\d+))?", groups)
        for block in range(int(first), int(last or first) + 1)
    ]
    for block in descriptors:
        assert "descriptor of group" in path_at(lens, block * block_size)
    size = int(head.get("Group descriptor size", "32"))
    first = fields(lens, descriptors[0] * block_size, size)
    assert number(first["bg_inode_table_lo"]) == int(tables[0])

    for name in ("hello.txt", "papers/old/letter.txt"):
        stat = told(["debugfs", "-R", f"stat /{name}", str(disk)])
        where = told(["debugfs", "-R", f"imap /{name}", str(disk)])
        block, offset = re.findall(r"located at block (\d+), offset 0x([0-9a-f]+)", where)[0]
        place = int(block) * block_size + int(offset, 16)
        inode = re.findall(r"Inode: (\d+)", stat)[0]
        assert path_at(lens, place) == f"inode {inode} · mode"
        shown = fields(lens, place, int(head["Inode size"]))
        assert number(shown["i_size_lo"]) == len(PLAIN[name])
        assert shown["i_mode"].endswith("-rw-r--r--")
        for field, theirs in (("i_mtime", "mtime"), ("i_crtime", "crtime")):
            times = re.findall(rf"\b{theirs}: 0x([0-9a-f]+)", stat)
            assert (field in shown) == bool(times)
            assert not times or number(shown[field]) == int(times[0], 16)


def test_nothing_is_an_inode_that_is_none(tmp_path: Path) -> None:
    disk = ext4(tmp_path / "disk", make_tree(tmp_path / "tree", PLAIN), 24 * MIB, "-b", "1024")
    data = disk.read_bytes()
    assert path_at(lens_of(disk), data.index(PLAIN["papers/notes.txt"][:64])) == ""
