"""Damaged and hostile volumes: what is absent is said, what is claimed is bounded, and a crash ends one reader."""

import hashlib
import json
import os
import random
import signal
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from forensic.disk.disk import Disk
from forensic.filesystems import walking
from forensic.filesystems.entries import About, Entry, Kind
from forensic.filesystems.reading import Reading, volumes_on
from forensic.filesystems.systems import Node
from forensic.filesystems.volume_reader import VolumeReader
from forensic.filesystems.walking import Task
from forensic.filesystems.xfs_inodes import XfsInodes
from forensic.image import open_image
from forensic.processes.limited import Bounds
from samples import oracle
from samples.bench import noise
from tests.commands import qcowscope
from tests.filesystems import disks
from tests.filesystems.disks import MIB, PLAIN
from tests.oracles import require


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raw ext4 volume."""
    folder = tmp_path_factory.mktemp("hostile")
    return disks.ext4(folder / "ext4.raw", disks.make_tree(folder / "tree", PLAIN))


def changed(plain: Path, folder: Path, *requests: str) -> Path:
    """An image of a copy that `debugfs` has changed."""
    require("debugfs")
    raw = folder / "changed.raw"
    raw.write_bytes(plain.read_bytes())
    for request in requests:
        oracle.run(["debugfs", "-w", "-R", request, raw.name], folder)
    return disks.to_qcow2(raw)


@pytest.mark.parametrize("size", [5 * 10**11, 5 * 10**18])
def test_a_size_is_a_claim_and_bounded_by_the_volume(size: int, plain: Path, tmp_path: Path) -> None:
    image = changed(plain, tmp_path, f"sif hello.txt size {size}")
    (line,) = qcowscope("fs", "ls", image, "hello.txt", "-l").out.splitlines()
    assert f"{size:,} (more than the volume holds)" in line
    entry = qcowscope("fs", "ls", image, "hello.txt", "--json").json()["entries"]
    assert isinstance(entry, list)
    assert (entry[0]["size"], entry[0]["exceeds_volume"]) == (size, True)
    begun = time.monotonic()
    done = qcowscope("fs", "cat", image, "hello.txt", "-o", tmp_path / "out")
    assert done.status in (1, 5)
    assert f"claims {size:,} bytes, more than the {24 * MIB:,} of its volume, which is how many are given" in done.err
    assert (tmp_path / "out").stat().st_size == 24 * MIB
    assert (tmp_path / "out").read_bytes()[:6] == b"hello\n"
    assert time.monotonic() - begun < 60


def test_a_partition_that_claims_all_there_can_be_holds_no_more_than_the_disk(plain: Path, tmp_path: Path) -> None:
    raw = tmp_path / "volume.raw"
    raw.write_bytes(plain.read_bytes())
    oracle.run(["debugfs", "-w", "-R", f"sif hello.txt size {5 * 10**18}", raw.name], tmp_path)
    made = disks.gpt(tmp_path / "disk.raw", raw)
    with made.path.open("r+b") as stream:  # the last sector of the first entry
        stream.seek(1024 + 40)
        stream.write(struct.pack("<Q", (1 << 64) - 2))
    image = made.image()
    size = made.path.stat().st_size
    assert f"{5 * 10**18:,} (more" in qcowscope("fs", "ls", image, "--volume", "1", "hello.txt", "-l").out
    done = qcowscope("fs", "cat", image, "--volume", "1", "hello.txt", "-o", tmp_path / "out")
    assert done.status in (1, 5)
    assert (tmp_path / "out").stat().st_size == size
    assert "papers/notes.txt" in qcowscope("fs", "ls", image, "--volume", "1", "-r").out


def test_a_folder_inside_itself_is_listed_once(plain: Path, tmp_path: Path) -> None:
    image = changed(plain, tmp_path, "link papers papers/old/again", "link papers papers/again")
    done = qcowscope("fs", "ls", image, "-r")
    lines = done.out.splitlines()
    assert sorted(lines) == sorted({*lines})
    assert {"papers/again", "papers/old/again", "papers/old/letter.txt"} <= {*lines}
    assert not [line for line in lines if line.startswith("papers/again/") or "again/old" in line]
    assert done.err.count("this folder was listed already, under another path") == 2
    assert done.status == 1


def test_a_range_that_is_absent_is_said_and_never_zeros(plain: Path, tmp_path: Path) -> None:
    image = disks.to_qcow2(plain, "whole.qcow2")
    places = qcowscope("fs", "where", image, "papers/random.bin", "--json").json()["places"]
    assert isinstance(places, list)
    end = places[-1]["host_offset"] + places[-1]["length"]
    cut = tmp_path / "cut.qcow2"
    cut.write_bytes(image.read_bytes()[: places[-1]["host_offset"] + 50_000])
    done = qcowscope("fs", "cat", cut, "papers/random.bin", "-o", tmp_path / "out")
    assert done.status == 5
    assert "cannot be read: guest offset" in done.err and "entry_beyond_eof" in done.err
    out = (tmp_path / "out").read_bytes()
    expected = PLAIN["papers/random.bin"]
    kept = places[-1]["file_offset"] + 50_000 // 4096 * 4096
    assert (len(out), out[:kept]) == (len(expected), expected[:kept])
    assert end > cut.stat().st_size
    where = qcowscope("fs", "where", cut, "papers/random.bin")
    assert (where.status, "absent, entry_beyond_eof" in where.out) == (5, True)


def test_a_folder_whose_blocks_are_absent_is_named(plain: Path, tmp_path: Path) -> None:
    image = disks.to_qcow2(plain, "whole.qcow2", "-o", "cluster_size=512")
    (place,) = json.loads(qcowscope("fs", "where", image, "papers", "--json").out)["places"]
    lost = tmp_path / "lost.qcow2"
    content = bytearray(image.read_bytes())
    entry = struct.pack(">Q", 1 << 63 | int(place["host_offset"]))
    at = content.index(entry)
    content[at : at + 8] = struct.pack(">Q", 1 << 63 | 1 << 40)  # past the end of the file
    lost.write_bytes(content)
    done = qcowscope("fs", "ls", lost, "-r")
    assert (done.status, "volume 0: papers: guest offset" in done.err) == (5, True)
    assert "hello.txt" in done.out.splitlines() and "papers" in done.out.splitlines()
    document = qcowscope("fs", "ls", lost, "-r", "--json").json()
    faults = document["faults"]
    assert isinstance(faults, list)
    assert {(one["path"]["text"], one["absent"]) for one in faults} == {("papers", True)}
    found = qcowscope("fs", "diff", image, lost, "--json").json()["changes"]
    assert isinstance(found, list)
    assert {one["path"]["text"] for one in found if one["what"] == ["not_compared"]} >= {"papers/notes.txt"}
    assert not [one for one in found if "deleted" in one["what"]]


class CrashingSystem:
    """A library that crashes, hangs, or lies, at one file."""

    def __init__(self, how: str) -> None:
        self.how = how

    def about(self) -> About:
        return About("a library")

    def root(self) -> Node:
        return Node(b"", 2, True, False, 2, None)

    def children(self, folder: Node, deleted: bool) -> Iterator[Node]:
        for name in (b"good", b"bad\x1b[2J"):
            yield Node(name, 3, False, False, 2, None)

    def by_inode(self, address: str) -> None:
        return None

    def entry(self, node: Node, path: bytes, with_runs: bool) -> Entry:
        if path != b"good":
            self.act()
        return Entry(path, -1 if path != b"good" else 3, Kind.FILE, 0)

    def act(self) -> None:
        if self.how == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        elif self.how == "hang":
            time.sleep(100)
        elif self.how == "memory":
            bytearray(8 << 30)

    def read(self, node: Node, offset: int, size: int) -> bytes:
        return b""


@pytest.mark.parametrize(
    ("how", "reason", "number"),
    [
        ("crash", "it was ended by signal 11 (Segmentation fault)", 11),
        ("hang", "it took longer than it may", None),
        ("memory", "it needs more memory than it may have", None),
        ("lie", "it sent numbers that cannot be", None),
    ],
)
def test_a_reader_that_fails_is_a_finding_and_the_other_volumes_go_on(
    how: str, reason: str, number: int | None, plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = disks.gpt(tmp_path / "disk.raw", plain, plain).image()
    opened = walking._open_system

    def open_system(library: str, file_system: str, volume: VolumeReader) -> object:
        if volume._layout.segments[0].stripes == (MIB,):
            return CrashingSystem(how)
        return opened(library, file_system, volume)

    monkeypatch.setattr(walking, "_open_system", open_system)
    done = qcowscope("fs", "timeline", image, "--limit-time", "3" if how == "hang" else "100")
    assert done.status == 1
    expected = f"qcowscope: volume 1: file-system-reader-failed: a library at bad\\x1b[2J: {reason}\n"
    assert done.err == expected
    paths = [line.split("|")[1] for line in done.out.splitlines()[1:]]
    assert "1:/good" in paths and "2:/papers/notes.txt" in paths
    document = qcowscope(
        "fs", "ls", image, "-r", "--volume", "1", "--json", "--limit-time", "3" if how == "hang" else "100"
    ).json()
    failure = document["failure"]
    assert isinstance(failure, dict)
    assert (failure["rule"], failure["signal"], failure["reason"]) == ("file-system-reader-failed", number, reason)
    assert [one["path"]["text"] for one in document["entries"]] == ["good"]  # type: ignore[union-attr,index,call-overload]


def readings(disk: Disk, task: Task) -> list[Reading]:
    return [Reading(disk, volume, task, Bounds(seconds=60)) for volume in volumes_on(disk).volumes if volume.library]


@pytest.mark.parametrize("kind", ["ext4", "fat", "ntfs"])
def test_random_damage_ends_in_values(kind: str, tmp_path: Path) -> None:
    tree = disks.make_tree(tmp_path / "tree", PLAIN)
    make: dict[str, Callable[[Path, Path], Path]] = {"ext4": disks.ext4, "fat": disks.fat, "ntfs": disks.ntfs}
    image = disks.to_qcow2(make[kind](tmp_path / "volume.raw", tree), "image.qcow2")
    content = image.read_bytes()
    chance = random.Random(7)
    outcomes = set()
    for _ in range(25):
        damaged = bytearray(content)
        for _ in range(chance.randint(1, 64)):
            at = chance.randrange(5 * 65536, min(len(damaged), 2 * MIB))
            damaged[at] = chance.randrange(256)
        path = tmp_path / "damaged.qcow2"
        path.write_bytes(damaged)
        with open_image(path) as opened, opened.disk() as disk:
            for reading in readings(disk, Task(recursive=True, deleted=True, with_runs=True)):
                entries = list(reading.entries())
                assert all(0 <= entry.size < 1 << 64 for entry in entries)
                outcomes.add(reading.status)
    assert outcomes <= {0, 1}


def test_more_runs_than_fit_into_a_message_arrive_whole(tmp_path: Path) -> None:
    require("debugfs")
    raw = disks.empty(tmp_path / "ext2.raw", 40 * MIB)
    oracle.run(["mke2fs", "-q", "-F", "-t", "ext2", "-b", "1024", raw.name], tmp_path)
    source = tmp_path / "holes"
    with source.open("wb") as stream:  # every second block is a hole
        for block in range(9000):
            stream.seek(block * 2048)
            stream.write(noise(1024, block))
    oracle.run(["debugfs", "-w", "-R", "write holes holes", raw.name], tmp_path)
    image = disks.to_qcow2(raw)
    places = qcowscope("fs", "where", image, "holes", "--json").json()["places"]
    assert isinstance(places, list)
    offsets = [place["file_offset"] for place in places]
    assert (len(offsets), offsets) == (9000, [block * 2048 for block in range(9000)])
    out = qcowscope("fs", "cat", image, "holes", "--hash", "sha256").out.split()[1]
    assert out == hashlib.sha256(source.read_bytes()).hexdigest()


def test_a_partition_past_the_end_of_the_disk_is_read_as_far_as_there_is_a_disk(plain: Path, tmp_path: Path) -> None:
    made = disks.gpt(tmp_path / "disk.raw", plain)
    places = qcowscope("fs", "where", made.image(), "papers/random.bin", "--json").json()["places"]
    assert isinstance(places, list)
    os.truncate(made.path, (places[-1]["guest_offset"] + 100_000) // 512 * 512)
    image = made.image()
    assert "papers/random.bin" in qcowscope("fs", "ls", image, "-r", "--volume", "1").out.splitlines()
    assert "beyond_disk_end" in qcowscope("fs", "cat", image, "--volume", "1", "papers/random.bin", "--hash", "md5").err


def test_a_file_system_that_cannot_be_opened_is_said_so_before_the_words_of_the_library(tmp_path: Path) -> None:
    raw = disks.ext4(
        tmp_path / "big.raw", disks.make_tree(tmp_path / "tree", PLAIN), 40 * MIB, "-O", "bigalloc", "-C", "16384"
    )
    image = disks.to_qcow2(raw)
    for command in (("ls", "-r"), ("timeline",), ("cat", "x"), ("where", "x"), ("owner", "--at", "0x9000")):
        done = qcowscope("fs", command[0], image, *command[1:])
        assert (done.status, "Traceback" in done.err) == (1, False)
        assert done.err.startswith(
            "qcowscope: volume 0: file-system-reader-failed: pytsk3: the file system cannot be opened: FS_Info_Con: "
        )


def test_a_folder_that_cannot_be_listed_is_said_so(tmp_path: Path) -> None:
    raw = disks.xfs(tmp_path / "xfs.raw", disks.make_tree(tmp_path / "tree", {f"many/{one}": b"" for one in range(99)}))
    content = raw.read_bytes()
    with raw.open("r+b") as stream:
        stream.seek(content.index(b"XDB3"))
        stream.write(b"none")
    done = qcowscope("fs", "ls", disks.to_qcow2(raw), "-r")
    assert (done.status, done.out) == (1, "many\n")
    assert done.err == "qcowscope: volume 0: many: the folder cannot be listed: the directory is damaged\n"


def test_a_block_past_the_end_of_the_volume_is_not_read_as_what_comes_after_it(tmp_path: Path) -> None:
    """The first block of a file of two, so that the second stands where it belongs."""
    tree = disks.make_tree(tmp_path / "tree", {"two": noise(8192)})
    raw = disks.xfs(tmp_path / "xfs.raw", tree)
    content = bytearray(raw.read_bytes())
    volume = XfsInodes(lambda offset, length: bytes(content[offset : offset + length]))
    ((_, inode, _),) = volume.names(volume.inode(volume.root))
    fork = inode * 512 + 176
    second = int.from_bytes(content[fork:][:16], "big") >> 21 & (1 << 52) - 1
    struct.pack_into(">I", content, fork - 100, 2)
    for number, block in enumerate((1 << 40, second)):
        record = (number << 73 | block << 21 | 1).to_bytes(16, "big")
        content[fork + number * 16 : fork + 16 + number * 16] = record
    raw.write_bytes(content)
    image = disks.to_qcow2(raw)
    done = qcowscope("fs", "cat", image, "two", "-o", tmp_path / "out")
    assert done.status == 1
    assert "bytes 0 to 4,096 cannot be read" in done.err
    assert (tmp_path / "out").read_bytes() == bytes(4096) + noise(8192)[:4096]
    done = qcowscope("fs", "where", image, "two")
    assert (done.status, done.err) == (1, "qcowscope: volume 0: two: a run of it leads past the end of the volume\n")
    disks.snapshot(image, "before")
    raw.write_bytes(content[: second * 4096] + b"X" + content[second * 4096 + 1 :])
    disks.write_changes(raw, image)
    done = qcowscope("fs", "diff", image, "--snapshot", "before")
    assert (done.status, done.out.split()) == (1, ["content", "two"])
