"""ext4: inodes say where their files end, as far as the tables of inodes can be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from forensic.evidence import Evidence
from forensic.qcow2.arrays import I64
from forensic.qcow2.entries import SECTOR_SIZE
from forensic.recovery.anchors.anchor import Anchor, blocks_at, some_of
from forensic.recovery.scan import Scan
from forensic.recovery.sectors import Signature

Read = Callable[[int, int], bytes | None]
"""Guest bytes from an offset on, as far as all of them are known; None otherwise."""

REGULAR, FILE_TYPE = 0x8000, 0xF000
EXTENTS = 0x80000
EXTENT_MAGIC = 0xF30A
SIXTY_FOUR_BIT = 0x80
NOT_WRITTEN = 1 << 15
"""Above this the length of an extent is that of one which was reserved, and not written."""

MOST_GROUPS = 1 << 12
MOST_TABLE = 4 << 20
"""Bytes of the table of inodes of one group that are read."""

LARGEST = 1 << 48
DEEPEST = 5
INODES_AT_ONCE = 1 << 12
NOT_KNOWN = -1
"""In place of the number of a block that may lie in a table without a place."""


class Blocks(Protocol):
    """Reads so many blocks of a file system from one on; None if they are not all known."""

    def __call__(self, number: int, count: int = 1) -> bytes | None: ...


class Shape:
    """The sizes of a file system by its superblock: of a block, of an inode, and how many inodes a group has."""

    def __init__(self, raw: bytes) -> None:
        """Take them from the 1024 bytes of a superblock."""
        self.block_size = 1024 << min(_number(raw, 24, 4), 6)
        self.inode_size = _number(raw, 88, 2) or 128
        self.inodes_per_group = _number(raw, 40, 4)
        self.first_block, self.per_group, self.blocks = (_number(raw, at, 4) for at in (20, 32, 4))
        wide = _number(raw, 96, 4) & SIXTY_FOUR_BIT
        self.descriptor = max(32, _number(raw, 254, 2)) if wide else 32

    @property
    def possible(self) -> bool:
        """Whether these can be the sizes of a file system."""
        return 128 <= self.inode_size <= self.block_size and self.per_group > 0 and self.descriptor <= 1024

    @property
    def groups(self) -> int:
        """How many groups are looked at."""
        return min(MOST_GROUPS, -(-max(0, self.blocks - self.first_block) // self.per_group))


def _number(raw: bytes, at: int, length: int) -> int:
    return int.from_bytes(raw[at : at + length], "little")


def ends(evidence: Evidence, scan: Scan, anchor: Anchor, start: int, read: Read) -> Iterator[tuple[int, int]]:
    """Bytes from the start of the file system after the last one of each file, and those left in that block.

    `anchor` is its superblock or a copy, `start` where it begins on the disk. The files of a group are remembered once
    all that says where they lie could be read.
    """
    shape = Shape(anchor.raw[:1024] or evidence.read_up_to_bad(anchor.host_offset, 1024))
    if not shape.possible:
        return
    complete: dict[int, list[tuple[int, int]]] = scan.remembered.setdefault(f"files {anchor.system.hex()} {start}", {})

    def blocks(number: int, count: int = 1) -> bytes | None:
        return read(start + number * shape.block_size, count * shape.block_size)

    table: tuple[int, bytes | None] = (-1, None)
    per_block = shape.block_size // shape.descriptor
    for group in range(shape.groups):
        if group not in complete:
            number = shape.first_block + 1 + group // per_block
            table = table if table[0] == number else (number, blocks(number))
            row = (table[1] or b"")[group % per_block * shape.descriptor :][: shape.descriptor]
            raw = _inode_table(shape, row, blocks) if row else None
            known = _ends_in(shape, raw, blocks) if raw is not None else [None]
            found = [one for one in known if one is not None]
            if len(found) < len(known):
                yield from found
                continue
            complete[group] = found
        yield from complete[group]


def ends_by_content(evidence: Evidence, scan: Scan, anchor: Anchor) -> Iterator[tuple[int, int]]:
    """The same by inodes that lie anywhere in the file, of a file system that is the only one of its kind.

    An inode is taken for one if the extents in it cover its file to the last block. It may be an older one, of the
    journal, and proves nothing where the file was written since.
    """
    shape = Shape(anchor.raw[:1024] or evidence.read_up_to_bad(anchor.host_offset, 1024))
    found: set[tuple[int, int]] | None = scan.remembered.get(f"inodes {anchor.system.hex()}")
    if not shape.possible or found is not None:
        yield from found or ()
        return
    found = scan.remembered[f"inodes {anchor.system.hex()}"] = set()
    sectors = some_of(scan.signatures[Signature.EXT_INODE].sectors)
    length = max(SECTOR_SIZE, shape.inode_size)
    for first in range(0, len(sectors), INODES_AT_ONCE):
        raw = blocks_at(evidence, sectors[first : first + INODES_AT_ONCE], length).tobytes()
        found.update(one for one in _ends_in(shape, raw, _no_blocks) if one is not None)
    yield from found


def _no_blocks(number: int, count: int = 1) -> bytes | None:
    """Blocks of a file system of which none is known."""
    return None


def _inode_table(shape: Shape, row: bytes, blocks: Blocks) -> bytes | None:
    """The inodes of the group with this descriptor, up to the last that was ever used; None if it cannot be read."""
    wide = len(row) >= 64
    place = _number(row, 8, 4) | (_number(row, 40, 4) << 32 if wide else 0)
    unused = _number(row, 28, 2) | (_number(row, 50, 2) << 16 if wide else 0)
    count = -(-max(0, shape.inodes_per_group - unused) * shape.inode_size // shape.block_size)
    return blocks(place, min(count, MOST_TABLE // shape.block_size)) if count and place else b""


def _ends_in(shape: Shape, raw: bytes, blocks: Blocks) -> list[tuple[int, int] | None]:
    """The end of each file of which the inode is here; None for one whose place cannot be read."""
    size, length = shape.block_size, shape.inode_size
    rows = np.frombuffer(raw, dtype=np.uint8)[: len(raw) // length * length].reshape(-1, length)

    def column(at: int, kind: str) -> I64:
        width = np.dtype(kind).itemsize
        return np.ascontiguousarray(rows[:, at : at + width]).view(kind)[:, 0].astype(np.int64)

    sizes = column(4, "<u4") | column(108, "<u4") << 32
    regular = (column(0, "<u2") & FILE_TYPE == REGULAR) & (column(32, "<u4") & EXTENTS != 0)
    chosen = np.flatnonzero(regular & (sizes > 0) & (sizes < LARGEST) & (sizes % size != 0))
    found: list[tuple[int, int] | None] = []
    for row in chosen.tolist():
        last = (int(sizes[row]) - 1) // size
        place = _block_of(rows[row, 40:100].tobytes(), last, blocks, DEEPEST)
        if place == NOT_KNOWN:
            found.append(None)
        elif 0 < place < shape.blocks:
            found.append(((place - last) * size + int(sizes[row]), -int(sizes[row]) % size))
    return found


def _block_of(node: bytes, wanted: int, blocks: Blocks, deepest: int) -> int:
    """Where a block of a file lies, by the tree of its extents from this node on; 0 if it has no place."""
    if _number(node, 0, 2) != EXTENT_MAGIC or not deepest:
        return 0
    count, depth = _number(node, 2, 2), _number(node, 6, 2)
    below = 0
    for at in range(12, min(12 + 12 * count, len(node) - 11), 12):
        first = _number(node, at, 4)
        if first > wanted:
            break
        if depth:
            below = _number(node, at + 4, 4) | _number(node, at + 8, 2) << 32
        elif wanted < first + (length := _number(node, at + 4, 2)) and length <= NOT_WRITTEN:
            return (_number(node, at + 8, 4) | _number(node, at + 6, 2) << 32) + wanted - first
    if not below:
        return 0
    raw = blocks(below)
    return NOT_KNOWN if raw is None else _block_of(raw, wanted, blocks, deepest - 1)
