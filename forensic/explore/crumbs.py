"""The pointers that lead from the header to a place: L1 entry, L2 entry, cluster; or by the refcount table."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from forensic.explore.field_spans import entry_place
from forensic.explore.inspector import inspect, stored_refcount
from forensic.explore.regions import Kind, Region, RegionIndex
from forensic.explore.v1 import Qcow1RegionIndex
from forensic.finding import Range, host_range
from forensic.mapping.extents import State
from forensic.qcow2.geometry import ACTIVE
from forensic.structure import Structure

NOWHERE = {
    **dict.fromkeys(State, "unreadable"),
    State.UNALLOCATED: "unallocated",
    State.ZERO: "zeros",
    State.ZERO_ALLOCATED: "zeros",
}
"""Where the way ends in the file of the image without a cluster."""

Index = RegionIndex | Qcow1RegionIndex


class Crumb(Struct, frozen=True):
    """A step of the way: what it is called, the bytes it stands for, and the stored refcount of their cluster.

    `here` marks the one that holds the byte that was asked about. `place` is None where the way ends in nothing.
    """

    label: str
    place: Range | None
    refcount: int | None = None
    here: bool = False


def crumbs_to(region_index: Index, host_offset: int | None, guest_offset: int | None) -> list[Crumb]:
    """The way to a byte of the file, or, where that is no table, to a guest offset of the active disk."""
    region = None if host_offset is None else region_index.region_at(host_offset)
    if region is None or host_offset is None:
        found = list(_to_guest(region_index, guest_offset)) if guest_offset is not None else []
    elif region.kind in (Kind.REFCOUNT_TABLE, Kind.REFCOUNT_BLOCK):
        found = list(_to_refcount(region_index, region, host_offset))
    elif region.kind in (Kind.L1_TABLE, Kind.L2_TABLE):
        found = list(_to_entry(region_index, region, host_offset))
    else:
        found = list(_to_field(region_index, region, host_offset))
    return [_with_refcount(region_index, crumb, host_offset) for crumb in found]


def _with_refcount(region_index: Index, crumb: Crumb, host_offset: int | None) -> Crumb:
    place = crumb.place
    if place is None:
        return crumb
    here = host_offset is not None and place.offset <= host_offset < place.offset + place.length
    return Crumb(crumb.label, place, stored_refcount(region_index, place.offset), here)


def _to_guest(region_index: Index, guest_offset: int) -> Iterator[Crumb]:
    image, size = region_index.image, region_index.cluster_size
    geometry = region_index.geometry
    if size is None or not 0 <= guest_offset < image.virtual_size:
        return
    coverage = geometry.l1_coverage if geometry else _coverage_of_version_1(region_index)
    yield from _entries(region_index, ACTIVE, guest_offset // coverage, guest_offset % coverage // size)
    start = guest_offset // size * size
    extents = (each for each in image.extents(start, start + size) if each.guest_offset <= guest_offset)
    extent = next((each for each in extents if guest_offset < each.guest_offset + each.length), None)
    if extent is None:
        return
    if extent.host_offset is None:
        yield Crumb(NOWHERE[extent.state], None)
    elif extent.stored_length:
        yield Crumb(f"stream {extent.host_offset:#x}", host_range(extent.host_offset, extent.stored_length))
    elif geometry is None or not geometry.external_data_file:
        cluster = extent.host_offset // size * size
        yield Crumb(f"cluster {cluster:#x}", host_range(cluster, size))


def _coverage_of_version_1(region_index: Index) -> int:
    return region_index.image.header.l1_coverage if isinstance(region_index, Qcow1RegionIndex) else 1


def _to_field(region_index: Index, region: Region, host_offset: int) -> Iterator[Crumb]:
    """A field of a header, and where it points."""
    seen = inspect(region_index, host_offset)
    yield Crumb(region.name, seen.place)
    if seen.target is not None:
        yield Crumb(f"{seen.target.offset:#x}", seen.target)


def _to_entry(region_index: Index, region: Region, host_offset: int) -> Iterator[Crumb]:
    """To an entry of an L1 or L2 table, and on to what it points at."""
    owner = region.owner or ACTIVE
    wide = region.kind == Kind.L2_TABLE and region_index.geometry is not None
    width = region_index.geometry.l2_entry_size if wide and region_index.geometry else 8
    number = (host_offset - region.host_offset) // width
    if region.kind == Kind.L1_TABLE:
        yield from _entries(region_index, owner, number, None)
    else:
        yield from _entries(region_index, owner, region.index, number)
    target = inspect(region_index, host_offset).target
    if target is not None:
        name = "L2 table" if region.kind == Kind.L1_TABLE else "cluster"
        yield Crumb(f"{name} {target.offset:#x}", target)


def _entries(region_index: Index, owner: str, l1_index: int, l2_index: int | None) -> Iterator[Crumb]:
    """From the field that names the L1 table to the last entry that there is."""
    holder = "header" if owner == ACTIVE else owner
    yield from _field(region_index, holder, "ofs_l1_table")
    for label, index in ((f"L1[{l1_index}]", None), (f"L2[{l2_index}]", l2_index)):
        place = entry_place(region_index, owner, l1_index, index)
        if place is not None and (index is not None or label.startswith("L1")):
            yield Crumb(label, place)


def _to_refcount(region_index: Index, region: Region, host_offset: int) -> Iterator[Crumb]:
    yield from _field(region_index, "header", "ofs_refcount_table")
    table = region_index.refcount_table
    number = region.index if region.kind == Kind.REFCOUNT_BLOCK else (host_offset - region.host_offset) // 8
    if table is None:
        return
    yield Crumb(f"refcount table [{number}]", host_range(table.host_offset + number * 8, 8))
    if region.kind == Kind.REFCOUNT_TABLE:
        target = inspect(region_index, host_offset).target
        if target is not None:
            yield Crumb(f"block {target.offset:#x}", target)
        return
    counted = inspect(region_index, host_offset)
    yield Crumb(counted.path.rpartition(" ")[2], counted.place)
    if counted.target:
        yield Crumb(f"cluster {counted.target.offset:#x}", counted.target)


def _field(region_index: Index, holder: str, name: str) -> Iterator[Crumb]:
    region = next((each for each in region_index.fixed if each.name == holder), None)
    structure: Structure | None = region.structure if region else None
    for part in structure.fields if structure else ():
        if part.name.rpartition(".")[2] == name:
            yield Crumb(holder, host_range(part.host_offset, part.length))
