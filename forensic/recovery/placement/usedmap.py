"""What the guest's file systems say is in use: by the bitmaps of ext2-4 and the free-space trees of XFS.

A table's allocated entries are held against it. It says nothing of what a file holds, only where there is something.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from msgspec import Struct

from forensic.evidence import Evidence
from forensic.qcow2.arrays import I64, Bools, NDArray
from forensic.recovery.anchors import xfs
from forensic.recovery.anchors.anchor import Anchor
from forensic.recovery.anchors.ext_bitmaps import Bitmaps, bitmaps_of
from forensic.recovery.scan import Scan
from forensic.recovery.sectors import Signature

Read = Callable[[int, int], bytes | None]
"""Guest bytes from an offset on, as far as all of them are known; None otherwise."""

FREE, USED, NOT_KNOWN = 0, 1, 2
States = NDArray[np.uint8]

MOST_BLOCKS = 1 << 28
MOST_GROUPS = 1 << 16
BLOCK_UNINIT = 2
SIXTY_FOUR_BIT = 0x80

NO_SIBLING = b"\xff" * 4
"""In place of the block number of the next leaf of a tree of XFS, or of the one before."""


class UsedMap(Struct, frozen=True):
    """Of each block of a file system, which begins at guest offset `start`, whether it is in use."""

    start: int
    block_size: int
    states: States


def used_maps(evidence: Evidence, scan: Scan, anchors: Sequence[tuple[Anchor, int]], read: Read) -> list[UsedMap]:
    """The map of each file system of which enough can be read; `anchors` come with the start of their file system."""
    found = []
    seen: set[bytes] = set()
    for anchor, start in anchors:
        if anchor.system in seen:
            continue
        if anchor.kind == "ext_superblock":
            known = {other.groups.uuid: other for other in bitmaps_of(evidence, scan)}.get(anchor.system)
            one = _of_ext(evidence, anchor, start, read, known)
        elif anchor.kind.startswith("xfs"):
            one = _of_xfs(evidence, scan, anchor, start)
        else:
            continue
        if one is not None:
            seen.add(anchor.system)
            found.append(one)
    return found


def _of_ext(evidence: Evidence, anchor: Anchor, start: int, read: Read, found: Bitmaps | None) -> UsedMap | None:
    """By the block bitmaps that the group descriptors after a superblock name; what cannot be read is not known.

    Descriptors and bitmaps that no placed table leads to may be `found` by their checksums. Inode tables may never
    have been written: whether they are in use says nothing.
    """
    raw = anchor.raw[:1024] or evidence.read_up_to_bad(anchor.host_offset, 1024)
    count, first, per_group = (int.from_bytes(raw[at : at + 4], "little") for at in (4, 20, 32))
    size, inodes = 1024 << int.from_bytes(raw[24:28], "little"), int.from_bytes(raw[40:44], "little")
    inode_size = int.from_bytes(raw[88:90], "little") or 128
    wide = int.from_bytes(raw[96:100], "little") & SIXTY_FOUR_BIT
    length = max(32, int.from_bytes(raw[254:256], "little")) if wide else 32
    groups = -(-(count - first) // per_group)
    if count > MOST_BLOCKS or groups > MOST_GROUPS or length > 1024:
        return None
    place = (anchor.place // size + 1) * size
    table = read(start + place, -(-groups * length // size) * size)
    if table is None and found is not None:
        rows = (found.groups.rows.get(group, {bytes(length)}) for group in range(groups))
        table = b"".join(next(iter(one)).ljust(length, b"\0") for one in rows)
    if table is None:
        return None
    states = np.full(count, NOT_KNOWN, dtype=np.uint8)
    inode_blocks = -(-inodes * inode_size // size)
    for group in range(groups):
        one = table[group * length : (group + 1) * length]
        bitmap, inode_table = int.from_bytes(one[:4], "little"), int.from_bytes(one[8:12], "little")
        if wide and length >= 64:
            bitmap |= int.from_bytes(one[32:36], "little") << 32
            inode_table |= int.from_bytes(one[40:44], "little") << 32
        begin = first + group * per_group
        end = min(count, begin + per_group)
        bits = None
        if any(one) and not int.from_bytes(one[18:20], "little") & BLOCK_UNINIT:
            bits = read(start + bitmap * size, size) or _found_bitmap(evidence, found, bitmap)
        if bits is not None and bitmap < count:
            used = np.unpackbits(np.frombuffer(bits, dtype=np.uint8), bitorder="little")[: end - begin]
            states[begin : begin + len(used)] = used
        if any(one) and inode_table < count:
            states[inode_table : inode_table + inode_blocks] = NOT_KNOWN
    return UsedMap(start, size, states)


def _found_bitmap(evidence: Evidence, found: Bitmaps | None, block: int) -> bytes | None:
    """The content of a bitmap that was found by its checksum, wherever it lies."""
    if found is None or block not in found.places:
        return None
    return evidence.read_up_to_bad(min(found.places[block]), found.groups.block_size)


def _of_xfs(evidence: Evidence, scan: Scan, anchor: Anchor, start: int) -> UsedMap | None:
    """By the leaves of the free-space trees, wherever they lie; what is between two that do not follow is not known."""
    shape = next((one for one in xfs.shapes(evidence, scan) if one.uuid == anchor.system), None)
    if shape is None or shape.span // shape.block_size > MOST_BLOCKS:
        return None
    count = shape.span // shape.block_size
    states = np.full(count, NOT_KNOWN, dtype=np.uint8)
    for row in _free_space_leaves(evidence, scan, shape):
        group, count_of_leaf = int.from_bytes(row[48:52], "big"), int.from_bytes(row[6:8], "big")
        own = states[group * shape.group_blocks : (group + 1) * shape.group_blocks]
        records = np.frombuffer(row[56:], dtype=">u4").astype(np.int64)[: 2 * count_of_leaf].reshape(-1, 2)
        ends = records.sum(axis=1)
        if not len(own) or not len(records) or (ends > shape.group_blocks).any():
            continue
        first = 0 if row[8:12] == NO_SIBLING else int(records[0, 0])
        own[first : None if row[12:16] == NO_SIBLING else int(ends[-1])] = USED
        for begin, end in zip(records[:, 0].tolist(), ends.tolist(), strict=True):
            own[begin:end] = FREE
    return UsedMap(start, shape.block_size, states)


def _free_space_leaves(evidence: Evidence, scan: Scan, shape: xfs.Shape) -> list[bytes]:
    """The leaves of trees of free space by place, whose checksum and identity are right; those written last come last.

    One that is not part of its tree any more may still lie there.
    """
    sectors = scan.signatures[Signature.XFS_BLOCK].sectors
    blocks = xfs.own_blocks(evidence, sectors, shape, shape.block_size, 52, 32)
    found = [raw for _, raw in blocks if raw[:4] == b"AB3B" and raw[4:6] == b"\0\0"]
    return sorted(found, key=lambda raw: raw[24:32])


def of_slots(maps: Sequence[UsedMap], slots: I64, entries: int, cluster_size: int) -> States:
    """Of each entry of some slots whether its cluster is in use; a cluster is if any block in it is."""
    found = np.full((len(slots), entries), NOT_KNOWN, dtype=np.uint8)
    for one in maps:
        for row, slot in enumerate(slots.tolist()):
            begin = slot * entries * cluster_size - one.start
            first, stop = _touched(one, begin, entries, cluster_size)
            if first < stop:
                used, free = _of_clusters(one, begin + first * cluster_size, stop - first, cluster_size)
                part = found[row, first:stop]
                part[used] = USED
                part[free & (part == NOT_KNOWN)] = FREE
    return found


def _touched(one: UsedMap, begin: int, entries: int, cluster_size: int) -> tuple[int, int]:
    """Which entries of a slot the file system reaches: the slot may be far larger. Blocks are not cut in two.

    `begin` counts from the start of the file system.
    """
    per_block = max(1, one.block_size // cluster_size)
    first = max(0, -begin // cluster_size) // per_block * per_block
    return first, min(entries, -(-(len(one.states) * one.block_size - begin) // cluster_size))


def _of_clusters(one: UsedMap, begin: int, count: int, cluster_size: int) -> tuple[Bools, Bools]:
    """Of some clusters whether any block in them is in use, and whether all are free."""
    whole = _blocks(one, begin, count * cluster_size)
    if cluster_size >= one.block_size:
        parts = whole.reshape(count, -1)
        return (parts == USED).any(axis=1), (parts == FREE).all(axis=1)
    parts = np.repeat(whole, one.block_size // cluster_size)[:count]
    return parts == USED, parts == FREE


def _blocks(one: UsedMap, begin: int, length: int) -> States:
    """The states of the blocks of a range that counts from the start of the file system."""
    count = -(-length // one.block_size)
    found = np.full(count, NOT_KNOWN, dtype=np.uint8)
    if begin % one.block_size:
        return found
    first = begin // one.block_size
    low, high = max(0, first), min(len(one.states), first + count)
    if low < high:
        found[low - first : high - first] = one.states[low:high]
    return found
