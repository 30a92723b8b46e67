"""A journal that is not replayed is told of, and one that is closed is not."""

import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from forensic.filesystems.journals import ntfs_is_open
from tests.commands import qcowscope
from tests.filesystems import disks
from tests.filesystems.disks import MIB, PLAIN
from tests.filesystems.test_diff import mounted

NOTE = "note: volume 0: its journal holds changes that are not in the files; it is not replayed\n"


@pytest.mark.parametrize("make", [disks.ext4, disks.xfs])
def test_a_disk_of_a_running_machine_has_an_open_journal(make: Callable[[Path, Path], Path], tmp_path: Path) -> None:
    raw, running = make(tmp_path / "volume.raw", disks.make_tree(tmp_path / "tree", PLAIN)), tmp_path / "running.raw"
    closed = disks.to_qcow2(raw, "closed.qcow2")
    with mounted(raw) as root:
        (root / "new.txt").write_bytes(b"new\n" * 1000)
        subprocess.run(["sync", "-f", root], check=True)
        subprocess.run(["cp", "--sparse=always", raw, running], check=True)
    for image, said in (
        (closed, ""),
        (disks.to_qcow2(running, "running.qcow2"), NOTE),
        (disks.to_qcow2(raw, "unmounted.qcow2"), ""),
    ):
        for command in (("ls", "-r"), ("timeline",)):
            done = qcowscope("fs", command[0], image, *command[1:])
            assert (done.status, done.err) == (0, said)
        assert qcowscope("fs", "ls", image, "-r", "--json").json()["journal_open"] is bool(said)
        assert qcowscope("fs", "diff", image, closed, "--json").json()["journals_open"] == (["0"] if said else [])


def restart(number: int, client: int, flags: int) -> bytes:
    area = struct.pack("<QHHHH", number, 1, 0xFFFF, client, flags)
    return (b"RSTR".ljust(0x18, b"\0") + struct.pack("<H", 0x30)).ljust(0x30, b"\0") + area.ljust(4096 - 0x30, b"\0")


@pytest.mark.parametrize(
    ("log", "is_open"),
    [
        (b"\xff" * 12288, False),
        (restart(1, 0, 0) + restart(1, 0xFFFF, 0), True),
        (restart(1, 0, 0) + restart(2, 0xFFFF, 0), False),
        (restart(2, 0, 0) + restart(1, 0xFFFF, 0), True),
        (restart(2, 0, 2) + restart(1, 0, 0), False),
        (b"CHKD" + bytes(4092) + restart(1, 0, 0), True),
        (b"RSTR" + b"\xff" * 12284, False),
        (b"", False),
    ],
)
def test_the_newer_restart_page_of_ntfs_decides(log: bytes, is_open: bool) -> None:
    assert ntfs_is_open(log) is is_open


def test_the_log_of_ntfs_is_found(tmp_path: Path) -> None:
    raw = disks.ntfs(tmp_path / "ntfs.raw", disks.make_tree(tmp_path / "tree", {"hello.txt": b"hello\n"}))
    listed = qcowscope("fs", "where", disks.to_qcow2(raw), "$LogFile", "--json").json()["places"]
    assert isinstance(listed, list)
    with raw.open("r+b") as stream:
        stream.seek(listed[0]["guest_offset"])
        stream.write(restart(7, 0, 0))
    done = qcowscope("fs", "ls", disks.to_qcow2(raw, "open.qcow2"), "hello.txt")
    assert (done.status, done.err) == (0, NOTE)


@pytest.mark.parametrize("place", [48, 84, 96, 124])
def test_a_log_that_cannot_be_found_is_no_fault(place: int, tmp_path: Path) -> None:
    raw = disks.xfs(tmp_path / "xfs.raw", disks.make_tree(tmp_path / "tree", {"hello.txt": b"hello\n"}))
    with raw.open("r+b") as stream:
        stream.seek(place)
        stream.write(b"\xff" * 4)
    done = qcowscope("fs", "ls", disks.to_qcow2(raw, "hurt.qcow2"), "-r")
    assert "Traceback" not in done.err
    assert done.status in (0, 1)
    assert raw.stat().st_size == 300 * MIB
