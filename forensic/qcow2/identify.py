"""What a file is: an image of one of our versions, or something else, named by its first bytes."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from forensic.errors import EvidenceUnreadable, NotAnImage
from forensic.evidence import Evidence, ReadFailed
from forensic.qcow2.geometry import MAX_CLUSTER_BITS, MIN_CLUSTER_BITS
from forensic.qcow2.header import MAGIC
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

FIRST_REFCOUNTS = bytes.fromhex("0001 0001 0001")

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
        meant = "consistent with an overwritten header; qcowscope recover may read it"
        return replace(found, description=f"{found.description}, but {tables}: {meant}")
    return found


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
            if evidence.read_at(block, len(FIRST_REFCOUNTS)) == FIRST_REFCOUNTS:
                return size
        except ReadFailed:
            continue
    return None


def _by_first_bytes(evidence: Evidence, start: bytes) -> ForeignFile:
    for offset, signature, name in FORMAT_SIGNATURES:
        if start[offset : offset + len(signature)] == signature:
            return ForeignFile(evidence, start, f"it looks like {name}", signature=True)
    return ForeignFile(evidence, start, f"it begins with {start[:4].hex(' ')} ({Untrusted(start[:4])})")
