"""Superblocks, group descriptors and inodes of an ext2, ext3 or ext4 volume.

Specification: the kernel's documentation of ext4, "High Level Design" and "Global Structures".
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from functools import partial

from forensic.explore.lens.zones import Kind, Zone, ZoneAt, always, marked, one
from forensic.format.guest.ext import Ext
from forensic.structure import Structure, parse
from forensic.volumes.signatures import Read

SUPERBLOCK = Kind("ext", "superblock", partial(parse, Ext.Superblock))
PRIMARY, LEN_SUPERBLOCK = 1024, 1024
MAX_GROUPS = 1 << 16
"""Groups whose inodes are found: 8 TiB of groups of 128 MiB."""

INCOMPAT_META_BG, INCOMPAT_64BIT, RO_COMPAT_SPARSE = 0x10, 0x80, 0x1


def ext_zones(read: Read, _length: int) -> ZoneAt:
    """What finds the structure that holds a byte; of a superblock that makes no sense, itself alone."""
    first = one(PRIMARY, LEN_SUPERBLOCK, "superblock", marked(SUPERBLOCK, b"\x53\xef", 0x38))
    data = read(PRIMARY, LEN_SUPERBLOCK)
    layout = _Layout(parse(Ext.Superblock, data, 0, "")) if isinstance(data, bytes) else None
    if layout is None or not layout.usable:
        return lambda offset: first if first.offset <= offset < first.end else None
    tables = sorted(layout.inode_tables(read), key=lambda zone: zone.offset)

    def zone_at(offset: int) -> Zone | None:
        if first.offset <= offset < first.end:
            return first
        at = bisect_right(tables, offset, key=lambda zone: zone.offset) - 1
        if at >= 0 and offset < tables[at].end:
            return tables[at]
        return layout.head_at(offset)

    return zone_at


class _Layout:
    """How the groups lie, as the superblock says."""

    def __init__(self, superblock: Structure) -> None:
        number = superblock.integer
        self.block_size = 1024 << min(number("log_block_size"), 32)
        self.blocks_per_group = number("blocks_per_group")
        self.first_block = number("first_data_block")
        self.inodes_per_group = number("inodes_per_group")
        self.inode_size = number("inode_size") if number("revision") else 128
        incompatible = number("feature_incompat")
        wide = bool(incompatible & INCOMPAT_64BIT)
        self.descriptor_size = number("descriptor_size") if wide and number("descriptor_size") else 32
        self.blocks = number("blocks_count_lo") | (number("blocks_count_hi") << 32 if wide else 0)
        self.sparse = bool(number("feature_ro_compat") & RO_COMPAT_SPARSE)
        self.first_meta = number("first_meta_bg") if incompatible & INCOMPAT_META_BG else 1 << 32
        self.inode = Kind("ext", "inode", lambda data, base, name: parse(Ext.Inode, data, base, name, self.inode_size))

    @property
    def usable(self) -> bool:
        """Whether the numbers are such as a file system may have."""
        return (
            self.block_size <= 1 << 16
            and 0 < self.blocks_per_group <= 8 * self.block_size << 5
            and 0 < self.inodes_per_group <= 8 * self.block_size
            and 128 <= self.inode_size <= self.block_size
            and self.inode_size & (self.inode_size - 1) == 0
            and 32 <= self.descriptor_size <= self.block_size
            and self.blocks > self.first_block
        )

    @property
    def groups(self) -> int:
        """Groups that are looked at."""
        return min(MAX_GROUPS, -(-(self.blocks - self.first_block) // self.blocks_per_group))

    @property
    def descriptors_in_block(self) -> int:
        return self.block_size // self.descriptor_size

    def has_superblock(self, group: int) -> bool:
        """Whether a group begins with a copy of the superblock."""
        return not self.sparse or group <= 1 or any(_is_power(group, base) for base in (3, 5, 7))

    def group_start(self, group: int) -> int:
        """The first block of a group."""
        return self.first_block + group * self.blocks_per_group

    def descriptor_block(self, group: int) -> int:
        """The block that holds the descriptor of a group, of its copies the first."""
        number = group // self.descriptors_in_block
        if number < self.first_meta:
            return self.group_start(0) + 1 + number
        holder = number * self.descriptors_in_block
        return self.group_start(holder) + self.has_superblock(holder)

    def inode_tables(self, read: Read) -> Iterator[Zone]:
        """The inodes of each group, where its descriptor says so."""
        for begin in range(0, self.groups, self.descriptors_in_block):
            block = read(self.descriptor_block(begin) * self.block_size, self.block_size)
            if isinstance(block, str):
                continue
            for group in range(begin, min(begin + self.descriptors_in_block, self.groups)):
                at = (group - begin) * self.descriptor_size
                place = int.from_bytes(block[at + 8 : at + 12], "little")
                if self.descriptor_size >= 64:
                    place |= int.from_bytes(block[at + 40 : at + 44], "little") << 32
                if self.first_block < place < self.blocks:
                    length = self.inodes_per_group * self.inode_size
                    number = group * self.inodes_per_group + 1
                    yield Zone(place * self.block_size, length, self.inode_size, "inode {}", always(self.inode), number)

    def head_at(self, offset: int) -> Zone | None:
        """The copy of a superblock, or the descriptors, that hold a byte at the beginning of a group."""
        block = offset // self.block_size
        group, within = divmod(block - self.first_block, self.blocks_per_group)
        if not 0 <= group < self.groups:
            return None
        head, start = self.has_superblock(group), self.group_start(group) * self.block_size
        if head and group and offset < start + LEN_SUPERBLOCK:
            return one(start, LEN_SUPERBLOCK, f"superblock of group {group}", marked(SUPERBLOCK, b"\x53\xef", 0x38))
        in_block = self.descriptors_in_block
        number = within - head
        if group // in_block >= self.first_meta:  # a block of descriptors in the first, second and last of its group
            if number or group % in_block not in (0, 1, in_block - 1):
                return None
            number = group // in_block
        elif not head or not 0 <= number < min(-(-self.groups // in_block), self.first_meta):
            return None
        described = min(in_block, self.groups - number * in_block)
        kind = Kind(
            "ext",
            "group_descriptor",
            lambda data, base, name: parse(Ext.GroupDescriptor, data, base, name, self.descriptor_size),
        )
        length = described * self.descriptor_size
        copy = f" (copy in group {group})" if group else ""
        name = f"descriptor of group {{}}{copy}"
        return Zone(block * self.block_size, length, self.descriptor_size, name, always(kind), number * in_block)


def _is_power(number: int, base: int) -> bool:
    while number % base == 0:
        number //= base
    return number == 1
