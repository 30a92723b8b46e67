"""The index of a large directory of ext4 is no list of names, whatever its hashes look like."""

import os
import struct
from pathlib import Path

import pytest

from forensic.filesystems.ext_names import names_in
from tests.commands import qcowscope
from tests.filesystems import disks
from tests.filesystems.test_diff import mounted
from tests.oracles import require


def entry(inode: int, name: bytes, length: int) -> bytes:
    return (struct.pack("<IHBB", inode, length, len(name), 1) + name).ljust(length, b"\xaa")


def test_names_are_those_of_the_chain_of_entries() -> None:
    index = struct.pack("<IHBB", 0, 64, 0, 0) + entry(9, b"~", 16)
    content = entry(3, b"a", 12) + entry(0, b"gone", 12) + entry(4, b"zero\0", 40) + index.ljust(64, b"\0")
    assert names_in(content, 64) == {(b"a", 3), (b"zero", 4)}


@pytest.mark.parametrize("damaged", [entry(3, b"a", 12) + entry(4, b"b", 56), entry(3, b"name", 8) * 8, bytes(64)])
def test_of_a_damaged_directory_nothing_is_said(damaged: bytes) -> None:
    assert names_in(damaged.ljust(64, b"\0"), 64) is None


def test_names_of_a_directory_with_an_index_of_two_levels_are_those_that_the_kernel_lists(tmp_path: Path) -> None:
    """Sleuth Kit lists a name or two that are none, which ones depends on the seed of the hash."""
    require("mkfs.ext4", "tune2fs")
    (tmp_path / "tree").mkdir()
    for seed in range(4):
        raw = disks.ext4(tmp_path / "volume.raw", tmp_path / "tree", 32 * disks.MIB, "-b", "1024", "-N", "4096",
                         "-E", f"hash_seed=0000000{seed}-0000-4000-8000-000000000000")  # fmt: skip
        with mounted(raw) as root:
            folder = os.fsencode(root) + b"/many"
            os.mkdir(folder)
            for number in range(2500):
                name = b"file with a longish name %06d" % number + bytes([number % 255 + 1]).replace(b"/", b"")
                os.close(os.open(folder + b"/" + name, os.O_CREAT))
            there = {b"many/" + name for name in os.listdir(folder)}
        done = qcowscope("fs", "ls", disks.to_qcow2(raw), "many", "--json")
        assert (done.status, done.err) == (0, "")
        entries = done.json()["entries"]
        assert isinstance(entries, list)
        assert sorted(bytes.fromhex(one["path"]["hex"]) for one in entries) == sorted(there)
