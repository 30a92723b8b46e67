"""ext4: inodes say where their files end, as far as the tables of inodes can be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from forensic.evidence import Evidence
from forensic.recovery.anchors.anchor import Anchor

Read = Callable[[int, int], bytes | None]
"""Guest bytes from an offset on, as far as all of them are known; None otherwise."""

REGULAR, FILE_TYPE = 0x8000, 0xF000
EXTENTS = 0x80000
EXTENT_MAGIC = 0xF30A
SIXTY_FOUR_BIT = 0x80
NOT_WRITTEN = 1 << 15
"""Above this the length of an extent is that of one which was reserved, and not written."""

MOST_GROUPS = 1 << 12
MOST_INODES = 1 << 18
DEEPEST = 5


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


def ends(evidence: Evidence, anchor: Anchor, start: int, read: Read) -> Iterator[tuple[int, int]]:
    """Bytes from the start of the file system after the last one of each file, and those left in that block.

    `anchor` is its superblock or a copy, `start` where it begins on the disk.
    """
    shape = Shape(anchor.raw[:1024] or evidence.read_up_to_bad(anchor.host_offset, 1024))
    if not shape.possible:
        return

    def block(number: int) -> bytes | None:
        return read(start + number * shape.block_size, shape.block_size)

    size, left = shape.block_size, MOST_INODES
    for raw in _inodes(shape, block):
        left -= 1
        if left < 0:
            return
        length = _number(raw, 4, 4) | _number(raw, 108, 4) << 32
        regular = _number(raw, 0, 2) & FILE_TYPE == REGULAR and _number(raw, 32, 4) & EXTENTS
        if regular and 0 < length < 1 << 48:
            last = (length - 1) // size
            place = _block_of(raw[40:100], last, block, DEEPEST)
            if place is not None and place < shape.blocks:
                yield (place - last) * size + length, -length % size


def _inodes(shape: Shape, block: Callable[[int], bytes | None]) -> Iterator[bytes]:
    """Every inode that can be read and is not all zeros."""
    size = shape.block_size
    first = shape.first_block + 1
    per_block = size // shape.descriptor
    for group in range(shape.groups):
        table = block(first + group // per_block)
        row = (table or b"")[group % per_block * shape.descriptor :][: shape.descriptor]
        place = _number(row, 8, 4) | (_number(row, 40, 4) << 32 if shape.descriptor >= 64 else 0)
        used = shape.inodes_per_group - (_number(row, 28, 2) | (_number(row, 50, 2) << 16 if len(row) >= 64 else 0))
        for number in range(max(0, -(-used * shape.inode_size // size)) if place and table else 0):
            raw = block(place + number)
            if raw is None or not any(raw):
                continue
            for at in range(0, size, shape.inode_size):
                yield raw[at : at + shape.inode_size]


def _block_of(node: bytes, wanted: int, block: Callable[[int], bytes | None], deepest: int) -> int | None:
    """Where a block of a file lies, by the tree of its extents from this node on; None if it has none or is not known."""
    if _number(node, 0, 2) != EXTENT_MAGIC or not deepest:
        return None
    count, depth = _number(node, 2, 2), _number(node, 6, 2)
    below: int | None = None
    for at in range(12, min(12 + 12 * count, len(node) - 11), 12):
        first = _number(node, at, 4)
        if first > wanted:
            break
        if depth:
            below = _number(node, at + 4, 4) | _number(node, at + 8, 2) << 32
        elif wanted < first + (length := _number(node, at + 4, 2)) and length <= NOT_WRITTEN:
            return (_number(node, at + 8, 4) | _number(node, at + 6, 2) << 32) + wanted - first
    if below is None:
        return None
    raw = block(below)
    return None if raw is None else _block_of(raw, wanted, block, deepest - 1)
