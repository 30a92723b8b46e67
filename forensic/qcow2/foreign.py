"""Files that are no image of ours: what their first bytes look like, so that the refusal says something."""

from __future__ import annotations

from msgspec import Struct

from forensic.evidence import Evidence
from forensic.untrusted import Untrusted

RAW_DISK = "it looks like a raw disk or boot sector"

SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"conectix", "a VHD (Virtual PC) image"),
    (0, b"vhdxfile", "a VHDX image"),
    (0, b"KDMV", "a VMDK image"),
    (0, b"# Disk DescriptorFile", "a VMDK descriptor"),
    (0, b"QED\0", "a QED image"),
    (0, b"WithoutFreeSpace", "a Parallels image"),
    (0, b"WithouFreSpacExt", "a Parallels image"),
    (64, b"\x7f\x10\xda\xbe", "a VDI image"),
    (0, b"EVF\x09\x0d\x0a\xff\x00", "an E01 image"),
    (0, b"LUKS\xba\xbe", "a LUKS volume"),
    (0, b"\x1f\x8b", "gzip data"),
    (0, b"\xfd7zXZ\0", "xz data"),
    (0, b"\x28\xb5\x2f\xfd", "zstd data"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (257, b"ustar", "a tar archive"),
    (510, b"\x55\xaa", "a raw disk or boot sector"),
)
"""Offset, bytes, what it is; the first that fits is named."""


class ForeignFile(Struct, frozen=True):
    """A file that is not an image of ours, with what it looks like."""

    evidence: Evidence
    start: bytes
    description: str
    signature: bool = False
    """Whether it is known what the first bytes are."""

    @property
    def format(self) -> str:
        """What a report calls it."""
        return "unknown"


def look_at(evidence: Evidence, start: bytes) -> ForeignFile:
    """Say what the first bytes look like."""
    if not start:
        return ForeignFile(evidence, start, "the file is empty")
    for offset, signature, name in SIGNATURES:
        if start[offset : offset + len(signature)] == signature:
            return ForeignFile(evidence, start, f"it looks like {name}", True)
    return ForeignFile(evidence, start, f"it begins with {start[:4].hex(' ')} ({Untrusted(start[:4])})")
