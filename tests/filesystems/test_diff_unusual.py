"""`fs diff` of what is rarely done to files: links, exchanged names, holes, streams, names in another case."""

import os
import struct
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from samples import oracle
from samples.bench import noise
from tests.filesystems import disks
from tests.filesystems.test_diff import diff, mounted, mounted_ntfs
from tests.oracles import require

FILES = {
    "hard/a": b"hard\n" * 100, "over/source": b"source\n" * 900, "over/target": b"target\n" * 900,
    "moved/in/one": b"1\n" * 500, "moved/two": b"2\n" * 9000, "kept/kept": b"k",
    "emptied": b"t\n" * 4000, "cut": b"t\n" * 8000, "in place": b"A" * 5000, "small in place": b"A" * 50,
    "byte more": b"g" * 4096, "small byte more": b"g" * 100, "again": b"old\n" * 600, "touched": b"ts\n" * 10,
    "name": b"c\n" * 40, "links/one": b"hl\n" * 50, "first": b"A\n" * 900, "second": b"B\n" * 900,
    "the same": b"same\n" * 1000, "becomes folder": b"f", "deep/a/b/c/d/file": b"deep\n" * 9, "punched": noise(100_000),
}  # fmt: skip

CHANGED = {
    ("metadata", "hard/a"), ("new", "hard/b"), ("deleted", "over/target"), ("renamed", "over/source -> over/target"),
    ("renamed", "moved -> kept/elsewhere"), ("content+metadata", "sparse"), ("content+metadata", "emptied"),
    ("content+metadata", "cut"), ("content+metadata", "in place"), ("content+metadata", "small in place"),
    ("content+metadata", "byte more"), ("content+metadata", "small byte more"), ("replaced", "again"),
    ("metadata", "touched"), ("renamed", "name -> Name"), ("deleted", "links/one"), ("metadata", "links/two"),
    ("metadata", "links/three"), ("renamed", "first -> second"), ("renamed", "second -> first"),
    ("metadata", "the same"), ("replaced", "becomes folder"), ("new", "becomes folder/in"),
    ("renamed", "empty folder -> other folder"), ("renamed", "empty file -> other file"),
    ("renamed", "deep/a/b -> deep/b"), ("renamed", "deep/a/b/c/d -> deep/d"),
}  # fmt: skip
"""What `change` does."""


def fill(root: Path) -> None:
    disks.make_tree(root, FILES | {"empty file": b""})
    with (root / "sparse").open("wb") as stream:
        stream.truncate(1 << 20)
        stream.seek(500_000)
        stream.write(b"middle")
    for name in ("two", "three"):
        os.link(root / "links" / "one", root / "links" / name)
    (root / "empty folder").mkdir()


def change(root: Path) -> None:
    time.sleep(1.1)
    os.link(root / "hard" / "a", root / "hard" / "b")
    (root / "over" / "source").replace(root / "over" / "target")
    (root / "moved").rename(root / "kept" / "elsewhere")
    with (root / "sparse").open("r+b") as stream:
        stream.seek(4096 * 3)
        stream.write(b"fill" * 1024)
    os.truncate(root / "emptied", 0)
    os.truncate(root / "cut", 5000)
    for name in ("in place", "small in place"):
        before = (root / name).stat()
        with (root / name).open("r+b") as stream:
            stream.write(b"B" * before.st_size)
        os.utime(root / name, ns=(before.st_atime_ns, before.st_mtime_ns))
    for name in ("byte more", "small byte more"):
        with (root / name).open("ab") as stream:
            stream.write(b"1")
    (root / "again").unlink()
    (root / "again").write_bytes(b"new\n" * 600)
    os.utime(root / "touched")
    (root / "name").rename(root / "Name")
    (root / "links" / "one").unlink()
    for one, other in (("first", "third"), ("second", "first"), ("third", "second"), ("empty folder", "other folder"),
                       ("empty file", "other file"), ("deep/a/b", "deep/b"), ("deep/b/c/d", "deep/d")):  # fmt: skip
        (root / one).rename(root / other)
    with (root / "the same").open("r+b") as stream:
        stream.write(FILES["the same"])
    (root / "becomes folder").unlink()
    disks.make_tree(root, {"becomes folder/in": b"in"})


def fill_unix(root: Path) -> None:
    fill(root)
    disks.make_tree(root, dict.fromkeys(("attribute", "access list", "owner", "set-id", "becomes link"), b"x"))
    for name, target in (("short link", "there"), ("long link", "x" * 200), ("lost link", "there")):
        (root / name).symlink_to(target)
    os.mkfifo(root / "pipe")
    os.mknod(root / "device", 0o060600, os.makedev(7, 1))
    (root / "becomes file").mkdir()


def change_unix(root: Path) -> set[tuple[str, str]]:
    change(root)
    os.setxattr(root / "attribute", "user.secret", b"v" * 30)
    entries = [(1, 6, -1), (2, 7, 1000), (4, 4, -1), (16, 4, -1), (32, 4, -1)]
    access = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *one) for one in entries)
    os.setxattr(root / "access list", "system.posix_acl_access", access)
    os.chown(root / "owner", 1000, 1000)
    (root / "set-id").chmod(0o4755)
    for name, target in (("short link", "other"), ("long link", "y" * 200), ("lost link", ""), ("becomes link", "t")):
        (root / name).unlink()
        if target:
            (root / name).symlink_to(target)
    (root / "pipe").rename(root / "tube")
    (root / "device").unlink()
    os.mknod(root / "device", 0o060600, os.makedev(7, 2))
    (root / "becomes file").rmdir()
    (root / "becomes file").write_bytes(b"file")
    subprocess.run(["fallocate", "-p", "-o", "8192", "-l", "16384", root / "punched"], check=True)
    return {
        *(("metadata", name) for name in ("attribute", "access list", "owner", "set-id")),
        *(("replaced", name) for name in ("short link", "long link", "becomes link", "device", "becomes file")),
        ("deleted", "lost link"), ("renamed", "pipe -> tube"), ("content+metadata", "punched"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("make", "options"),
    [(disks.ext4, ()), (disks.ext4, ("-O", "inline_data", "-b", "1024", "-I", "256")), (disks.xfs, ())],
    ids=["ext4", "ext4-inline", "xfs"],
)
def test_what_a_kernel_does_rarely_is_listed_and_nothing_else(
    make: Callable[..., Path], options: tuple[str, ...], tmp_path: Path
) -> None:
    require("fallocate")
    tree = tmp_path / "tree"
    tree.mkdir()
    sizes = (64 * disks.MIB,) if make is disks.ext4 else ()
    raw = make(tmp_path / "volume.raw", tree, *sizes, *options)
    with mounted(raw) as root:
        fill_unix(root)
    image = disks.to_qcow2(raw)
    disks.snapshot(image, "before")
    with mounted(raw) as root:
        changed = CHANGED | change_unix(root)
    disks.write_changes(raw, image)
    assert diff(image, "--snapshot", "before") == changed


def write(path: str, content: bytes) -> None:
    """Write a file or a stream of one."""
    with open(path, "wb") as stream:
        stream.write(content)


def test_what_ntfs_3g_does_rarely_is_listed_and_nothing_else(tmp_path: Path) -> None:
    """A folder with a stream keeps its files, and a file with several streams has each of them."""
    raw = disks.ntfs(tmp_path / "volume.raw", tmp_path / "nothing", 48 * disks.MIB)
    with mounted_ntfs(raw) as root:
        fill(root)
        disks.make_tree(
            root, {**dict.fromkeys(("add", "edit", "grow", "lose", "attributes"), b"x"), "large": b"l" * 9000}
        )
        for name, content in (("edit", b"AAAA"), ("grow", b"s" * 10), ("lose", b"lost"), ("large", b"b" * 9000),
                              ("kept", b"on a folder"), ("kept/kept", b"stays"), ("name", b"goes along")):  # fmt: skip
            for letter in ("s", "t", "u"):
                write(f"{root}/{name}:{letter}", content)
    image = disks.to_qcow2(raw)
    disks.snapshot(image, "before")
    with mounted_ntfs(raw) as root:
        change(root)
        write(f"{root}/add:new", b"hidden")
        os.unlink(f"{root}/lose:u")
        for name, place, content in (
            ("edit:t", 0, b"BBBB"),
            ("grow:u", 10, b"1"),
            ("large:t", 8000, b"Z"),
            ("kept:u", 0, b"O"),
        ):
            with open(f"{root}/{name}", "r+b") as stream:
                stream.seek(place)
                stream.write(content)
        os.setxattr(root / "attributes", "system.ntfs_attrib", bytes([2, 0, 0, 0]))
    disks.write_changes(raw, image)
    found = diff(image, "--snapshot", "before")
    times_of_files = {("metadata", name) for name in ("add", "edit", "grow", "large", "lose")}
    assert found - times_of_files == CHANGED | {
        ("new", "add:new"), ("deleted", "lose:u"), ("content", "edit:t"), ("content", "grow:u"), ("content", "large:t"),
        ("content", "kept:u"), ("metadata", "attributes"),
    }  # fmt: skip


@pytest.mark.parametrize(("bits", "size"), [(12, 2), (16, 16), (32, 40)])
def test_what_mtools_do_rarely_is_listed_and_nothing_else(bits: int, size: int, tmp_path: Path) -> None:
    """All files were made at one time, as by an installer, so that the time of creation tells none from another."""
    require("mcopy", "mdel", "mmove", "mren", "mattrib")
    long = "a very long file name that takes several entries.text"
    files = {
        "name": b"c" * 40, "cut": b"t" * 3000, "emptied": b"e" * 100, "moved/in/1": b"1" * 600,
        "moved/2": b"y" * 20_000, "kept/kept": b"k", "again": b"old" * 300, "hidden": b"a", "empty": b"",
        "first": b"A" * 900, "second": b"B" * 900, "removed": b"x" * 700, long: b"L" * 100, "target": b"D" * 800,
        "source": b"S" * 800,
        **{f"many/{number}": b"%d" % number * 3 for number in range(60)},
    }  # fmt: skip
    raw = disks.fat(tmp_path / "volume.raw", disks.make_tree(tmp_path / "tree", files), size * disks.MIB, bits)
    image = disks.to_qcow2(raw)
    disks.snapshot(image, "before")
    time.sleep(2.1)
    disks.make_tree(tmp_path / "new", {"cut": b"t" * 1000, "emptied": b"", "again": b"new" * 300, "fresh": b"x" * 700})
    renamed = [("name", "other"), ("other", "Name"), ("empty", "empty2"), ("first", "third"), ("second", "first"),
               ("third", "second"), (long, long.upper()[::-1])]  # fmt: skip
    removed = [f"many/{number}" for number in range(0, 60, 3)]
    moved = [f"many/{number}" for number in range(1, 60, 3)]
    for program, *arguments in (
        *(("mren", f"::{one}", f"::{other}") for one, other in renamed),
        ("mmove", "::moved", "::kept"),
        ("mdel", "::again", "::removed", "::target", *(f"::{one}" for one in removed)),
        ("mcopy", "-o", *(f"new/{one}" for one in ("cut", "emptied", "again", "fresh")), "::"),
        ("mren", "::source", "::target"),
        ("mattrib", "+h", "+s", "::hidden"),
        ("mmove", *(f"::{one}" for one in moved), "::kept"),
    ):
        oracle.run([program, "-i", raw.name, *arguments], tmp_path)
    disks.write_changes(raw, image)
    assert diff(image, "--snapshot", "before") == {
        ("renamed", "name -> Name"), ("renamed", "moved -> kept/moved"), ("replaced", "cut"), ("replaced", "emptied"),
        ("replaced", "again"), ("metadata", "hidden"), ("deleted", "empty"), ("new", "empty2"),
        ("renamed", "first -> second"), ("renamed", "second -> first"), ("deleted", "removed"), ("new", "fresh"),
        ("renamed", f"{long} -> {long.upper()[::-1]}"), ("deleted", "target"), ("renamed", "source -> target"),
        *(("deleted", one) for one in removed), *(("renamed", f"{one} -> kept/{one[5:]}") for one in moved),
    }  # fmt: skip
