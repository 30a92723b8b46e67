"""ext2, ext3 and ext4: copies of the superblock say which block group they lie in."""

from __future__ import annotations

from forensic.evidence import Evidence
from forensic.recovery.anchors.anchor import Anchor, blocks_at, some_of
from forensic.recovery.crc import crc32c
from forensic.recovery.scan import Scan
from forensic.recovery.sectors import Signature

SUPERBLOCK = 1024
CHECKSUM = 1020
METADATA_CSUM = 0x400


def superblocks(evidence: Evidence, scan: Scan) -> list[Anchor]:
    """The superblock and its copies in other groups.

    Each has the number of its group, and the sizes from which the start of a group follows. With metadata checksums its
    own shows that it is whole; without them its numbers are all there is.
    """
    sectors = some_of(scan.signatures[Signature.EXT].sectors)
    if not len(sectors):
        return []
    blocks = blocks_at(evidence, sectors, SUPERBLOCK)
    sums = ~crc32c(blocks[:, :CHECKSUM])
    found = []
    for sector, block, checksum in zip(sectors.tolist(), blocks, sums.tolist(), strict=True):
        raw = block.tobytes()
        first_block, log_size, per_group = (int.from_bytes(raw[at : at + 4], "little") for at in (20, 24, 32))
        count = int.from_bytes(raw[4:8], "little")
        group = int.from_bytes(raw[90:92], "little")
        if log_size > 6 or not 256 <= per_group <= 8 * (1024 << log_size) or first_block > 1 or not count:
            continue
        size = 1024 << log_size
        place = (first_block + group * per_group) * size
        if group == 0 and size > SUPERBLOCK:
            place += SUPERBLOCK
        has_sum = int.from_bytes(raw[100:104], "little") & METADATA_CSUM
        checked = bool(has_sum) and int.from_bytes(raw[CHECKSUM:], "little") == checksum
        if (not has_sum or checked) and place < count * size:
            found.append(Anchor("ext_superblock", sector * 512, place, checked, raw[104:120], span=count * size))
    return found
