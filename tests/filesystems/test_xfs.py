"""XFS: contents and their places in every allocation group, names and links byte for byte, and what cannot be."""

import hashlib
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from forensic.filesystems.xfs_inodes import XfsInodes
from samples import oracle
from samples.bench import noise
from tests.commands import qcowscope
from tests.filesystems import disks
from tests.filesystems.disks import MIB
from tests.filesystems.test_diff import mounted
from tests.oracles import require

NAMES = (
    b"plain", b"bad\xff", b"\xe4\xf6\xfc.txt", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"\xef\xbf\xbf",
    b"\xef\xbb\xbfmark", b"\xf0\x9f\x98\x80", b"a\nb", b"\xfe" * 255, b"[inode 131]",
)  # fmt: skip


def made(folder: Path, fill: Callable[[bytes], None], *options: str) -> Path:
    """A raw XFS volume that a kernel filled."""
    require("mkfs.xfs")
    raw = disks.empty(folder / "volume.raw", 320 * MIB)
    oracle.run(["mkfs.xfs", "-q", *options, raw.name], folder)
    with mounted(raw) as root:
        fill(os.fsencode(root))
    return raw


def listed(image: Path) -> dict[bytes, dict[str, object]]:
    """All entries by path."""
    done = qcowscope("fs", "ls", image, "-r", "--json")
    assert (done.status, done.err) == (0, "")
    entries = done.json()["entries"]
    assert isinstance(entries, list)
    found = {bytes.fromhex(one["path"]["hex"]): one for one in entries}
    assert len(found) == len(entries)
    return found


def placed(raw: Path, image: Path, path: str, size: int) -> bytes:
    """The content of a file, gathered from where `fs where` says it lies."""
    places = qcowscope("fs", "where", image, path, "--json").json()["places"]
    assert isinstance(places, list)
    content = bytearray(size + 65536)
    with raw.open("rb") as stream:
        for one in places:
            stream.seek(one["guest_offset"])
            content[one["file_offset"] : one["file_offset"] + one["length"]] = stream.read(one["length"])
    return bytes(content[:size])


@pytest.mark.parametrize("options", [(), ("-b", "size=1024"), ("-i", "nrext64=1")])
def test_contents_lie_where_they_are_said_to_in_every_allocation_group(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    files = {f"d{number}/file": noise(90_000 + number) for number in range(8)}

    def fill(root: bytes) -> None:
        disks.make_tree(Path(os.fsdecode(root)), files)
        for name, step in (("sparse", 900_000), ("pieces", 16_384), ("d3/many-pieces", 8192)):
            with open(os.path.join(root, name.encode()), "wb") as stream:
                for number in range(9_000_000 // step):
                    stream.seek(number * step)
                    stream.write(b"%06d" % number * 100)
            files[name] = Path(os.fsdecode(root), name).read_bytes()

    raw = made(tmp_path, fill, *options)
    image = disks.to_qcow2(raw)
    groups = {int(str(listed(image)[path.encode()]["inode"])) // 131_072 for path in files}
    assert len(groups) > 2
    for path, content in files.items():
        assert placed(raw, image, path, len(content)) == content, path
        done = qcowscope("fs", "cat", image, path, "--hash", "sha256")
        assert (done.status, done.out.split()[1]) == (0, hashlib.sha256(content).hexdigest())


def test_a_change_behind_the_file_system_is_seen_in_every_group(tmp_path: Path) -> None:
    def fill(root: bytes) -> None:
        disks.make_tree(Path(os.fsdecode(root)), {f"d{number}/file": b"%06d-" % number * 900 for number in range(8)})

    raw = made(tmp_path, fill)
    image = disks.to_qcow2(raw)
    disks.snapshot(image, "before")
    content = raw.read_bytes()
    with raw.open("r+b") as stream:
        for number in (2, 3, 5):
            stream.seek(content.index(b"%06d-" % number * 900) + 2)
            stream.write(b"X")
    disks.write_changes(raw, image)
    done = qcowscope("fs", "diff", image, "--snapshot", "before")
    assert [line.split() for line in done.out.splitlines()] == [["content", f"d{number}/file"] for number in (2, 3, 5)]


@pytest.mark.parametrize("options", [(), ("-n", "size=16384"), ("-b", "size=1024", "-n", "size=4096")])
def test_names_are_the_bytes_that_they_are(options: tuple[str, ...], tmp_path: Path) -> None:
    """In an inode, a block, and several blocks, whatever they are, such as an overlong `/`."""
    there = set()

    def fill(root: bytes) -> None:
        os.mkdir(root + b"/gone")
        for folder, count in ((b"", 1), (b"few\xff/", 1), (b"some/", 9), (b"many/", 120)):
            os.makedirs(root + b"/" + folder, exist_ok=True)
            for number in range(count):
                for name in NAMES:
                    path = folder + name[:250] + (b"%d" % number if count > 1 else b"")
                    Path(os.fsdecode(root + b"/" + path)).write_bytes(path)
                    there.add(path)
            first = b"bad\xff0" if count > 1 else b"bad\xff"
            for link in (b"link\xff", b"link"):
                os.link(root + b"/" + folder + first, root + b"/" + folder + link)
                there.add(folder + link)
        for path in [one for one in there if one.endswith((b"3", b"7", b"11"))]:
            os.unlink(root + b"/" + path)
            there.remove(path)

    image = disks.to_qcow2(made(tmp_path, fill, *options))
    assert {*listed(image)} == there | {b"gone", b"few\xff", b"some", b"many"}
    for path in (b"\xc0\xaf", b"few\xff/bad\xff", b"many/\xe4\xf6\xfc.txt5"):
        done = qcowscope("fs", "cat", image, os.fsdecode(path), "--hash", "sha256")
        assert done.out.split()[1] == hashlib.sha256(path).hexdigest()


def test_links_lead_where_they_lead_however_far_that_is(tmp_path: Path) -> None:
    targets = {
        b"short": b"there",
        b"full": b"f" * 330,
        b"long": b"l" * 1023,
        b"latin": b"\xfc" * 9,
        b"far": b"\xe9" * 900,
    }

    def fill(root: bytes) -> None:
        for name, target in targets.items():
            os.symlink(target, root + b"/" + name)

    image = disks.to_qcow2(made(tmp_path, fill))
    found = listed(image)
    for name, target in targets.items():
        shown = found[name]["target"]
        assert isinstance(shown, dict)
        assert (bytes.fromhex(shown["hex"]), found[name]["size"]) == (target, len(target))
    done = qcowscope("fs", "cat", image, "long", "--hash", "sha256")
    assert (done.status, done.out.split()[1]) == (0, hashlib.sha256(targets[b"long"]).hexdigest())


def inodes(*inode: tuple[int, bytes], blocks: dict[int, bytes] | None = None) -> XfsInodes:
    """A volume of 64 blocks of 512 bytes in one group, with these inodes and blocks."""
    disk = bytearray(512 * 64)
    struct.pack_into(">4sI", disk, 0, b"XFSB", 512)
    struct.pack_into(">I", disk, 84, 64)
    struct.pack_into(">HxxH", disk, 100, 4, 256)
    disk[123], disk[124] = 1, 6
    for number, raw in inode:
        disk[number * 256 : number * 256 + len(raw)] = raw
    for number, raw in (blocks or {}).items():
        disk[number * 512 : number * 512 + len(raw)] = raw
    return XfsInodes(lambda offset, length: bytes(disk[offset : offset + length]))


def inode(form: int, fork: bytes, extents: int = 0, flags: int = 0, mode: int = 0o100000) -> bytes:
    core = bytearray(100)
    struct.pack_into(">2sHBB", core, 0, b"IN", mode, 2, form)
    struct.pack_into(">I", core, 76, extents)
    struct.pack_into(">H", core, 90, flags)
    return bytes(core) + fork


def root_of(level: int, *blocks: int) -> bytes:
    """The root of a tree of extents, as an inode of 256 bytes has it."""
    return struct.pack(">HH", level, len(blocks)) + bytes(9 * 8) + b"".join(struct.pack(">Q", one) for one in blocks)


def node(level: int, *blocks: int) -> bytes:
    return (
        struct.pack(">4sHH", b"BMAP", level, len(blocks))
        + bytes(16 + 30 * 8)
        + struct.pack(f">{len(blocks)}Q", *blocks)
    )


LEAF = struct.pack(">4sHH", b"BMAP", 0, 2) + bytes(16) + (
    (3 << 73 | 20 << 21 | 2).to_bytes(16, "big") + (1 << 127 | 5 << 73 | 30 << 21 | 1).to_bytes(16, "big")
)  # fmt: skip


def test_extents_in_a_tree_and_none_of_what_was_never_written() -> None:
    volume = inodes((8, inode(3, root_of(2, 10))), blocks={10: node(1, 11), 11: LEAF})
    assert [*volume.runs(volume.inode(8))] == [(3 * 512, 20 * 512, 2 * 512)]


@pytest.mark.parametrize(
    ("fork", "blocks", "reason"),
    [
        (root_of(1, 10, 10), {10: LEAF}, "circle"),
        (root_of(2, 10), {10: node(1, 10)}, "circle"),
        (root_of(2, 10), {10: node(2, 10)}, "damaged"),
        (root_of(0, 10), {10: LEAF}, "circle"),
        (root_of(60, 10), {10: node(59, 10)}, "circle"),
        (root_of(1, 12), {}, "damaged"),
    ],
)
def test_a_tree_that_leads_anywhere_ends(fork: bytes, blocks: dict[int, bytes], reason: str) -> None:
    volume = inodes((8, inode(3, fork)), blocks=blocks)
    with pytest.raises(ValueError, match=reason):
        list(volume.runs(volume.inode(8)))


def test_content_on_another_device_lies_nowhere_here() -> None:
    volume = inodes((8, inode(2, bytes(16), 1, flags=1)), (9, inode(2, bytes(16), 1, flags=1, mode=0o040000)))
    with pytest.raises(ValueError, match="realtime"):
        list(volume.runs(volume.inode(8)))
    assert [*volume.runs(volume.inode(9))] == [(0, 0, 0)]  # of a directory the flag is for the files in it


@pytest.mark.parametrize("place", [4, 84, 104, 123, 124, 192])
def test_a_superblock_without_sense_is_refused(place: int) -> None:
    head = bytearray(264)
    struct.pack_into(">I", head, 4, 512)
    struct.pack_into(">I", head, 84, 64)
    struct.pack_into(">H", head, 104, 256)
    XfsInodes(lambda offset, length: bytes(head))
    head[place : place + 4] = b"\0\0\0\0" if place == 84 else b"\xff\xff\xff\xff"
    with pytest.raises(ValueError, match="no sense"):
        XfsInodes(lambda offset, length: bytes(head))


@pytest.mark.parametrize(
    "content",
    [
        b"\x05\x00" + bytes(4),
        b"\x01\x00" + bytes(4) + b"\xff\0\0name",
        b"\x02\x00" + bytes(4) + b"\x04\0\0name\0\0\0\x09",
    ],
)
def test_a_small_directory_that_is_cut_is_damaged(content: bytes) -> None:
    volume = inodes((8, inode(1, content.ljust(156, b"\0"))))
    with pytest.raises(ValueError, match="damaged"):
        list(volume.names(volume.inode(8)))


@pytest.mark.parametrize(
    "block",
    [
        b"XD2D" + bytes(12) + b"\xff\xff\0\0",
        b"XD2D" + bytes(12) + b"\xff\xff\0\x09",
        b"XD2D" + bytes(12) + (struct.pack(">QB", 1, 255) + b"x" * 263) * 2,
        b"XD2D" + bytes(12) + struct.pack(">QB", 1, 0),
        b"XD2B" + bytes(500) + b"\xff" * 8,
        b"none",
    ],
)
def test_a_block_of_names_that_makes_no_sense_is_damaged(block: bytes) -> None:
    record = (9 << 21 | 1).to_bytes(16, "big")
    volume = inodes((8, inode(2, record, 1)), blocks={9: block[:512]})
    with pytest.raises(ValueError, match="damaged"):
        list(volume.names(volume.inode(8)))


def test_without_kinds_in_a_directory_the_inodes_say_what_is_one() -> None:
    content = b"\x03\x00" + struct.pack(">I", 8) + b"".join(
        bytes([1, 0, 0, letter]) + struct.pack(">I", number) for letter, number in ((97, 8), (98, 9), (99, 77))
    )  # fmt: skip
    volume = inodes((8, inode(1, content, mode=0o040000)), (9, inode(2, b"")))
    assert [*volume.names(volume.inode(8))] == [(b"a", 8, True), (b"b", 9, False), (b"c", 77, False)]


def test_a_file_whose_content_is_kept_in_an_unknown_way_is_not_read_as_zeros() -> None:
    for form in (0, 1, 4, 5):
        volume = inodes((8, inode(form, b"content")))
        with pytest.raises(ValueError, match="not known"):
            list(volume.runs(volume.inode(8)))


def test_an_inode_that_is_not_in_use_is_none() -> None:
    volume = inodes((8, inode(2, b"", mode=0)), (9, inode(2, b"")[1:]))
    assert [volume.find(number) for number in (8, 9, 1 << 40)] == [None] * 3
    with pytest.raises(ValueError, match="there is no inode 8"):
        volume.inode(8)
