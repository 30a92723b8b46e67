"""Rules about the tables and the bits of persistent dirty bitmaps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from forensic.evidence import ReadFailed
from forensic.finding import FindingClass, Problem, Problems, Severity
from forensic.numbers import counted
from forensic.qcow2.arrays import Bools
from forensic.qcow2.bitmap_tables import ALL_ONES, MAX_ENTRIES, MAX_GRANULARITY_BITS, BitmapTable, needed_entries
from forensic.qcow2.bitmaps import BitmapFlag
from forensic.qcow2.table_reading import ENTRY_SIZE
from forensic.rules.bitmaps import of_bitmap
from forensic.rules.places import at_entries
from forensic.rules.registry import rule

MAX_BITMAP_BYTES = 512 << 20
ENTRY_RESERVED = 0xFF00_0000_0000_01FE  # bits 1-8 and 56-63


@rule(BitmapTable, Severity.HIGH, FindingClass.CORRUPTION)
def bitmap_table_place(table: BitmapTable) -> Iterator[Problem]:
    """A bitmap table has an impossible location or number of entries.

    Why: the bits cannot be located.
    Spec: Bitmap directory entry, bytes 0-11
    QEMU: refuses the image.
    Next: reading the disk needs no bitmaps.
    """
    bitmap, size = table.bitmap, table.geometry.cluster_size
    end = bitmap.table_offset + bitmap.table_size * ENTRY_SIZE
    text = None
    if not 1 <= bitmap.table_size <= MAX_ENTRIES:
        text = f"has a table of {counted(bitmap.table_size, 'entry', 'entries')}, expected 1 to {MAX_ENTRIES:,}"
    elif not bitmap.table_offset or bitmap.table_offset % size:
        text = f"has a table at host offset {bitmap.table_offset:#x}, not at the start of a cluster after the header"
    elif end > table.file_size:
        text = f"has a table that ends at {end:#x}, the file ends at {table.file_size:#x}"
    if text:
        yield of_bitmap(bitmap, text)


@rule(BitmapTable, Severity.HIGH, FindingClass.CORRUPTION)
def bitmap_table_size(table: BitmapTable) -> Iterator[Problem]:
    """A bitmap table has more or fewer entries than its granularity and the virtual size need, or too many for QEMU.

    Why: the bitmap does not fit this disk.
    Spec: Bitmap table
    QEMU: refuses the image, also if a bitmap takes more than 512 MiB.
    Next: reading the disk needs no bitmaps.
    """
    bitmap = table.bitmap
    needed = needed_entries(bitmap, table.geometry)
    possible = 1 <= bitmap.table_size <= MAX_ENTRIES and bitmap.granularity_bits <= MAX_GRANULARITY_BITS
    if possible and bitmap.table_size * table.geometry.cluster_size > MAX_BITMAP_BYTES:
        yield of_bitmap(
            bitmap, f"takes {bitmap.table_size * table.geometry.cluster_size:,} bytes, more than {MAX_BITMAP_BYTES:,}"
        )
    elif possible and bitmap.table_size != needed and not bitmap.flags & BitmapFlag.IN_USE:
        yield of_bitmap(bitmap, f"has a table of {counted(bitmap.table_size, 'entry', 'entries')}, expected {needed:,}")


@rule(BitmapTable, Severity.HIGH, FindingClass.CORRUPTION)
def bitmap_table_entry(table: BitmapTable) -> Iterable[Problem]:
    """A bitmap table entry has reserved bits set, both an offset and the all-ones bit, or an unaligned offset.

    Why: the location of the bits is unknown.
    Spec: Bitmap table entry
    QEMU: refuses the image.
    Next: reading the disk needs no bitmaps.
    """
    offsets = table.data_offsets()
    wrong = (table.entries & np.uint64(ENTRY_RESERVED)) != 0
    wrong |= (offsets != 0) & ((table.entries & np.uint64(ALL_ONES)) != 0)
    wrong |= (offsets & np.uint64(table.geometry.cluster_size - 1)) != 0
    return _at_entries(
        table,
        wrong,
        lambda _: "reserved bits, the all-ones bit beside an offset, or an offset off the cluster boundaries",
    )


@rule(BitmapTable, Severity.HIGH, FindingClass.CORRUPTION)
def bitmap_data_outside_file(table: BitmapTable) -> Iterable[Problem]:
    """A bitmap table entry points past the end of the file.

    Why: these bits are missing.
    Spec: Bitmap table entry, bits 9-55
    QEMU: check reports it; loading the bitmap fails.
    Next: reading the disk needs no bitmaps.
    """
    offsets = table.data_offsets()
    return _at_entries(
        table,
        (offsets != 0) & (offsets + np.uint64(table.geometry.cluster_size) > table.file_size),
        lambda index: (
            f"the cluster at {int(offsets[index]):#x} is not within the file, which ends at {table.file_size:#x}"
        ),
    )


@rule(BitmapTable, Severity.MEDIUM, FindingClass.HIDDEN_DATA)
def bitmap_tail_bits(table: BitmapTable) -> Iterator[Problem]:
    """The last cluster of a bitmap holds data after the last bit of the disk.

    Why: these bits have no meaning; QEMU clears them.
    Spec: Bitmap data
    QEMU: does not check this.
    Next: examine the bytes.
    """
    geometry, bitmap = table.geometry, table.bitmap
    needed = needed_entries(bitmap, geometry)
    if bitmap.table_size != needed or len(table.entries) < needed or not needed or not table.readable()[needed - 1]:
        return
    bits = -(-geometry.virtual_size // (1 << bitmap.granularity_bits)) - (needed - 1) * geometry.cluster_size * 8
    begin = int(table.data_offsets()[needed - 1])
    try:
        data = bytearray(table.evidence.read_at(begin, geometry.cluster_size))
    except ReadFailed:
        return
    used, partial = divmod(bits, 8)
    if partial:
        data[used] &= 0xFF << partial & 0xFF
    tail = data[used:]
    if any(tail):
        text = f"holds {counted(len(tail.strip(bytes(1))), 'byte')} after its last bit: {bytes(tail[:16]).hex(' ')}"
        yield of_bitmap(bitmap, text, begin + used, len(tail))


def _at_entries(table: BitmapTable, hits: Bools, say: Callable[[int], str]) -> Problems:
    """One problem for each entry that `hits` selects; `say` words it from the index."""
    return at_entries(table, hits, lambda index: f"bitmaps[{table.bitmap.index}] table[{index}]", lambda i, _: say(i))
