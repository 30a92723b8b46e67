"""One place of the file explained: the field or entry that holds a byte, its bits by name, and where it points."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from forensic.explore.fields import Inspection, Row, big_endian_at, field_at
from forensic.explore.regions import Kind, Region, RegionIndex
from forensic.explore.v1 import Qcow1RegionIndex, inspect_version_1
from forensic.finding import Range, host_range
from forensic.format.documentation import Words, words_of
from forensic.qcow2.entries import (
    allocated_subclusters,
    compressed_host_offset,
    compressed_more_sectors,
    compressed_offset_bits,
    compressed_stored_length,
    has_zero_flag,
    host_offset_of,
    is_compressed,
    is_copied,
    l1_reserved_bits,
    l2_reserved_bits,
    refcount_block_offset,
    refcount_table_reserved_bits,
    zero_subclusters,
)
from forensic.qcow2.geometry import ACTIVE, Geometry
from forensic.untrusted import Untrusted

if TYPE_CHECKING:
    from forensic.explore.reverse_map import ReverseMap


def inspect(
    region_index: RegionIndex | Qcow1RegionIndex, host_offset: int, references: ReverseMap | None = None
) -> Inspection:
    """Explain the byte at a host offset; what is no known structure is said to be none.

    With `references`, a byte of a compressed stream of the active disk is explained by the stream.
    """
    if isinstance(region_index, Qcow1RegionIndex):
        return inspect_version_1(region_index, host_offset)
    region = region_index.region_at(host_offset)
    if region is None:
        stream = references.stream_at(host_offset) if references else None
        return stream or _outside(region_index, host_offset)
    if region.kind == Kind.L1_TABLE:
        return _l1_entry(region_index, region, host_offset)
    if region.kind == Kind.L2_TABLE:
        return _l2_entry(region_index, region, host_offset)
    if region.kind == Kind.REFCOUNT_TABLE:
        return _refcount_table_entry(region_index, region, host_offset)
    if region.kind == Kind.REFCOUNT_BLOCK:
        return _refcount(region_index, region, host_offset)
    if region.structure is not None:
        return field_at(region, region.structure, host_offset)
    text = Untrusted(region_index.image.evidence.read_or_nothing(region.host_offset, region.length)).text
    return Inspection(
        region.name,
        region.name,
        host_range(region.host_offset, region.length),
        (Row("text", text),),
        words=words_of("qcow2", "backing_file_name"),
    )


def stored_refcount(region_index: RegionIndex | Qcow1RegionIndex, host_offset: int) -> int | None:
    """The refcount that the image stores for the cluster at a host offset; None if the tables hold none."""
    geometry = region_index.geometry
    if (
        isinstance(region_index, Qcow1RegionIndex)
        or geometry is None
        or geometry.refcount_order is None
        or geometry.refcounts_per_block is None
    ):
        return None
    cluster = host_offset >> geometry.cluster_bits
    block = region_index.block_region(cluster // geometry.refcounts_per_block)
    if block is None:
        return None
    return _count(region_index, block, cluster % geometry.refcounts_per_block)


def _outside(region_index: RegionIndex, host_offset: int) -> Inspection:
    geometry = region_index.geometry
    if geometry is None:
        return Inspection("bytes", "", host_range(host_offset, 1), known=False)
    size = geometry.cluster_size
    cluster = host_offset // size
    rows = (Row("cluster", f"{cluster:,}"), _refcount_row(region_index, host_offset))
    return Inspection("no table or header", f"cluster {cluster:,}", host_range(cluster * size, size), rows, known=False)


def _l1_entry(region_index: RegionIndex, region: Region, host_offset: int) -> Inspection:
    index = (host_offset - region.host_offset) // 8
    place = host_range(region.host_offset + index * 8, 8)
    entry = big_endian_at(region_index.image.evidence, place.offset)
    prefix = "" if region.owner == ACTIVE else f"{region.owner} "
    geometry = region_index.geometry
    guest_offset = index * geometry.l1_coverage if geometry else None
    return _from_bits(
        region_index,
        "L1 entry",
        f"{prefix}L1[{index}]",
        place,
        l1_bits(entry),
        guest_offset,
        words_of("l1_entry"),
    )


def _l2_entry(region_index: RegionIndex, region: Region, host_offset: int) -> Inspection:
    geometry = region_index.image.geometry
    width = geometry.l2_entry_size
    index = (host_offset - region.host_offset) // width
    place = host_range(region.host_offset + index * width, width)
    bits = l2_bits(big_endian_at(region_index.image.evidence, place.offset), geometry)
    if geometry.extended_l2:
        bitmap = big_endian_at(region_index.image.evidence, place.offset + 8)
        allocated, zero = allocated_subclusters(bitmap), zero_subclusters(bitmap)
        more = (
            Row("subclusters allocated", f"{allocated:#010x}", words_of("subcluster_bitmap", "is_allocated").text),
            Row("subclusters zero", f"{zero:#010x}", words_of("subcluster_bitmap", "is_zero").text),
        )
        bits = Bits((*bits.rows, *((row.name, row.value, row.words) for row in more)), bits.target, bits.words)
    guest_offset = region.index * geometry.l1_coverage + index * geometry.cluster_size
    prefix = "" if region.owner == ACTIVE else f"{region.owner} "
    path = f"{prefix}L1[{region.index}].L2[{index}]"
    in_file = None if geometry.external_data_file else bits.target
    bits = Bits(bits.rows, in_file, bits.words)
    return _from_bits(region_index, "L2 entry", path, place, bits, guest_offset, bits.words)


def _from_bits(
    region_index: RegionIndex, title: str, path: str, place: Range, bits: Bits, guest_offset: int | None, words: Words
) -> Inspection:
    rows = [Row(*row) for row in bits.rows]
    if bits.target:
        rows.append(_refcount_row(region_index, bits.target.offset))
    return Inspection(title, path, place, tuple(rows), bits.target, guest_offset, words)


def _refcount_row(region_index: RegionIndex, host_offset: int) -> Row:
    count = stored_refcount(region_index, host_offset)
    return Row("stored refcount", "none stored" if count is None else f"{count:,}")


def _refcount_table_entry(region_index: RegionIndex, region: Region, host_offset: int) -> Inspection:
    index = (host_offset - region.host_offset) // 8
    place = host_range(region.host_offset + index * 8, 8)
    entry = big_endian_at(region_index.image.evidence, place.offset)
    target = refcount_block_offset(entry)
    rows = (
        Row("refcount block", f"{target:#x}", words_of("refcount_table_entry", "ofs_refcount_block").text),
        Row("reserved", f"{refcount_table_reserved_bits(entry):#x}", "Bits 8 to 0, zero."),
    )
    block = host_range(target, region_index.geometry.cluster_size) if target and region_index.geometry else None
    words = words_of("refcount_table_entry")
    return Inspection("refcount table entry", f"refcount table [{index}]", place, rows, block, words=words)


def _refcount(region_index: RegionIndex, region: Region, host_offset: int) -> Inspection:
    geometry = region_index.image.geometry
    bits = geometry.refcount_bits or 8
    first = (host_offset - region.host_offset) * 8 // bits
    place = host_range(region.host_offset + first * bits // 8, max(1, bits // 8))
    cluster = region.index * (geometry.refcounts_per_block or 0) + first
    rows = tuple(
        Row(f"cluster {cluster + number:,}", f"{_count(region_index, region, first + number)}")
        for number in range(max(1, 8 // bits))
    )
    target = host_range(cluster << geometry.cluster_bits, geometry.cluster_size)
    path = f"refcount block {region.index} [{first}]"
    return Inspection("refcount", path, place, rows, target, words=words_of("refcount_block"))


def _count(region_index: RegionIndex, block: Region, index: int) -> int | None:
    """One refcount out of a block; widths below a byte pack the lowest index into the lowest bits."""
    bits = region_index.image.geometry.refcount_bits or 8
    raw = region_index.image.evidence.read_or_nothing(block.host_offset + index * bits // 8, max(1, bits // 8))
    if not raw:
        return None
    number = int.from_bytes(raw, "big")
    return number if bits >= 8 else number >> (index * bits % 8) & ((1 << bits) - 1)


NamedBits = tuple[str, str, str]
"""Name, value, and the words of the specification."""


class Bits(Struct, frozen=True):
    """The bits of an entry, the part of the file it points to, and what kind of entry it is."""

    rows: tuple[NamedBits, ...]
    target: Range | None
    words: Words


def l1_bits(entry: int) -> Bits:
    """The bits of an L1 entry. Specification: "Cluster mapping"."""
    offset = host_offset_of(entry)
    rows = (
        _flag("l1_entry", "is_copied", "copied", is_copied(entry)),
        ("L2 table", f"{offset:#x}" if offset else "none", words_of("l1_entry", "ofs_l2_table").text),
        ("reserved", f"{l1_reserved_bits(entry):#x}", "Bits 0 to 8 and 56 to 62, zero."),
    )
    return Bits(rows, host_range(offset, 1) if offset else None, words_of("l1_entry"))


def l2_bits(entry: int, geometry: Geometry) -> Bits:
    """The bits of the first word of an L2 entry. Specification: "Cluster mapping"."""
    return _compressed(entry, geometry) if is_compressed(entry) else _standard(entry, geometry)


def _standard(entry: int, geometry: Geometry) -> Bits:
    offset = host_offset_of(entry)
    rows = (
        _flag("l2_entry", "is_copied", "copied", is_copied(entry)),
        _flag("l2_entry", "is_compressed", "compressed", is_compressed(entry)),
        ("cluster", f"{offset:#x}" if offset else "none", words_of("l2_entry", "ofs_host_cluster").text),
        _flag("l2_entry", "is_zero", "zeros", has_zero_flag(entry)),
        ("reserved", f"{l2_reserved_bits(entry):#x}", "Bits 1 to 8 and 56 to 61, zero."),
    )
    return Bits(rows, host_range(offset, geometry.cluster_size) if offset else None, words_of("l2_entry"))


def _compressed(entry: int, geometry: Geometry) -> Bits:
    width = compressed_offset_bits(geometry.cluster_bits)
    offset = compressed_host_offset(entry, geometry.cluster_bits)
    sectors = compressed_more_sectors(entry, geometry.cluster_bits)
    length = compressed_stored_length(entry, geometry.cluster_bits)
    rows = (
        _flag("l2_entry_compressed", "is_copied", "copied", is_copied(entry)),
        _flag("l2_entry_compressed", "is_compressed", "compressed", is_compressed(entry)),
        ("stream", f"{offset:#x}", f"Host offset of the compressed bytes (bits 0 to {width - 1})."),
        ("more sectors", f"{sectors} → {length:,} bytes", "512-byte sectors after the one the stream begins in."),
    )
    return Bits(rows, host_range(offset, length), words_of("l2_entry_compressed"))


def _flag(ksy_type: str, field: str, name: str, is_set: bool) -> NamedBits:
    return name, "1" if is_set else "0", words_of(ksy_type, field).text
