"""The bits of L1, L2, extended L2, compressed and refcount table entries, of one entry or of a whole array.

Entries are taken apart by these functions and nowhere else. Two places use the masks themselves: `mapping.fast_path`,
where a call for each entry would cost more than the rest, and `recovery.sectors`, which compares words as they stand in
memory. The second reader shares no code with the others. The `.ksy` describes the same bits one entry at a time; a
property test compares the two.
"""

from __future__ import annotations

from operator import and_, rshift
from typing import TYPE_CHECKING, TypeVar, overload

if TYPE_CHECKING:
    from forensic.qcow2.arrays import U64, Bools

Entries = TypeVar("Entries", int, "U64")

COPIED = 1 << 63  # refcount is exactly one: a writer need not copy
COMPRESSED = 1 << 62
ZERO_FLAG = 1  # version 3, standard entries only
OFFSET_MASK = 0x00FF_FFFF_FFFF_FE00  # bits 9-55, of L1, L2 and bitmap table entries

L1_RESERVED = 0x7F00_0000_0000_01FF  # bits 0-8 and 56-62
L2_STANDARD_RESERVED = 0x3F00_0000_0000_01FE  # bits 1-8 and 56-61
REFCOUNT_TABLE_RESERVED = 0x1FF  # bits 0-8
REFCOUNT_TABLE_OFFSET = 0xFFFF_FFFF_FFFF_FE00  # bits 9-63

SECTOR_SIZE = 512
SUBCLUSTERS = 32
ALL_SUBCLUSTERS = (1 << SUBCLUSTERS) - 1  # one half of the bitmap in an extended L2 entry


def _masked(entries: Entries, mask: int) -> Entries:
    found: Entries = and_(entries, mask)  # numpy's types call the result of a plain `&` with an int signed
    return found


def host_offset_of(entries: Entries) -> Entries:
    """The host offset in L1, standard L2 and bitmap table entries, 0 where there is none."""
    return _masked(entries, OFFSET_MASK)


def refcount_block_offset(entries: Entries) -> Entries:
    """The host offset in refcount table entries, 0 where there is no refcount block."""
    return _masked(entries, REFCOUNT_TABLE_OFFSET)


def l1_reserved_bits(entries: Entries) -> Entries:
    """The bits of L1 entries that have to be zero."""
    return _masked(entries, L1_RESERVED)


def l2_reserved_bits(entries: Entries) -> Entries:
    """The bits of standard L2 entries that have to be zero."""
    return _masked(entries, L2_STANDARD_RESERVED)


def refcount_table_reserved_bits(entries: Entries) -> Entries:
    """The bits of refcount table entries that have to be zero."""
    return _masked(entries, REFCOUNT_TABLE_RESERVED)


@overload
def is_compressed(entries: int) -> bool: ...
@overload
def is_compressed(entries: U64) -> Bools: ...
def is_compressed(entries: int | U64) -> bool | Bools:
    """Which L2 entries are compressed descriptors."""
    return (entries & COMPRESSED) != 0


@overload
def is_copied(entries: int) -> bool: ...
@overload
def is_copied(entries: U64) -> Bools: ...
def is_copied(entries: int | U64) -> bool | Bools:
    """Which L1 or L2 entries have the copied bit set."""
    return (entries & COPIED) != 0


@overload
def has_zero_flag(entries: int) -> bool: ...
@overload
def has_zero_flag(entries: U64) -> Bools: ...
def has_zero_flag(entries: int | U64) -> bool | Bools:
    """Which standard L2 entries have bit 0 set; what it means depends on the version and on extended L2 entries."""
    return (entries & ZERO_FLAG) != 0


def allocated_subclusters(bitmaps: Entries) -> Entries:
    """The half of an extended entry's bitmap that says which subclusters are allocated, the first in bit 0."""
    return _masked(bitmaps, ALL_SUBCLUSTERS)


def zero_subclusters(bitmaps: Entries) -> Entries:
    """The half of an extended entry's bitmap that says which subclusters read as zeros, the first in bit 0."""
    found: Entries = rshift(bitmaps, SUBCLUSTERS)
    return found


def compressed_descriptor(entries: Entries) -> Entries:
    """The host offset and sector count of compressed entries, without the two flags above them."""
    return _masked(entries, COMPRESSED - 1)


def compressed_offset_bits(cluster_bits: int) -> int:
    """How many low bits of a compressed descriptor hold the host offset (the specification's x)."""
    return 70 - cluster_bits


def compressed_sectors_mask(cluster_bits: int) -> int:
    """The mask of the sector count, once it is shifted down by the offset's bits."""
    return (1 << (cluster_bits - 8)) - 1


def compressed_reserved_bits(cluster_bits: int) -> int:
    """The mask of a compressed descriptor's offset bits that no host offset reaches: bits 56 and up, if it has any."""
    return ((1 << compressed_offset_bits(cluster_bits)) - 1) & ~((1 << 56) - 1)


def compressed_host_offset(entries: Entries, cluster_bits: int) -> Entries:
    """The byte-exact host offset at which each compressed stream begins."""
    return _masked(entries, (1 << compressed_offset_bits(cluster_bits)) - 1)


def compressed_stored_length(entries: Entries, cluster_bits: int) -> Entries:
    """Bytes from the start of each stream to the end of its last 512-byte sector."""
    return (compressed_more_sectors(entries, cluster_bits) + 1) * SECTOR_SIZE - entries % SECTOR_SIZE


def compressed_more_sectors(entries: Entries, cluster_bits: int) -> Entries:
    """The 512-byte sectors of each stream after the one it begins in, whatever part of that lies before the stream."""
    shifted: Entries = rshift(entries, compressed_offset_bits(cluster_bits))
    return _masked(shifted, compressed_sectors_mask(cluster_bits))
