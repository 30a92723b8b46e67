"""Partition tables: a GPT header says in which sector of the disk it lies, and where partitions begin."""

from __future__ import annotations

import zlib

from msgspec import Struct

from forensic.evidence import Evidence
from forensic.qcow2.entries import SECTOR_SIZE
from forensic.recovery.anchors.anchor import Anchor, some_of
from forensic.recovery.scan import Scan
from forensic.recovery.sectors import Signature

MOST_STARTS = 64
"""Partition starts that are tried."""


class Partitions(Struct, frozen=True):
    """Where partitions begin, and where the disk ends as far as a partition table knows; bytes from its start."""

    starts: tuple[int, ...] = ()
    end: int = 0


def gpt_headers(evidence: Evidence, scan: Scan) -> list[Anchor]:
    """The header after the first sector and its copy in the last one, with their checksum right.

    Each names the other, so the later of them is the last sector of the disk: that is their `span`.
    """
    found = []
    for sector in some_of(scan.signatures[Signature.GPT].sectors).tolist():
        raw = evidence.read_up_to_bad(sector * SECTOR_SIZE, SECTOR_SIZE)
        length = int.from_bytes(raw[12:16], "little")
        if raw[:8] != b"EFI PART" or not 92 <= length <= len(raw):
            continue
        checksum = zlib.crc32(raw[:16] + bytes(4) + raw[20:length])
        own, other = (int.from_bytes(raw[at : at + 8], "little") * SECTOR_SIZE for at in (24, 32))
        if checksum == int.from_bytes(raw[16:20], "little") and max(own, other) < 1 << 61:
            span = max(own, other) + SECTOR_SIZE
            found.append(Anchor("gpt_header", sector * SECTOR_SIZE, own, True, raw[56:72], absolute=True, span=span))
    return found


def by_gpt(raw: bytes, header: Anchor) -> Partitions:
    """Partitions by the entries that follow a primary header, which `raw` begins with, as far as it goes."""
    entries, count, size = (
        int.from_bytes(raw[72:80], "little"),
        int.from_bytes(raw[80:84], "little"),
        int.from_bytes(raw[84:88], "little"),
    )
    if header.place != SECTOR_SIZE or entries != 2 or size < 128 or size > 4096:
        return Partitions()
    found = []
    for at in range(SECTOR_SIZE, min(SECTOR_SIZE + min(count, 128) * size, len(raw)), size):
        start = int.from_bytes(raw[at + 32 : at + 40], "little")
        if any(raw[at : at + 16]) and 0 < start < 1 << 50:
            found.append(start * SECTOR_SIZE)
    return Partitions(tuple(found[:MOST_STARTS]), header.span)


def by_mbr(first_sector: bytes) -> Partitions:
    """The same by the four entries of a master boot record; none if the sector is none."""
    if len(first_sector) < SECTOR_SIZE or first_sector[510:] != b"\x55\xaa":
        return Partitions()
    entries = [first_sector[at : at + 16] for at in range(446, 510, 16)]
    if any(entry[0] not in (0, 0x80) for entry in entries):
        return Partitions()
    used = [entry for entry in entries if entry[4] and any(entry[12:16])]
    starts = [int.from_bytes(entry[8:12], "little") * SECTOR_SIZE for entry in used]
    sizes = [int.from_bytes(entry[12:16], "little") * SECTOR_SIZE for entry in used]
    end = max((start + size for start, size in zip(starts, sizes, strict=True)), default=0)
    return Partitions(tuple(start for start in starts if start), end)
