"""What the guest keeps at an offset of its disk: the field of a partition table or of a file system."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from forensic.explore.field_spans import Span
from forensic.explore.fields import Inspection, Row, is_within_field
from forensic.explore.lens.ext import ext_zones
from forensic.explore.lens.fat import fat_zones
from forensic.explore.lens.ntfs import ntfs_zones
from forensic.explore.lens.partitions import partition_zones
from forensic.explore.lens.values import value_in_words
from forensic.explore.lens.xfs import xfs_zones
from forensic.explore.lens.zones import Kind, Zone, ZoneAt
from forensic.finding import guest_range
from forensic.format.documentation import Words, reading_of, words_of
from forensic.structure import Field, Structure
from forensic.volumes.layout import Layout
from forensic.volumes.listing import NamedVolume, through, volumes_of
from forensic.volumes.signatures import Read

LENSES: tuple[tuple[str, Callable[[Read, int], ZoneAt]], ...] = (
    ("ext", ext_zones),
    ("NTFS", ntfs_zones),
    ("FAT", fat_zones),
    ("XFS", xfs_zones),
)
"""What knows a file system, by the beginning of its name."""

ALIGNED = 32
"""Every structure begins at a multiple of so many bytes."""

LONGEST_STRUCTURE = 1 << 16
KEPT = 256
FEW = 2
AROUND = 6
"""Fields of a long structure that are listed before and after the one of a byte."""


class GuestLens:
    """The structures of a disk; `read` is what reads it. Making one reads a few tables, asking it a few sectors."""

    def __init__(self, read: Read, disk_size: int) -> None:
        """Find the volumes and where their structures lie."""
        self._read = read
        volumes = volumes_of(read, disk_size)
        self._disk = partition_zones(read, disk_size, volumes.scheme != "none")
        self._volumes = [(volume, *_lens_of(read, volume)) for volume in volumes.volumes if _has_lens(volume)]
        self._known: dict[int, tuple[Kind, Structure] | None] = {}

    def spans_between(self, guest_start: int, guest_end: int) -> list[Span]:
        """The fields that begin or go on in a range of the disk, in order, for colouring bytes."""
        found: list[Span] = []
        position = guest_start
        while position < guest_end:
            known = self._structure_at(position)
            parts = known[1].fields if known else ()
            at = _field_at(parts, position)
            if at is not None:
                place = guest_range(parts[at].host_offset, parts[at].length)
                found.append(Span(place, at))
                position = place.offset + place.length
            else:
                ahead = (part.host_offset for part in parts if part.length and part.host_offset > position)
                position = min((*ahead, (position // ALIGNED + 1) * ALIGNED))
        return found

    def inspect(self, guest_offset: int) -> Inspection | None:
        """The field that holds a byte, with those around it; None where no structure is known."""
        known = self._structure_at(guest_offset)
        if known is None:
            return None
        kind, structure = known
        parts = structure.fields
        at = _field_at(parts, guest_offset)
        if at is None:
            return None
        hit, stem = parts[at], _group_of(parts, parts[at])
        near = [
            part
            for part in parts[max(0, at - AROUND) : at + AROUND + 1]
            if part is hit or (part.name.startswith(stem) and part.name.count(".") <= hit.name.count("."))
        ]
        words = _words(kind, hit)
        return Inspection(
            words.name,
            f"{structure.name} · {hit.name}",
            guest_range(hit.host_offset, hit.length),
            tuple(_row(kind, part, stem, part is hit) for part in near),
            words=words,
        )

    def _structure_at(self, guest_offset: int) -> tuple[Kind, Structure] | None:
        for zone in self._disk:
            if zone.offset <= guest_offset < zone.end:
                return self._parsed(zone, zone.offset, guest_offset, "")
        for volume, zone_at, layout in self._volumes:
            offset = layout.offset_of(guest_offset)
            found = zone_at(offset) if offset is not None else None
            if offset is not None and found is not None:
                name = f"volume {volume.name.text} · " if volume.name.raw != b"0" else ""
                return self._parsed(found, guest_offset - offset + found.offset, guest_offset, name)
        return None

    def _parsed(self, zone: Zone, guest_begin: int, guest_offset: int, prefix: str) -> tuple[Kind, Structure] | None:
        """The structure of a zone that holds a byte; the zone begins at `guest_begin`, if it is in one piece."""
        number = (guest_offset - guest_begin) // zone.stride
        place = guest_begin + number * zone.stride
        if place not in self._known:
            if len(self._known) >= KEPT:
                self._known.pop(next(iter(self._known)))
            self._known[place] = self._read_structure(zone, place, prefix + zone.name.format(zone.first + number))
        return self._known[place]

    def _read_structure(self, zone: Zone, place: int, name: str) -> tuple[Kind, Structure] | None:
        data = self._read(place, min(zone.stride, LONGEST_STRUCTURE))
        if isinstance(data, str) or not data:
            return None
        kind = zone.kind_of(data)
        return None if kind is None else (kind, kind.parse(zone.mend(data), place, name))


def _field_at(parts: Sequence[Field], guest_offset: int) -> int | None:
    """The number of the field that holds a byte."""
    return next((at for at, part in enumerate(parts) if is_within_field(part, guest_offset)), None)


def _has_lens(volume: NamedVolume) -> bool:
    return any(volume.file_system.startswith(name) for name, _ in LENSES)


def _lens_of(read: Read, volume: NamedVolume) -> tuple[ZoneAt, Layout]:
    make = next(make for name, make in LENSES if volume.file_system.startswith(name))
    return make(through(read, volume.layout), volume.length), volume.layout


def _words(kind: Kind, part: Field) -> Words:
    return words_of(kind.ksy_type, part.name, kind.description)


def _row(kind: Kind, part: Field, stem: str, here: bool) -> Row:
    words = _words(kind, part)
    reading = reading_of(kind.ksy_type, part.name, kind.description)
    name = part.name.removeprefix(stem)
    return Row(name if "." in name else words.name or name, value_in_words(part, reading), words.text, here)


def _group_of(parts: Sequence[Field], hit: Field) -> str:
    """What the names of the fields beside one begin with; the parts of a time are listed with other times."""
    stem = hit.name[: hit.name.rfind(".") + 1]
    few = sum(part.name.startswith(stem) for part in parts) <= FEW
    return stem[: stem.rstrip(".").rfind(".") + 1] if stem and few else stem
