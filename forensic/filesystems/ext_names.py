"""The names in a large directory of ext2, ext3 and ext4, whose index Sleuth Kit takes for more of them."""

from __future__ import annotations

ENTRY_HEAD = 8
MAX_BLOCK = 1 << 15
"""Bytes of a block up to which lengths are what they are."""

MAX_DIRECTORY = 1 << 28
"""Bytes of a directory that are looked at."""


def names_in(content: bytes, block_size: int) -> set[tuple[bytes, int]] | None:
    """Each name with its inode; None if the chain of entries in any block is damaged.

    A block of the index is one entry without a name as long as the block, which hides what it holds.
    """
    if block_size > MAX_BLOCK:
        return None
    found = set()
    for start in range(0, len(content), block_size):
        at, end = start, min(start + block_size, len(content))
        while at + ENTRY_HEAD <= end:
            inode, length, name_length = (
                int.from_bytes(content[at + first : at + last], "little") for first, last in ((0, 4), (4, 6), (6, 7))
            )
            if length < ENTRY_HEAD + name_length or length % 4 or at + length > end:
                return None
            if inode:  # Sleuth Kit ends a name at a zero
                name = content[at + ENTRY_HEAD : at + ENTRY_HEAD + name_length]
                found.add((name.partition(b"\0")[0], inode))
            at += length
    return found
