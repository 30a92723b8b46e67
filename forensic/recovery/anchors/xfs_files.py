"""XFS: inodes say where their files end. They are found by their checksum, whether or not a table leads to them."""

from __future__ import annotations

from collections.abc import Iterator

from forensic.evidence import Evidence
from forensic.recovery.anchors import xfs
from forensic.recovery.scan import Scan
from forensic.recovery.sectors import Signature

REGULAR, FILE_TYPE = 0x8000, 0xF000
IN_EXTENTS, IN_TREE = 2, 3
CORE = 176
"""Bytes of an inode before its extents."""

LEAF_HEAD = 72
MANY_EXTENTS = 1 << 4
"""The flag of an inode whose number of extents has 64 bits."""


def ends(evidence: Evidence, scan: Scan, system: bytes) -> Iterator[tuple[int, int]]:
    """Bytes from the start of the file system after the last one of each file, and those left in that block.

    Of an inode that lies in several places the one that was written last counts.
    """
    shape = next((one for one in xfs.shapes(evidence, scan) if one.uuid == system), None)
    if shape is None:
        return
    newest: dict[int, bytes] = {}
    sectors = scan.signatures[Signature.XFS_INODE].sectors
    for _, raw in xfs.own_blocks(evidence, sectors, shape, shape.inode_size, 100, 160):
        number = int.from_bytes(raw[152:160], "big")
        if number not in newest or raw[112:120] > newest[number][112:120]:
            newest[number] = raw
    leaves = _leaves(evidence, scan, shape)
    for number, raw in newest.items():
        size, form = int.from_bytes(raw[56:64], "big"), raw[5]
        if int.from_bytes(raw[2:4], "big") & FILE_TYPE != REGULAR or not 0 < size < 1 << 60:
            continue
        records = _inline(raw) if form == IN_EXTENTS else leaves.get(number, []) if form == IN_TREE else []
        last = (size - 1) // shape.block_size
        for first, block, count in records:
            if first <= last < first + count:
                mask = (1 << shape.group_blocks_log) - 1
                begin = shape.place_of(block >> shape.group_blocks_log, block & mask)
                end = begin + size - first * shape.block_size
                if end <= shape.span:
                    yield end, -size % shape.block_size


def _inline(raw: bytes) -> list[tuple[int, int, int]]:
    """The extents within an inode."""
    flags = int.from_bytes(raw[120:128], "big")
    count = int.from_bytes(raw[24:32] if flags & MANY_EXTENTS else raw[76:80], "big")
    return _records(raw[CORE:], count)


def _records(raw: bytes, count: int) -> list[tuple[int, int, int]]:
    """First block in the file, first block in the file system, number of blocks; of extents that were written."""
    found = []
    for at in range(0, min(16 * count, len(raw) // 16 * 16), 16):
        word = int.from_bytes(raw[at : at + 16], "big")
        if not word >> 127:
            found.append((word >> 73 & (1 << 54) - 1, word >> 21 & (1 << 52) - 1, word & (1 << 21) - 1))
    return found


def _leaves(evidence: Evidence, scan: Scan, shape: xfs.Shape) -> dict[int, list[tuple[int, int, int]]]:
    """The extents in the leaves of trees, by the number of their inode."""
    found: dict[int, list[tuple[int, int, int]]] = {}
    sectors = scan.signatures[Signature.XFS_BLOCK].sectors
    for _, raw in xfs.own_blocks(evidence, sectors, shape, shape.block_size, 64, 40):
        if raw[:4] == b"BMA3" and raw[4:6] == b"\0\0":
            records = _records(raw[LEAF_HEAD:], int.from_bytes(raw[6:8], "big"))
            found.setdefault(int.from_bytes(raw[56:64], "big"), []).extend(records)
    return found
