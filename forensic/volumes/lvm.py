"""LVM2: from the labels of physical volumes to the logical volumes and where their bytes lie.

Linear and striped segments are read; what else there is (thin, mirror, RAID, cache, snapshot) is named with the reason
why it is not. Nothing is believed that leads out of the physical volumes that the disk has.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from itertools import pairwise

from msgspec import Struct

from forensic.numbers import SECTOR_SIZE
from forensic.untrusted import Untrusted
from forensic.volumes.layout import Layout, Segment
from forensic.volumes.lvm_text import BadText, Value, parse
from forensic.volumes.signatures import Read

LABEL_SECTORS = 4
MAX_TEXT = 1 << 20
"""Bytes of metadata text that are read; LVM2 keeps it in one mebibyte, together with the versions before."""

MAX_TEXTS = 16
"""Different texts that are looked at; all physical volumes of a group hold the same one."""

MOST_BYTES = 1 << 62
"""No volume is longer."""

MAX_SEGMENTS = 1 << 16
MAX_VOLUMES = 4096
MAX_STRIPES = 128
MAX_AREAS = 32

METADATA_MAGIC = b" LVM2 x[5A%r0N*>"
CHECKSUM_START = 0xF597A6CF

Place = tuple[int, int]
"""Guest offset and length of what may be a physical volume."""


class LogicalVolume(Struct, frozen=True):
    """A logical volume by group and name; without a layout, `not_read` says why."""

    group: Untrusted
    name: Untrusted
    length: int
    layout: Layout | None
    not_read: str = ""


class Lvm(Struct, frozen=True):
    """The logical volumes of a disk, and sentences about what could not be read or does not fit."""

    volumes: tuple[LogicalVolume, ...]
    notes: tuple[str, ...]


class _Physical(Struct, frozen=True):
    """A physical volume on this disk, and the text that it holds; `problem` says why it holds none."""

    identity: bytes
    guest_offset: int
    length: int
    text: bytes
    problem: str = ""


def read_lvm(read: Read, places: list[Place]) -> Lvm:
    """The logical volumes on the physical volumes at these places."""
    notes: list[str] = []
    physical: dict[bytes, _Physical] = {}
    for guest_offset, length in places:
        found = _physical(read, guest_offset, length)
        if isinstance(found, str):
            notes.append(f"physical volume at guest offset {guest_offset:#x}: {found}")
            continue
        if found.problem:
            notes.append(f"physical volume at guest offset {guest_offset:#x}: {found.problem}")
        physical.setdefault(found.identity, found)
    volumes = [one for group in _groups(physical, notes) for one in _volumes(*group, physical)]
    if len(volumes) > MAX_VOLUMES:
        notes.append(f"{len(volumes):,} logical volumes, of which {MAX_VOLUMES:,} are looked at")
    return Lvm(tuple(volumes[:MAX_VOLUMES]), tuple(notes))


def _groups(physical: dict[bytes, _Physical], notes: list[str]) -> list[tuple[bytes, dict[bytes, Value]]]:
    """Each volume group by name, as the newest text has it."""
    found: dict[bytes, dict[bytes, Value]] = {}
    texts = list(dict.fromkeys(one.text for one in physical.values() if one.text))
    if len(texts) > MAX_TEXTS:
        notes.append(f"LVM2 metadata: {len(texts):,} different texts, of which {MAX_TEXTS} are looked at")
    for text in texts[:MAX_TEXTS]:
        try:
            sections = parse(text)
        except BadText as problem:
            notes.append(f"LVM2 metadata: {problem}")
            continue
        for name, group in sections.items():
            if isinstance(group, dict) and b"logical_volumes" in group:
                known = found.setdefault(name, group)
                if _version(group) > _version(known):
                    found[name] = group
    return list(found.items())


def _version(group: dict[bytes, Value]) -> int:
    return _number(group.get(b"seqno"), 0, 1 << 63)


def _physical(read: Read, guest_offset: int, length: int) -> _Physical | str:
    for sector in range(LABEL_SECTORS):
        label = read(guest_offset + sector * SECTOR_SIZE, SECTOR_SIZE)
        if isinstance(label, bytes) and label[:8] == b"LABELONE" and len(label) == SECTOR_SIZE:
            break
    else:
        return "no label in the first sectors"
    header = int.from_bytes(label[20:24], "little")
    if label[24:32] != b"LVM2 001" or not 32 <= header <= SECTOR_SIZE - 40:
        return "its label is not one of LVM2"
    identity = label[header : header + 32]
    areas = list(_areas(label, header + 40))
    first_end = areas.index((0, 0)) if (0, 0) in areas else len(areas)
    text, problem = b"", "it holds no metadata"
    for start, size in areas[first_end + 1 :]:
        if (start, size) == (0, 0):
            break
        text, problem = _text(read, guest_offset, length, start, size)
        if text:
            break
    return _Physical(identity, guest_offset, length, text, problem)


def _areas(label: bytes, place: int) -> Iterator[tuple[int, int]]:
    """The list of data areas, zeros, the list of metadata areas, zeros."""
    for _ in range(MAX_AREAS):
        if place + 16 > len(label):
            return
        yield struct.unpack_from("<QQ", label, place)
        place += 16


def _text(read: Read, guest_offset: int, length: int, start: int, size: int) -> tuple[bytes, str]:
    """The metadata text of an area, and what is wrong with it."""
    header = read(guest_offset + start, SECTOR_SIZE)
    if start + SECTOR_SIZE > length or isinstance(header, str) or len(header) < SECTOR_SIZE:
        return b"", "its metadata area cannot be read"
    if header[4:20] != METADATA_MAGIC:
        return b"", "its metadata area has no header"
    offset, text_length, checksum, flags = struct.unpack_from("<QQII", header, 40)
    if flags & 1 or not text_length:
        return b"", "it holds no metadata"
    if text_length > MAX_TEXT:
        return b"", f"its metadata has {text_length:,} bytes, more than the {MAX_TEXT:,} that are read"
    if not SECTOR_SIZE <= offset < size or text_length > size - SECTOR_SIZE or start + size > length:
        return b"", "its metadata lies outside of its area"
    straight = min(text_length, size - offset)
    parts = [read(guest_offset + start + offset, straight)]
    if straight < text_length:  # it goes on at the area's beginning
        parts.append(read(guest_offset + start + SECTOR_SIZE, text_length - straight))
    readable = [part for part in parts if isinstance(part, bytes)]
    text = b"".join(readable)
    if len(readable) < len(parts) or len(text) < text_length:
        return b"", "its metadata cannot be read"
    wrong = _checksum(text) != checksum
    return text.rstrip(b"\0"), "the checksum of its metadata does not fit" if wrong else ""


def _checksum(text: bytes) -> int:
    """CRC-32 without the final inversion, from a start of its own."""
    return zlib.crc32(text, CHECKSUM_START ^ 0xFFFFFFFF) ^ 0xFFFFFFFF


def _volumes(group: bytes, content: dict[bytes, Value], physical: dict[bytes, _Physical]) -> Iterator[LogicalVolume]:
    extent_size = _number(content.get(b"extent_size"), 1, 1 << 31) * SECTOR_SIZE
    bases = _bases(_section(content.get(b"physical_volumes")), physical)
    volumes = _section(content[b"logical_volumes"])
    stores = set(_stores(volumes))
    for name, volume in volumes.items():
        section = _section(volume)
        status = section.get(b"status")
        if isinstance(status, list) and b"VISIBLE" in status:
            yield _volume(Untrusted(group), name, section, extent_size, bases, name in stores)


def _stores(volumes: dict[bytes, Value]) -> Iterator[bytes]:
    """The volumes that keep the old blocks of a snapshot."""
    for volume in volumes.values():
        for segment in _section(volume).values():
            if isinstance(segment, dict) and isinstance(store := segment.get(b"cow_store"), bytes):
                yield store


def _bases(section: dict[bytes, Value], physical: dict[bytes, _Physical]) -> dict[bytes, tuple[int, int]]:
    """Where the extents of each physical volume of this disk begin, and where it ends, as guest offsets."""
    found = {}
    for name, one in section.items():
        values = _section(one)
        identity = values.get(b"id")
        here = physical.get(identity.replace(b"-", b"")) if isinstance(identity, bytes) else None
        if here is not None:
            start = _number(values.get(b"pe_start"), 0, 1 << 54) * SECTOR_SIZE
            found[name] = (here.guest_offset + start, here.guest_offset + here.length)
    return found


def _volume(
    group: Untrusted, name: bytes, section: dict[bytes, Value], extent_size: int, bases: dict[bytes, tuple[int, int]],
    is_store: bool,
) -> LogicalVolume:  # fmt: skip
    segments = [value for key, value in section.items() if key.startswith(b"segment") and isinstance(value, dict)]
    length = sum(_number(one.get(b"extent_count"), 0, 1 << 40) for one in segments) * extent_size
    label = Untrusted(name)
    kinds = {kind for one in segments if isinstance(kind := one.get(b"type"), bytes)}
    if is_store or b"snapshot" in kinds:
        return LogicalVolume(group, label, length, None, "an LVM2 snapshot is not read")
    if kinds != {b"striped"}:
        words = ", ".join(sorted(Untrusted(kind).text for kind in kinds)) or "no"
        return LogicalVolume(
            group, label, length, None, f"segments of type {words} are not read, only linear and striped"
        )
    if len(segments) > MAX_SEGMENTS:
        return LogicalVolume(group, label, length, None, f"it has more than {MAX_SEGMENTS:,} segments")
    found = [_segment(one, extent_size, bases) for one in segments]
    usable = sorted((one for one in found if one is not None), key=lambda one: one.start)
    overlap = any(one.start + one.length > after.start for one, after in pairwise(usable))
    if len(usable) < len(found) or overlap or length > MOST_BYTES:
        return LogicalVolume(group, label, length, None, "its segments contradict one another or make no sense")
    return LogicalVolume(group, label, length, Layout(length, tuple(usable)))


def _segment(section: dict[bytes, Value], extent_size: int, bases: dict[bytes, tuple[int, int]]) -> Segment | None:
    start = _number(section.get(b"start_extent"), 0, 1 << 40)
    count = _number(section.get(b"extent_count"), 0, 1 << 40)
    stripes = section.get(b"stripes")
    if not isinstance(stripes, list) or not count or not 2 <= len(stripes) <= 2 * MAX_STRIPES or len(stripes) % 2:
        return None
    number = len(stripes) // 2
    length = count * extent_size
    size = _number(section.get(b"stripe_size"), 0, 1 << 31) * SECTOR_SIZE if number > 1 else length
    if not size or count % number or (length // number) % size:
        return None
    places = []
    for name, extent in zip(stripes[::2], stripes[1::2], strict=True):
        if not isinstance(name, bytes) or not isinstance(extent, int) or not 0 <= extent < 1 << 40:
            return None
        base, end = bases.get(name, (0, 0))
        place = base + extent * extent_size
        places.append(place if place + length // number <= end else None)
    return Segment(start * extent_size, length, tuple(places), size)


def _section(value: Value | None) -> dict[bytes, Value]:
    return value if isinstance(value, dict) else {}


def _number(value: Value | None, least: int, below: int) -> int:
    """A number within its bounds; the least where there is none."""
    return value if isinstance(value, int) and least <= value < below else least
