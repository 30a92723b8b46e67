"""The effective geometry: version 2 defaults, header length and feature bits are decided here and only here."""

from __future__ import annotations

from msgspec import Struct

from forensic.qcow2.header import Header, Incompatible

MIN_CLUSTER_BITS, MAX_CLUSTER_BITS = 9, 21
MAX_REFCOUNT_ORDER = 6
ACTIVE = "active"
"""The owner of what the header leads to, as `snapshot 0` is the owner of what the first snapshot leads to."""

L1_ENTRY_SIZE = 8
MAX_L1_ENTRIES = (32 << 20) // L1_ENTRY_SIZE
"""QEMU's limit (32 MiB); more is not read, whatever a header claims."""


class Geometry(Struct, frozen=True):
    """Sizes in bytes, offsets are host offsets. Follows the specification's section "Header"."""

    version: int
    cluster_bits: int
    virtual_size: int
    l1_table_offset: int
    l1_entry_count: int
    refcount_table_offset: int
    refcount_table_clusters: int
    refcount_order: int | None
    extended_l2: bool
    compression_type: int
    external_data_file: bool
    crypt_method: int
    dirty: bool = False
    """Whether the dirty bit says that refcounts and copied bits may be stale."""

    @property
    def cluster_size(self) -> int:
        """Bytes of a cluster."""
        return 1 << self.cluster_bits

    @property
    def l2_entry_size(self) -> int:
        """Bytes of an L2 entry: 16 with subclusters, else 8."""
        return 16 if self.extended_l2 else 8

    @property
    def l2_entry_count(self) -> int:
        """Entries of an L2 table, which fills one cluster."""
        return self.cluster_size // self.l2_entry_size

    @property
    def l1_coverage(self) -> int:
        """Guest bytes that one L1 entry stands for."""
        return self.cluster_size * self.l2_entry_count

    @property
    def l1_entries_needed(self) -> int:
        """L1 entries that the virtual size needs."""
        return -(-self.virtual_size // self.l1_coverage)

    @property
    def subcluster_size(self) -> int:
        """Bytes of a subcluster in an image with extended L2 entries."""
        return self.cluster_size // 32

    @property
    def zero_flag_allowed(self) -> bool:
        """Whether bit 0 of a standard L2 entry means "reads as zeros"."""
        return self.version >= 3 and not self.extended_l2

    @property
    def refcount_bits(self) -> int | None:
        """Width of a refcount; None if the header's order is impossible."""
        return None if self.refcount_order is None else 1 << self.refcount_order

    @property
    def refcounts_per_block(self) -> int | None:
        """Refcounts that one refcount block holds."""
        return None if self.refcount_order is None else self.cluster_size * 8 >> self.refcount_order


class Unusable(Struct, frozen=True):
    """Why no geometry can be derived, so that nothing after the header can be located."""

    reason: str


def resolve(header: Header) -> Geometry | Unusable:
    """The geometry a header implies.

    Only what makes every later offset meaningless is refused; other faults are for the rules to report, and the
    geometry is then the one under which most of the image can still be read.
    """
    if header.truncated and not header.version:  # what is missing reads as zeros
        return Unusable("the file ends inside the header")
    if header.version not in (2, 3):
        return Unusable(f"version {header.version} of the format is not known")
    if header.truncated:
        return Unusable("the file ends inside the header")
    if not MIN_CLUSTER_BITS <= header.cluster_bits <= MAX_CLUSTER_BITS:
        return Unusable(f"cluster_bits is {header.cluster_bits}, not within {MIN_CLUSTER_BITS} to {MAX_CLUSTER_BITS}")
    return Geometry(
        version=header.version,
        cluster_bits=header.cluster_bits,
        virtual_size=header.size,
        l1_table_offset=header.l1_table_offset,
        l1_entry_count=header.l1_size,
        refcount_table_offset=header.refcount_table_offset,
        refcount_table_clusters=header.refcount_table_clusters,
        refcount_order=header.refcount_order if header.refcount_order <= MAX_REFCOUNT_ORDER else None,
        extended_l2=bool(header.incompatible_features & Incompatible.EXTENDED_L2),
        compression_type=header.compression_type,
        external_data_file=bool(header.incompatible_features & Incompatible.EXTERNAL_DATA_FILE),
        crypt_method=header.crypt_method,
        dirty=bool(header.incompatible_features & Incompatible.DIRTY),
    )


MIN_EXTENDED_L2_CLUSTER_BITS = 14
