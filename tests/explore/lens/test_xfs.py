"""XFS structures as `xfs_db` sees them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.explore.lens.looking import fields, lens_of, number, path_at
from tests.filesystems.disks import PLAIN, make_tree, xfs
from tests.oracles import require


def told(disk: Path, *commands: str) -> dict[str, str]:
    options = [word for command in commands for word in ("-c", command)]
    printed = subprocess.run(["xfs_db", "-r", *options, str(disk)], capture_output=True, text=True, check=True).stdout
    return dict(re.findall(r"^(\S+) = (.*)$", printed, re.MULTILINE))


def test_headers_of_every_group_and_inodes(tmp_path: Path) -> None:
    require("xfs_db")
    disk = xfs(tmp_path / "disk", make_tree(tmp_path / "tree", PLAIN))
    lens = lens_of(disk)
    theirs = told(disk, "sb 0", "p")
    superblock = fields(lens, 0, 264)
    for ours, name in (("sb_dblocks", "dblocks"), ("sb_inodesize", "inodesize"), ("sb_icount", "icount")):
        assert number(superblock[ours]) == int(theirs[name])
    assert superblock["sb_uuid"] == theirs["uuid"]
    size = int(theirs["agblocks"]) * int(theirs["blocksize"])
    for group in range(int(theirs["agcount"])):
        free, inodes = told(disk, f"agf {group}", "p"), told(disk, f"agi {group}", "p")
        sector = int(theirs["sectsize"])
        assert fields(lens, group * size + sector, 80)["agf_freeblks"].split()[0] in (
            hex(int(free["freeblks"])),
            free["freeblks"],
        )
        assert number(fields(lens, group * size + 2 * sector, 316)["agi_count"]) == int(inodes["count"])

    data = disk.read_bytes()
    inode_size, seen = int(theirs["inodesize"]), 0
    for match in re.finditer(rb"IN[\x41\x81]", data):
        place = match.start()
        if place % inode_size or not path_at(lens, place):
            continue
        inode = re.match(r"inode (\d+) · magic", path_at(lens, place))
        assert inode
        core = told(disk, f"inode {inode[1]}", "p core")
        shown = fields(lens, place, 176)
        assert number(shown["di_size"]) == int(core["core.size"])
        assert oct(number(shown["di_mode"]))[2:] == core["core.mode"].lstrip("0")
        assert shown["di_format"].split()[-1] == core["core.format"].split("(")[1].rstrip(")")
        assert shown["modification_time.nanoseconds_since_1901"].split()[-2] == core["core.mtime.sec"].split()[3]
        seen += 1
    assert seen > len(PLAIN)
