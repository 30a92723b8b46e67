"""The inodes of XFS: what is known of a file, where its content lies, which names a directory holds."""

from __future__ import annotations

import stat
import struct
from collections.abc import Callable, Generator, Iterator
from itertools import islice

from msgspec import Struct

from forensic.filesystems.entries import MAX_ENTRIES, Extent
from forensic.numbers import NANOSECONDS

Read = Callable[[int, int], bytes]
"""Bytes of the volume from an offset; raises `OSError`."""

KNOWN_FEATURES = 0x1FF
"""Features without which nobody may read, up to directories of metadata."""

LOCAL, EXTENTS, TREE = 1, 2, 3
"""The format of an inode that holds its content itself, the list of extents, or the root of a tree of them."""

REALTIME = 1
"""The flag of a file whose content lies on another device."""

BIG_TIMES, MANY_EXTENTS = 1 << 3, 1 << 4
"""The flags of an inode whose times are nanoseconds since 1901, and whose number of extents has 64 bits."""

MAX_LEVELS = 9
"""Levels of a tree of extents."""

LEAF_OFFSET = 32 << 30
"""Where in a directory its index begins, which holds no names."""

DIRECTORY_KIND = 2
"""What a directory is in the entry that leads to it."""

FREE_TAG = 0xFFFF
BLOCK_MAGICS, DATA_MAGICS = (b"XD2B", b"XDB3"), (b"XD2D", b"XDD3")
LINK_MAGIC, LINK_HEAD = b"XSLM", 56
MAX_TARGET = 1024
MAX_LINK = LINK_HEAD + MAX_TARGET

Name = tuple[bytes, int, bool]
"""A name in a directory, its inode, and whether that is a directory."""


class Inode(Struct, frozen=True):
    """What an inode says; times in nanoseconds since 1970, 0 where there is none.

    `fork` holds its content or leads to it.
    """

    mode: int
    form: int
    uid: int
    gid: int
    links: int
    size: int
    accessed: int
    modified: int
    changed: int
    created: int
    extent_count: int
    is_elsewhere: bool
    fork: bytes

    @property
    def is_directory(self) -> bool:
        """Whether it is one."""
        return stat.S_ISDIR(self.mode)


class XfsInodes:
    """The inodes of a volume, as the superblock says where they lie."""

    def __init__(self, read: Read) -> None:
        """Read the superblock. Raises `OSError`, and `ValueError` if it makes no sense or has unknown features."""
        self._read = read
        head = read(0, 264).ljust(264, b"\0")
        self.block_size, self.block_count, self.root = (
            int.from_bytes(head[at:end], "big") for at, end in ((4, 8), (8, 16), (56, 64))
        )
        version, self._inode_size = head[101] & 15, int.from_bytes(head[104:106], "big")
        self._group_blocks = int.from_bytes(head[84:88], "big")
        self._inode_bits, self._group_bits, directory_bits = int(head[123]), int(head[124]), int(head[192])
        if not (
            512 <= self.block_size <= 1 << 16 and 256 <= self._inode_size <= 2048 and self._group_blocks
            and self._inode_bits <= 8 and self._group_bits <= 31 and directory_bits <= 7
        ):  # fmt: skip
            raise ValueError("the numbers of the superblock make no sense")
        self._is_v5 = version == 5
        if self._is_v5 and (unknown := int.from_bytes(head[216:220], "big") & ~KNOWN_FEATURES):
            raise ValueError(f"it has features that are not known here: {unknown:#x}")
        self._directory_block = self.block_size << directory_bits
        self._has_kinds = bool(head[219] & 1 if self._is_v5 else head[202] & 2)

    def inode(self, number: int) -> Inode:
        """An inode. Raises `OSError`, and `ValueError` if there is none."""
        if (found := self.find(number)) is None:
            raise ValueError(f"there is no inode {number}")
        return found

    def find(self, number: int) -> Inode | None:
        """An inode, if there is one that is in use; what bears another number is none. Raises `OSError`."""
        block, slot = divmod(number, 1 << self._inode_bits)
        try:
            place = self._place(block) + slot * self._inode_size
        except ValueError:
            return None
        raw = self._read(place, self._inode_size)
        if len(raw) < self._inode_size or raw[:4] == b"IN\0\0" or raw[:2] != b"IN":
            return None
        if raw[4] >= 3 and int.from_bytes(raw[152:160], "big") != number:
            return None
        mode, version, form, old_links, uid, gid, links = struct.unpack_from(">HBBHIII", raw, 2)
        size, fork_offset, flags = int.from_bytes(raw[56:64], "big"), raw[82], int.from_bytes(raw[90:92], "big")
        core, more = (176, raw[127]) if version >= 3 else (100, 0)
        accessed, modified, changed = (_nanoseconds(raw[at : at + 8], more & BIG_TIMES) for at in (32, 40, 48))
        return Inode(
            mode,
            form,
            uid,
            gid,
            old_links if version == 1 else links,
            size,
            accessed,
            modified,
            changed,
            _nanoseconds(raw[144:152], more & BIG_TIMES) if version >= 3 else 0,
            int.from_bytes(raw[24:32] if more & MANY_EXTENTS else raw[76:80], "big"),
            bool(flags & REALTIME) and not stat.S_ISDIR(mode),
            raw[core : core + fork_offset * 8 if fork_offset else len(raw)],
        )

    def runs(self, inode: Inode) -> Iterator[Extent]:
        """Where content lies; what was reserved and never written is in no run.

        Raises `OSError`, and `ValueError` for a damaged tree and for content on another device.
        """
        if inode.is_elsewhere:
            raise ValueError("its content lies on a realtime device")
        if inode.form == EXTENTS:
            yield from self._records(inode.fork, inode.extent_count)
        elif inode.form == TREE:
            level, count = struct.unpack(">HH", inode.fork[:4].ljust(4, b"\0"))
            found = yield from self._below(_pointers(inode.fork[4:], count), level, set())
            if found < inode.extent_count:
                raise ValueError(f"the tree has {found:,} of its {inode.extent_count:,} extents")
        elif inode.form != LOCAL or stat.S_ISREG(inode.mode):
            raise ValueError("its content is kept in a way that is not known here")

    def _read_whole(self, place: int, length: int) -> bytes:
        """Bytes of the volume. Raises `OSError`, and `ValueError` past its end."""
        found = self._read(place, length)
        if len(found) < length:
            raise ValueError("it leads past the end of the volume")
        return found

    def _below(self, blocks: list[int], level: int, seen: set[int]) -> Generator[Extent, None, int]:
        """The extents under a node of the tree, which is hostile: each block is read once, and lower ones only.

        Returns how many there are, with those that were never written.
        """
        found = 0
        for block in blocks:
            if block in seen or not 0 < level <= MAX_LEVELS:
                raise ValueError("the tree of its extents leads in a circle")
            seen.add(block)
            raw = self._read(self._place(block), self.block_size).ljust(8, b"\0")
            head = 72 if raw[:4] == b"BMA3" else 24
            own_level, count = struct.unpack_from(">HH", raw, 4)
            if raw[:4] not in (b"BMA3", b"BMAP") or own_level != level - 1:
                raise ValueError("the tree of its extents is damaged")
            if own_level:
                found += yield from self._below(_pointers(raw[head:], count), own_level, seen)
            else:
                yield from self._records(raw[head:], count)
                found += count
        return found

    def _records(self, raw: bytes, count: int) -> Iterator[Extent]:
        if 16 * count > len(raw):
            raise ValueError("there is no room for as many extents as it has")
        for at in range(0, 16 * count, 16):
            word = int.from_bytes(raw[at : at + 16], "big")
            start, block, blocks = word >> 73 & (1 << 54) - 1, word >> 21 & (1 << 52) - 1, word & (1 << 21) - 1
            if not word >> 127:
                yield start * self.block_size, self._place(block, blocks), blocks * self.block_size

    def _place(self, block: int, count: int = 1) -> int:
        """Where blocks lie; a block's number is that of its group above that within the group.

        Raises `ValueError` if they are not within the group: what is there belongs to the next.
        """
        group, within = divmod(block, 1 << self._group_bits)
        if within + count > self._group_blocks:
            raise ValueError(f"block {block:#x} lies in no allocation group")
        return (group * self._group_blocks + within) * self.block_size

    def target(self, inode: Inode) -> bytes:
        """Where a symbolic link leads. Raises `OSError` and `ValueError`."""
        found = inode.fork if inode.form == LOCAL else b""
        for _, place, length in self.runs(inode):
            if len(found) < inode.size:
                part = self._read_whole(place, min(length, MAX_LINK))
                if self._is_v5 and not part.startswith(LINK_MAGIC):
                    raise ValueError("its target is damaged")
                found += part[LINK_HEAD:] if self._is_v5 else part  # once an extent
        if inode.size > min(len(found), MAX_TARGET):
            raise ValueError("its target is damaged")
        return found[: inode.size]

    def names(self, directory: Inode) -> Iterator[Name]:
        """What a directory holds. Raises `OSError` and `ValueError`."""
        if not directory.is_directory:
            raise ValueError("it is no directory")
        entries = self._in_inode(directory.fork) if directory.form == LOCAL else self._in_blocks(directory)
        for name, number, kind in islice(entries, MAX_ENTRIES):
            if name not in (b".", b".."):
                yield name, number, kind == DIRECTORY_KIND if self._has_kinds else self._is_directory(number)

    def _is_directory(self, number: int) -> bool:
        """What a name leads to, where only its inode knows; one that cannot be read is no directory."""
        try:
            return self.inode(number).is_directory
        except (OSError, ValueError):
            return False

    def _in_inode(self, content: bytes) -> Iterator[tuple[bytes, int, int]]:
        """The entries of a small directory. Raises `ValueError` if it is cut."""
        count, width = content[0] if content else 0, 8 if content[1:2] > b"\0" else 4
        at = 2 + width
        for _ in range(count):
            length = content[at] if at < len(content) else 0
            end = at + 3 + length
            number = end + self._has_kinds
            if not length or number + width > len(content):
                raise ValueError("the directory is damaged")
            yield content[at + 3 : end], int.from_bytes(content[number : number + width], "big"), content[end]
            at = number + width

    def _in_blocks(self, directory: Inode) -> Iterator[tuple[bytes, int, int]]:
        """The entries of a large directory, each block of which may lie in several extents. Raises `ValueError`."""
        block, end = b"", 0
        for file_offset, place, length in self.runs(directory):
            if file_offset >= LEAF_OFFSET:
                break
            if file_offset != end and (block or file_offset % self._directory_block):
                raise ValueError("the directory is damaged")
            end = file_offset + length
            while length:
                part = self._read_whole(place, min(length, self._directory_block - len(block)))
                block, place, length = block + part, place + len(part), length - len(part)
                if len(block) == self._directory_block:
                    yield from self._in_block(block)
                    block = b""
        if block:
            raise ValueError("the directory is damaged")

    def _in_block(self, block: bytes) -> Iterator[tuple[bytes, int, int]]:
        """The entries of a block of a directory. Raises `ValueError` if it is damaged."""
        magic, at, end = block[:4], 64 if block[3:4] == b"3" else 16, len(block)
        if magic in BLOCK_MAGICS:
            end -= 8 + 8 * int.from_bytes(block[-8:-4], "big")
        if magic not in BLOCK_MAGICS + DATA_MAGICS or end < at:
            raise ValueError("the directory is damaged")
        while at + 12 <= end:
            number, length = int.from_bytes(block[at : at + 8], "big"), block[at + 8]
            if number >> 48 == FREE_TAG:
                length = int.from_bytes(block[at + 2 : at + 4], "big")
                if not length or length % 8:
                    raise ValueError("the directory is damaged")
                at += length
                continue
            last = at + 9 + length
            if not length or last >= end:
                raise ValueError("the directory is damaged")
            yield block[at + 9 : last], number, block[last]
            at += -(-(8 + 1 + length + self._has_kinds + 2) // 8) * 8


def _pointers(raw: bytes, count: int) -> list[int]:
    """The blocks below a node of the tree, which come after as many keys as there is room for. Raises `ValueError`."""
    room = len(raw) // 16
    if count > room:
        raise ValueError("the tree of its extents is damaged")
    return [int.from_bytes(raw[at : at + 8], "big") for at in range(room * 8, (room + count) * 8, 8)]


def _nanoseconds(raw: bytes, is_big: int) -> int:
    """A time: nanoseconds since the first second of 32 bits, or seconds since 1970 and nanoseconds."""
    if is_big:
        return int.from_bytes(raw, "big") - (1 << 31) * NANOSECONDS
    seconds, rest = struct.unpack(">iI", raw)
    return int(seconds * NANOSECONDS + rest)
