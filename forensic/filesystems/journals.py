"""Whether a journal holds changes that are not in the files yet: of a machine that was running, or has crashed.

No journal is replayed here, so that nobody takes the files for more than what stands on the disk.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

ReadAt = Callable[[int, int], bytes]
"""Bytes of a volume from an offset."""

EXT_INCOMPATIBLE = 1024 + 0x60
EXT_NEEDS_RECOVERY = 4
"""Incompatible feature of ext3 and ext4: the journal has to be replayed."""

NTFS_LOG_BYTES = 3 * 4096
_NTFS_PAGE = 4096
_NO_CLIENT = 0xFFFF
_VOLUME_IS_CLEAN = 2

XFS_LOG_MAGIC = b"\xfe\xed\xba\xbe"
XFS_MOST_LOG_BYTES = 256 << 20
_XFS_BLOCK = 512
_XFS_STEP = 4 << 20
_UNMOUNT = 0x20


def ext_is_open(read: ReadAt) -> bool:
    """Of ext3 and ext4, by the superblock; ext2 has no journal. Raises what `read` raises."""
    return bool(int.from_bytes(read(EXT_INCOMPATIBLE, 4), "little") & EXT_NEEDS_RECOVERY)


def ntfs_is_open(log: bytes) -> bool:
    """Of NTFS, by the newer of the two restart pages with which `$LogFile` begins; one that was reset has none."""
    newest, is_open = -1, False
    for page in (log[:_NTFS_PAGE], log[_NTFS_PAGE : 2 * _NTFS_PAGE]):
        if page[:4] != b"RSTR":
            continue
        place = int.from_bytes(page[0x18:0x1A], "little")
        area = page[place : place + 16]
        if len(area) < 16:
            continue
        number, client, flags = struct.unpack("<Q4xHH", area)
        if number > newest:
            newest, is_open = number, client != _NO_CLIENT and not flags & _VOLUME_IS_CLEAN
    return is_open


def xfs_is_open(read: ReadAt) -> bool:
    """Of XFS: whether the newest record of its log is not the one that is written last of all when it is unmounted.

    A log outside of the volume, or a larger one than XFS makes, is not looked at. Raises what `read` raises.
    """
    head = read(0, 256)
    block_size, blocks_a_group = struct.unpack_from(">I", head, 4)[0], struct.unpack_from(">I", head, 84)[0]
    start, blocks = struct.unpack_from(">Q", head, 48)[0], struct.unpack_from(">I", head, 96)[0]
    bits = head[124]
    length = blocks * block_size
    if not start or not 0 < length <= XFS_MOST_LOG_BYTES or bits > 31:
        return False
    begin = ((start >> bits) * blocks_a_group + (start & ((1 << bits) - 1))) * block_size
    newest, place = 0, -1
    for offset in range(begin, begin + length, _XFS_STEP):
        part = read(offset, min(_XFS_STEP, begin + length - offset))
        at = part.find(XFS_LOG_MAGIC)
        while at >= 0:
            number = int.from_bytes(part[at + 16 : at + 24], "big")
            if at % _XFS_BLOCK == 0 and number > newest:
                newest, place = number, offset + at
            at = part.find(XFS_LOG_MAGIC, at + 4)
    if place < 0:
        return False
    # The operation follows the header of the record, whose length the header's version and size decide.
    header = read(place, _XFS_BLOCK)
    version, size = int.from_bytes(header[8:12], "big"), int.from_bytes(header[320:324], "big")
    sectors = max(1, -(-size // (32 << 10))) if version & 2 else 1
    operation = read(place + sectors * _XFS_BLOCK, 12)
    count = int.from_bytes(header[40:44], "big")
    return not (count == 1 and len(operation) == 12 and operation[9] & _UNMOUNT)
