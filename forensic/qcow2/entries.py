"""The names of the bits in L1, L2, extended L2, compressed and refcount entries; decoding of whole tables with numpy.

The `.ksy` describes the same bits one entry at a time; a property test holds the two against each other.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

Scalar = TypeVar("Scalar", bound=np.generic)

U64 = npt.NDArray[np.uint64]
"""Table entries in host byte order."""

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


def big_endian(raw: bytes | memoryview) -> U64:
    """A table of big-endian 64-bit entries as an array in host order; a torn last entry is left out."""
    return np.frombuffer(raw, dtype=">u8", count=len(raw) // 8).astype(np.uint64)


def distinct(values: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
    """The values in order, each once.

    `np.unique` would load numpy's masked arrays, to ask whether this is one: a tenth of a small image's time.
    """
    ordered = np.sort(values, axis=None)
    fresh = np.ones(len(ordered), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=fresh[1:])
    found: npt.NDArray[Scalar] = ordered[fresh]
    return found


def compressed_offset_bits(cluster_bits: int) -> int:
    """How many low bits of a compressed descriptor hold the host offset (the specification's x)."""
    return 70 - cluster_bits


def compressed_reserved_bits(cluster_bits: int) -> int:
    """The mask of a compressed descriptor's offset bits that no host offset reaches: bits 56 and up, if it has any."""
    return ((1 << compressed_offset_bits(cluster_bits)) - 1) & ~((1 << 56) - 1)


def compressed_host_offset(entries: U64, cluster_bits: int) -> U64:
    """The byte-exact host offset at which each compressed stream begins."""
    return entries & np.uint64((1 << compressed_offset_bits(cluster_bits)) - 1)


def compressed_stored_length(entries: U64, cluster_bits: int) -> U64:
    """Bytes from the start of each stream to the end of its last 512-byte sector."""
    sectors = (entries >> np.uint64(compressed_offset_bits(cluster_bits))) & np.uint64((1 << (cluster_bits - 8)) - 1)
    within_sector = entries & np.uint64(SECTOR_SIZE - 1)
    # The field counts the sectors after the first, whatever part of the first lies before the stream.
    return (sectors + np.uint64(1)) * np.uint64(SECTOR_SIZE) - within_sector


def refcounts(raw: bytes | memoryview | npt.NDArray[np.uint8], refcount_order: int) -> npt.NDArray[np.unsignedinteger]:
    """The refcounts in (part of) a refcount block, in the narrowest type that holds them.

    Widths below a byte pack the lowest index into the lowest bits.
    """
    if refcount_order >= 3:
        stored = np.frombuffer(raw, dtype=f">u{1 << (refcount_order - 3)}")
        return stored.astype(stored.dtype.newbyteorder("="))
    width = 1 << refcount_order
    packed = np.frombuffer(raw, dtype=np.uint8)
    shifts = np.arange(0, 8, width, dtype=np.uint8)
    mask = np.uint8((1 << width) - 1)
    counts: npt.NDArray[np.uint8] = ((packed[:, np.newaxis] >> shifts) & mask).reshape(-1)
    return counts
