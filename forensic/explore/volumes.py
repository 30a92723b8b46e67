"""What a virtual disk holds, by signature alone: partition tables and the magic numbers of file systems."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from msgspec import Struct

from forensic.qcow2.entries import SECTOR_SIZE
from forensic.untrusted import Untrusted, c_string

MAX_GPT_ENTRIES = 256
MAX_LOGICAL_PARTITIONS = 64
EXTENDED_TYPES = (0x05, 0x0F, 0x85)

Read = Callable[[int, int], bytes | str]
"""Guest offset and length to bytes, or to the reason why they cannot be read."""

VOLUME_SIGNATURES: tuple[tuple[int, bytes, str, int, int], ...] = (
    (0x438, b"\x53\xef", "ext2/3/4", 0x478, 16),
    (0, b"XFSB", "XFS", 108, 12),
    (0x10040, b"_BHRfS_M", "Btrfs", 0x1012B, 256),
    (3, b"NTFS    ", "NTFS", 0, 0),
    (3, b"EXFAT   ", "exFAT", 0, 0),
    (3, b"ReFS\0", "ReFS", 0, 0),
    (3, b"-FVE-FS-", "BitLocker", 0, 0),
    (82, b"FAT32   ", "FAT32", 71, 11),
    (54, b"FAT16   ", "FAT16", 43, 11),
    (54, b"FAT12   ", "FAT12", 43, 11),
    (0x400, b"H+\0\x04", "HFS+", 0, 0),
    (0x400, b"HX\0\x05", "HFSX", 0, 0),
    (32, b"NXSB", "APFS", 0, 0),
    (0, b"LUKS\xba\xbe", "LUKS", 0, 0),
    (512, b"LABELONE", "LVM2 physical volume", 0, 0),
    (4096, b"\xfc\x4e\x2b\xa9", "Linux RAID", 4128, 32),
    (0, b"\xfc\x4e\x2b\xa9", "Linux RAID", 32, 32),
    (4086, b"SWAPSPACE2", "Linux swap", 1052, 16),
    (4086, b"SWAP-SPACE", "Linux swap (old)", 0, 0),
    (0x20400, b"\x0c\xb1\xba\x00", "ZFS", 0, 0),
    (0x400, b"\x10\x20\xf5\xf2", "F2FS", 0, 0),
    (0x400, b"\xe2\xe1\xf5\xe0", "EROFS", 0x440, 16),
    (0x406, b"\x34\x34", "NILFS2", 0, 0),
    (0x8000, b"JFS1", "JFS", 0, 0),
    (0x10034, b"ReIsEr", "ReiserFS", 0x10064, 16),
    (0x10060, b"\x01\x16\x19\x70", "GFS2", 0, 0),
    (0x1055C, b"\x19\x01\x54\x19", "UFS2", 0, 0),
    (0, b"hsqs", "SquashFS", 0, 0),
    (0, b"\x45\x3d\xcd\x28", "cramfs", 0x30, 16),
    (0x8001, b"CD001", "ISO 9660", 0x8028, 32),
    (0x8001, b"BEA01", "UDF", 0, 0),
    (0x220, b"1SFB", "BeFS", 0x200, 32),
)
"""Offset in the volume, magic, name, and where its label lies (0 for none)."""

GPT_TYPES = {
    "c12a7328-f81f-11d2-ba4b-00a0c93ec93b": "EFI system",
    "21686148-6449-6e6f-744e-656564454649": "BIOS boot",
    "0fc63daf-8483-4772-8e79-3d69d8477de4": "Linux data",
    "4f68bce3-e8cd-4db1-96e7-fbcaf984b709": "Linux root x86-64",
    "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f": "Linux swap",
    "e6d6d379-f507-44c2-a23c-238f2a3df928": "Linux LVM",
    "a19d880f-05fc-4d3b-a006-743f0f84911e": "Linux RAID",
    "bc13c2ff-59e6-4262-a352-b275fd6f7172": "Linux boot",
    "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7": "Windows data",
    "e3c9e316-0b5c-4db8-817d-f92df00215ae": "Windows reserved",
    "de94bba4-06d1-4d40-a16a-bfd50179d6ac": "Windows recovery",
    "48465300-0000-11aa-aa11-00306543ecac": "Apple HFS+",
    "7c3457ef-0000-11aa-aa11-00306543ecac": "Apple APFS",
}

MBR_TYPES = {0x07: "NTFS/exFAT", 0x0B: "FAT32", 0x0C: "FAT32", 0x82: "Linux swap", 0x83: "Linux", 0x8E: "Linux LVM"}


class Volume(Struct, frozen=True):
    """A partition, or the whole disk where it has none; offsets are guest offsets, sizes in bytes.

    `file_system` is what its magic number says, empty where none is known; `label` the volume's own name.
    """

    index: int
    kind: str
    guest_offset: int
    length: int
    name: Untrusted
    file_system: str
    label: Untrusted


class Contents(Struct, frozen=True):
    """The partition scheme (`GPT`, `MBR` or `none`) and the volumes; `missing` says what could not be read."""

    scheme: str
    volumes: tuple[Volume, ...]
    missing: str = ""


def look_inside(read: Read, disk_size: int) -> Contents:
    """Find partitions and file systems; reads a few sectors, believes nothing beyond the disk's end."""
    first = read(0, 2 * SECTOR_SIZE)
    if isinstance(first, str):
        return Contents("none", (), first)
    for sector in (SECTOR_SIZE, 4096):
        header = read(sector, SECTOR_SIZE)
        if isinstance(header, bytes) and header[:8] == b"EFI PART" and len(header) == SECTOR_SIZE:
            return Contents("GPT", tuple(_gpt(read, disk_size, header, sector)))
    if first[510:512] == b"\x55\xaa" and not file_system_at(read, 0)[0]:
        volumes = tuple(_mbr(read, disk_size, first))
        if volumes:
            return Contents("MBR", volumes)
    name, label = file_system_at(read, 0)
    whole = (Volume(0, "whole disk", 0, disk_size, Untrusted(b""), name, label),) if name else ()
    return Contents("none", whole)


def file_system_at(read: Read, guest_offset: int) -> tuple[str, Untrusted]:
    """The file system that begins at a guest offset, and its label; empty where no magic number is found."""
    for offset, magic, name, label_offset, label_length in VOLUME_SIGNATURES:
        if read(guest_offset + offset, len(magic)) == magic:
            label = read(guest_offset + label_offset, label_length) if label_length else b""
            text = c_string(label).raw.rstrip(b" ") if isinstance(label, bytes) else b""
            return _ext_version(read, guest_offset) if name == "ext2/3/4" else name, Untrusted(text)
    return "", Untrusted(b"")


def _ext_version(read: Read, guest_offset: int) -> str:
    features = read(guest_offset + 0x45C, 8)
    if isinstance(features, str) or len(features) < 8:
        return "ext2/3/4"
    compatible, incompatible = struct.unpack("<II", features)
    if incompatible & 0x2C0:  # extents, 64bit, flexible block groups
        return "ext4"
    return "ext3" if compatible & 0x4 else "ext2"


def _gpt(read: Read, disk_size: int, header: bytes, sector: int) -> Iterator[Volume]:
    table, count, width = struct.unpack_from("<QII", header, 72)
    if width < 128 or width > 4096:
        return
    for index in range(min(count, MAX_GPT_ENTRIES)):
        entry = read(table * sector + index * width, 128)
        if isinstance(entry, str) or len(entry) < 128:
            return
        if not any(entry[:16]):
            continue
        first, last = struct.unpack_from("<QQ", entry, 32)
        start, length = first * sector, (last - first + 1) * sector
        if last < first or start >= disk_size:
            continue
        name = entry[56:128].decode("utf-16-le", "replace").partition("\0")[0]
        kind = GPT_TYPES.get(_guid(entry[:16]), _guid(entry[:16]))
        file_system, label = file_system_at(read, start)
        yield Volume(index, kind, start, length, Untrusted(name.encode("utf-8", "replace")), file_system, label)


def _guid(raw: bytes) -> str:
    first, second, third = struct.unpack_from("<IHH", raw)
    return f"{first:08x}-{second:04x}-{third:04x}-{raw[8:10].hex()}-{raw[10:].hex()}"


def _mbr(read: Read, disk_size: int, sector: bytes) -> Iterator[Volume]:
    for index, (kind, start, length) in enumerate(_entries(sector)):
        if kind in EXTENDED_TYPES:
            yield from _logical(read, disk_size, start)
        elif kind and length and start < disk_size:
            yield _volume(read, index, kind, start, length)


def _logical(read: Read, disk_size: int, extended_start: int) -> Iterator[Volume]:
    """The chain of logical partitions; a hostile one may lead in a circle."""
    place = extended_start
    seen: set[int] = set()
    while place not in seen and len(seen) < MAX_LOGICAL_PARTITIONS and place < disk_size:
        seen.add(place)
        sector = read(place, SECTOR_SIZE)
        if isinstance(sector, str) or sector[510:512] != b"\x55\xaa":
            return
        (kind, start, length), (link, next_start, _) = _entries(sector)[:2]
        if kind and length and place + start < disk_size:
            yield _volume(read, 3 + len(seen), kind, place + start, length)
        if link not in EXTENDED_TYPES:
            return
        place = extended_start + next_start


def _entries(sector: bytes) -> list[tuple[int, int, int]]:
    """Type, start and length in bytes of the four entries of a boot sector."""
    found = []
    for number in range(4):
        kind, start, length = struct.unpack_from("<4xB3xII", sector, 446 + 16 * number)
        found.append((kind, start * SECTOR_SIZE, length * SECTOR_SIZE))
    return found


def _volume(read: Read, index: int, kind: int, start: int, length: int) -> Volume:
    file_system, label = file_system_at(read, start)
    return Volume(index, MBR_TYPES.get(kind, f"type {kind:#04x}"), start, length, Untrusted(b""), file_system, label)
