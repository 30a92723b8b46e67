"""The header of version 1, the format before qcow2.

It has no refcounts, snapshots, extensions or feature bits; L1 and L2 tables lead to data as in its successor, but an
L2 table has a size of its own and a compressed descriptor another layout. The specification does not cover it: what
is written here follows the description in the `.ksy` and what QEMU reads and writes.
"""

from __future__ import annotations

from msgspec import Struct

from forensic.evidence import Evidence
from forensic.format.qcow2 import Qcow2
from forensic.qcow2.extensions import MAX_BACKING_NAME
from forensic.qcow2.header import V1_LENGTH, without_type_names
from forensic.structure import Structure, parse
from forensic.untrusted import Untrusted

V1_START = b"QFI\xfb\0\0\0\1"
MIN_CLUSTER_BITS, MAX_CLUSTER_BITS = 9, 16
MIN_L2_BITS, MAX_L2_BITS = 6, 13


class Qcow1Header(Struct, frozen=True):
    """The header; offsets are host offsets, sizes in bytes. Fields that a short file does not hold are 0."""

    structure: Structure
    truncated: bool
    backing_file_offset: int
    backing_file_size: int
    mtime: int
    size: int
    cluster_bits: int
    l2_bits: int
    crypt_method: int
    l1_table_offset: int
    backing_file: Untrusted | None
    file_size: int
    image_path: str = ""
    """Where the image itself was found, to compare names in it with; no name is ever looked up."""

    @property
    def unusable(self) -> str | None:
        """Why nothing after the header can be located; None if it can."""
        if self.truncated:
            return "the file ends inside the header"
        if not MIN_CLUSTER_BITS <= self.cluster_bits <= MAX_CLUSTER_BITS:
            return (
                f"cluster_bits is {self.cluster_bits}, not within {MIN_CLUSTER_BITS} to {MAX_CLUSTER_BITS} (version 1)"
            )
        if not MIN_L2_BITS <= self.l2_bits <= MAX_L2_BITS:
            return f"l2_bits is {self.l2_bits}, not within {MIN_L2_BITS} to {MAX_L2_BITS}"
        return None

    @property
    def cluster_size(self) -> int:
        """Bytes of a cluster."""
        return 1 << self.cluster_bits

    @property
    def l2_entry_count(self) -> int:
        """Entries of an L2 table, which need not fill a cluster."""
        return 1 << self.l2_bits

    @property
    def l1_coverage(self) -> int:
        """Guest bytes that one L1 entry stands for."""
        return self.cluster_size * self.l2_entry_count

    @property
    def l1_entry_count(self) -> int:
        """Entries of the L1 table: as many as the size of the disk needs."""
        return -(-self.size // self.l1_coverage)

    def field_range(self, name: str) -> tuple[int, int]:
        """Host offset and length of a field by its name in the `.ksy`; (0, 0) if the file does not hold it."""
        found = self.structure.field(name)
        return (found.host_offset, found.length) if found else (0, 0)


def read_header(evidence: Evidence) -> Qcow1Header:
    """Read the header; what cannot be read of it is 0, and `truncated` says so."""
    return header_from(evidence.read_or_nothing(0, V1_LENGTH), evidence)


def header_from(data: bytes, evidence: Evidence) -> Qcow1Header:
    """The header that these bytes would be in a file, the name of a backing file read from there."""
    structure = without_type_names(parse(Qcow2, data, 0, "header"))
    offset, length = structure.integer("ofs_backing_file"), structure.integer("len_backing_file")
    return Qcow1Header(
        structure=structure,
        truncated=len(data) < V1_LENGTH,
        backing_file_offset=offset,
        backing_file_size=length,
        mtime=structure.integer("mtime"),
        size=structure.integer("size"),
        cluster_bits=structure.integer("cluster_bits"),
        l2_bits=structure.integer("l2_bits"),
        crypt_method=structure.integer("crypt_method"),
        l1_table_offset=structure.integer("ofs_l1_table"),
        backing_file=_backing_name(evidence, offset, length),
        file_size=evidence.size,
        image_path=evidence.path,
    )


def _backing_name(evidence: Evidence, offset: int, length: int) -> Untrusted | None:
    if not offset or not length:
        return None
    return Untrusted(evidence.read_or_nothing(offset, min(length, MAX_BACKING_NAME)).rstrip(b"\0"))
