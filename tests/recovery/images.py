"""Kinds of disks × kinds of damage, each from a seed, and the truth: what the disk held before the damage.

The damage is what people report: headers, tables and refcounts that were wiped or written over, files that were cut,
images that were created again. A guest byte counts as lost if the damage hit the cluster that holds it.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from forensic.image import open_image
from forensic.mapping.extents import State
from samples.oracle import ENVIRONMENT

MIB = 1 << 20
OFFSET = 0x00FF_FFFF_FFFF_FE00


@dataclass
class Made:
    """An image, the bytes of its disk, and where its data lies: guest and host offset, length, stored length.

    `hit` are the host ranges that were written over, `unnamed` the guest ranges whose entries were.
    """

    path: Path
    truth: bytes
    data: list[tuple[int, int, int, int]]
    cluster: int
    content: bytearray = field(default_factory=bytearray)
    hit: list[tuple[int, int]] = field(default_factory=list)
    unnamed: list[tuple[int, int]] = field(default_factory=list)

    def put(self, offset: int, raw: bytes) -> None:
        """Write over a part of the file."""
        raw = raw[: max(0, len(self.content) - offset)]
        self.content[offset : offset + len(raw)] = raw
        self.hit.append((offset, offset + len(raw)))

    def put_in_table(self, slot: int, at: int, raw: bytes) -> None:
        """Write over a part of an L2 table, from a byte of it on; what lost its entry is not asked for."""
        start, _ = self.l1
        raw = raw[: self.cluster - at]
        self.put((self.u64(start + 8 * slot) & OFFSET) + at, raw)
        extended = int.from_bytes(self.content[4:8], "big") > 2 and self.u64(72) >> 4 & 1
        entry = 16 if extended else 8
        first = slot * (self.cluster // entry)
        begin, end = first + at // entry, first - (-(at + len(raw)) // entry)
        self.unnamed.append((begin * self.cluster, end * self.cluster))

    def u64(self, offset: int) -> int:
        return int.from_bytes(self.content[offset : offset + 8], "big")

    @property
    def l1(self) -> tuple[int, int]:
        return self.u64(40), int.from_bytes(self.content[36:40], "big")

    @property
    def slots(self) -> list[int]:
        """The slots that have a table."""
        start, count = self.l1
        return [slot for slot in range(count) if self.u64(start + 8 * slot) & OFFSET]

    @property
    def tables(self) -> list[int]:
        start, _ = self.l1
        return [self.u64(start + 8 * slot) & OFFSET for slot in self.slots]

    def save(self) -> None:
        self.path.write_bytes(self.content)


def run(*command: str | Path, cwd: Path | None = None) -> None:
    subprocess.run([str(word) for word in command], check=True, capture_output=True, env=ENVIRONMENT, cwd=cwd)


def filesystem(kind: str, folder: Path, size: int, rng: random.Random, *options: str) -> Path:
    """A raw disk with a file system and some files; `xfs many` has two thousand small ones in twenty directories.

    `options` are mkfs.ext4's.
    """
    raw = folder / "disk.raw"
    raw.unlink(missing_ok=True)
    with raw.open("wb") as file:
        file.truncate(size)
    if kind == "noise":
        with raw.open("r+b") as file:
            for _ in range(24):
                file.seek(rng.randrange(size // 4096) * 4096)
                file.write(rng.randbytes(min(rng.randrange(1, 40) * 4096, size - file.tell())))
        return raw
    files = folder / "files"
    shutil.rmtree(files, ignore_errors=True)
    files.mkdir()
    if kind == "xfs many":
        return _xfs_of_many_files(raw, files, size, rng)
    names = []
    for number in range(40):
        length = int(size / 400 * rng.random() ** 2 * 4) + 1
        text = b"".join(
            b"line %d of file %d %x\n" % (line, number, rng.getrandbits(64)) for line in range(length // 32)
        )
        body = rng.randbytes(length) if number % 2 else text
        (files / f"f{number:02}").write_bytes(body)
        names.append(f"f{number:02}")
    if kind == "ext4":
        run("mkfs.ext4", "-q", "-F", "-d", files, "-E", f"hash_seed={'0' * 8}-0000-0000-0000-{'0' * 12}", *options, raw)
    elif kind == "xfs":
        proto = folder / "proto"
        lines = ["/", "0 0", "d--755 0 0", *(f"{name} ---644 0 0 {files / name}" for name in names), "$"]
        proto.write_text("\n".join(lines) + "\n")
        run("mkfs.xfs", "-q", "-f", "-p", proto, raw)
    return raw


def _xfs_of_many_files(raw: Path, files: Path, size: int, rng: random.Random) -> Path:
    lines = ["/", "0 0", "d--755 0 0"]
    for folder in range(20):
        lines.append(f"d{folder:02} d--755 0 0")
        for number in range(100):
            path = files / f"{folder:02}-{number:02}"
            path.write_bytes(rng.randbytes(rng.randrange(1, size // 4000)))
            lines.append(f"file_with_quite_a_long_name_{number:03} ---644 0 0 {path}")
        lines.append("$")
    proto = raw.with_suffix(".proto")
    proto.write_text("\n".join([*lines, "$", ""]))
    run("mkfs.xfs", "-q", "-f", "-p", proto, raw)
    return raw


def converted(raw: Path, image: Path, options: str, *more: str) -> None:
    run("qemu-img", "convert", "-O", "qcow2", *more, "-o", options, raw, image)


def written(raw: Path, image: Path, options: str, rng: random.Random) -> None:
    """What a guest does: the same bytes in random order."""
    size = raw.stat().st_size
    run("qemu-img", "create", "-q", "-f", "qcow2", "-o", options, image, str(size))
    chunk = 256 << 10
    folder = raw.parent / "chunks"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    commands = []
    with raw.open("rb") as file:
        for at in range(0, size, chunk):
            file.seek(at)
            body = file.read(chunk)
            for part in range(0, len(body), 4 * 4096):
                piece = body[part : part + 4 * 4096]
                if piece.strip(b"\0"):
                    name = folder / f"{at + part:x}"
                    name.write_bytes(piece)
                    commands.append(f"write -q -s {name} {at + part} {len(piece)}")
    rng.shuffle(commands)
    subprocess.run(
        ["qemu-io", "-f", "qcow2", str(image)], input="\n".join([*commands, "quit", ""]).encode(), check=True,
        capture_output=True, env=ENVIRONMENT,
    )  # fmt: skip
    shutil.rmtree(folder)


@dataclass(frozen=True)
class Kind:
    """What an image is: the file system, its size, options, and how it was written (`convert`, `-c`, `-W`, `guest`)."""

    name: str
    content: str
    size: int
    options: str
    how: str = "convert"
    snapshots: int = 0


KINDS = [
    Kind("noise c512", "noise", 8 * MIB, "cluster_size=512,compat=0.10"),
    Kind("noise c64k", "noise", 40 * MIB, "cluster_size=65536"),
    Kind("noise c2M", "noise", 64 * MIB, "cluster_size=2M"),
    Kind("noise w8k rc1", "noise", 32 * MIB, "cluster_size=8192,refcount_bits=1", "guest"),
    Kind("noise c4k rc64", "noise", 32 * MIB, "cluster_size=4096,refcount_bits=64"),
    Kind("ext4 c4k", "ext4", 64 * MIB, "cluster_size=4096"),
    Kind("ext4 w4k", "ext4", 64 * MIB, "cluster_size=4096", "guest"),
    Kind("ext4 c64k", "ext4", 64 * MIB, "cluster_size=65536"),
    Kind("ext4 zstd 8k", "ext4", 64 * MIB, "cluster_size=8192,compression_type=zstd", "-c"),
    Kind("ext4 zlib 64k", "ext4", 64 * MIB, "cluster_size=65536", "-c"),
    Kind("ext4 w8k", "ext4", 64 * MIB, "cluster_size=8192", "guest"),
    Kind("ext4 extL2 w16k", "ext4", 64 * MIB, "cluster_size=16384,extended_l2=on", "guest"),
    Kind("xfs w4k", "xfs", 320 * MIB, "cluster_size=4096", "guest"),
    Kind("xfs many w4k", "xfs many", 320 * MIB, "cluster_size=4096", "guest"),
    Kind("xfs many c4k", "xfs many", 320 * MIB, "cluster_size=4096"),
    Kind("xfs c4k -W", "xfs", 320 * MIB, "cluster_size=4096", "-W"),
    Kind("2 snapshots 8k", "noise", 32 * MIB, "cluster_size=8192", "guest", 2),
    Kind("ext4 snapshot 64k", "ext4", 64 * MIB, "cluster_size=65536", "convert", 1),
    Kind("ext4 snapshot 4k -W", "ext4", 32 * MIB, "cluster_size=4096", "-W", 1),
    Kind("xfs snapshot w32k", "xfs many", 320 * MIB, "cluster_size=32768", "guest", 1),
]


def make(kind: Kind, folder: Path, seed: int) -> Made:
    """Make an image of a kind."""
    rng = random.Random(seed)
    raw = filesystem(kind.content, folder, kind.size, rng)
    image = folder / "image.qcow2"
    image.unlink(missing_ok=True)
    if kind.how == "guest":
        written(raw, image, kind.options, rng)
    else:
        converted(raw, image, kind.options, *([] if kind.how == "convert" else [kind.how]))
    for number in range(kind.snapshots):
        run("qemu-img", "snapshot", "-c", f"s{number}", image)
        for _ in range(8):
            at = rng.randrange(kind.size // 8192) * 8192
            run("qemu-io", "-c", f"write -q -P {rng.randrange(1, 255)} {at} 8192", image)
    return known(image)


def known(image: Path) -> Made:
    """An image as it is now: its bytes, and where they lie."""
    truth_file = image.with_suffix(".truth")
    run("qemu-img", "convert", "-O", "raw", image, truth_file)
    with open_image(image) as opened:
        data = [
            (one.guest_offset, one.host_offset, one.length, one.stored_length or 0)
            for one in opened.extents()
            if one.host_offset is not None and one.state in (State.DATA, State.COMPRESSED)
        ]
    truth = truth_file.read_bytes()
    content = bytearray(image.read_bytes())
    made = Made(image, truth, data, 1 << int.from_bytes(content[20:24], "big"), content)
    truth_file.unlink()
    return made


Damage = Callable[[Made, random.Random], None]


def _l1_zero(made: Made, rng: random.Random) -> None:
    start, count = made.l1
    made.put(start, bytes(8 * count))


def _half_l1_zero(made: Made, rng: random.Random) -> None:
    start, count = made.l1
    for slot in rng.sample(range(count), count // 2):
        made.put(start + 8 * slot, bytes(8))


def _some_l2(made: Made, rng: random.Random, share: float, body: Callable[[int], bytes]) -> None:
    tables = made.tables
    for table in rng.sample(tables, max(1, int(len(tables) * share))):
        made.put(table, body(made.cluster))


def _l2_sectors_zero(made: Made, rng: random.Random) -> None:
    for slot in made.slots:
        made.put_in_table(slot, 512 * rng.randrange(made.cluster // 512), bytes(512))


def _l2_in_part(made: Made, rng: random.Random, share: float, body: Callable[[int], bytes]) -> None:
    """A half of each of some tables at most: its first sectors, its last, or any between."""
    for slot in rng.sample(made.slots, max(1, int(len(made.slots) * share))):
        length = 512 * rng.randrange(1, max(2, made.cluster // 1024))
        room = made.cluster - length
        at = rng.choice([0, room, rng.randrange(room // 512 + 1) * 512])
        made.put_in_table(slot, at, body(length))


def _refcounts(made: Made, value: bytes) -> None:
    table, clusters = made.u64(48), int.from_bytes(made.content[56:60], "big")
    for at in range(table, table + clusters * made.cluster, 8):
        if block := made.u64(at):
            made.put(block, value * made.cluster)


def _cut(made: Made, rng: random.Random) -> None:
    end = rng.randrange(len(made.content) // 3, len(made.content))
    made.hit.append((end, len(made.content)))
    del made.content[end:]


def _cut_at_snapshot(made: Made, rng: random.Random) -> None:
    """What was written after the first snapshot is lost, and with it the tables that are the disk's own since."""
    if made.u64(56) & 0xFFFFFFFF:
        end = made.u64(made.u64(64))
        made.hit.append((end, len(made.content)))
        del made.content[end:]


def _field(offset: int, length: int, value: int) -> Damage:
    def damage(made: Made, rng: random.Random) -> None:
        made.put(offset, value.to_bytes(length, "big"))

    return damage


def _created_again(made: Made, rng: random.Random, cluster: int | None = None) -> None:
    """As on a block device: header, refcounts and L1 table of a new image over the old one."""
    new = made.path.with_suffix(".new")
    options = f"cluster_size={cluster or made.cluster}"
    run("qemu-img", "create", "-q", "-f", "qcow2", "-o", options, new, str(len(made.truth)))
    made.put(0, new.read_bytes())
    new.unlink()


def _random_metadata(made: Made, rng: random.Random) -> None:
    """A few random places of the metadata, each with a few random bytes, zeros, or bytes from elsewhere in the file."""
    start, count = made.l1
    places = [(0, 112), (start, 8 * count), (made.u64(48), 64), *((table, made.cluster) for table in made.tables)]
    places += [(block, made.cluster) for at in range(made.u64(48), made.u64(48) + 64, 8) if (block := made.u64(at))]
    for _ in range(rng.randrange(1, 4)):
        begin, length = rng.choice(places)
        at = begin + rng.randrange(length)
        size = min(rng.choice([1, 8, 64, 512, 4096, made.cluster]), begin + length - at)
        source = rng.randrange(max(1, len(made.content) - size))
        made.put(at, rng.choice([bytes(size), rng.randbytes(size), bytes(made.content[source : source + size])]))


def _l1_and_refcounts_zero(made: Made, rng: random.Random) -> None:
    _l1_zero(made, rng)
    _refcounts(made, b"\0")


TEXT = b"".join(b"[ %04d.%06d] systemd[1]: Started Journal Service.\n" % (i, i * 37) for i in range(3000))

DAMAGES: dict[str, Damage] = {
    "none": lambda made, rng: None,
    "header cluster zero": lambda made, rng: made.put(0, bytes(made.cluster)),
    "header cluster random": lambda made, rng: made.put(0, rng.randbytes(made.cluster)),
    "magic": lambda made, rng: made.put(0, bytes(4)),
    "cluster_bits wrong": _field(20, 4, 14),
    "l1_table_offset wrong": _field(40, 8, 0x70000000),
    "l1_size 0": _field(36, 4, 0),
    "size 0": _field(24, 8, 0),
    "size impossible": _field(24, 8, (1 << 64) - 1),
    "size far too large": _field(24, 8, 1 << 52),
    "refcount table wrong": _field(48, 12, (1 << 96) - 1),
    "refcounts zero": lambda made, rng: _refcounts(made, b"\0"),
    "refcounts ff": lambda made, rng: _refcounts(made, b"\xff"),
    "first 64 KiB text": lambda made, rng: made.put(0, TEXT[:65536]),
    "first 64 KiB zero": lambda made, rng: made.put(0, bytes(65536)),
    "first 1 MiB zero": lambda made, rng: made.put(0, bytes(MIB)),
    "L1 zero": _l1_zero,
    "half of L1 zero": _half_l1_zero,
    "created again": _created_again,
    "created again, 64 KiB": lambda made, rng: _created_again(made, rng, 65536),
    "10 % of L2 random": lambda made, rng: _some_l2(made, rng, 0.1, rng.randbytes),
    "30 % of L2 zero": lambda made, rng: _some_l2(made, rng, 0.3, bytes),
    "sectors of L2 zero": _l2_sectors_zero,
    "parts of all L2 random": lambda made, rng: _l2_in_part(made, rng, 1, rng.randbytes),
    "parts of all L2 text": lambda made, rng: _l2_in_part(made, rng, 1, lambda length: (TEXT * 8)[:length]),
    "parts of half of L2 ff": lambda made, rng: _l2_in_part(made, rng, 0.5, lambda length: b"\xff" * length),
    "parts of half of L2 zero": lambda made, rng: _l2_in_part(made, rng, 0.5, bytes),
    "all L2 random": lambda made, rng: _some_l2(made, rng, 1, rng.randbytes),
    "cut": _cut,
    "cut after the first snapshot": _cut_at_snapshot,
    "L1 and refcounts zero": _l1_and_refcounts_zero,
    "random metadata": _random_metadata,
}


def damaged(kind: Kind, damage: str, folder: Path, seed: int) -> Made:
    """An image of a kind, damaged; its truth is that from before."""
    made = make(kind, folder, seed)
    return damaged_again(made, damage, seed)


def damaged_again(made: Made, damage: str, seed: int) -> Made:
    """The same image with a damage."""
    copy = Made(made.path, made.truth, made.data, made.cluster, bytearray(made.content))
    DAMAGES[damage](copy, random.Random(seed))
    copy.save()
    return copy


def free_of_images(folder: Path) -> None:
    """Remove what was made."""
    for name in os.listdir(folder):
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
