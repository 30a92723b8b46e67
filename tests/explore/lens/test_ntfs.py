"""NTFS structures as `ntfsinfo` sees them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from forensic.explore.lens.ntfs import mended, runs_of
from tests.explore.lens.looking import fields, lens_of, number, path_at
from tests.filesystems.disks import PLAIN, make_tree, ntfs
from tests.oracles import require

RECORD = 1024


def told(disk: Path, *options: str) -> dict[str, str]:
    printed = subprocess.run(["ntfsinfo", "-f", *options, str(disk)], capture_output=True, text=True, check=True)
    found: dict[str, str] = {}
    for name, value in re.findall(r"^\s*(.+?):\s+(.*)$", printed.stdout, re.MULTILINE):
        found.setdefault(name, value)
    return found


def test_boot_sector_and_records(tmp_path: Path) -> None:
    require("ntfsinfo")
    disk = ntfs(tmp_path / "disk", make_tree(tmp_path / "tree", PLAIN))
    lens, size = lens_of(disk), disk.stat().st_size
    volume = told(disk, "-m")
    boot = fields(lens, 0, 512)
    cluster = number(boot["bytes_per_sector"]) * number(boot["sectors_per_cluster"])
    assert cluster == int(volume["Cluster Size"])
    assert number(boot["mft_cluster"]) == int(volume["LCN of Data Attribute for FILE_MFT"])
    assert number(boot["mft_mirror_cluster"]) == int(volume["LCN of Data Attribute for File_MFTMirr"])
    assert path_at(lens, size - 512 + 0x30) == "backup boot sector · mft_cluster"
    assert path_at(lens, number(boot["mft_mirror_cluster"]) * cluster).startswith("mirrored MFT record 0")

    start = number(boot["mft_cluster"]) * cluster
    data = disk.read_bytes()
    named = {one: data.index(one.encode("utf-16-le"), start) for one in ("hello.txt", "letter.txt")}
    for name, place in named.items():
        record = (place - start) // RECORD
        theirs = told(disk, "-i", str(record))
        begin = start + record * RECORD
        assert path_at(lens, begin) == f"MFT record {record} · magic"
        shown = fields(lens, begin, RECORD)
        assert number(shown["sequence_number"]) == int(theirs["MFT Record Seq. Numb."].split()[0])
        assert number(shown["len_used"]) == int(theirs["Bytes Used"].split()[0])
        assert shown["flags"].endswith("in_use")
        at_name = lens.inspect(place)
        assert at_name is not None
        rows = {row.name: row.value for row in at_name.rows}
        assert rows["name"] == name
        assert rows["name_space"].split()[-1] in ("posix", "windows", "dos", "windows_and_dos")
        times = fields(lens, begin + 0x50, 8)
        _, month, day, clock, year, _ = theirs["File Creation Time"].split()
        number_of_month = 1 + "JanFebMarAprMayJunJulAugSepOctNovDec".index(month) // 3
        written = f"{year}-{number_of_month:02}-{int(day):02} {clock} UTC"
        assert times["creation_time"].endswith(written)


def test_the_last_bytes_of_sectors_are_put_back_only_where_they_are_as_announced() -> None:
    record = bytearray(b"FILE" + (48).to_bytes(2, "little") + (3).to_bytes(2, "little")).ljust(1024, b"\0")
    record[48:54] = b"\x07\x00AABB"
    record[510:512] = record[1022:1024] = b"\x07\x00"
    whole = mended(bytes(record))
    assert (whole[510:512], whole[1022:1024]) == (b"AA", b"BB")
    record[1022:1024] = b"??"
    torn = mended(bytes(record))
    assert (torn[510:512], torn[1022:1024]) == (b"AA", b"??")


def test_runs_go_forward_backward_and_nowhere() -> None:
    raw = bytes.fromhex("21 18 34 56  11 05 f0  01 07  21 02 00 01  00 ff")
    assert list(runs_of(raw)) == [(0x5634, 0x18), (0x5624, 5), (None, 7), (0x5724, 2)]
    assert list(runs_of(b"\x21\x05")) == []
    assert list(runs_of(b"\xff" + bytes(40))) == []
