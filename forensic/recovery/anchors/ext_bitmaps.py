"""ext4: bitmaps of blocks and inodes, wherever they lie, by the checksums that the descriptors of their groups keep.

A descriptor says in which block a bitmap lies, and its checksum. So a block of the file with this checksum is known for
what it is although it says nothing of itself. The journal may hold a copy: it proves what the bitmap holds, but not
where it lies.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec import Struct, field

from forensic.evidence import Evidence
from forensic.qcow2.arrays import I64
from forensic.qcow2.entries import SECTOR_SIZE
from forensic.recovery.anchors.anchor import Anchor
from forensic.recovery.anchors.ext import superblocks
from forensic.recovery.crc import Blocks, crc32c
from forensic.recovery.kinds import PAGE, Sector
from forensic.recovery.scan import Scan

SIXTY_FOUR_BIT, CHECKSUM_SEED = 0x80, 0x2000
SEED = 624
"""Where the superblock keeps what its checksums begin with, if that is not its UUID: so mke2fs 1.47.2 makes it."""

DESCRIPTOR = 64
INODE_UNINIT, BLOCK_UNINIT = 1, 2
BLOCK_BITMAP, INODE_BITMAP = 0, 4
"""Where the descriptor has the low half of the block; the high half comes 32 bytes later."""

MOST_GROUPS = 1 << 14
MOST_SYSTEMS = 16
MOST_SEARCHED = 1 << 30
"""Bytes of a file that are searched for bitmaps."""

MOSTLY = 0.5
"""The share of eight-byte words of a bitmap that are all zeros or all ones: files fill ranges of blocks."""


class Groups(Struct):
    """The descriptors of one file system whose own checksum is right, by group; sizes in bytes or blocks.

    `seed` is what its checksums begin with: the CRC of its UUID, or of the one it was made with.
    """

    uuid: bytes
    seed: int
    span: int
    block_size: int
    per_group: int
    inodes_per_group: int
    rows: dict[int, set[bytes]] = field(default_factory=dict)

    def expected(self) -> Iterator[tuple[int, int, int]]:
        """Of each bitmap the block, the bytes that are summed, and the checksum; of a group there may be older ones."""
        for row in {row for rows in self.rows.values() for row in rows}:
            flags = int.from_bytes(row[18:20], "little")
            for at, summed, unused, low, high in (
                (BLOCK_BITMAP, self.per_group // 8, BLOCK_UNINIT, 24, 56),
                (INODE_BITMAP, self.inodes_per_group // 8, INODE_UNINIT, 26, 58),
            ):
                if flags & unused or not 0 < summed <= self.block_size:
                    continue
                block = _number(row, at, 4) | _number(row, at + 32, 4) << 32
                yield block, summed, _number(row, low, 2) | _number(row, high, 2) << 16


def _number(raw: bytes, at: int, length: int) -> int:
    return int.from_bytes(raw[at : at + length], "little")


class Bitmaps(Struct):
    """Host offsets at which the content of each bitmap lies, by its block; `alike` have the content of another."""

    groups: Groups
    places: dict[int, set[int]] = field(default_factory=dict)
    alike: set[int] = field(default_factory=set)


def bitmaps(evidence: Evidence, scan: Scan) -> list[Anchor]:
    """The bitmaps whose checksum no other has, and that lie in one place of the file.

    They are not `checked`: a copy in the journal is in another place than the descriptor says.
    """
    found = []
    for one in bitmaps_of(evidence, scan):
        groups = one.groups
        for block, offsets in one.places.items():
            place = block * groups.block_size
            if len(offsets) == 1 and block not in one.alike and place < groups.span:
                found.append(Anchor("ext_bitmap", next(iter(offsets)), place, False, groups.uuid, span=groups.span))
    return found


def bitmaps_of(evidence: Evidence, scan: Scan) -> list[Bitmaps]:
    """The bitmaps of each file system, as far as they are found by their checksums."""
    known: list[Bitmaps] | None = scan.remembered.get("bitmaps")
    if known is not None:
        return known
    found = scan.remembered["bitmaps"] = list[Bitmaps]()
    for groups in groups_of(evidence, scan):
        blocks: dict[tuple[int, int], set[int]] = {}
        for block, summed, checksum in groups.expected():
            blocks.setdefault((summed, checksum), set()).add(block)
        one = Bitmaps(groups)
        contents: dict[int, set[tuple[int, int]]] = {}
        for host_offset, key in _blocks_with_sums(evidence, scan, groups, set(blocks)):
            for block in blocks[key]:
                one.places.setdefault(block, set()).add(host_offset)
                contents.setdefault(block, set()).add(key)
            one.alike |= blocks[key] if len(blocks[key]) > 1 else set()
        for block, keys in contents.items():
            if len(keys) > 1:  # of several times
                del one.places[block]
        found.append(one)
    return found


def groups_of(evidence: Evidence, scan: Scan) -> list[Groups]:
    """The file systems whose superblock is followed by descriptors in the file, as it is on the disk."""
    found: dict[bytes, Groups] = {}
    for anchor in superblocks(evidence, scan):
        raw = evidence.read_up_to_bad(anchor.host_offset, 1024)
        features = _number(raw, 96, 4)
        if not anchor.checked or not features & SIXTY_FOUR_BIT or _number(raw, 254, 2) != DESCRIPTOR:
            continue
        size = 1024 << _number(raw, 24, 4)
        seed = _number(raw, SEED, 4) if features & CHECKSUM_SEED else _register(anchor.system)
        groups = Groups(anchor.system, seed, anchor.span, size, _number(raw, 32, 4), _number(raw, 40, 4))
        groups = found.setdefault(anchor.system, groups)
        count = min(-(-(anchor.span // size) // groups.per_group), MOST_GROUPS)
        table = evidence.read_up_to_bad(anchor.host_offset - anchor.place % size + size, count * DESCRIPTOR)
        for number, row in _good_rows(table, seed):
            groups.rows.setdefault(number, set()).add(row)
        if len(found) == MOST_SYSTEMS:
            break
    return [one for one in found.values() if one.rows]


def _register(uuid: bytes) -> int:
    """The CRC of a UUID, not inverted, as the sums that begin with it go on from there."""
    return int(~crc32c(np.frombuffer(uuid, dtype=np.uint8).reshape(1, -1))[0])


def _good_rows(table: bytes, seed: int) -> Iterator[tuple[int, bytes]]:
    """Number and content of the descriptors of a table whose checksum is right."""
    rows = np.frombuffer(table, dtype=np.uint8, count=len(table) // DESCRIPTOR * DESCRIPTOR).reshape(-1, DESCRIPTOR)
    numbers = np.arange(len(rows), dtype="<u4").view(np.uint8).reshape(-1, 4)
    summed = np.concatenate([numbers, rows], axis=1)
    summed[:, 4 + 30 : 4 + 32] = 0
    sums = ~crc32c(summed, seed) & np.uint32(0xFFFF)
    stored = np.ascontiguousarray(rows[:, 30:32]).view("<u2")[:, 0]
    for number in np.flatnonzero((sums == stored) & rows.any(axis=1)).tolist():
        yield number, rows[number].tobytes()


def _blocks_with_sums(
    evidence: Evidence, scan: Scan, groups: Groups, wanted: set[tuple[int, int]]
) -> Iterator[tuple[int, tuple[int, int]]]:
    """Host offset of each block with one of these checksums, each over so many bytes; and which."""
    for offsets, blocks in _candidates(evidence, scan, groups.block_size):
        for summed in {summed for summed, _ in wanted}:
            sums = ~crc32c(blocks[:, :summed], groups.seed)
            for offset, checksum in zip(offsets.tolist(), sums.tolist(), strict=True):
                if (summed, checksum) in wanted:
                    yield offset, (summed, checksum)


def _candidates(evidence: Evidence, scan: Scan, size: int) -> Iterator[tuple[I64, Blocks]]:
    """Blocks that could be bitmaps, some at a time."""
    left, length = MOST_SEARCHED, PAGE * SECTOR_SIZE
    for pages, kinds in scan.sectors.stretches():
        stored = pages[~np.isin(kinds, (Sector.ZERO, Sector.UNREAD)).all(axis=1)]
        for first in range(0, len(stored), 64):
            part = stored[first : first + 64]
            raw = b"".join(
                evidence.read_up_to_bad(page * length, length).ljust(length, b"\0") for page in part.tolist()
            )
            words = np.frombuffer(raw, dtype=np.uint64).reshape(-1, size // 8)
            ends = (words == 0) | (words == np.uint64((1 << 64) - 1))
            rows = np.flatnonzero((ends.mean(axis=1) >= MOSTLY) & words.any(axis=1))
            starts = (part[:, np.newaxis] * length + np.arange(0, length, size)).reshape(-1)
            if len(rows):
                yield starts[rows], words[rows].view(np.uint8)
            left -= len(raw)
            if left <= 0:
                return
