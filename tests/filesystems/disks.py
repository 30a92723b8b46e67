"""Disks with file systems, made by the file systems' own tools, and what Sleuth Kit's programs say of them."""

import os
import shutil
import struct
import subprocess
import uuid
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from samples import oracle
from samples.bench import noise, prose
from tests.oracles import require

SECTOR = 512
MIB = 1 << 20
LINUX_DATA = uuid.UUID("0fc63daf-8483-4772-8e79-3d69d8477de4")
PIECE = 1 << 16

PLAIN = {
    "hello.txt": b"hello\n",
    "empty": b"",
    "with blank.txt": b"blank\n",
    "papers/notes.txt": prose(150_000),
    "papers/random.bin": noise(300_001),
    "papers/old/letter.txt": b"Dear Sir,\n" * 500,
}
"""Files whose names every file system and tool takes as they are."""


def make_tree(folder: Path, files: dict[str, bytes]) -> Path:
    """Write files below a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def empty(path: Path, size: int) -> Path:
    """A raw disk of nothing."""
    with path.open("wb") as stream:
        stream.truncate(size)
    return path


def ext4(path: Path, tree: Path, size: int = 24 * MIB, *options: str) -> Path:
    """A file system with a tree in it."""
    require("mke2fs")
    empty(path, size)
    oracle.run(["mke2fs", "-q", "-F", "-t", "ext4", *options, "-d", str(tree), str(path)], path.parent)
    return path


def fat(path: Path, tree: Path, size: int = 40 * MIB, bits: int = 32) -> Path:
    """The same of FAT."""
    require("mkfs.vfat", "mcopy")
    empty(path, size)
    oracle.run(["mkfs.vfat", "-F", str(bits), "-s", "1", "-n", "STICK", str(path)], path.parent)
    names = sorted(str(one) for one in tree.iterdir())
    if names:
        oracle.run(["mcopy", "-s", "-m", "-i", str(path), *names, "::"], path.parent)
    return path


def ntfs(path: Path, tree: Path, size: int = 24 * MIB) -> Path:
    """The same of NTFS, without folders: `ntfscp` makes none."""
    require("mkntfs", "ntfscp")
    empty(path, size)
    oracle.run(["mkntfs", "-q", "-F", "-L", "WINDOWS", str(path)], path.parent)
    for one in sorted(tree.rglob("*")):
        if one.is_file():
            oracle.run(["ntfscp", "-q", "-f", str(path), str(one), one.name], path.parent)
    return path


def xfs(path: Path, tree: Path, size: int = 300 * MIB) -> Path:
    """The same of XFS; blanks become `_`, since the list that `mkfs.xfs` takes allows none."""
    require("mkfs.xfs")
    empty(path, size)
    lines = ["/dev/null", "0 0", "d--755 0 0", *_proto(tree), "$"]
    prototype = path.with_suffix(".proto")
    prototype.write_text("\n".join(lines) + "\n", encoding="utf-8")
    oracle.run(["mkfs.xfs", "-q", "-p", str(prototype), str(path)], path.parent)
    return path


def _proto(folder: Path) -> list[str]:
    lines = []
    for one in sorted(folder.iterdir()):
        name = one.name.replace(" ", "_")
        if one.is_dir():
            lines += [f"{name} d--750 1000 100", *_proto(one), "$"]
        else:
            source = one if " " not in one.name else shutil.copyfile(one, one.parent.parent / f"{folder.name}-{name}")
            lines.append(f"{name} ---640 1000 100 {source}")
    return lines


@dataclass
class GptDisk:
    """A raw disk with a GPT; `starts` are the first sectors of its partitions."""

    path: Path
    starts: list[int] = field(default_factory=list)

    def image(self, *options: str, name: str = "image.qcow2") -> Path:
        """The disk as a qcow2 image."""
        return to_qcow2(self.path, name, *options)


def gpt(path: Path, *volumes: Path) -> GptDisk:
    """A disk of these volumes, each at a whole mebibyte."""
    starts, at = [], 2048
    for volume in volumes:
        starts.append(at)
        at += -(-volume.stat().st_size // MIB) * 2048
    empty(path, at * SECTOR + MIB)
    entries = b"".join(
        LINUX_DATA.bytes_le
        + uuid.UUID(int=number + 1).bytes_le
        + struct.pack("<QQQ", start, start + volume.stat().st_size // SECTOR - 1, 0)
        + f"part{number + 1}".encode("utf-16-le").ljust(72, b"\0")
        for number, (start, volume) in enumerate(zip(starts, volumes, strict=True))
    ).ljust(128 * 128, b"\0")
    sectors = path.stat().st_size // SECTOR
    with path.open("r+b") as stream:
        stream.seek(446)
        stream.write(struct.pack("<4xB3xII", 0xEE, 1, sectors - 1))
        stream.seek(510)
        stream.write(b"\x55\xaa")
        stream.write(_gpt_header(1, sectors - 1, sectors, entries))
        stream.seek(1024)
        stream.write(entries)
        for start, volume in zip(starts, volumes, strict=True):
            copy_sparse(volume, stream.fileno(), start * SECTOR)
    return GptDisk(path, starts)


def _gpt_header(here: int, backup: int, sectors: int, entries: bytes) -> bytes:
    head = struct.pack(
        "<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, here, backup, 34, sectors - 34,
        uuid.UUID(int=99).bytes_le, 2, 128, 128, zlib.crc32(entries),
    )  # fmt: skip
    return (head[:16] + struct.pack("<I", zlib.crc32(head)) + head[20:]).ljust(SECTOR, b"\0")


def copy_sparse(source: Path, target: int, offset: int) -> None:
    """Copy a file into another, zeros left out."""
    with source.open("rb") as stream:
        at = offset
        while piece := stream.read(PIECE):
            if piece.count(0) < len(piece):
                os.pwrite(target, piece, at)
            at += len(piece)


def to_qcow2(raw: Path, name: str = "image.qcow2", *options: str) -> Path:
    """A raw disk as a qcow2 image beside it."""
    require("qemu-img")
    oracle.run(["qemu-img", "convert", *options, "-f", "raw", "-O", "qcow2", raw.name, name], raw.parent)
    return raw.parent / name


def snapshot(image: Path, name: str) -> None:
    """Take a snapshot."""
    oracle.run(["qemu-img", "snapshot", "-c", name, image.name], image.parent)


def write_changes(raw: Path, image: Path) -> None:
    """Let the active disk of an image be a raw disk, by writing what differs; snapshots keep what they have."""
    size = raw.stat().st_size
    before = image.with_suffix(".before")
    oracle.convert_to_raw(image, before)
    requests: list[str] = []
    with raw.open("rb") as new, before.open("rb") as old:
        for at in range(0, size, PIECE):
            piece, known = new.read(PIECE), old.read(PIECE)
            for start in range(0, len(piece), 4096):
                if piece[start : start + 4096] != known[start : start + 4096]:
                    part = image.with_suffix(f".{at + start}")
                    part.write_bytes(piece[start : start + 4096])
                    length = len(piece[start : start + 4096])
                    requests += ["-c", f"write -q -s {part.name} {at + start} {length}"]
    oracle.run(["qemu-io", "-f", "qcow2", *requests, image.name], image.parent)
    before.unlink()


def fls(raw: Path, start: int = 0, *options: str) -> list[tuple[str, str]]:
    """Address and path of every entry that `fls` lists."""
    require("fls")
    printed = oracle.run(["fls", "-r", "-p", "-u", "-o", str(start), *options, str(raw)], raw.parent)
    lines = [line.split("\t") for line in printed.splitlines()]
    return [(head.split()[-1].rstrip(":"), name) for head, name in lines]


def icat(raw: Path, start: int, address: str) -> bytes:
    """The content that `icat` gives."""
    return subprocess.run(["icat", "-o", str(start), raw, address], capture_output=True, check=True).stdout
