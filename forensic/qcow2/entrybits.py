"""The bits of one L1 or L2 entry by name, and where the entry points."""

from __future__ import annotations

from msgspec import Struct

from forensic.finding import Range, host
from forensic.qcow2.bits import (
    COMPRESSED,
    COPIED,
    L1_RESERVED,
    L2_STANDARD_RESERVED,
    OFFSET_MASK,
    SECTOR_SIZE,
    ZERO_FLAG,
    compressed_offset_bits,
)
from forensic.qcow2.geometry import Geometry
from forensic.words import Words, words_of

NamedBits = tuple[str, str, str]
"""Name, value, and the words of the specification."""


class Bits(Struct, frozen=True):
    """The bits of an entry, the part of the file it points to, and what kind of entry it is."""

    rows: tuple[NamedBits, ...]
    target: Range | None
    words: Words


def l1_bits(entry: int) -> Bits:
    """The bits of an L1 entry. Specification: "Cluster mapping"."""
    offset = entry & OFFSET_MASK
    rows = (
        _flag("l1_entry", "is_copied", "copied", entry, COPIED),
        ("L2 table", f"{offset:#x}" if offset else "none", words_of("l1_entry", "ofs_l2_table").text),
        ("reserved", f"{entry & L1_RESERVED:#x}", "Bits 0 to 8 and 56 to 62, zero."),
    )
    return Bits(rows, host(offset, 1) if offset else None, words_of("l1_entry"))


def l2_bits(entry: int, geometry: Geometry) -> Bits:
    """The bits of the first word of an L2 entry. Specification: "Cluster mapping"."""
    return _compressed(entry, geometry) if entry & COMPRESSED else _standard(entry, geometry)


def _standard(entry: int, geometry: Geometry) -> Bits:
    offset = entry & OFFSET_MASK
    rows = (
        _flag("l2_entry", "is_copied", "copied", entry, COPIED),
        _flag("l2_entry", "is_compressed", "compressed", entry, COMPRESSED),
        ("cluster", f"{offset:#x}" if offset else "none", words_of("l2_entry", "ofs_host_cluster").text),
        _flag("l2_entry", "is_zero", "zeros", entry, ZERO_FLAG),
        ("reserved", f"{entry & L2_STANDARD_RESERVED:#x}", "Bits 1 to 8 and 56 to 61, zero."),
    )
    return Bits(rows, host(offset, geometry.cluster_size) if offset else None, words_of("l2_entry"))


def _compressed(entry: int, geometry: Geometry) -> Bits:
    width = compressed_offset_bits(geometry.cluster_bits)
    offset = entry & ((1 << width) - 1)
    sectors = entry >> width & ((1 << (geometry.cluster_bits - 8)) - 1)
    length = (sectors + 1) * SECTOR_SIZE - offset % SECTOR_SIZE
    rows = (
        _flag("l2_entry_compressed", "is_copied", "copied", entry, COPIED),
        _flag("l2_entry_compressed", "is_compressed", "compressed", entry, COMPRESSED),
        ("stream", f"{offset:#x}", f"Host offset of the compressed bytes (bits 0 to {width - 1})."),
        ("more sectors", f"{sectors} → {length:,} bytes", "512-byte sectors after the one the stream begins in."),
    )
    return Bits(rows, host(offset, length), words_of("l2_entry_compressed"))


def _flag(ksy_type: str, field: str, name: str, entry: int, mask: int) -> NamedBits:
    return name, "1" if entry & mask else "0", words_of(ksy_type, field).text
