"""Rules about persistent dirty bitmaps: the extension and the directory; see `bitmap_tables` for the rest.

One broken bitmap makes QEMU refuse the whole image; for reading the disk none of them matters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from forensic.finding import FindingClass, Problem, Severity, host_range
from forensic.numbers import counted
from forensic.qcow2.bitmap_tables import MAX_GRANULARITY_BITS
from forensic.qcow2.bitmaps import MAX_BITMAPS, MAX_DIRECTORY_BYTES, Bitmap, BitmapDirectory, BitmapFlag
from forensic.qcow2.extensions import ExtensionType
from forensic.qcow2.header import Autoclear
from forensic.qcow2.metadata import HeaderCluster
from forensic.rules.places import in_header
from forensic.rules.registry import rule

EXTENSION_SIZE = 24
TYPE_DIRTY = 1
MIN_GRANULARITY_BITS = 9
MAX_NAME = 1023


@rule(BitmapDirectory, Severity.INFO, FindingClass.INFO)
def bitmaps_present(directory: BitmapDirectory) -> Iterator[Problem]:
    """The image holds persistent dirty bitmaps.

    Why: a bitmap records which parts of the disk were written since some backup: it is evidence of use.
    Spec: Bitmaps extension
    QEMU: keeps them up to date while it has the image open.
    Next: none needed for reading the disk.
    """
    for bitmap in directory.bitmaps:
        yield of_bitmap(bitmap, f'is called "{bitmap.name}"')


@rule(HeaderCluster, Severity.LOW, FindingClass.ANOMALY)
def bitmaps_not_kept(cluster: HeaderCluster) -> Iterator[Problem]:
    """The bitmaps extension is present, but the autoclear bit that marks it as up to date is not set.

    Why: a writer without support for bitmaps changed the image, so they no longer record what was written. Their
    clusters are no longer counted as references, and are reported as leaks.
    Spec: Bitmaps extension; Header, bytes 88-95
    QEMU: warns, does not load them, and removes the extension when it next writes the header.
    Next: the bitmaps still show what was written up to some point.
    """
    if cluster.extensions.first(ExtensionType.BITMAPS) and not cluster.header.autoclear_features & Autoclear.BITMAPS:
        yield Problem("autoclear feature bit 0 is clear", in_header(cluster, "autoclear_features"), "header")


@rule(BitmapDirectory, Severity.HIGH, FindingClass.CORRUPTION)
def bitmaps_extension_fields(directory: BitmapDirectory) -> Iterator[Problem]:
    """The bitmaps extension has a wrong length, a reserved field that is not zero, or an impossible number of bitmaps.

    Why: its information about the directory is unreliable.
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
        place = host_range(directory.extension.host_offset, directory.extension.length)
        yield Problem(text, (place,), "bitmaps extension")


@rule(BitmapDirectory, Severity.HIGH, FindingClass.CORRUPTION)
def bitmap_directory_place(directory: BitmapDirectory) -> Iterator[Problem]:
    """The bitmap directory has an impossible location or size.

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
        text = f"the directory begins at host offset {offset:#x}, not at the start of a cluster after the header"
    elif end > directory.file_size:
        text = f"the directory at host offset {offset:#x} ends at {end:#x}, the file at {directory.file_size:#x}"
    if text:
        yield Problem(text, (host_range(offset, size),), "bitmap_directory")


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
    if directory.unread or not placed or not readable or not 1 <= directory.claimed <= MAX_BITMAPS:
        return
    if found < directory.claimed or used != directory.size:
        yield Problem(
            f"{found:,} of {counted(directory.claimed, 'entry takes', 'entries take')} {used:,} of the directory's "
            f"{counted(directory.size, 'byte')}",
            (host_range(directory.host_offset, directory.size),),
            "bitmap_directory",
        )


@rule(BitmapDirectory, Severity.HIGH, FindingClass.CORRUPTION)
def bitmap_entry_fields(directory: BitmapDirectory) -> Iterator[Problem]:
    """A bitmap has flags, a type, a granularity or a name length that the format or QEMU does not allow.

    Why: the meaning of its bits is unknown. QEMU also refuses flag bit 2, which the specification allows.
    Spec: Bitmap directory entry, bytes 12-19
    QEMU: refuses the image.
    Next: reading the disk needs no bitmaps.
    """
    known = int(BitmapFlag.IN_USE | BitmapFlag.AUTO | BitmapFlag.EXTRA_DATA_COMPATIBLE)
    for bitmap in directory.bitmaps:
        if bitmap.flags & ~known:
            yield of_bitmap(bitmap, f"has unknown flags {bitmap.flags & ~known:#x}")
        if bitmap.type != TYPE_DIRTY:
            yield of_bitmap(bitmap, f"is of type {bitmap.type}, expected {TYPE_DIRTY}")
        if not MIN_GRANULARITY_BITS <= bitmap.granularity_bits <= MAX_GRANULARITY_BITS:
            expected = f"expected {MIN_GRANULARITY_BITS} to {MAX_GRANULARITY_BITS}"
            yield of_bitmap(bitmap, f"has granularity_bits {bitmap.granularity_bits}, {expected}")
        if len(bitmap.name.raw) > MAX_NAME:
            yield of_bitmap(bitmap, f"has a name of {len(bitmap.name.raw):,} bytes, more than {MAX_NAME:,}")


@rule(BitmapDirectory, Severity.MEDIUM, FindingClass.HIDDEN_DATA)
def bitmap_extra_data(directory: BitmapDirectory) -> Iterator[Problem]:
    """A bitmap has extra data.

    Why: no extra data is defined; it comes from a newer format, or it holds something that no tool shows.
    Spec: Bitmap directory entry, bytes 20-23
    QEMU: refuses the image.
    Next: examine the bytes.
    """
    for bitmap in directory.bitmaps:
        if bitmap.extra_data_size:
            yield of_bitmap(bitmap, f"has {bitmap.extra_data_size:,} bytes of extra data")


@rule(BitmapDirectory, Severity.MEDIUM, FindingClass.SPEC_VIOLATION)
def bitmap_name(directory: BitmapDirectory) -> Iterator[Problem]:
    """A bitmap's name is empty, used twice, not UTF-8 or holds characters that cannot be shown.

    Why: tools cannot address the bitmap, mistake another one for it, or pass the characters on to a terminal.
    Spec: Bitmap directory entry, name
    QEMU: refuses an image with two bitmaps of one name; prints the others as they are.
    Next: refer to the bitmap by its number.
    """
    times = Counter(bitmap.name.raw for bitmap in directory.bitmaps)
    for bitmap in directory.bitmaps:
        if not bitmap.name.raw:
            yield of_bitmap(bitmap, "has an empty name")
        elif times[bitmap.name.raw] > 1:
            yield of_bitmap(
                bitmap, f'shares the name "{bitmap.name}" with {counted(times[bitmap.name.raw] - 1, "other")}'
            )
        elif bitmap.name.sanitised:
            yield of_bitmap(bitmap, f'has a name with characters that cannot be shown: "{bitmap.name}"')


@rule(BitmapDirectory, Severity.LOW, FindingClass.HIDDEN_DATA)
def bitmap_entry_padding(directory: BitmapDirectory) -> Iterator[Problem]:
    """The padding of a bitmap directory entry is not zero.

    Why: up to seven bytes that must be zero are a place to hide something, or a sign of another writer.
    Spec: Bitmap directory entry, padding
    QEMU: does not check this.
    Next: examine the bytes.
    """
    for bitmap in directory.bitmaps:
        padding = bitmap.padding
        if any(padding):
            yield of_bitmap(bitmap, f"is padded with {padding.hex(' ')}, expected zeros")


@rule(BitmapDirectory, Severity.INFO, FindingClass.INFO)
def bitmap_in_use(directory: BitmapDirectory) -> Iterator[Problem]:
    """A bitmap was not saved when the image was last closed.

    Why: its bits are older than the disk: QEMU had the image open and exited without writing the bitmap back.
    Spec: Bitmap directory entry, flag bit 0
    QEMU: does not use such a bitmap until it is removed or repaired.
    Next: draw no conclusions from the bits about what was written.
    """
    for bitmap in directory.bitmaps:
        if bitmap.flags & BitmapFlag.IN_USE:
            yield of_bitmap(bitmap, "is marked as in use")


def of_bitmap(bitmap: Bitmap, text: str, host_offset: int | None = None, length: int = 0) -> Problem:
    """A problem of one bitmap; its place is the directory entry unless another one is given."""
    place = host_range(bitmap.host_offset, bitmap.length) if host_offset is None else host_range(host_offset, length)
    return Problem(f"bitmap {bitmap.index} {text}", (place,), f"bitmaps[{bitmap.index}]")
