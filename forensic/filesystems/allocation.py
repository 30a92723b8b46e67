"""Whether a block of a file system is in use, for blocks that no file claims: by its own bitmap or table."""

from __future__ import annotations

import struct

from forensic.filesystems.entries import Entry
from forensic.volumes.signatures import Read

FREE, IN_USE, METADATA, UNKNOWN = "free", "in_use", "metadata", "unknown"

EXT_UNINITIALISED = 2
"""The flag of a block group whose bitmap was never written."""

EXT_CHECKSUMMED = 0x10 | 0x400
"""Features with which that flag means something."""


def is_bitmap(entry: Entry, file_system: str) -> bool:
    """Whether a file is the one in which NTFS or exFAT keeps its bitmap."""
    if file_system == "NTFS":
        return entry.inode == 6 and entry.path == b"$Bitmap"
    return file_system == "exFAT" and entry.path == b"$ALLOC_BITMAP"


def allocation_of(read: Read, file_system: str, offset: int, bitmap: Entry | None = None) -> str:
    """`free`, `metadata`, `in_use` (it is marked so, and may be either), or `unknown` where that cannot be told.

    `read` reads the volume, `offset` is a byte of it; `bitmap` is the file for which `is_bitmap` holds.
    """
    try:
        if bitmap is not None:
            return _by_file(read, file_system, offset, bitmap)
        if file_system.startswith("ext"):
            return _ext(read, offset)
        if file_system.startswith("FAT"):
            return _fat(read, offset)
    except (struct.error, ZeroDivisionError, IndexError):  # a superblock that makes no sense, or is not there
        pass
    return UNKNOWN


def _bytes(read: Read, offset: int, length: int) -> bytes:
    """Bytes of the volume, none where they cannot be read: unpacking them fails then."""
    found = read(offset, length)
    return found if isinstance(found, bytes) else b""


def _ext(read: Read, offset: int) -> str:
    """ext2, ext3, ext4: the bitmap of the block group. What is in use and no file's is metadata, or the journal."""
    superblock = _bytes(read, 1024, 1024)
    first_block, shift = struct.unpack_from("<2I", superblock, 20)
    per_group, features, read_only = (struct.unpack_from("<I", superblock, place)[0] for place in (32, 96, 100))
    size = 1024 << min(shift, 6)
    width = struct.unpack_from("<H", superblock, 254)[0] if features & 0x80 else 32
    number = offset // size - first_block
    if number < 0 or not 32 <= width <= 1024:
        return METADATA
    group, within = divmod(number, per_group)
    entry = _bytes(read, (first_block + 1) * size + group * width, width)
    low, flags = struct.unpack_from("<I", entry)[0], struct.unpack_from("<H", entry, 18)[0]
    high = struct.unpack_from("<I", entry, 32)[0] if width >= 64 else 0
    if flags & EXT_UNINITIALISED and read_only & EXT_CHECKSUMMED:
        return UNKNOWN  # in use are the metadata alone that a formula puts there
    return METADATA if _bit(read, ((high << 32) + low) * size, within) else FREE


def _by_file(read: Read, file_system: str, offset: int, bitmap: Entry) -> str:
    """NTFS and exFAT: a bit a cluster, in a file."""
    boot = _bytes(read, 0, 512)
    if file_system == "NTFS":
        sector, count = struct.unpack_from("<HB", boot, 11)
        size, start = sector * (count if count < 0x80 else 1 << 256 - count), 0
    else:
        sector_shift, cluster_shift = boot[108:110]
        size, start = 1 << sector_shift + cluster_shift, struct.unpack_from("<I", boot, 88)[0] << sector_shift
    if offset < start:
        return METADATA
    number = (offset - start) // size
    for file_offset, place, length in bitmap.runs:
        if file_offset <= number // 8 < file_offset + length:
            return IN_USE if _bit(read, place - file_offset, number) else FREE
    return UNKNOWN


def _fat(read: Read, offset: int) -> str:
    """FAT12, FAT16, FAT32: what comes before the clusters is metadata, an entry of zero a free cluster."""
    boot = _bytes(read, 0, 512)
    sector, per_cluster, reserved, copies, root, small = struct.unpack_from("<HBHBHH", boot, 11)
    fat_sectors = struct.unpack_from("<H", boot, 22)[0] or struct.unpack_from("<I", boot, 36)[0]
    total = small or struct.unpack_from("<I", boot, 32)[0]
    data = (reserved + copies * fat_sectors) * sector + -(-root * 32 // sector) * sector
    if offset < data:
        return METADATA
    clusters = (total * sector - data) // (per_cluster * sector)
    number = (offset - data) // (per_cluster * sector) + 2
    if number >= clusters + 2:
        return FREE
    if clusters < 4085:
        place, bits = number * 3 // 2, 12
    else:
        bits = 16 if clusters < 65525 else 28
        place = number * (2 if bits == 16 else 4)
    entry = int.from_bytes(_bytes(read, reserved * sector + place, 4).ljust(4, b"\0"), "little")
    if bits == 12 and number % 2:
        entry >>= 4
    return IN_USE if entry & (1 << bits) - 1 else FREE


def _bit(read: Read, bitmap: int, number: int) -> int:
    return _bytes(read, bitmap + number // 8, 1)[0] >> number % 8 & 1
