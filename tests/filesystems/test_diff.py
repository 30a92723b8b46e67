"""`fs diff` lists what was done to a disk, and nothing else: changes by kernels and the file systems' own tools."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from samples import oracle
from samples.bench import noise
from tests.commands import qcowscope
from tests.filesystems import disks
from tests.oracles import require

FILES = {
    "edited.txt": b"one\n" * 3000,
    "grown.txt": b"short\n",
    "removed.txt": b"removed\n" * 1000,
    "old-name.txt": b"renamed\n" * 700,
    "swapped.txt": b"first\n" * 900,
    "behind.bin": noise(200_000),
    "chmod.txt": b"mode\n",
    "read.txt": b"only read\n" * 100,
    "folder/inner.txt": b"inner\n" * 2000,
    "folder/moved.txt": b"moved\n" * 1500,
    "gone/one.txt": b"one\n",
    "gone/two.txt": b"two\n" * 800,
    "kept/kept.txt": b"kept\n" * 3000,
}

BEHIND = 66_000
"""Where in `behind.bin` bytes are changed from outside."""


def diff(*arguments: str | os.PathLike[str]) -> set[tuple[str, str]]:
    """What happened, and to which path, by `fs diff`."""
    done = qcowscope("fs", "diff", *arguments, "--json")
    assert done.status == 0, done.err
    listed = done.json()["changes"]
    assert isinstance(listed, list)
    found = {("+".join(one["what"]), _paths(one)) for one in listed}
    assert len(found) == len(listed)
    return found


def _paths(one: dict[str, object]) -> str:
    before, after = one["before"], one["after"]
    names = [side["path"]["text"] for side in (before, after) if isinstance(side, dict)]
    return " -> ".join(dict.fromkeys(names))


@contextmanager
def mounted(raw: Path) -> Iterator[Path]:
    """A raw volume, changed through the kernel; the test is skipped where that is not possible."""
    require("mount")
    folder = raw.with_suffix(".mounted")
    folder.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-o", "loop", raw, folder], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a loop mount is not possible here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@contextmanager
def mounted_ntfs(raw: Path, *options: str) -> Iterator[Path]:
    """A raw NTFS volume, changed through ntfs-3g."""
    require("ntfs-3g", "fusermount")
    folder = raw.with_suffix(".mounted")
    folder.mkdir(exist_ok=True)
    interface = ",".join(options) or "streams_interface=windows"
    command = ["ntfs-3g", "-o", interface, str(raw), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"NTFS cannot be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@contextmanager
def mounted_exfat(raw: Path) -> Iterator[Path]:
    """A raw exFAT volume, changed through exfat-fuse, which takes block devices alone."""
    require("mount.exfat-fuse", "losetup")
    folder = raw.with_suffix(".mounted")
    folder.mkdir(exist_ok=True)
    loop = subprocess.run(["losetup", "-f", "--show", raw], capture_output=True, text=True, check=False)
    if loop.returncode:
        pytest.skip(f"there is no loop device here: {loop.stderr.strip()}")
    device = loop.stdout.strip()
    try:
        done = subprocess.run(["mount.exfat-fuse", device, folder], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"exFAT cannot be mounted here: {done.stderr.strip()}")
        try:
            yield folder
        finally:
            subprocess.run(["umount", folder], check=True)
    finally:
        subprocess.run(["losetup", "-d", device], check=True)


def change(root: Path) -> None:
    """What is done to the files of `FILES`, one thing each."""
    time.sleep(1.1)
    with (root / "edited.txt").open("r+b") as stream:
        stream.seek(5000)
        stream.write(b"EDITED")
    with (root / "grown.txt").open("ab") as stream:
        stream.write(b"longer\n" * 2000)
    (root / "removed.txt").unlink()
    (root / "old-name.txt").rename(root / "new-name.txt")
    (root / "temporary").write_bytes(b"second\n" * 900)
    (root / "temporary").replace(root / "swapped.txt")
    (root / "read.txt").read_bytes()
    (root / "folder" / "moved.txt").rename(root / "kept" / "moved.txt")
    shutil.rmtree(root / "gone")
    (root / "made").mkdir()
    (root / "made" / "new.txt").write_bytes(b"new\n" * 100)
    os.utime(root / "kept" / "kept.txt", (1, 1_000_000_000))


CHANGED = {
    ("content+metadata", "edited.txt"),
    ("content+metadata", "grown.txt"),
    ("deleted", "removed.txt"),
    ("renamed", "old-name.txt -> new-name.txt"),
    ("replaced", "swapped.txt"),
    ("renamed", "folder/moved.txt -> kept/moved.txt"),
    ("deleted", "gone"),
    ("deleted", "gone/one.txt"),
    ("deleted", "gone/two.txt"),
    ("new", "made"),
    ("new", "made/new.txt"),
    ("metadata", "kept/kept.txt"),
}
"""What `change` does."""


def change_behind(raw: Path, place: int) -> None:
    """Write to a disk past its file system."""
    with raw.open("r+b") as stream:
        stream.seek(place)
        stream.write(bytes(512))


def place_of(image: Path, path: str, file_offset: int) -> int:
    """Where a byte of a file lies on the disk, by `fs where`."""
    places = qcowscope("fs", "where", image, path, "--json").json()["places"]
    assert isinstance(places, list)
    (one,) = [one for one in places if one["file_offset"] <= file_offset < one["file_offset"] + one["length"]]
    return int(one["guest_offset"]) + file_offset - int(one["file_offset"])


def ext4(path: Path, tree: Path) -> Path:
    return disks.ext4(path, tree, 32 * disks.MIB)


@pytest.mark.parametrize("make", [ext4, disks.xfs], ids=["ext4", "xfs"])
def test_what_a_kernel_did_is_listed_and_nothing_else(make: Callable[[Path, Path], Path], tmp_path: Path) -> None:
    tree = disks.make_tree(tmp_path / "tree", FILES)
    raw = make(tmp_path / "volume.raw", tree)
    with mounted(raw):  # what a first mount changes is no change of a file
        pass
    image = disks.to_qcow2(raw)
    disks.snapshot(image, "before")
    place = place_of(image, "behind.bin", BEHIND)
    with mounted(raw) as root:
        change(root)
        (root / "chmod.txt").chmod(0o600)
        os.link(root / "read.txt", root / "linked.txt")
        (root / "edited.txt").read_bytes()
    change_behind(raw, place // 512 * 512)
    disks.write_changes(raw, image)
    expected = CHANGED | {
        ("metadata", "chmod.txt"), ("new", "linked.txt"), ("metadata", "read.txt"), ("content", "behind.bin"),
    }  # fmt: skip
    assert diff(image, "--snapshot", "before") == expected
    assert diff(image, "--snapshot", "before", "--content-only") == {
        (what, path) for what, path in expected if what not in ("metadata", "renamed")
    }


def test_what_ntfs_3g_did_is_listed_and_nothing_else(tmp_path: Path) -> None:
    raw = disks.ntfs(tmp_path / "volume.raw", tmp_path / "nothing")
    with mounted_ntfs(raw) as root:
        disks.make_tree(root, FILES)
        (root / "chmod.txt").write_bytes(b"resident\n")
        with open(f"{root}/read.txt:stream", "wb") as stream:
            stream.write(b"stream\n" * 500)
    image = disks.to_qcow2(raw)
    disks.snapshot(image, "before")
    place = place_of(image, "behind.bin", BEHIND)
    with mounted_ntfs(raw) as root:
        change(root)
        time.sleep(0.1)
        with (root / "chmod.txt").open("r+b") as resident:  # as long as before
            resident.write(b"RESIDENT")
        with open(f"{root}/read.txt:stream", "r+b") as stream:
            stream.write(b"STREAM")
    change_behind(raw, place // 512 * 512)
    disks.write_changes(raw, image)
    found = diff(image, "--snapshot", "before")
    expected = CHANGED | {
        ("content+metadata", "chmod.txt"), ("content", "read.txt:stream"), ("metadata", "read.txt"),
        ("content", "behind.bin"),
    }  # fmt: skip
    assert found == expected
    own = diff(image, "--snapshot", "before", "--own-files")
    assert {path for _, path in own} >= {"$MFT", "$Bitmap"}


def test_what_mtools_did_to_fat_is_listed_and_nothing_else(tmp_path: Path) -> None:
    require("mcopy", "mdel", "mmove", "mren", "mdeltree", "mmd", "mattrib")
    tree = disks.make_tree(tmp_path / "tree", FILES)
    raw = disks.fat(tmp_path / "volume.raw", tree)
    image = disks.to_qcow2(raw)
    disks.snapshot(image, "before")
    place = place_of(image, "behind.bin", BEHIND)
    new = tmp_path / "new.txt"
    new.write_bytes(b"new\n" * 100)
    for command in (
        ["mdel", "::removed.txt"],
        ["mren", "::old-name.txt", "::new-name.txt"],
        ["mmove", "::folder/moved.txt", "::kept/moved.txt"],
        ["mdeltree", "::gone"],
        ["mmd", "::made"],
        ["mcopy", str(new), "::made/new.txt"],
        ["mcopy", "-o", str(new), "::swapped.txt"],
        ["mattrib", "+r", "::chmod.txt"],
    ):
        oracle.run([command[0], "-i", raw.name, *command[1:]], tmp_path)
    change_behind(raw, place // 512 * 512)
    disks.write_changes(raw, image)
    assert diff(image, "--snapshot", "before") == {
        ("deleted", "removed.txt"), ("renamed", "old-name.txt -> new-name.txt"),
        ("renamed", "folder/moved.txt -> kept/moved.txt"), ("deleted", "gone"), ("deleted", "gone/one.txt"),
        ("deleted", "gone/two.txt"), ("new", "made"), ("new", "made/new.txt"), ("replaced", "swapped.txt"),
        ("metadata", "chmod.txt"), ("content", "behind.bin"),
    }  # fmt: skip


def test_a_folder_that_was_renamed_takes_its_files_along(tmp_path: Path) -> None:
    raw = ext4(tmp_path / "volume.raw", disks.make_tree(tmp_path / "tree", FILES))
    with mounted(raw):
        pass
    image = disks.to_qcow2(raw)
    disks.snapshot(image, "before")
    with mounted(raw) as root:
        (root / "folder").rename(root / "kept" / "elsewhere")
        (root / "kept" / "elsewhere" / "inner.txt").rename(root / "kept" / "elsewhere" / "outer.txt")
    disks.write_changes(raw, image)
    assert diff(image, "--snapshot", "before") == {
        ("renamed", "folder -> kept/elsewhere"), ("renamed", "folder/inner.txt -> kept/elsewhere/outer.txt"),
    }  # fmt: skip


def test_an_inode_that_was_used_again_is_another_file(tmp_path: Path) -> None:
    raw = ext4(tmp_path / "volume.raw", disks.make_tree(tmp_path / "tree", FILES))
    with mounted(raw):
        pass
    image = disks.to_qcow2(raw)
    disks.snapshot(image, "before")
    with mounted(raw) as root:
        inode = (root / "removed.txt").stat().st_ino
        (root / "removed.txt").unlink()
        for number in range(40):
            (root / f"new-{number}").write_bytes(b"new")
            if (root / f"new-{number}").stat().st_ino == inode:
                break
    disks.write_changes(raw, image)
    found = diff(image, "--snapshot", "before")
    assert found == {("deleted", "removed.txt"), *(("new", f"new-{one}") for one in range(number + 1))}


def test_ext4_keeps_small_files_in_the_inode_and_they_are_compared(tmp_path: Path) -> None:
    tree = disks.make_tree(tmp_path / "tree", {"small": b"small\n", "other": b"other\n", "large": bytes(9000)})
    raw = disks.ext4(tmp_path / "volume.raw", tree, 8 * disks.MIB, "-O", "inline_data")
    image = disks.to_qcow2(raw)
    where = qcowscope("fs", "where", image, "small", "--json").json()
    assert (where["places"], where["in_inode"]) == ([], True)
    assert qcowscope("fs", "where", image, "small").out == "no place of its own: the content is in the inode\n"
    disks.snapshot(image, "before")
    content = raw.read_bytes()
    place = content.index(b"small\n")
    with raw.open("r+b") as stream:
        stream.seek(place)
        stream.write(b"SMALL\n")
    disks.write_changes(raw, image)
    assert diff(image, "--snapshot", "before") == {("content", "small")}


def test_a_file_that_was_moved_on_the_disk_has_not_changed(tmp_path: Path) -> None:
    """Its blocks are elsewhere, and hold the same."""
    tree = disks.make_tree(tmp_path / "tree", FILES)
    one = disks.ext4(tmp_path / "one.raw", tree, 32 * disks.MIB)
    disks.make_tree(tree, {"edited.txt": b"one\n" * 2999 + b"two\n"})
    other = disks.ext4(tmp_path / "other.raw", disks.make_tree(tree, {"aaaa": noise(50_000)}), 32 * disks.MIB)
    found = diff(disks.to_qcow2(one, "one.qcow2"), disks.to_qcow2(other, "other.qcow2"))
    assert {what for what in found if "content" in what[0]} == {("content", "edited.txt")}
    assert ("new", "aaaa") in found


def test_two_disks_alike_have_no_difference(tmp_path: Path) -> None:
    raw = ext4(tmp_path / "volume.raw", disks.make_tree(tmp_path / "tree", FILES))
    image = disks.to_qcow2(raw)
    disks.snapshot(image, "before")
    done = qcowscope("fs", "diff", image, "--snapshot", "before")
    assert (done.status, done.out, done.err) == (0, "no difference\n", "")
    done = qcowscope("fs", "diff", image)
    assert (done.status, done.err) == (64, "qcowscope fs diff: name a second image or a --snapshot to compare with\n")


def test_the_second_image_may_come_after_options(tmp_path: Path) -> None:
    raw = ext4(tmp_path / "volume.raw", disks.make_tree(tmp_path / "tree", FILES))
    one, other = disks.to_qcow2(raw, "one.qcow2"), disks.to_qcow2(raw, "other.qcow2", "-c")
    for command in (["fs", "diff"], ["diff"]):
        done = qcowscope(*command, one, "--format", "qcow2", other)
        assert (done.status, done.out.splitlines()[-1]) == (0, "no difference")
        done = qcowscope(*command, one, "--format", "qcow2", other, "third")
        assert (done.status, "unrecognized arguments: third" in done.err) == (64, True)
