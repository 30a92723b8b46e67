"""L1 and L2 tables that are damaged as a whole: something else was written over them, and no entry is to be believed.

The rule in plain words, so that it can be implemented a second time:

1. Looked at are the entries of one table that the file holds and that are not zero (of an extended L2 entry: whose
   first word is not zero).
2. The *reach* of an image is the host offset from which on no cluster can be. It is the end of what refcounts can be
   stored for: clusters of the refcount table, times the entries in one (cluster size / 8), times the refcounts in a
   block, times the cluster size. It is not above the larger of 2^45 (`LARGE_FILE`) and four times the virtual size, and
   it is just that if the header gives no refcount table (0 clusters) or no valid refcount width. But it is never below
   the size of the file, nor above 2^56. With an external data file the reach of an L2 entry is instead the larger of
   the virtual size and what the L1 table can map (its entries in the header times the guest bytes of one), but not
   above 2^56.
3. An entry is *impossible* if no writer can have meant it:
   - an L1 entry: a reserved bit (0 to 8, 56 to 62) is set, or its host offset (bits 9 to 55) is no multiple of the
     cluster size or not below the reach;
   - a standard L2 entry: a reserved bit (1 to 8, 56 to 61) is set, or its host offset (bits 9 to 55) is no multiple of
     the cluster size or not below the reach, or it is not zero, lies past the end of the file (with an external data
     file: anywhere) and bits 9 to 55 of the entry before or after it are the same;
   - a compressed L2 entry: its host offset is not below the reach, or there is an external data file.
   That an offset lies past the end of the file is not enough: in a file that was cut off it is right. Neither is the
   zero flag in version 2 or in an extended entry, nor anything in the subcluster bitmaps.
4. The table is damaged as a whole if at least `FEWEST_IMPOSSIBLE` entries are impossible and they are at least three
   quarters of those that are not zero; or if all entries that are not zero are impossible, there are two or more of
   them, and the table reads as a refcount block. For that the refcount width must be 8, 16 or 32 bits, and among the
   numbers of that width in the first `SAMPLE_BYTES` of the table, up to the last that is not zero, none may be above
   `LARGEST_COUNT` and at least half must not be zero.

Then nothing in the table is believed, neither offsets nor zeros: its whole guest range is `entry_doubtful`. A table of
zeros is not damaged by this rule: that is what an empty one looks like. A few bad entries in a table do not matter to
the others.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from msgspec import Struct

from forensic.qcow2.arrays import U64, NDArray, big_endian
from forensic.qcow2.entries import (
    COMPRESSED,
    COPIED,
    L2_STANDARD_RESERVED,
    OFFSET_MASK,
    SECTOR_SIZE,
    compressed_host_offset,
    host_offset_of,
    is_compressed,
    l1_reserved_bits,
    l2_reserved_bits,
)
from forensic.qcow2.geometry import L1_ENTRY_SIZE, Geometry

FEWEST_IMPOSSIBLE = 8
"""Impossible entries without which a table is not called damaged, unless it reads as a refcount block."""

LARGEST_COUNT = 31
"""Refcounts above this do not read as those of a block: a cluster has one for the disk and one for each snapshot."""

LARGE_FILE = 1 << 45
"""Files of 32 TiB and more are believed only of disks that are as large."""

SAMPLE_BYTES = 4096
"""Bytes of a damaged table by which it is told what was written over it."""

PRINTABLE = frozenset(b"\t\n\r") | frozenset(range(0x20, 0x7F))
HIGHEST_OFFSET = 1 << 56


class Content(StrEnum):
    """What a table was overwritten by; the value stands in sentences."""

    REFCOUNT_BLOCK = "a refcount block"
    HEADER = "the header of a qcow2 image"
    TABLE = "another table of offsets"
    TEXT = "text"
    ONE_BYTE = "one byte again and again"
    HIGH_ENTROPY = "compressed, encrypted or random bytes"
    OTHER = "data of another kind"


class Overwritten(Struct, frozen=True):
    """A table that is damaged as a whole: `row` in its batch (0 for an L1 table), and how it shows.

    `present` is how many of its entries the file holds, `set_entries` how many are not zero and `impossible` how many
    of these no writer can have meant. `sample` are its first bytes.
    """

    row: int
    present: int
    set_entries: int
    impossible: int
    sample: bytes
    refcount_bits: int | None

    @property
    def content(self) -> Content:
        """What the bytes in its place look like."""
        return content_of(self.sample, self.refcount_bits)


def reach(geometry: Geometry, file_size: int) -> int:
    """The host offset where no cluster can be: past the last one that could have a refcount, and past the file."""
    per_block = geometry.refcounts_per_block
    believable = max(LARGE_FILE, 4 * geometry.virtual_size)
    if per_block and geometry.refcount_table_clusters:
        blocks = geometry.refcount_table_clusters * geometry.cluster_size // L1_ENTRY_SIZE
        believable = min(believable, blocks * per_block * geometry.cluster_size)
    return min(HIGHEST_OFFSET, max(file_size, believable))


def overwritten_l1(entries: U64, geometry: Geometry, file_size: int) -> Overwritten | None:
    """The L1 table, if it is damaged as a whole."""
    used = entries[entries != 0]
    offsets = host_offset_of(used)
    bad = l1_reserved_bits(used) != 0
    bad |= (offsets & np.uint64(geometry.cluster_size - 1)) != 0
    bad |= offsets >= np.uint64(reach(geometry, file_size))
    impossible = int(np.count_nonzero(bad))
    sample = entries[: SAMPLE_BYTES // L1_ENTRY_SIZE].astype(">u8").tobytes() if impossible else b""
    if not _is_damaged(len(used), impossible, sample, geometry.refcount_bits):
        return None
    return Overwritten(0, len(entries), len(used), impossible, sample, geometry.refcount_bits)


def overwritten_l2(
    entries: U64, bitmaps: U64 | None, present: NDArray[np.int64], geometry: Geometry, file_size: int
) -> tuple[Overwritten, ...]:
    """The L2 tables that are damaged as a whole.

    Of the `entries[t]` (with the `bitmaps[t]` of extended ones) the file holds the first `present[t]`; the others are
    zero.
    """
    bits = int(np.bitwise_or.reduce(entries, axis=None))
    past_end = host_offset_of(bits) >= file_size or geometry.external_data_file
    doubtful = L2_STANDARD_RESERVED | COMPRESSED | (geometry.cluster_size - 1) & OFFSET_MASK
    if not bits & doubtful and not past_end:
        return ()
    bad = _impossible(entries, geometry, file_size)
    counts = np.count_nonzero(bad, axis=1)
    found = []
    for row in np.flatnonzero(counts).tolist():
        used, impossible = int(np.count_nonzero(entries[row])), int(counts[row])
        sample = _sample(entries[row], None if bitmaps is None else bitmaps[row])
        if _is_damaged(used, impossible, sample, geometry.refcount_bits):
            found.append(Overwritten(row, int(present[row]), used, impossible, sample, geometry.refcount_bits))
    return tuple(found)


def _sample(entries: U64, bitmaps: U64 | None) -> bytes:
    """The first bytes of a table as the file has them."""
    if bitmaps is None:
        return entries[: SAMPLE_BYTES // 8].astype(">u8").tobytes()
    count = SAMPLE_BYTES // 16
    return np.stack([entries[:count], bitmaps[:count]], axis=1).astype(">u8").tobytes()


def _l2_reach(geometry: Geometry, file_size: int) -> int:
    if not geometry.external_data_file:
        return reach(geometry, file_size)
    return min(HIGHEST_OFFSET, max(geometry.virtual_size, geometry.l1_entry_count * geometry.l1_coverage))


def _impossible(entries: U64, geometry: Geometry, file_size: int) -> NDArray[np.bool_]:
    """Which entries no writer can have meant."""
    limit = _l2_reach(geometry, file_size)
    compressed = is_compressed(entries)
    offsets = host_offset_of(entries)
    bad: NDArray[np.bool_] = l2_reserved_bits(entries) != 0
    bad |= (offsets & np.uint64(geometry.cluster_size - 1)) != 0
    bad |= offsets >= np.uint64(limit)
    lowest = SECTOR_SIZE if geometry.external_data_file else file_size  # no offset that is set is below the first
    again = (offsets[:, 1:] == offsets[:, :-1]) & (offsets[:, 1:] >= np.uint64(lowest))
    bad[:, 1:] |= again
    bad[:, :-1] |= again
    if bool(compressed.any()):
        streams = compressed_host_offset(entries, geometry.cluster_bits)
        bad[compressed] = streams[compressed] >= np.uint64(0 if geometry.external_data_file else limit)
    return bad


def _is_damaged(used: int, impossible: int, sample: bytes, refcount_bits: int | None) -> bool:
    """Whether so many impossible entries among those that are not zero mean that the table was overwritten."""
    if impossible >= FEWEST_IMPOSSIBLE and impossible * 4 >= used * 3:
        return True
    return impossible == used >= 2 and reads_as_refcount_block(sample, refcount_bits)


def reads_as_refcount_block(sample: bytes, refcount_bits: int | None) -> bool:
    """Whether the bytes are small numbers of the width of a refcount, most of them not zero."""
    if refcount_bits not in (8, 16, 32):
        return False
    counts = np.frombuffer(sample, dtype=f">u{refcount_bits // 8}")
    used = np.flatnonzero(counts)
    return len(used) > 0 and int(counts.max()) <= LARGEST_COUNT and 2 * len(used) > int(used[-1])


def content_of(sample: bytes, refcount_bits: int | None) -> Content:
    """What the first bytes in place of a table look like."""
    if reads_as_refcount_block(sample, refcount_bits):
        return Content.REFCOUNT_BLOCK
    if sample[:4] == b"QFI\xfb":
        return Content.HEADER
    rest = sample.rstrip(b"\0")
    if len(rest) > 1 and rest.count(rest[:1]) == len(rest):
        return Content.ONE_BYTE
    if rest and sum(byte in PRINTABLE for byte in rest) >= 0.95 * len(rest):
        return Content.TEXT
    if not np.any(big_endian(sample) & ~np.uint64(COPIED | OFFSET_MASK)):
        return Content.TABLE
    return Content.HIGH_ENTROPY if len(rest) >= 512 and _looks_random(rest) else Content.OTHER


def _looks_random(sample: bytes) -> bool:
    """Whether no value of a byte is much more frequent than the others."""
    counts = np.bincount(np.frombuffer(sample, dtype=np.uint8), minlength=256)
    return int(counts.max()) * 24 < len(sample) and int(np.count_nonzero(counts)) > 160
