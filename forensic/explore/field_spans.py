"""Where the fields and entries of a range of the file lie, for colouring bytes; and where a named entry lies."""

from __future__ import annotations

from msgspec import Struct

from forensic.explore.fields import is_within_field
from forensic.explore.regions import Kind, Region, RegionIndex
from forensic.explore.v1 import Qcow1RegionIndex
from forensic.finding import Range, host_range
from forensic.qcow2.geometry import ACTIVE
from forensic.structure import Field, Structure


class Span(Struct, frozen=True):
    """A field or entry: its bytes, and its number within the structure, so that neighbours can be distinguished."""

    place: Range
    number: int


def spans_between(region_index: RegionIndex | Qcow1RegionIndex, host_start: int, host_end: int) -> list[Span]:
    """The fields and entries that begin or go on in a range of the file, in order, for colouring bytes."""
    found: list[Span] = []
    position = host_start
    while position < host_end:
        region = region_index.region_at(position)
        if region is None:
            position = _next_cluster(region_index, position)
            continue
        span = _part_of(region_index, region, position)
        found.append(span)
        position = max(position + 1, span.place.offset + span.place.length)
    return found


def _part_of(region_index: RegionIndex | Qcow1RegionIndex, region: Region, host_offset: int) -> Span:
    if region.structure is not None:
        return _word_of(region.structure, host_offset)
    if region.kind == Kind.BACKING_NAME:
        return Span(host_range(region.host_offset, region.length), 0)
    width = _entry_width(region_index, region.kind)
    number = (host_offset - region.host_offset) // width
    return Span(host_range(region.host_offset + number * width, width), number)


def _word_of(structure: Structure, host_offset: int) -> Span:
    """The field that holds a byte; the bits of a word are one span."""
    words: dict[str, list[Field]] = {}
    for part in structure.fields:
        bits = (
            part.name.rpartition(".")[0] if part.name.partition(".")[0].endswith(("features", "flags")) else part.name
        )
        words.setdefault(bits, []).append(part)
    for number, parts in enumerate(words.values()):
        if any(is_within_field(part, host_offset) for part in parts):
            start = min(part.host_offset for part in parts)
            return Span(host_range(start, max(part.host_offset + part.length for part in parts) - start), number)
    return Span(host_range(host_offset, 1), 0)


def _entry_width(region_index: RegionIndex | Qcow1RegionIndex, kind: Kind) -> int:
    geometry = region_index.geometry
    if geometry and kind == Kind.L2_TABLE:
        return geometry.l2_entry_size
    if geometry and kind == Kind.REFCOUNT_BLOCK:
        return max(1, (geometry.refcount_bits or 8) // 8)
    return 8


def _next_cluster(region_index: RegionIndex | Qcow1RegionIndex, host_offset: int) -> int:
    size = region_index.cluster_size or 512
    ahead = min(
        (region.host_offset for region in region_index.fixed if region.host_offset > host_offset), default=1 << 64
    )
    return min((host_offset // size + 1) * size, ahead)


def entry_place(
    region_index: RegionIndex | Qcow1RegionIndex, path: str, l1_index: int, l2_index: int | None
) -> Range | None:
    """Where the entry `L1[i]` or `L1[i].L2[j]` of a disk (`active`, `snapshot 0` …) lies; None if it is nowhere."""
    if isinstance(region_index, Qcow1RegionIndex):
        return region_index.entry_place(l1_index, l2_index) if path == ACTIVE else None
    table = region_index.table_of(path)
    if table is None or not 0 <= l1_index < len(table.entries):
        return None
    if l2_index is None:
        return host_range(table.entry_host_offset(l1_index), 8)
    region = region_index.l2_region(table, l1_index)
    if region is None or not 0 <= l2_index < table.geometry.l2_entry_count:
        return None
    width = table.geometry.l2_entry_size
    return host_range(region.host_offset + l2_index * width, width)


def guest_place(region_index: RegionIndex | Qcow1RegionIndex, guest_offset: int) -> Range | None:
    """Where the entry lies in the file that maps a guest offset of the active disk: the L2 entry, or the L1 entry."""
    if isinstance(region_index, Qcow1RegionIndex):
        return _place_in_version_1(region_index, guest_offset)
    geometry = region_index.geometry
    if geometry is None or not 0 <= guest_offset < region_index.image.virtual_size:
        return None
    l1_index = guest_offset // geometry.l1_coverage
    l2_index = guest_offset % geometry.l1_coverage // geometry.cluster_size
    return entry_place(region_index, ACTIVE, l1_index, l2_index) or entry_place(region_index, ACTIVE, l1_index, None)


def _place_in_version_1(region_index: Qcow1RegionIndex, guest_offset: int) -> Range | None:
    header = region_index.image.header
    if header.unusable or not 0 <= guest_offset < header.size:
        return None
    l1_index = guest_offset // header.l1_coverage
    l2_index = guest_offset % header.l1_coverage // header.cluster_size
    return region_index.entry_place(l1_index, l2_index) or region_index.entry_place(l1_index, None)
