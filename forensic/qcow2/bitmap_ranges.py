"""Which guest ranges a dirty bitmap marks, and of which that cannot be told."""

from __future__ import annotations

import os
from collections.abc import Iterator
from enum import StrEnum
from itertools import pairwise

import numpy as np
from msgspec import Struct

from forensic.errors import WrongSupply
from forensic.evidence import ReadFailed
from forensic.qcow2.bitmap_tables import (
    ALL_ONES,
    MAX_GRANULARITY_BITS,
    MAX_TABLE_BYTES_READ,
    BitmapTable,
    needed_entries,
)
from forensic.qcow2.bitmaps import Bitmap, BitmapFlag
from forensic.qcow2.entries import OFFSET_MASK
from forensic.qcow2.header import Autoclear
from forensic.qcow2.metadata import Qcow2Metadata
from forensic.qcow2.table_reading import read_table
from forensic.untrusted import shown

DIRTY_TRACKING = 1
"""The one type of bitmap that the specification defines."""


class Mark(StrEnum):
    """What a bitmap says of a guest range."""

    CLEAR = "clear"
    MARKED = "marked"
    UNKNOWN = "unknown"


class MarkedRange(Struct, frozen=True):
    """`length` guest bytes from `guest_offset` of which a bitmap says the same."""

    guest_offset: int
    length: int
    mark: Mark

    @property
    def end(self) -> int:
        """The guest offset where it ends."""
        return self.guest_offset + self.length


def find_bitmap(image: Qcow2Metadata, word: str) -> Bitmap:
    """The bitmap of this name, or else at this place in the directory (`2` or `#2`, from 0).

    Raises `WrongSupply` if there is none, or if several have that name.
    """
    bitmaps = image.bitmaps.bitmaps if image.bitmaps else ()
    path, raw = image.evidence.path_as_given, os.fsencode(word)
    found = [bitmap for bitmap in bitmaps if bitmap.name.raw == raw]
    if len(found) > 1:
        places = ", ".join(f"#{bitmap.index}" for bitmap in found[:8])
        raise WrongSupply(path, f"{len(found)} bitmaps have the name {shown(word)}: choose among {places}")
    if found:
        return found[0]
    index = word.removeprefix("#")
    if index.isascii() and index.isdigit() and len(index) < 10 and int(index) < len(bitmaps):
        return bitmaps[int(index)]
    raise WrongSupply(path, f"no bitmap has the name or index {shown(word)}; {len(bitmaps)} can be read")


def table_of(image: Qcow2Metadata, bitmap: Bitmap) -> BitmapTable:
    """The table of one bitmap; nothing is read where no table can be. Raises `Unsupported`."""
    geometry = image.geometry
    placed = bitmap.table_offset and bitmap.table_offset % geometry.cluster_size == 0
    count = min(bitmap.table_size, needed_entries(bitmap, geometry), MAX_TABLE_BYTES_READ // 8)
    entries = read_table(image.evidence, bitmap.table_offset, count if placed else 0)
    return BitmapTable(image.evidence, bitmap, geometry, entries, image.evidence.size)


def doubts(image: Qcow2Metadata, bitmap: Bitmap) -> list[str]:
    """Why what a bitmap marks need not be what was written, in sentences."""
    found = []
    if bitmap.flags & BitmapFlag.IN_USE:
        found.append("the bitmap was in use and not stored when the image was last closed: its bits are not up to date")
    if not image.header.autoclear_features & Autoclear.BITMAPS:
        found.append("a program that keeps no bitmaps has written to the image: the bits need not be up to date")
    if bitmap.type != DIRTY_TRACKING:
        found.append(f"the bitmap is of the unknown type {bitmap.type}")
    return found


def marked_ranges(table: BitmapTable) -> Iterator[MarkedRange]:
    """The whole disk in guest order without a gap, neighbours that are the same merged.

    What lies under an entry that is missing, points nowhere or has reserved bits set is unknown. Specification:
    "Bitmaps", "Bitmap table", "Bitmap data".
    """
    last: MarkedRange | None = None
    for start, end, mark in _parts(table):
        if last and last.mark == mark:
            last = MarkedRange(last.guest_offset, end - last.guest_offset, mark)
            continue
        if last:
            yield last
        last = MarkedRange(start, end - start, mark)
    if last:
        yield last


def _parts(table: BitmapTable) -> Iterator[tuple[int, int, Mark]]:
    """The same, cut wherever a cluster of bits ends."""
    size, bits = table.geometry.virtual_size, table.bitmap.granularity_bits
    if bits > MAX_GRANULARITY_BITS:
        if size:
            yield 0, size, Mark.UNKNOWN
        return
    stride = table.geometry.cluster_size * 8 << bits
    readable, offsets = table.readable(), table.data_offsets()
    odd = (table.entries & ~np.uint64(OFFSET_MASK | ALL_ONES)) != 0
    odd |= (offsets != 0) & (table.entries & np.uint64(ALL_ONES) != 0)
    # No cluster holds the bits of two ranges, so there cannot be more clusters of bits than clusters.
    left = table.file_size // table.geometry.cluster_size + 1
    for index, entry in enumerate(table.entries.tolist()):
        start, end = index * stride, min((index + 1) * stride, size)
        if odd[index] or (offsets[index] and not (readable[index] and left)):
            yield start, end, Mark.UNKNOWN
        elif offsets[index]:
            left -= 1
            yield from _bits(table, int(offsets[index]), start, end)
        else:
            yield start, end, Mark.MARKED if entry & ALL_ONES else Mark.CLEAR
    start = len(table.entries) * stride
    if start < size:
        yield start, size, Mark.UNKNOWN


def _bits(table: BitmapTable, host_offset: int, start: int, end: int) -> Iterator[tuple[int, int, Mark]]:
    """The runs of equal bits in one cluster of them; bit 0 of byte 0 is the first."""
    bits = table.bitmap.granularity_bits
    count = -(-(end - start) >> bits)
    try:
        raw = table.evidence.read_at(host_offset, -(-count // 8))
    except ReadFailed:
        raw = b""
    count = min(count, 8 * len(raw))
    if not count:
        yield start, end, Mark.UNKNOWN
        return
    values = np.unpackbits(np.frombuffer(raw, dtype=np.uint8), count=count, bitorder="little")
    changes = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), count]
    for first, after in pairwise(changes):
        mark = Mark.MARKED if values[first] else Mark.CLEAR
        yield start + (first << bits), min(start + (after << bits), end), mark
    if start + (count << bits) < end:
        yield start + (count << bits), end, Mark.UNKNOWN  # the file ends before the bits do
