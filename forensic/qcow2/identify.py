"""What a file is: an image of one of our versions, or something else, named by its first bytes."""

from __future__ import annotations

import struct

from msgspec import Struct
from msgspec.structs import replace

from forensic.errors import EvidenceUnreadable, NotAnImage
from forensic.evidence import Evidence, ReadFailed
from forensic.numbers import counted
from forensic.qcow2.entries import (
    L2_STANDARD_RESERVED,
    compressed_host_offset,
    host_offset_of,
    is_compressed,
    is_copied,
)
from forensic.qcow2.geometry import MAX_CLUSTER_BITS, MIN_CLUSTER_BITS
from forensic.qcow2.header import MAGIC, V1_LENGTH
from forensic.qcow2.metadata import Qcow1Metadata, Qcow2Metadata
from forensic.qcow2.v1 import V1_START
from forensic.untrusted import Untrusted

RAW_DISK = "it looks like a raw disk or boot sector"

FORMAT_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
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

FIRST_REFCOUNTS: tuple[tuple[bytes, bytes], ...] = (
    (bytes.fromhex("0001 0001 0001"), b"\xff" * 6),
    (bytes.fromhex("01 01 01"), b"\xff" * 3),
    (bytes.fromhex("00000001" * 3), b"\xff" * 12),
    (bytes.fromhex("0000000000000001" * 3), b"\xff" * 24),
    (bytes.fromhex("11 01"), bytes.fromhex("ff 0f")),
    (bytes.fromhex("55"), b"\xff"),
    (bytes.fromhex("0f"), b"\x0f"),
)
"""How a refcount block of each width begins that counts header, table and block once, and which bits say so.

Of 1 and 2 bits that would be hardly more than chance, so the L1 table, which QEMU puts after them, has to be counted.
"""

LONGEST_REFCOUNTS = 24

MEANT = "consistent with an overwritten header; qcowscope recover may read it"

MEANT_START = "consistent with an image whose start was overwritten; qcowscope recover may read it"

SEARCHED = 8 << 20
"""Bytes of a file that begins as nothing known that are searched for parts of tables."""

V1_CLUSTER = 4096
"""The cluster size of every image of version 1 that QEMU makes without a backing file."""

TABLES_LOOKED_AT = 16
"""L2 tables of version 1 that are read to tell whether they are such."""

SIGNATURE_BYTES = 512
"""Bytes at the start of a file in which all signatures lie."""

CONTAINERS = 9
"""So many of the signatures, the first, are of disk images in which other files can be named or hidden."""


def container_at(start: bytes) -> str | None:
    """What disk image the first bytes look like, an image in an image; None for anything else."""
    if start.startswith(MAGIC):
        return "a qcow2 image"
    for offset, signature, name in FORMAT_SIGNATURES[:CONTAINERS]:
        if start[offset : offset + len(signature)] == signature:
            return name
    return None


class ForeignFile(Struct, frozen=True):
    """A file that is not an image of ours, with what it looks like; or of which that cannot be told: `unreadable`."""

    evidence: Evidence
    start: bytes
    description: str
    unreadable: bool = False
    signature: bool = False
    """Whether it is known what the first bytes are."""

    def refusal(self) -> NotAnImage | EvidenceUnreadable:
        """The error to raise where an image is needed."""
        path = self.evidence.path_as_given
        return EvidenceUnreadable(path, self.description) if self.unreadable else NotAnImage(path, self.description)

    @property
    def format(self) -> str:
        """What a report calls it."""
        return "unknown"


Metadata = Qcow2Metadata | Qcow1Metadata
"""The metadata of an image of any version."""

Identified = Metadata | ForeignFile
"""What a file turns out to be."""


def identify_metadata(evidence: Evidence) -> Identified:
    """The metadata of the image in a file, or what else the file's first bytes look like."""
    try:
        start = evidence.read_at(0, SIGNATURE_BYTES)
    except ReadFailed as failure:
        return ForeignFile(evidence, b"", f"its first bytes cannot be read: {failure.reason}", unreadable=True)
    if start[:8] == V1_START:
        return Qcow1Metadata(evidence)
    if start[:4] == MAGIC:
        return Qcow2Metadata(evidence)
    return foreign_file(evidence, start)


def foreign_file(evidence: Evidence, start: bytes) -> ForeignFile:
    """Say what the first bytes look like, and what comes after them."""
    if not start:
        return ForeignFile(evidence, start, "the file is empty")
    found = _by_first_bytes(evidence, start)
    if cluster_size := cluster_size_of_headless(evidence):
        tables = f"refcounts of a qcow2 image with clusters of {cluster_size:,} bytes follow its first cluster"
        return replace(found, description=f"{found.description}, but {tables}: {MEANT}")
    if count := l2_tables_of_headless_v1(evidence):
        tables = f"{counted(count, 'L2 table')} of a qcow image of version 1 can be reached after its first 48 bytes"
        return replace(found, description=f"{found.description}, but {tables}: {MEANT}")
    if not found.signature and (count := sectors_of_tables(evidence)):
        tables = f"{counted(count, 'sector')} of the first {SEARCHED >> 20} MiB read as those of L2 tables"
        return replace(found, description=f"{found.description}, but {tables}: {MEANT_START}")
    return found


def has_tables_after_header(evidence: Evidence) -> bool:
    """Whether the tables of an image of any version follow the place of a header that may have been overwritten."""
    return cluster_size_of_headless(evidence) is not None or l2_tables_of_headless_v1(evidence) > 0


def cluster_size_of_headless(evidence: Evidence) -> int | None:
    """The cluster size of a qcow2 image whose header was overwritten, by where QEMU puts the first refcounts.

    The second cluster is the refcount table and leads to a block, which says that header, table and block are in use
    once; at every size a few bytes tell. None if there is no such thing.
    """
    for bits in range(MIN_CLUSTER_BITS, MAX_CLUSTER_BITS + 1):
        size = 1 << bits
        if evidence.size < 3 * size:
            return None
        try:
            table = evidence.read_at(size, 16)
            block = int.from_bytes(table[:8], "big")
            if block < 2 * size or block % size or int.from_bytes(table[8:], "big") % size:
                continue
            if _begins_refcounts(evidence.read_at(block, LONGEST_REFCOUNTS), block == 2 * size):
                return size
        except ReadFailed:
            continue
    return None


def _begins_refcounts(start: bytes, as_created: bool) -> bool:
    """Whether a refcount block begins so; the narrow ones only where QEMU has put the block when it made the image."""
    widths = FIRST_REFCOUNTS if as_created else FIRST_REFCOUNTS[:4]
    return any(
        int.from_bytes(start[: len(mask)]) & int.from_bytes(mask) == int.from_bytes(counts) for counts, mask in widths
    )


def sectors_of_tables(evidence: Evidence) -> int:
    """How many sectors near the start of a file are full of L2 entries; sectors of anything else are hardly ever.

    It says nothing of whose tables they are: a file may hold an image.
    """
    raw = evidence.read_up_to_bad(0, min(evidence.size, SEARCHED))
    raw = raw[: len(raw) // SIGNATURE_BYTES * SIGNATURE_BYTES]
    maybe = zip(*(raw[8 * word :: SIGNATURE_BYTES] for word in range(4)), strict=True)  # the first bytes of four words
    starts = [SIGNATURE_BYTES * at for at, tops in enumerate(maybe) if all(0x40 <= top <= 0x80 for top in tops)]
    return sum(_is_full_of_entries(_words(raw[at : at + SIGNATURE_BYTES]), evidence.size) for at in starts)


def _is_full_of_entries(words: tuple[int, ...], file_size: int) -> bool:
    """Whether every word leads to a place of its own in the file."""
    places = {_place(word) for word in words}
    return len(places) == len(words) and min(places) > 0 and max(places) < file_size


def _place(entry: int) -> int:
    """The host offset of a cluster that has one reference, or of a stream in clusters of any size; 0 of other words."""
    if is_copied(entry):
        return 0 if entry & L2_STANDARD_RESERVED or is_compressed(entry) else host_offset_of(entry)
    return compressed_host_offset(entry, MAX_CLUSTER_BITS) if is_compressed(entry) else 0


def l2_tables_of_headless_v1(evidence: Evidence) -> int:
    """How many L2 tables of version 1 the table after a header that was overwritten leads to; 0 if there is none.

    QEMU makes clusters of 4 KiB, in the first of which the L1 table follows the header: every word of it is zero or
    leads to a cluster of its own, which holds nothing but entries.
    """
    try:
        if evidence.size < 2 * V1_CLUSTER:
            return 0
        raw = evidence.read_at(V1_LENGTH, V1_CLUSTER - V1_LENGTH)
        tables = [table for table in _words(raw) if table]
        aligned = all(table % V1_CLUSTER == 0 and table + V1_CLUSTER <= evidence.size for table in tables)
        if not aligned or len(set(tables)) < len(tables):
            return 0
        read = (evidence.read_at(table, V1_CLUSTER) for table in tables[:TABLES_LOOKED_AT])
        return len(tables) if all(_is_l2_of_v1(one, evidence.size) for one in read) else 0
    except ReadFailed:
        return 0


def _is_l2_of_v1(raw: bytes, file_size: int) -> bool:
    """Whether every entry leads into the file, to a cluster or to a stream, and one does."""
    used = [entry for entry in _words(raw) if entry]
    plain = [entry for entry in used if not entry >> 63]
    streams = [entry & (1 << 51) - 1 for entry in used if entry >> 63]
    return (
        bool(used)
        and all(entry % V1_CLUSTER == 0 and entry < file_size for entry in plain)
        and all(V1_LENGTH < entry < file_size for entry in streams)
        and len(set(used)) == len(used)
    )


def _words(raw: bytes) -> tuple[int, ...]:
    return struct.unpack(f">{len(raw) // 8}Q", raw)


def _by_first_bytes(evidence: Evidence, start: bytes) -> ForeignFile:
    for offset, signature, name in FORMAT_SIGNATURES:
        if start[offset : offset + len(signature)] == signature:
            return ForeignFile(evidence, start, f"it looks like {name}", signature=True)
    return ForeignFile(evidence, start, f"it begins with {start[:4].hex(' ')} ({Untrusted(start[:4])})")
