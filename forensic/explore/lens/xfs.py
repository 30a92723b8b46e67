"""The headers of the allocation groups of an XFS volume, and its inodes, known by what they say of themselves."""

from __future__ import annotations

from functools import partial

from forensic.explore.lens.zones import Kind, Zone, ZoneAt, always, marked, one
from forensic.format.guest.xfs import Xfs
from forensic.structure import Structure, parse
from forensic.volumes.signatures import Read

SUPERBLOCK = Kind("xfs", "superblock", partial(parse, Xfs.Superblock))
FREE_SPACE = Kind("xfs", "free_space_header", partial(parse, Xfs.FreeSpaceHeader))
INODES = Kind("xfs", "inode_header", partial(parse, Xfs.InodeHeader))
INODE = Kind("xfs", "inode", partial(parse, Xfs.Inode))

LEN_SUPERBLOCK, LEN_FREE_SPACE, LEN_INODES, LEN_INODE = 264, 80, 316, 176
FORMATS = 5


def xfs_zones(read: Read, _length: int) -> ZoneAt:
    """What finds the structure that holds a byte; of a superblock that makes no sense, itself alone."""
    first = one(0, LEN_SUPERBLOCK, "superblock", marked(SUPERBLOCK, b"XFSB"))
    data = read(0, LEN_SUPERBLOCK)
    layout = _Layout(parse(Xfs.Superblock, data, 0, "")) if isinstance(data, bytes) else None
    if layout is None or not layout.usable:
        return lambda offset: first if offset < first.end else None
    return lambda offset: layout.header_at(offset) or layout.inode_at(read, offset)


class _Layout:
    """How the groups lie, as the superblock says."""

    def __init__(self, superblock: Structure) -> None:
        number = superblock.integer
        self.block = number("block_size")
        self.sector = number("sector_size")
        self.inode = number("inode_size")
        self.ag_blocks, self.ag_count = number("ag_blocks"), number("ag_count")
        self.block_bits, self.inode_bits = number("log2_ag_blocks"), number("log2_inodes_per_block")

    @property
    def usable(self) -> bool:
        """Whether the numbers are such as a file system may have."""
        return (
            self.block in (1 << bits for bits in range(9, 17))
            and self.sector in (1 << bits for bits in range(9, 16))
            and self.inode in (256, 512, 1024, 2048)
            and self.inode <= self.block
            and 0 < self.ag_blocks <= 1 << 31
            and self.block_bits <= 31
            and self.inode_bits <= 16
        )

    def header_at(self, offset: int) -> Zone | None:
        """The header of a group that holds a byte."""
        size = self.ag_blocks * self.block
        group, within = divmod(offset, size)
        if group >= self.ag_count:
            return None
        start, of = group * size, f" of group {group}" if group else ""
        for number, (kind, mark, length, name) in enumerate(
            (
                (SUPERBLOCK, b"XFSB", LEN_SUPERBLOCK, f"superblock{of}"),
                (FREE_SPACE, b"XAGF", LEN_FREE_SPACE, f"AGF of group {group}"),
                (INODES, b"XAGI", LEN_INODES, f"AGI of group {group}"),
            )
        ):
            if number * self.sector <= within < number * self.sector + length:
                return one(start + number * self.sector, length, name, marked(kind, mark))
        return None

    def inode_at(self, read: Read, offset: int) -> Zone | None:
        """The inode that holds a byte: one that knows its own number, or, before version 5, looks like one."""
        start = offset // self.inode * self.inode
        group, within = divmod(start, self.ag_blocks * self.block)
        data = read(start, LEN_INODE)
        if isinstance(data, str) or len(data) < LEN_INODE or data[:2] != b"IN" or group >= self.ag_count:
            return None
        block, rest = divmod(within, self.block)
        number = (group << self.block_bits | block) << self.inode_bits | rest // self.inode
        if data[4] >= 3:
            if int.from_bytes(data[152:160], "big") != number:
                return None
        elif not (data[4] and data[5] <= FORMATS):
            return None
        return Zone(start, self.inode, self.inode, "inode {}", always(INODE), number)
