"""What is left of tables that were freed: recognising their ends, since QEMU writes nothing after them."""

from __future__ import annotations

import numpy as np

from forensic.qcow2.arrays import big_endian
from forensic.qcow2.bitmaps import ENTRY_HEADER_SIZE as BITMAP_HEADER
from forensic.qcow2.entries import COPIED, OFFSET_MASK, host_offset_of
from forensic.qcow2.snapshots import EXTRA_OFFSET as SNAPSHOT_HEADER

FIRST_TEXTS = (BITMAP_HEADER, SNAPSHOT_HEADER, SNAPSHOT_HEADER + 16, SNAPSHOT_HEADER + 24)
"""Where the text of the first entry of a bitmap directory or snapshot table begins, as QEMU's versions write them."""


def ends_with_entry(data: bytes) -> bool:
    """Whether bytes from a multiple of 8 on end where an entry of a snapshot table or bitmap directory in them ends."""
    return any(_is_entry(data[at:]) for at in range(0, len(data) - BITMAP_HEADER, 8))


def ends_like_first_entry(before: int, data: bytes) -> bool:
    """Whether bytes that begin `before` bytes into a cluster can be the end of a table's only entry.

    Its first fields may be written over; its text begins at a known place, after numbers.
    """
    text = len(data) - len(data.rpartition(b"\0")[2])
    return 0 < text < len(data) and before + text in FIRST_TEXTS


def is_table(data: bytes, cluster_size: int, file_size: int) -> bool:
    """Whether all of it reads as entries of an L1 or bitmap table: cluster boundaries inside the file, or all ones."""
    if len(data) % 8:
        return False
    entries = big_endian(data)
    offsets = host_offset_of(entries)
    flags = entries & ~np.uint64(COPIED | OFFSET_MASK)
    fits = (offsets & np.uint64(cluster_size - 1)) == 0
    fits &= (offsets < np.uint64(file_size)) & ((flags == 0) | ((flags == 1) & (offsets == 0)))
    return bool(fits.all())


def _is_entry(data: bytes) -> bool:
    """Whether an entry fills these bytes; the one of a directory up to its padding.

    A snapshot has an ID and a bitmap a name, so that zeros after appended bytes are no entry.
    """
    extra, identifier = int.from_bytes(data[36:40], "big"), int.from_bytes(data[12:14], "big")
    if identifier and SNAPSHOT_HEADER + extra + identifier + int.from_bytes(data[14:16], "big") == len(data):
        return True
    name = int.from_bytes(data[18:20], "big")
    length = BITMAP_HEADER + name + int.from_bytes(data[20:24], "big")
    return name > 0 and (length + 7) // 8 == (len(data) + 7) // 8
