"""Rules about persistent dirty bitmaps: the extension, the directory, the tables and the bits.

One broken bitmap makes QEMU refuse the whole image; for reading the disk none of them matters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from forensic.evidence import ReadFailed
from forensic.finding import FindingClass, Problem, Problems, Severity, host
from forensic.qcow2.bitmap_tables import ALL_ONES, MAX_ENTRIES, MAX_GRANULARITY_BITS, BitmapTable, needed_entries
from forensic.qcow2.bitmaps import MAX_BITMAPS, MAX_DIRECTORY_BYTES, Bitmap, BitmapDirectory, BitmapFlag
from forensic.qcow2.extensions import ExtensionType
from forensic.qcow2.header import Autoclear
from forensic.qcow2.image import HeaderCluster
from forensic.rules.header import in_header
from forensic.rules.registry import rule

EXTENSION_SIZE = 24
ENTRY_SIZE = 8
TYPE_DIRTY = 1
MIN_GRANULARITY_BITS = 9
MAX_NAME = 1023
MAX_BITMAP_BYTES = 512 << 20
ENTRY_RESERVED = 0xFF00_0000_0000_01FE  # bits 1-8 and 56-63


@rule(BitmapDirectory, Severity.INFO, FindingClass.INFO)
def bitmaps_present(directory: BitmapDirectory) -> Iterator[Problem]:
    """The image holds persistent dirty bitmaps.

    Why: a bitmap says which parts of the disk were written since some backup; that is a fact about use.
    Spec: Bitmaps extension
    QEMU: keeps them up to date while it has the image open.
    Next: none needed for reading the disk.
    """
    for bitmap in directory.bitmaps:
        yield _of(bitmap, f'is called "{bitmap.name}"')


@rule(HeaderCluster, Severity.LOW, FindingClass.ANOMALY)
def bitmaps_not_kept(cluster: HeaderCluster) -> Iterator[Problem]:
    """The bitmaps extension is there, but the autoclear bit that vouches for it is not set.

    Why: a writer that does not know bitmaps changed the image, so they no longer say what was written. Their clusters
    are not counted as references any more and are reported as leaks.
    Spec: Bitmaps extension; Header, bytes 88-95
    QEMU: warns, does not load them, and removes the extension when it next writes the header.
    Next: the bitmaps still show what was written up to some time.
    """
    if cluster.extensions.first(ExtensionType.BITMAPS) and not cluster.header.autoclear_features & Autoclear.BITMAPS:
        yield Problem("autoclear feature bit 0 is clear", in_header(cluster, "autoclear_features"), "header")


@rule(BitmapDirectory, Severity.HIGH, FindingClass.CORRUPTION)
def bitmaps_extension_fields(directory: BitmapDirectory) -> Iterator[Problem]:
    """The bitmaps extension has a wrong length, a reserved field that is not zero, or an impossible number of bitmaps.

    Why: what it says about the directory cannot be relied on.
    Spec: Bitmaps extension
    QEMU: refuses the image.
    Next: reading the disk needs no bitmaps.
    """
    texts = []
    if directory.extension_length != EXTENSION_SIZE:
        texts.append(f"the extension is {directory.extension_length} bytes long, expected {EXTENSION_SIZE}")
    if directory.reserved:
        texts.append(f"the reserved field is {directory.reserved:#x}, expected 0")
    if not 1 <= directory.claimed <= MAX_BITMAPS:
        texts.append(f"it claims {directory.claimed:,} bitmaps, expected 1 to {MAX_BITMAPS:,}")
    for text in texts:
        place = host(directory.extension.host_offset, directory.extension.length)
        yield Problem(text, (place,), "bitmaps extension")


@rule(BitmapDirectory, Severity.HIGH, FindingClass.CORRUPTION)
def bitmap_directory_place(directory: BitmapDirectory) -> Iterator[Problem]:
    """The bitmap directory is not where a directory can be, or has an impossible size.

    Why: the bitmaps cannot be located.
    Spec: Bitmaps extension, bytes 8-23
    QEMU: refuses the image.
    Next: reading the disk needs no bitmaps.
    """
    offset, size, end = directory.host_offset, directory.size, directory.host_offset + directory.size
    text = None
    if not 1 <= size <= MAX_DIRECTORY_BYTES:
        text = f"the directory is {size:,} bytes long, expected 1 to {MAX_DIRECTORY_BYTES:,}"
    elif not offset or offset % directory.cluster_size:
        text = f"the directory begins at host offset {offset:#x}, not at the start of a cluster behind the header"
    elif end > directory.file_size:
        text = f"the directory at host offset {offset:#x} ends at {end:#x}, the file at {directory.file_size:#x}"
    if text:
        yield Problem(text, (host(offset, size),), "bitmap_directory")


@rule(BitmapDirectory, Severity.HIGH, FindingClass.CORRUPTION)
def bitmap_directory_entries(directory: BitmapDirectory) -> Iterator[Problem]:
    """The entries of the bitmap directory do not fill it exactly, or are not as many as the extension says.

    Why: bitmaps are missing, or bytes in the directory belong to none.
    Spec: Bitmap directory
    QEMU: refuses the image.
    Next: reading the disk needs no bitmaps.
    """
    found, used = len(directory.bitmaps), sum(bitmap.length for bitmap in directory.bitmaps)
    readable = (
        0 < directory.size <= MAX_DIRECTORY_BYTES and directory.host_offset + directory.size <= directory.file_size
    )
    placed = directory.host_offset and directory.host_offset % directory.cluster_size == 0
    if not placed or not readable or not 1 <= directory.claimed <= MAX_BITMAPS:
        return
    if found < directory.claimed or used != directory.size:
        yield Problem(
            f"{found:,} of {directory.claimed:,} entries take {used:,} of the directory's {directory.size:,} bytes",
            (host(directory.host_offset, directory.size),),
            "bitmap_directory",
        )


@rule(BitmapDirectory, Severity.HIGH, FindingClass.CORRUPTION)
def bitmap_entry_fields(directory: BitmapDirectory) -> Iterator[Problem]:
    """A bitmap has flags, a type, a granularity or a name length that the format or QEMU does not allow.

    Why: what its bits stand for is not known. QEMU also refuses flag bit 2, which the specification allows.
    Spec: Bitmap directory entry, bytes 12-19
    QEMU: refuses the image.
    Next: reading the disk needs no bitmaps.
    """
    known = int(BitmapFlag.IN_USE | BitmapFlag.AUTO | BitmapFlag.EXTRA_DATA_COMPATIBLE)
    for bitmap in directory.bitmaps:
        if bitmap.flags & ~known:
            yield _of(bitmap, f"has unknown flags {bitmap.flags & ~known:#x}")
        if bitmap.type != TYPE_DIRTY:
            yield _of(bitmap, f"is of type {bitmap.type}, expected {TYPE_DIRTY}")
        if not MIN_GRANULARITY_BITS <= bitmap.granularity_bits <= MAX_GRANULARITY_BITS:
            expected = f"expected {MIN_GRANULARITY_BITS} to {MAX_GRANULARITY_BITS}"
            yield _of(bitmap, f"has granularity_bits {bitmap.granularity_bits}, {expected}")
        if len(bitmap.name.raw) > MAX_NAME:
            yield _of(bitmap, f"has a name of {len(bitmap.name.raw):,} bytes, more than {MAX_NAME:,}")


@rule(BitmapDirectory, Severity.MEDIUM, FindingClass.HIDDEN_DATA)
def bitmap_extra_data(directory: BitmapDirectory) -> Iterator[Problem]:
    """A bitmap has extra data.

    Why: no extra data is defined; it comes from a newer format, or it holds something that no tool shows.
    Spec: Bitmap directory entry, bytes 20-23
    QEMU: refuses the image.
    Next: look at the bytes.
    """
    for bitmap in directory.bitmaps:
        if bitmap.extra_data_size:
            yield _of(bitmap, f"has {bitmap.extra_data_size:,} bytes of extra data")


@rule(BitmapDirectory, Severity.MEDIUM, FindingClass.SPEC_VIOLATION)
def bitmap_name(directory: BitmapDirectory) -> Iterator[Problem]:
    """A bitmap's name is empty, used twice, not UTF-8 or holds characters that cannot be shown.

    Why: tools cannot address the bitmap, take another one for it, or pass the characters on to a terminal.
    Spec: Bitmap directory entry, name
    QEMU: refuses an image with two bitmaps of one name; prints the others as they are.
    Next: refer to the bitmap by its number.
    """
    times = Counter(bitmap.name.raw for bitmap in directory.bitmaps)
    for bitmap in directory.bitmaps:
        if not bitmap.name.raw:
            yield _of(bitmap, "has an empty name")
        elif times[bitmap.name.raw] > 1:
            yield _of(bitmap, f'shares the name "{bitmap.name}" with {times[bitmap.name.raw] - 1:,} others')
        elif bitmap.name.sanitised:
            yield _of(bitmap, f'has a name with characters that cannot be shown: "{bitmap.name}"')


@rule(BitmapDirectory, Severity.LOW, FindingClass.HIDDEN_DATA)
def bitmap_entry_padding(directory: BitmapDirectory) -> Iterator[Problem]:
    """The padding of a bitmap directory entry is not zero.

    Why: up to seven bytes that must be zero are a place to hide something, or a sign of another writer.
    Spec: Bitmap directory entry, padding
    QEMU: does not look.
    Next: look at the bytes.
    """
    for bitmap in directory.bitmaps:
        padding = bitmap.structure.raw("padding")
        if any(padding):
            yield _of(bitmap, f"is padded with {padding.hex(' ')}, expected zeros")


@rule(BitmapDirectory, Severity.INFO, FindingClass.INFO)
def bitmap_in_use(directory: BitmapDirectory) -> Iterator[Problem]:
    """A bitmap was not saved when the image was last closed.

    Why: its bits are older than the disk: QEMU had it open and ended without writing it back.
    Spec: Bitmap directory entry, flag bit 0
    QEMU: does not use such a bitmap until it is removed or repaired.
    Next: do not conclude from the bits what was written.
    """
    for bitmap in directory.bitmaps:
        if bitmap.flags & BitmapFlag.IN_USE:
            yield _of(bitmap, "is marked as in use")


@rule(BitmapTable, Severity.HIGH, FindingClass.CORRUPTION)
def bitmap_table_place(table: BitmapTable) -> Iterator[Problem]:
    """A bitmap table is not where a table can be, or has an impossible number of entries.

    Why: the bits cannot be located.
    Spec: Bitmap directory entry, bytes 0-11
    QEMU: refuses the image.
    Next: reading the disk needs no bitmaps.
    """
    bitmap, size = table.bitmap, table.geometry.cluster_size
    end = bitmap.table_offset + bitmap.table_size * ENTRY_SIZE
    text = None
    if not 1 <= bitmap.table_size <= MAX_ENTRIES:
        text = f"has a table of {bitmap.table_size:,} entries, expected 1 to {MAX_ENTRIES:,}"
    elif not bitmap.table_offset or bitmap.table_offset % size:
        text = f"has a table at host offset {bitmap.table_offset:#x}, not at the start of a cluster behind the header"
    elif end > table.file_size:
        text = f"has a table that ends at {end:#x}, the file ends at {table.file_size:#x}"
    if text:
        yield _of(bitmap, text)


@rule(BitmapTable, Severity.HIGH, FindingClass.CORRUPTION)
def bitmap_table_size(table: BitmapTable) -> Iterator[Problem]:
    """A bitmap table has more or fewer entries than its granularity and the virtual size need, or too many for QEMU.

    Why: the bits do not stand for this disk.
    Spec: Bitmap table
    QEMU: refuses the image, also if a bitmap takes more than 512 MiB.
    Next: reading the disk needs no bitmaps.
    """
    bitmap = table.bitmap
    needed = needed_entries(bitmap, table.geometry)
    possible = 1 <= bitmap.table_size <= MAX_ENTRIES and bitmap.granularity_bits <= MAX_GRANULARITY_BITS
    if possible and bitmap.table_size * table.geometry.cluster_size > MAX_BITMAP_BYTES:
        yield _of(
            bitmap, f"takes {bitmap.table_size * table.geometry.cluster_size:,} bytes, more than {MAX_BITMAP_BYTES:,}"
        )
    elif possible and bitmap.table_size != needed and not bitmap.flags & BitmapFlag.IN_USE:
        yield _of(bitmap, f"has a table of {bitmap.table_size:,} entries, expected {needed:,}")


@rule(BitmapTable, Severity.HIGH, FindingClass.CORRUPTION)
def bitmap_table_entry(table: BitmapTable) -> Iterable[Problem]:
    """A bitmap table entry has reserved bits set, both an offset and the all-ones bit, or an unaligned offset.

    Why: where the bits are is not known.
    Spec: Bitmap table entry
    QEMU: refuses the image.
    Next: reading the disk needs no bitmaps.
    """
    offsets = table.data_offsets()
    wrong = (table.entries & np.uint64(ENTRY_RESERVED)) != 0
    wrong |= (offsets != 0) & ((table.entries & np.uint64(ALL_ONES)) != 0)
    wrong |= (offsets & np.uint64(table.geometry.cluster_size - 1)) != 0
    return _at_entries(
        table, wrong, lambda _: "reserved bits, the all-ones bit beside an offset, or no cluster boundary"
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
    """The last cluster of a bitmap holds something behind the last bit of the disk.

    Why: these bits stand for nothing; QEMU clears them.
    Spec: Bitmap data
    QEMU: does not look.
    Next: look at the bytes.
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
        text = f"holds {len(tail.strip(bytes(1))):,} bytes behind its last bit: {bytes(tail[:16]).hex(' ')}"
        yield _of(bitmap, text, begin + used, len(tail))


def _of(bitmap: Bitmap, text: str, host_offset: int | None = None, length: int = 0) -> Problem:
    """A problem of one bitmap; its place is the directory entry unless another one is given."""
    place = host(bitmap.host_offset, bitmap.length) if host_offset is None else host(host_offset, length)
    return Problem(f"bitmap {bitmap.index} {text}", (place,), f"bitmaps[{bitmap.index}]")


def _at_entries(
    table: BitmapTable, hits: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], say: Callable[[int], str]
) -> Problems:
    """One problem for each entry that `hits` selects; `say` words it from the index."""
    indices = np.flatnonzero(hits)

    def described() -> Iterator[Problem]:
        for index in indices.tolist():
            entry = int(table.entries[index])
            path = f"bitmaps[{table.bitmap.index}] table[{index}]"
            place = host(table.entry_host_offset(index), ENTRY_SIZE)
            yield Problem(f"{path} is {entry:#018x}: {say(index)}", (place,), path, {"entry_hex": f"{entry:016x}"})

    return Problems(len(indices), described)
