"""XFS with checksums (version 5): nearly every block of metadata says where it lies."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from forensic.evidence import Evidence
from forensic.qcow2.arrays import I64, Bools
from forensic.qcow2.entries import SECTOR_SIZE
from forensic.recovery.anchors.anchor import Anchor, blocks_at, some_of
from forensic.recovery.crc import Blocks, crc32c
from forensic.recovery.scan import Scan
from forensic.recovery.sectors import Signature

VERSION_5 = 5
SHORT_TREES = (b"AB3B", b"AB3C", b"IAB3", b"FIB3", b"RMB3", b"R3FC")
DIRECTORIES = (b"XDB3", b"XDD3")


class Shape(Struct, frozen=True):
    """The sizes of one file system, from any copy of its superblock; in bytes or blocks as XFS has them."""

    block_size: int
    group_blocks: int
    inode_size: int
    inodes_per_block_log: int
    group_blocks_log: int
    uuid: bytes
    span: int


def structures(evidence: Evidence, scan: Scan) -> list[Anchor]:
    """Heads of allocation groups, inodes, trees and directories whose checksum and identity are right."""
    found: list[Anchor] = []
    for shape in shapes(evidence, scan):
        found += _group_heads(evidence, scan, shape)
        found += _inodes(evidence, scan, shape)
        found += _blocks(evidence, scan, shape)
    return found


def shapes(evidence: Evidence, scan: Scan) -> list[Shape]:
    """One for each file system of which a superblock with the right checksum was found."""
    sectors = some_of(scan.signatures[Signature.XFS].sectors)
    if not len(sectors):
        return []
    blocks = blocks_at(evidence, sectors, SECTOR_SIZE)
    found: dict[bytes, Shape] = {}
    for block, good in zip(blocks, sums_fit(blocks, 224), strict=True):
        raw = block.tobytes()
        shape = Shape(
            int.from_bytes(raw[4:8], "big"),
            int.from_bytes(raw[84:88], "big"),
            int.from_bytes(raw[104:106], "big"),
            raw[123],
            raw[124],
            raw[32:48],
            int.from_bytes(raw[8:16], "big") * int.from_bytes(raw[4:8], "big"),
        )
        sizes = 512 <= shape.block_size <= 65536 and 256 <= shape.inode_size <= 2048 and shape.group_blocks
        if good and sizes and int.from_bytes(raw[100:102], "big") & 15 == VERSION_5:
            found.setdefault(shape.uuid, shape)
    return list(found.values())[:16]


def sums_fit(blocks: Blocks, at: int) -> Bools:
    """Which rows have the CRC of themselves at this place, little-endian, counted with zeros there."""
    without = blocks.copy()
    without[:, at : at + 4] = 0
    stored = np.ascontiguousarray(blocks[:, at : at + 4]).view("<u4")[:, 0]
    found: Bools = crc32c(without) == stored
    return found


def _group_heads(evidence: Evidence, scan: Scan, shape: Shape) -> list[Anchor]:
    """The heads of free space and inodes of each allocation group: their sequence number is that of the group."""
    found = []
    for signature, kind, sector_of_group, sum_at, uuid_at in (
        (Signature.XFS_AGF, "xfs_agf", 1, 216, 64),
        (Signature.XFS_AGI, "xfs_agi", 2, 312, 296),
    ):
        sectors = some_of(scan.signatures[signature].sectors)
        if not len(sectors):
            continue
        blocks = blocks_at(evidence, sectors, SECTOR_SIZE)
        for sector, block, good in zip(sectors.tolist(), blocks, sums_fit(blocks, sum_at).tolist(), strict=True):
            raw = block.tobytes()
            if good and raw[uuid_at : uuid_at + 16] == shape.uuid:
                group = int.from_bytes(raw[8:12], "big")
                place = group * shape.group_blocks * shape.block_size + sector_of_group * SECTOR_SIZE
                found.append(Anchor(kind, sector * SECTOR_SIZE, place, True, shape.uuid, span=shape.span))
    return found


def _inodes(evidence: Evidence, scan: Scan, shape: Shape) -> list[Anchor]:
    """Inodes: their number is that of their group, block, and index in the block."""
    sectors = some_of(scan.signatures[Signature.XFS_INODE].sectors)
    if not len(sectors):
        return []
    blocks = blocks_at(evidence, sectors, shape.inode_size)
    found = []
    for sector, block, good in zip(sectors.tolist(), blocks, sums_fit(blocks, 100).tolist(), strict=True):
        raw = block.tobytes()
        if not good or raw[160:176] != shape.uuid:
            continue
        number = int.from_bytes(raw[152:160], "big")
        index = number & ((1 << shape.inodes_per_block_log) - 1)
        block_number = (number >> shape.inodes_per_block_log) & ((1 << shape.group_blocks_log) - 1)
        group = number >> (shape.inodes_per_block_log + shape.group_blocks_log)
        place = (group * shape.group_blocks + block_number) * shape.block_size + index * shape.inode_size
        found.append(Anchor("xfs_inode", sector * SECTOR_SIZE, place, True, shape.uuid, span=shape.span))
    return found


def _blocks(evidence: Evidence, scan: Scan, shape: Shape) -> list[Anchor]:
    """Blocks of trees and directories, which have their place in sectors."""
    sectors = some_of(scan.signatures[Signature.XFS_BLOCK].sectors)
    if not len(sectors):
        return []
    blocks = blocks_at(evidence, sectors, shape.block_size)
    found: list[Anchor] = []
    heads = np.ascontiguousarray(blocks[:, :4]).view("S4")[:, 0]
    for kind, magics, sum_at, place_at, uuid_at in (
        ("xfs_tree", SHORT_TREES, 52, 16, 32),
        ("xfs_long_tree", (b"BMA3",), 64, 24, 40),
        ("xfs_directory", DIRECTORIES, 4, 8, 24),
    ):
        rows: I64 = np.flatnonzero(np.isin(heads, magics))
        if not len(rows):
            continue
        good = sums_fit(blocks[rows], sum_at)
        for row in rows[good].tolist():
            raw = blocks[row].tobytes()
            if raw[uuid_at : uuid_at + 16] == shape.uuid:
                place = int.from_bytes(raw[place_at : place_at + 8], "big") * SECTOR_SIZE
                found.append(Anchor(kind, int(sectors[row]) * SECTOR_SIZE, place, True, shape.uuid, span=shape.span))
    return found
