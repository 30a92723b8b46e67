"""What a sector looks like by itself: the bits that no entry has, and the first bytes of known structures.

A sector is read as 64 big-endian words. Whether it can be part of a table is decided by the bits that no entry has.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from enum import IntEnum

import numpy as np
from msgspec import Struct

from forensic.qcow2.arrays import I64, Bools, NDArray
from forensic.qcow2.entries import (
    COMPRESSED,
    COPIED,
    L2_STANDARD_RESERVED,
    OFFSET_MASK,
    SECTOR_SIZE,
    ZERO_FLAG,
    allocated_subclusters,
    zero_subclusters,
)
from forensic.qcow2.tables import L2Batch

Words = NDArray[np.uint64]
"""As they stand in the file: a big-endian entry is not in the order of this machine."""

WORDS = SECTOR_SIZE // 8

BEYOND_FILE = 16
"""An offset is plausible up to so many times the size of the file, which may have been cut."""

FEW_OF = 8
"""Of so many used entries of a sector one may be impossible, and the others are believed."""

LOWEST_STREAM_BITS = 49
"""The offset in a compressed descriptor has at least so many bits, whatever the cluster size."""


class Signature(IntEnum):
    """What may begin with a sector; callers look at the bytes again."""

    QCOW2 = 0
    GPT = 1
    EXT = 2
    XFS = 3
    XFS_AGF = 4
    XFS_AGI = 5
    XFS_INODE = 6
    XFS_BLOCK = 7
    NTFS_RECORD = 8
    BTRFS = 9
    LUKS = 10
    NTFS_BOOT = 11
    SNAPSHOT = 12
    XFS_AGFL = 13
    XFS_TREE_OF_NAMES = 14
    XFS_LOG = 15
    EXT_INODE = 16


def _word(text: bytes) -> np.uint64:
    """Eight bytes as a word of this machine, as they are compared."""
    return np.uint64(int.from_bytes(text.ljust(8, b"\0"), sys.byteorder))


FIRST_4 = _word(b"\xff\xff\xff\xff")

FIRST_2 = _word(b"\xff\xff")

BY_FIRST_WORD: tuple[tuple[Signature, np.uint64, np.uint64], ...] = (
    (Signature.QCOW2, FIRST_4, _word(b"QFI\xfb")),
    (Signature.GPT, FIRST_4, _word(b"EFI ")),
    (Signature.XFS, FIRST_4, _word(b"XFSB")),
    (Signature.XFS_AGF, FIRST_4, _word(b"XAGF")),
    (Signature.XFS_AGI, FIRST_4, _word(b"XAGI")),
    (Signature.XFS_AGFL, FIRST_4, _word(b"XAFL")),
    (Signature.XFS_INODE, FIRST_2, _word(b"IN")),
    (Signature.XFS_BLOCK, FIRST_4, _word(b"AB3B")),
    (Signature.XFS_BLOCK, FIRST_4, _word(b"AB3C")),
    (Signature.XFS_BLOCK, FIRST_4, _word(b"IAB3")),
    (Signature.XFS_BLOCK, FIRST_4, _word(b"FIB3")),
    (Signature.XFS_BLOCK, FIRST_4, _word(b"BMA3")),
    (Signature.XFS_BLOCK, FIRST_4, _word(b"XDB3")),
    (Signature.XFS_BLOCK, FIRST_4, _word(b"XDD3")),
    (Signature.XFS_BLOCK, FIRST_4, _word(b"XDF3")),
    (Signature.XFS_BLOCK, FIRST_4, _word(b"XARM")),
    (Signature.XFS_BLOCK, FIRST_4, _word(b"XSLM")),
    (Signature.XFS_BLOCK, FIRST_4, _word(b"RMB3")),
    (Signature.XFS_BLOCK, FIRST_4, _word(b"R3FC")),
    (Signature.NTFS_RECORD, FIRST_4, _word(b"FILE")),
    (Signature.LUKS, FIRST_4, _word(b"LUKS")),
    (Signature.XFS_LOG, FIRST_4, _word(b"\xfe\xed\xba\xbe")),
)


def _halves(magics: Iterable[bytes]) -> Bools:
    """Of every two bytes whether any of these begin with them: so most sectors are done with in one look."""
    found = np.zeros(1 << 16, dtype=np.bool_)
    found[[int.from_bytes(magic[:2], sys.byteorder) for magic in magics]] = True
    return found


XFS_NAMES_HALF = 4
XFS_NAMES = (b"\x3d\xf1", b"\x3d\xff", b"\x3e\xbe", b"\x3b\xee")
"""Nodes and leaves of the trees by which directories and attributes are searched; two zeros follow."""

FIRST_HALVES = _halves(int(value).to_bytes(8, sys.byteorder) for _, _, value in BY_FIRST_WORD)
NAMES_HALVES = _halves(XFS_NAMES)

EXT_INODE_HALF, EXT_INODE_VALUE = 20, int.from_bytes(b"\x0a\xf3", sys.byteorder)
"""The root of a tree of extents within an inode."""

EXT_HALF, EXT_VALUE = 28, int.from_bytes(b"\x53\xef", sys.byteorder)

NTFS_MASK, NTFS_VALUE = _word(b"\0\0\0\xff\xff\xff\xff\xff"), _word(b"\0\0\0NTFS ")
NTFS_QUARTER, NTFS_QUARTER_VALUE = 1, int.from_bytes(b"TFS ", sys.byteorder)

BTRFS_WORD, BTRFS_VALUE = 8, _word(b"_BHRfS_M")

HEAD_WORDS = 9
"""Every signature stands in so many words at the beginning of its sector."""

HEAD = np.dtype({"names": ["head"], "formats": [f"V{8 * HEAD_WORDS}"], "offsets": [0], "itemsize": SECTOR_SIZE})


def heads_of(sectors: NDArray[np.uint8]) -> Words:
    """The first words of each sector, copied side by side: most sectors are judged by them, and looked at once."""
    return sectors.view(HEAD)["head"].copy().view(np.uint64).reshape(-1, HEAD_WORDS)


class Masks(Struct, frozen=True):
    """The bits by which a word is judged, as they stand in memory."""

    standard: np.uint64
    stream: np.uint64
    stream_value: np.uint64
    neither: np.uint64
    """Bits that are set in no entry, whichever kind it has."""


def masks_of(file_size: int) -> Masks:
    highest = max(9, (file_size * BEYOND_FILE - 1).bit_length())
    too_far = ((1 << 56) - 1) & ~((1 << min(highest, 56)) - 1)
    stream_far = ((1 << LOWEST_STREAM_BITS) - 1) & ~((1 << min(highest, LOWEST_STREAM_BITS)) - 1)
    return Masks(
        standard=_big(L2_STANDARD_RESERVED | COMPRESSED | too_far),
        stream=_big(COPIED | COMPRESSED | stream_far),
        stream_value=_big(COMPRESSED),
        neither=_big(too_far & stream_far),
    )


def _big(value: int) -> np.uint64:
    return _word(value.to_bytes(8, "big"))


def entry_like(words: Words, masks: Masks) -> Bools:
    standard: Bools = (words & masks.standard) == 0
    standard |= (words & masks.stream) == masks.stream_value
    return standard


def extended_like(words: Words, entries: Bools, streams: Bools) -> Bools:
    """Entries with bitmaps: no part both allocated and zero, none allocated without a cluster, none of a stream."""
    first, bitmaps = words[:, 0::2], words[:, 1::2].byteswap()
    allocated, zero = allocated_subclusters(bitmaps), zero_subclusters(bitmaps)
    place = first & _big(OFFSET_MASK)
    good = entries[:, 0::2] & ((allocated & zero) == 0) & ((place != 0) | (allocated == 0))
    good &= (first & _big(ZERO_FLAG)) == 0
    good |= streams[:, 0::2] & (bitmaps == 0)
    found: Bools = good.all(axis=1)
    return found


def maybe_entries(begin: Words, masks: Masks) -> I64:
    """Rows of words that `entry_like` may take; it says no to all others, which are nearly all of what is no table."""
    return np.flatnonzero((begin & masks.neither) == 0)


def snapshots_in(rows: I64, heads: Words, masks: Masks) -> I64:
    """Of some rows those that may begin with an entry of a snapshot table.

    It has an L1 table, a short id, nanoseconds, and little extra.
    """
    first = heads[rows, 0]
    rows = rows[((first & (masks.standard | _big(COPIED | 0x1FF))) == 0) & (first != 0)]
    head = heads[rows, :5].byteswap()
    ids = head[:, 1] >> np.uint64(16) & np.uint64(0xFFFF)
    nanoseconds = head[:, 2] & np.uint64(0xFFFF_FFFF)
    extra = head[:, 4] & np.uint64(0xFFFF_FFFF)
    good = (head[:, 1] >> np.uint64(32) > 0) & (ids > 0) & (ids <= 20) & (nanoseconds < 10**9) & (extra <= 1024)
    return rows[good]


def structures_in(heads: Words) -> list[tuple[Signature, I64]]:
    """Rows of sectors with which known structures may begin, but for entries of snapshot tables."""
    halves = heads.view(np.uint16)
    marked = FIRST_HALVES.take(halves[:, 0])
    marked |= NAMES_HALVES.take(halves[:, XFS_NAMES_HALF])
    marked |= halves[:, EXT_HALF] == EXT_VALUE
    marked |= halves[:, EXT_INODE_HALF] == EXT_INODE_VALUE
    marked |= heads[:, BTRFS_WORD] == BTRFS_VALUE
    marked |= heads.view(np.uint32)[:, NTFS_QUARTER] == NTFS_QUARTER_VALUE
    rows = np.flatnonzero(marked)
    if not len(rows):
        return []
    return [(signature, rows[hits]) for signature, hits in _signatures(heads[rows]) if hits.any()]


def _signatures(heads: Words) -> Iterator[tuple[Signature, Bools]]:
    begin, halves = heads[:, 0], heads.view(np.uint16)
    for signature, mask, value in BY_FIRST_WORD:
        yield signature, (begin & mask) == value
    names = NAMES_HALVES[halves[:, XFS_NAMES_HALF]] & (halves[:, XFS_NAMES_HALF + 1] == 0)
    yield Signature.XFS_TREE_OF_NAMES, names
    yield Signature.EXT, halves[:, EXT_HALF] == EXT_VALUE
    yield Signature.EXT_INODE, halves[:, EXT_INODE_HALF] == EXT_INODE_VALUE
    yield Signature.BTRFS, heads[:, BTRFS_WORD] == BTRFS_VALUE
    yield Signature.NTFS_BOOT, (begin & NTFS_MASK) == NTFS_VALUE


def good_entries(batch: L2Batch, table_like: Bools, other: Bools) -> Bools:
    """Which entries say something, when of their sectors these read as parts of a table, and those as something else.

    A sector in which a few entries are impossible is one of a table in which they went wrong: the others say what they
    say. One with more of them was overwritten.
    """
    possible, used = _possible(batch), batch.entries != 0
    rows = (*table_like.shape, -1)
    wrong = (~possible).reshape(rows).sum(axis=2)
    few = (wrong > 0) & (wrong * FEW_OF <= used.reshape(rows).sum(axis=2))
    sectors = (table_like & (wrong == 0)) | ((table_like | other) & few)
    found: Bools = np.repeat(sectors, SECTOR_SIZE // batch.geometry.l2_entry_size, axis=1)
    return found & possible & batch.in_file()


def _possible(batch: L2Batch) -> Bools:
    """Which entries can be right: no reserved bits, a cluster boundary, not the table itself, not far past the end."""
    geometry, entries = batch.geometry, batch.entries
    far = ~((1 << max(9, (batch.file_size * BEYOND_FILE - 1).bit_length())) - 1)
    bits = L2_STANDARD_RESERVED | COMPRESSED | ((geometry.cluster_size - 1 | far) & OFFSET_MASK)
    found: Bools = (entries & np.uint64(bits)) == 0
    found &= (batch.data_offsets != batch.host_offsets[:, np.newaxis]) | (entries == 0)
    streams = batch.compressed & ((entries & np.uint64(COPIED)) == 0)
    if streams.any():
        begin = entries[streams] & np.uint64(far & ((1 << LOWEST_STREAM_BITS) - 1))
        found[streams] = begin == 0
    if batch.bitmaps is not None:
        allocated, zero = allocated_subclusters(batch.bitmaps), zero_subclusters(batch.bitmaps)
        standard = ((allocated & zero) == 0) & ((batch.data_offsets != 0) | (allocated == 0))
        standard &= (entries & np.uint64(ZERO_FLAG)) == 0
        found &= np.where(streams, batch.bitmaps == 0, standard)
    return found


def in_sectors(batch: L2Batch, marked: Bools) -> Bools:
    """Which entries stand in a sector with a marked one."""
    per_sector = SECTOR_SIZE // batch.geometry.l2_entry_size
    sectors = marked.reshape(len(marked), -1, per_sector).any(axis=2)
    return np.repeat(sectors, per_sector, axis=1)
