"""XFS: contents and their places in every allocation group, names and links byte for byte, and what cannot be."""

import hashlib
import os
import struct
import subprocess
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


def test_one_block_of_a_directory_may_lie_in_many_extents(tmp_path: Path) -> None:
    """Of the size of a block of names, no piece of the volume is free."""
    require("xfs_io")
    names = {b"name-%d-" % number + b"x" * (number % 100) for number in range(3000)}

    def fill(root: bytes) -> None:
        os.mkdir(root + b"/directory")
        Path(os.fsdecode(root), "file").touch()
        oracle.run(["xfs_io", "-x", "-c", "resblks 8", os.fsdecode(root)], tmp_path)
        length, piece = 0, 64 * MIB
        with open(root + b"/all", "wb") as stream:
            while piece >= 4096:
                try:
                    os.posix_fallocate(stream.fileno(), length, piece)
                    length += piece
                except OSError:
                    piece //= 2
        holes = "".join(f"fpunch {at} 4096\n" for at in range(0, length, 8192))
        subprocess.run(["xfs_io", os.fsdecode(root + b"/all")], input=holes, text=True, check=True, capture_output=True)
        for name in names:
            os.link(root + b"/file", root + b"/directory/" + name)

    raw = made(tmp_path, fill, "-n", "size=65536", "-m", "reflink=0,rmapbt=0,finobt=0")
    image = disks.to_qcow2(raw)
    places = qcowscope("fs", "where", image, "directory", "--json").json()["places"]
    assert isinstance(places, list)
    assert min(int(str(one["length"])) for one in places) == 4096
    assert {*listed(image)} == {b"directory/" + name for name in names} | {b"directory", b"file", b"all"}


def inodes(
    *inode: tuple[int, bytes], blocks: dict[int, bytes] | None = None, version: int = 4, directory_bits: int = 0
) -> XfsInodes:
    """A volume of 64 blocks of 512 bytes in one group, whose numbers end at 127, with these inodes and blocks."""
    disk = bytearray(512 * 64)
    struct.pack_into(">4sI", disk, 0, b"XFSB", 512)
    struct.pack_into(">I", disk, 84, 64)
    struct.pack_into(">HxxH", disk, 100, version, 256)
    disk[123], disk[124], disk[192] = 1, 7, directory_bits
    for number, raw in inode:
        disk[number * 256 : number * 256 + len(raw)] = raw
    for number, raw in (blocks or {}).items():
        disk[number * 512 : number * 512 + len(raw)] = raw
    return XfsInodes(lambda offset, length: bytes(disk[offset : offset + length]))


FOLDER, LINK = 0o040000, 0o120000


def inode(
    form: int, fork: bytes, extents: int = 0, flags: int = 0, mode: int = 0o100000, size: int = 0, own: int = 0
) -> bytes:
    """Of version 3 if it bears a number of its own."""
    core = bytearray(176 if own else 100)
    struct.pack_into(">2sHBB", core, 0, b"IN", mode, 3 if own else 2, form)
    struct.pack_into(">Q", core, 56, size)
    if own:
        struct.pack_into(">Q", core, 152, own)
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


def record(start: int, block: int, count: int) -> bytes:
    """An extent, in blocks."""
    return (start << 73 | block << 21 | count).to_bytes(16, "big")


LEAF = struct.pack(">4sHH", b"BMAP", 0, 2) + bytes(16) + (
    record(3, 20, 2) + record(1 << 54 | 5, 30, 1)
)  # fmt: skip


def test_extents_in_a_tree_and_none_of_what_was_never_written() -> None:
    volume = inodes((8, inode(3, root_of(2, 10), 2)), blocks={10: node(1, 11), 11: LEAF})
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
        (root_of(1, 65), {}, "no allocation group"),
        (struct.pack(">HH", 1, 10) + bytes(152), {}, "damaged"),
        (root_of(1, 10), {10: LEAF[:6] + b"\0\x1f" + LEAF[8:]}, "no room for"),
        (root_of(1, 10), {10: LEAF}, "2 of its 3 extents"),
    ],
)
def test_a_tree_that_leads_anywhere_ends(fork: bytes, blocks: dict[int, bytes], reason: str) -> None:
    volume = inodes((8, inode(3, fork, 3)), blocks=blocks)
    with pytest.raises(ValueError, match=reason):
        list(volume.runs(volume.inode(8)))


def test_content_on_another_device_lies_nowhere_here() -> None:
    volume = inodes((8, inode(2, bytes(16), 1, flags=1)), (9, inode(2, bytes(16), 1, flags=1, mode=FOLDER)))
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
    volume = inodes((8, inode(1, content.ljust(156, b"\0"), mode=FOLDER)))
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
    volume = inodes((8, inode(2, record(0, 9, 1), 1, mode=FOLDER)), blocks={9: block[:512]})
    with pytest.raises(ValueError, match="damaged"):
        list(volume.names(volume.inode(8)))


def test_without_kinds_in_a_directory_the_inodes_say_what_is_one() -> None:
    content = b"\x03\x00" + struct.pack(">I", 8) + b"".join(
        bytes([1, 0, 0, letter]) + struct.pack(">I", number) for letter, number in ((97, 8), (98, 9), (99, 77))
    )  # fmt: skip
    volume = inodes((8, inode(1, content, mode=FOLDER)), (9, inode(2, b"")))
    assert [*volume.names(volume.inode(8))] == [(b"a", 8, True), (b"b", 9, False), (b"c", 77, False)]


def test_a_file_whose_content_is_kept_in_an_unknown_way_is_not_read_as_zeros() -> None:
    for form in (0, 1, 4, 5):
        volume = inodes((8, inode(form, b"content")))
        with pytest.raises(ValueError, match="not known"):
            list(volume.runs(volume.inode(8)))


def test_an_inode_that_is_not_in_use_is_none() -> None:
    volume = inodes((8, inode(2, b"", mode=0)), (9, inode(2, b"")[1:]))
    assert [volume.find(number) for number in (8, 9, 130, 1 << 40)] == [None] * 4
    with pytest.raises(ValueError, match="there is no inode 8"):
        volume.inode(8)


def test_an_inode_that_bears_the_number_of_another_is_none() -> None:
    volume = inodes((8, inode(2, b"", own=8)), (9, inode(2, b"", own=8)), version=5)
    assert volume.find(8) is not None
    assert volume.find(9) is None


@pytest.mark.parametrize("extents", [record(0, 63, 2), record(0, 64, 1), record(0, 127, 1)])
def test_an_extent_that_leaves_its_allocation_group_is_not_read_from_the_next(extents: bytes) -> None:
    volume = inodes((8, inode(2, extents, 1)), (9, inode(2, record(0, 62, 2), 1)))
    with pytest.raises(ValueError, match="no allocation group"):
        list(volume.runs(volume.inode(8)))
    assert [*volume.runs(volume.inode(9))] == [(0, 62 * 512, 1024)]


def test_more_extents_than_an_inode_has_room_for_are_damage() -> None:
    volume = inodes((8, inode(2, record(0, 9, 1) * 9, 9)), (10, inode(2, b"", 10)))
    assert len([*volume.runs(volume.inode(8))]) == 9
    with pytest.raises(ValueError, match="no room"):
        list(volume.runs(volume.inode(10)))


def name(text: bytes, number: int) -> bytes:
    """An entry of a directory without kinds."""
    return (struct.pack(">QB", number, len(text)) + text + bytes(2)).ljust(-(-(11 + len(text)) // 8) * 8, b"\0")


HALVES = b"XD2D".ljust(16, b"\0") + name(b"a" * 247, 9) + name(b"b" * 247, 9) + name(b"c" * 247, 9)
HALVES += struct.pack(">HH", 0xFFFF, 1024 - len(HALVES))


@pytest.mark.parametrize(
    ("extents", "found"),
    [
        ((record(0, 20, 1), record(1, 30, 1)), b"abc"),
        ((record(0, 20, 1), record(1, 30, 2), record(3, 40, 1)), b"abcabc"),
        ((record(4, 20, 1), record(5, 30, 1)), b"abc"),
        ((record(0, 20, 1),), None),
        ((record(0, 20, 1), record(2, 30, 1)), None),
        ((record(1, 20, 1), record(2, 30, 1)), None),
    ],
)
def test_a_block_of_names_is_put_together_of_its_extents(extents: tuple[bytes, ...], found: bytes | None) -> None:
    first, second = HALVES[:512], HALVES[512:]
    blocks = {20: first, 30: second, 31: first, 40: second}
    volume = inodes((8, inode(2, b"".join(extents), len(extents), mode=FOLDER)), blocks=blocks, directory_bits=1)
    if found is None:
        with pytest.raises(ValueError, match="damaged"):
            list(volume.names(volume.inode(8)))
    else:
        assert b"".join(name[:1] for name, *_ in volume.names(volume.inode(8))) == found


def test_what_is_no_directory_has_no_names() -> None:
    volume = inodes((8, inode(1, b"\0")))
    with pytest.raises(ValueError, match="no directory"):
        list(volume.names(volume.inode(8)))


def test_a_block_of_names_past_the_end_of_the_volume_is_said() -> None:
    volume = inodes((8, inode(2, record(0, 128, 1), 1, mode=FOLDER)))
    with pytest.raises(ValueError, match="past the end"):
        list(volume.names(volume.inode(8)))


HEADED = b"XSLM".ljust(56, b"\0")


@pytest.mark.parametrize(
    ("version", "extents", "blocks", "size", "target"),
    [
        (5, (record(0, 20, 2),), {20: HEADED + b"t" * 968}, 968, b"t" * 968),
        (5, (record(0, 20, 1), record(1, 30, 1)), {20: HEADED + b"t" * 456, 30: HEADED + b"u"}, 457, b"t" * 456 + b"u"),
        (4, (record(0, 20, 1),), {20: HEADED + b"t"}, 57, HEADED + b"t"),
        (5, (record(0, 20, 1),), {20: b"other"}, 5, None),
        (5, (record(0, 20, 1),), {20: HEADED + b"t"}, 457, None),
        (4, (record(0, 20, 3),), {20: b"t" * 1536}, 1025, None),
    ],
)
def test_the_target_of_a_link_is_whole(
    version: int, extents: tuple[bytes, ...], blocks: dict[int, bytes], size: int, target: bytes | None
) -> None:
    volume = inodes(
        (8, inode(2, b"".join(extents), len(extents), mode=LINK, size=size)), blocks=blocks, version=version
    )
    if target is None:
        with pytest.raises(ValueError, match="damaged"):
            volume.target(volume.inode(8))
    else:
        assert volume.target(volume.inode(8)) == target


def test_half_a_second_after_1970_is_a_time() -> None:
    raw = bytearray(inode(2, b""))
    struct.pack_into(">iI", raw, 32, 0, 500_000_000)
    struct.pack_into(">iI", raw, 40, -2, 500_000_000)
    volume = inodes((8, bytes(raw)))
    found = volume.inode(8)
    assert (found.accessed, found.modified, found.changed) == (500_000_000, -1_500_000_000, 0)
