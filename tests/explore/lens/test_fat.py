"""FAT structures as `minfo` and `mdir` see them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.explore.lens.looking import fields, lens_of, number, path_at
from tests.filesystems.disks import MIB, PLAIN, fat, make_tree
from tests.oracles import require

SIZES = {12: 4 * MIB // 2, 16: 16 * MIB, 32: 40 * MIB}


@pytest.mark.parametrize("bits", SIZES)
def test_boot_sector_and_directories(tmp_path: Path, bits: int) -> None:
    require("minfo")
    disk = fat(tmp_path / "disk", make_tree(tmp_path / "tree", PLAIN), SIZES[bits], bits)
    lens, data = lens_of(disk), disk.read_bytes()
    printed = subprocess.run(["minfo", "-i", str(disk), "::"], capture_output=True, text=True, check=True).stdout
    theirs = dict(re.findall(r"^(.+?)[:=]\s*(.*)$", printed, re.MULTILINE))
    boot = fields(lens, 0, 512)
    assert number(boot["BPB_RsvdSecCnt"]) == int(theirs["reserved (boot) sectors"])
    assert number(boot["BPB_RootEntCnt"]) == int(theirs["max available root directory slots"])
    assert number(boot["BS_VolID"]) == int(theirs["serial number"], 16)
    sectors = number(boot["BPB_TotSec16"]) or number(boot["BPB_TotSec32"])
    assert sectors == int(re.findall(r"(?:small|big) size: ([1-9]\d*)", printed)[0])
    assert boot["BS_FilSysType"].strip() == f"FAT{bits}"
    if bits == 32:
        assert number(boot["BPB_RootClus"]) == int(theirs["rootCluster"])
        info = fields(lens, int(theirs["infoSector location"]) * 512, 512)
        assert number(info["FSI_Free_Count"]) == int(theirs["free clusters"])
        backup = int(theirs["backup boot sector"])
        assert path_at(lens, backup * 512 + 3) == "backup boot sector · oem_name"

    place = data.index(b"HELLO   TXT")
    entry = fields(lens, place, 32)
    assert "root directory" in path_at(lens, place)
    assert (number(entry["DIR_FileSize"]), entry["DIR_Attr"].split()[-1]) == (6, "archive")
    first_sector = data[number(entry["DIR_FstClusLO"]) and 0 :].index(b"hello\n")
    assert first_sector % 512 == 0
    below = data.index(b"LETTER  TXT")
    assert re.match(r"entry \d+ of the directory in cluster \d+ · name", path_at(lens, below))
    assert number(fields(lens, below, 32)["DIR_FileSize"]) == len(PLAIN["papers/old/letter.txt"])
    assert path_at(lens, first_sector) == "", "the content of a file is no directory"
    long = fields(lens, data.index("with ".encode("utf-16-le")) - 1, 32)
    assert long["LDIR_Name1"] + long["LDIR_Name2"] + long["LDIR_Name3"] == "with blank.tx"
