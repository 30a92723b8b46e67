"""File systems and other contents of a volume by their magic numbers."""

from __future__ import annotations

import struct
from collections.abc import Callable

from forensic.untrusted import Untrusted, c_string

Read = Callable[[int, int], bytes | str]
"""Offset and length to bytes, or to the reason why they cannot be read."""

VOLUME_SIGNATURES: tuple[tuple[int, bytes, str, int, int], ...] = (
    (0x438, b"\x53\xef", "ext2/3/4", 0x478, 16),
    (0, b"XFSB", "XFS", 108, 12),
    (0x10040, b"_BHRfS_M", "Btrfs", 0x1012B, 256),
    (3, b"NTFS    ", "NTFS", 0, 0),
    (3, b"EXFAT   ", "exFAT", 0, 0),
    (3, b"ReFS\0", "ReFS", 0, 0),
    (3, b"-FVE-FS-", "BitLocker", 0, 0),
    (82, b"FAT32   ", "FAT32", 71, 11),
    (54, b"FAT16   ", "FAT16", 43, 11),
    (54, b"FAT12   ", "FAT12", 43, 11),
    (0x400, b"H+\0\x04", "HFS+", 0, 0),
    (0x400, b"HX\0\x05", "HFSX", 0, 0),
    (32, b"NXSB", "APFS", 0, 0),
    (0, b"LUKS\xba\xbe", "LUKS", 0, 0),
    (512, b"LABELONE", "LVM2 physical volume", 0, 0),
    (4096, b"\xfc\x4e\x2b\xa9", "Linux RAID", 4128, 32),
    (0, b"\xfc\x4e\x2b\xa9", "Linux RAID", 32, 32),
    (4086, b"SWAPSPACE2", "Linux swap", 1052, 16),
    (4086, b"SWAP-SPACE", "Linux swap (old)", 0, 0),
    (0x20400, b"\x0c\xb1\xba\x00", "ZFS", 0, 0),
    (0x400, b"\x10\x20\xf5\xf2", "F2FS", 0, 0),
    (0x400, b"\xe2\xe1\xf5\xe0", "EROFS", 0x440, 16),
    (0x406, b"\x34\x34", "NILFS2", 0, 0),
    (0x8000, b"JFS1", "JFS", 0, 0),
    (0x10034, b"ReIsEr", "ReiserFS", 0x10064, 16),
    (0x10060, b"\x01\x16\x19\x70", "GFS2", 0, 0),
    (0x1055C, b"\x19\x01\x54\x19", "UFS2", 0, 0),
    (0, b"hsqs", "SquashFS", 0, 0),
    (0, b"\x45\x3d\xcd\x28", "cramfs", 0x30, 16),
    (0x8001, b"CD001", "ISO 9660", 0x8028, 32),
    (0x8001, b"BEA01", "UDF", 0, 0),
    (0x220, b"1SFB", "BeFS", 0x200, 32),
)
"""Offset in the volume, magic, name, and where its label lies (0 for none)."""


def file_system_at(read: Read, guest_offset: int) -> tuple[str, Untrusted]:
    """The file system that begins at a guest offset, and its label; empty where no magic number is found."""
    for offset, magic, name, label_offset, label_length in VOLUME_SIGNATURES:
        if read(guest_offset + offset, len(magic)) == magic:
            label = read(guest_offset + label_offset, label_length) if label_length else b""
            text = c_string(label).raw.rstrip(b" ") if isinstance(label, bytes) else b""
            return _ext_version(read, guest_offset) if name == "ext2/3/4" else name, Untrusted(text)
    return "", Untrusted(b"")


def _ext_version(read: Read, guest_offset: int) -> str:
    features = read(guest_offset + 0x45C, 8)
    if isinstance(features, str) or len(features) < 8:
        return "ext2/3/4"
    compatible, incompatible = struct.unpack("<II", features)
    if incompatible & 0x2C0:  # extents, 64bit, flexible block groups
        return "ext4"
    return "ext3" if compatible & 0x4 else "ext2"


SERIALS = {
    "ext": (0x468, 16),
    "XFS": (32, 16),
    "NTFS": (0x48, 8),
    "exFAT": (100, 4),
    "FAT32": (67, 4),
    "FAT1": (39, 4),
}
"""Where a file system keeps the number that it was given when it was made, by the beginning of its name."""


def serial_of(read: Read, file_system: str) -> bytes:
    """The number of a file system, by which a copy of it is known; empty where it cannot be read or has none."""
    place = next((place for name, place in SERIALS.items() if file_system.startswith(name)), None)
    found = read(*place) if place else b""
    return found if isinstance(found, bytes) and any(found) else b""
