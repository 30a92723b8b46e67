"""The partition tables of a disk: GPT, and MBR with its chain of logical partitions."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from msgspec import Struct

from forensic.numbers import SECTOR_SIZE
from forensic.untrusted import Untrusted, utf_16
from forensic.volumes.signatures import Read, file_system_at

MAX_GPT_ENTRIES = 256
MAX_LOGICAL_PARTITIONS = 64
EXTENDED_TYPES = (0x05, 0x0F, 0x85)

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
    """The partition scheme (`GPT`, `MBR` or `none`) and the volumes; `missing` says what could not be read.

    `notes` are sentences about partitions that are not among the volumes.
    """

    scheme: str
    volumes: tuple[Volume, ...]
    missing: str = ""
    notes: tuple[str, ...] = ()


def look_inside(read: Read, disk_size: int) -> Contents:
    """Find partitions and file systems; reads a few sectors, believes nothing beyond the disk's end."""
    first = read(0, 2 * SECTOR_SIZE)
    if isinstance(first, str):
        return Contents("none", (), first)
    notes: list[str] = []
    for sector in (SECTOR_SIZE, 4096):
        header = read(sector, SECTOR_SIZE)
        if isinstance(header, bytes) and header[:8] == b"EFI PART" and len(header) == SECTOR_SIZE:
            volumes = tuple(_gpt(read, disk_size, header, sector, notes))
            return Contents("GPT", volumes, notes=tuple(notes))
    if first[510:512] == b"\x55\xaa" and not file_system_at(read, 0)[0]:
        volumes = tuple(_mbr(read, disk_size, first, notes))
        if volumes:
            return Contents("MBR", volumes, notes=tuple(notes))
    name, label = file_system_at(read, 0)
    whole = (Volume(0, "whole disk", 0, disk_size, Untrusted(b""), name, label),) if name else ()
    return Contents("none", whole, notes=tuple(notes))


def _gpt(read: Read, disk_size: int, header: bytes, sector: int, notes: list[str]) -> Iterator[Volume]:
    table, count, width = struct.unpack_from("<QII", header, 72)
    if width < 128 or width > 4096:
        notes.append(f"the entries of the GPT cannot have {width:,} bytes: none is looked at")
        return
    if count > MAX_GPT_ENTRIES:
        notes.append(f"the GPT has {count:,} entries, of which {MAX_GPT_ENTRIES} are looked at")
    for index in range(min(count, MAX_GPT_ENTRIES)):
        entry = read(table * sector + index * width, 128)
        if isinstance(entry, str) or len(entry) < 128:
            reason = entry if isinstance(entry, str) else "beyond_disk_end"
            notes.append(f"the GPT is not read from entry {index + 1} on: {reason}")
            return
        if not any(entry[:16]):
            continue
        first, last = struct.unpack_from("<QQ", entry, 32)
        start, length = first * sector, (last - first + 1) * sector
        if last < first or start >= disk_size:
            notes.append(f"partition {index + 1} is left out: sectors {first:,} to {last:,} are no place on the disk")
            continue
        kind = GPT_TYPES.get(_guid(entry[:16]), _guid(entry[:16]))
        file_system, label = file_system_at(read, start)
        yield Volume(index, kind, start, length, utf_16(entry[56:128]), file_system, label)


def _guid(raw: bytes) -> str:
    first, second, third = struct.unpack_from("<IHH", raw)
    return f"{first:08x}-{second:04x}-{third:04x}-{raw[8:10].hex()}-{raw[10:].hex()}"


def _mbr(read: Read, disk_size: int, sector: bytes, notes: list[str]) -> Iterator[Volume]:
    for index, (kind, start, length) in enumerate(_entries(sector)):
        if kind in EXTENDED_TYPES:
            yield from _logical(read, disk_size, start, notes)
        elif kind and length and start < disk_size:
            yield _volume(read, index, kind, start, length)
        elif kind and length:
            notes.append(_left_out(index, start))


def _logical(read: Read, disk_size: int, extended_start: int, notes: list[str]) -> Iterator[Volume]:
    """The chain of logical partitions; a hostile one may lead in a circle."""
    place = extended_start
    seen: set[int] = set()
    while place not in seen and len(seen) < MAX_LOGICAL_PARTITIONS and place < disk_size:
        seen.add(place)
        sector = read(place, SECTOR_SIZE)
        if isinstance(sector, str) or sector[510:512] != b"\x55\xaa":
            break
        (kind, start, length), (link, next_start, _) = _entries(sector)[:2]
        if kind and length and place + start < disk_size:
            yield _volume(read, 3 + len(seen), kind, place + start, length)
        elif kind and length:
            notes.append(_left_out(3 + len(seen), place + start))
        if link not in EXTENDED_TYPES:
            return
        place = extended_start + next_start
    notes.append(f"the chain of logical partitions is not followed past guest offset {place:#x}")


def _left_out(index: int, start: int) -> str:
    return f"partition {index + 1} is left out: guest offset {start:#x} is past the end of the disk"


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
