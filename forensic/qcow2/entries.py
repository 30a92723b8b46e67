"""The names of the bits in L1, L2, extended L2, compressed and refcount entries, of one entry or of a whole array.

The `.ksy` describes the same bits one entry at a time; a property test holds the two against each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from forensic.qcow2.arrays import U64

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


def compressed_offset_bits(cluster_bits: int) -> int:
    """How many low bits of a compressed descriptor hold the host offset (the specification's x)."""
    return 70 - cluster_bits


def compressed_reserved_bits(cluster_bits: int) -> int:
    """The mask of a compressed descriptor's offset bits that no host offset reaches: bits 56 and up, if it has any."""
    return ((1 << compressed_offset_bits(cluster_bits)) - 1) & ~((1 << 56) - 1)


def compressed_host_offset(entries: Entries, cluster_bits: int) -> Entries:
    """The byte-exact host offset at which each compressed stream begins."""
    return entries % (1 << compressed_offset_bits(cluster_bits))


def compressed_stored_length(entries: Entries, cluster_bits: int) -> Entries:
    """Bytes from the start of each stream to the end of its last 512-byte sector."""
    # The field counts the sectors after the first, whatever part of the first lies before the stream.
    sectors = entries // (1 << compressed_offset_bits(cluster_bits)) % (1 << (cluster_bits - 8))
    return (sectors + 1) * SECTOR_SIZE - entries % SECTOR_SIZE
