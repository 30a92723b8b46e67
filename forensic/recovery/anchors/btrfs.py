"""btrfs: each copy of the superblock says where it lies."""

from __future__ import annotations

from forensic.evidence import Evidence
from forensic.recovery.anchors.anchor import Anchor, blocks_at, some_of
from forensic.recovery.crc import crc32c
from forensic.recovery.scan import Scan
from forensic.recovery.sectors import Signature

SUPERBLOCK = 4096
PLACES = (64 << 10, 64 << 20, 256 << 30)


def superblocks(evidence: Evidence, scan: Scan) -> list[Anchor]:
    """The superblock and its copies: at 64 KiB, 64 MiB and 256 GiB, by their own word and with their checksum right."""
    sectors = some_of(scan.signatures[Signature.BTRFS].sectors)
    if not len(sectors):
        return []
    blocks = blocks_at(evidence, sectors, SUPERBLOCK)
    sums = crc32c(blocks[:, 32:])
    found = []
    for sector, block, checksum in zip(sectors.tolist(), blocks, sums.tolist(), strict=True):
        raw = block.tobytes()
        place = int.from_bytes(raw[48:56], "little")
        if place in PLACES and int.from_bytes(raw[:4], "little") == checksum:
            span = int.from_bytes(raw[112:120], "little")
            found.append(Anchor("btrfs_superblock", sector * 512, place, True, raw[32:48], span=span))
    return found
