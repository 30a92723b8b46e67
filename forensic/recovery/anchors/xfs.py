"""XFS with checksums (version 5): nearly every block of metadata says where it lies."""

from __future__ import annotations

from collections.abc import Iterator

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
MOST_SYSTEMS = 16

LARGEST_SECTOR = 4096
LARGEST_BLOCK = 65536

BYTES_AT_ONCE = 8 << 20
"""Bytes of structures that are held together: a file may be planted with many of the largest size."""


class Shape(Struct, frozen=True):
    """The sizes of one file system, from any copy of its superblock; in bytes or blocks as XFS has them."""

    block_size: int
    sector_size: int
    directory_size: int
    group_blocks: int
    inode_size: int
    inodes_per_block_log: int
    group_blocks_log: int
    uuid: bytes
    span: int
    log_start: int
    log_blocks: int

    def place_of(self, group: int, block: int) -> int:
        """Where a block of an allocation group begins, in bytes from the start of the file system."""
        return (group * self.group_blocks + block) * self.block_size

    @property
    def log_place(self) -> int:
        """Where its log begins, if that lies within the file system; its number packs group and block."""
        mask = (1 << self.group_blocks_log) - 1
        return self.place_of(self.log_start >> self.group_blocks_log, self.log_start & mask)


class Head(Struct, frozen=True):
    """Where in a structure that says its place in sectors of 512 bytes the checksum, that place and the UUID stand."""

    kind: str
    signature: Signature
    magic_at: int
    magics: tuple[bytes, ...]
    sum_at: int
    place_at: int
    uuid_at: int


HEADS = (
    Head("xfs_tree", Signature.XFS_BLOCK, 0, (b"AB3B", b"AB3C", b"IAB3", b"FIB3", b"RMB3", b"R3FC"), 52, 16, 32),
    Head("xfs_long_tree", Signature.XFS_BLOCK, 0, (b"BMA3",), 64, 24, 40),
    Head("xfs_directory", Signature.XFS_BLOCK, 0, (b"XDB3", b"XDD3", b"XDF3"), 4, 8, 24),
    Head("xfs_attribute", Signature.XFS_BLOCK, 0, (b"XARM",), 12, 40, 16),
    Head("xfs_symbolic_link", Signature.XFS_BLOCK, 0, (b"XSLM",), 12, 40, 16),
    Head("xfs_names", Signature.XFS_TREE_OF_NAMES, 8, (b"\x3d\xf1", b"\x3d\xff", b"\x3e\xbe", b"\x3b\xee"), 12, 16, 32),
)


def structures(evidence: Evidence, scan: Scan) -> list[Anchor]:
    """Everything that says its place, if its checksum and the UUID of its file system are right.

    A record of the log is an exception: its checksum covers data that may lie elsewhere in the file, so it is not
    compared, and the record is not `checked`.
    """
    found: list[Anchor] = []
    for shape in shapes(evidence, scan):
        found += _group_heads(evidence, scan, shape)
        found += _inodes(evidence, scan, shape)
        found += _log_records(evidence, scan, shape)
        for head in HEADS:
            found += _blocks(evidence, scan, shape, head)
    return found


def shapes(evidence: Evidence, scan: Scan) -> list[Shape]:
    """One for each file system of which a superblock with the right checksum was found."""
    sectors = some_of(scan.signatures[Signature.XFS].sectors)
    found: dict[bytes, Shape] = {}
    if not len(sectors):
        return []
    blocks = blocks_at(evidence, sectors, LARGEST_SECTOR)
    for size in (SECTOR_SIZE, 1024, 2048, LARGEST_SECTOR):
        for block, good in zip(blocks, sums_fit(blocks[:, :size], 224).tolist(), strict=True):
            shape = _shape(block.tobytes()) if good else None
            if shape is not None and shape.sector_size == size:
                found.setdefault(shape.uuid, shape)
    return list(found.values())[:MOST_SYSTEMS]


def _shape(raw: bytes) -> Shape | None:
    """What a superblock says; None if its sizes are impossible or it is of an older version."""

    def number(at: int, length: int) -> int:
        return int.from_bytes(raw[at : at + length], "big")

    block_size, directory_log = number(4, 4), raw[192]
    shape = Shape(
        block_size=block_size,
        sector_size=number(102, 2),
        directory_size=block_size << min(directory_log, 7),
        group_blocks=number(84, 4),
        inode_size=number(104, 2),
        inodes_per_block_log=raw[123],
        group_blocks_log=raw[124],
        uuid=raw[32:48],
        span=number(8, 8) * block_size,
        log_start=number(48, 8),
        log_blocks=number(96, 4),
    )
    sizes = 512 <= block_size <= LARGEST_BLOCK and shape.directory_size <= LARGEST_BLOCK
    possible = sizes and 256 <= shape.inode_size <= 2048 and shape.group_blocks > 0 and shape.group_blocks_log < 32
    return shape if possible and number(100, 2) & 15 == VERSION_5 else None


def sums_fit(blocks: Blocks, at: int) -> Bools:
    """Which rows have the CRC of themselves at this place, little-endian, counted with zeros there."""
    without = blocks.copy()
    without[:, at : at + 4] = 0
    stored = np.ascontiguousarray(blocks[:, at : at + 4]).view("<u4")[:, 0]
    found: Bools = crc32c(without) == stored
    return found


def _group_heads(evidence: Evidence, scan: Scan, shape: Shape) -> list[Anchor]:
    """The sectors with which each allocation group begins, after its superblock: they have the number of the group."""
    found = []
    for signature, kind, sector_of_group, number_at, sum_at, uuid_at in (
        (Signature.XFS_AGF, "xfs_agf", 1, 8, 216, 64),
        (Signature.XFS_AGI, "xfs_agi", 2, 8, 312, 296),
        (Signature.XFS_AGFL, "xfs_agfl", 3, 4, 32, 8),
    ):
        for sector, raw in own_blocks(
            evidence, scan.signatures[signature].sectors, shape, shape.sector_size, sum_at, uuid_at
        ):
            group = int.from_bytes(raw[number_at : number_at + 4], "big")
            place = shape.place_of(group, 0) + sector_of_group * shape.sector_size
            found.append(_anchor(kind, sector, place, shape))
    return found


def _inodes(evidence: Evidence, scan: Scan, shape: Shape) -> list[Anchor]:
    """Inodes: their number is that of their group, block, and index in the block."""
    found = []
    sectors = scan.signatures[Signature.XFS_INODE].sectors
    for sector, raw in own_blocks(evidence, sectors, shape, shape.inode_size, 100, 160):
        number = int.from_bytes(raw[152:160], "big")
        index = number & ((1 << shape.inodes_per_block_log) - 1)
        block = (number >> shape.inodes_per_block_log) & ((1 << shape.group_blocks_log) - 1)
        group = number >> (shape.inodes_per_block_log + shape.group_blocks_log)
        found.append(_anchor("xfs_inode", sector, shape.place_of(group, block) + index * shape.inode_size, shape))
    return found


def _log_records(evidence: Evidence, scan: Scan, shape: Shape) -> list[Anchor]:
    """Heads of records of the log: the low half of their sequence number is their place in it, in sectors of 512."""
    found = []
    for sector in some_of(scan.signatures[Signature.XFS_LOG].sectors).tolist():
        raw = evidence.read_up_to_bad(sector * SECTOR_SIZE, SECTOR_SIZE)
        place = int.from_bytes(raw[20:24], "big") * SECTOR_SIZE
        if raw[304:320] == shape.uuid and shape.log_start and place < shape.log_blocks * shape.block_size:
            found.append(_anchor("xfs_log", sector, shape.log_place + place, shape, checked=False))
    return found


def _blocks(evidence: Evidence, scan: Scan, shape: Shape, head: Head) -> list[Anchor]:
    """Blocks of trees and directories; those of directories may be larger than a block of the file system."""
    found: dict[int, Anchor] = {}
    sectors = scan.signatures[head.signature].sectors
    for size in dict.fromkeys((shape.block_size, shape.directory_size)):
        for sector, raw in own_blocks(evidence, sectors, shape, size, head.sum_at, head.uuid_at):
            if raw[head.magic_at :].startswith(head.magics):
                place = int.from_bytes(raw[head.place_at : head.place_at + 8], "big") * SECTOR_SIZE
                found.setdefault(sector, _anchor(head.kind, sector, place, shape))
    return list(found.values())


def own_blocks(
    evidence: Evidence, sectors: I64, shape: Shape, size: int, sum_at: int, uuid_at: int
) -> Iterator[tuple[int, bytes]]:
    """Sector and content of the structures of a size that have the UUID of a file system and their checksum right."""
    sectors = some_of(sectors)
    uuid = np.frombuffer(shape.uuid, dtype=np.uint8)
    step = max(1, BYTES_AT_ONCE // size)
    for first in range(0, len(sectors), step):
        part = sectors[first : first + step]
        blocks = blocks_at(evidence, part, size)
        own = (blocks[:, uuid_at : uuid_at + 16] == uuid).all(axis=1)
        part, blocks = part[own], blocks[own]
        good = sums_fit(blocks, sum_at)
        for sector, block in zip(part[good].tolist(), blocks[good], strict=True):
            yield sector, block.tobytes()


def _anchor(kind: str, sector: int, place: int, shape: Shape, checked: bool = True) -> Anchor:
    return Anchor(kind, sector * SECTOR_SIZE, place, checked, shape.uuid, span=shape.span)
