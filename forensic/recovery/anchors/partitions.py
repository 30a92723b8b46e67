"""Partition tables: a GPT header says in which sector of the disk it lies, and where partitions begin."""

from __future__ import annotations

import zlib

from forensic.evidence import Evidence
from forensic.qcow2.entries import SECTOR_SIZE
from forensic.recovery.anchors.anchor import Anchor, some_of
from forensic.recovery.scan import Scan
from forensic.recovery.sectors import Signature

MOST_STARTS = 64
"""Partition starts that are tried."""


def gpt_headers(evidence: Evidence, scan: Scan) -> list[Anchor]:
    """The header after the first sector and its copy in the last one, with their checksum right."""
    found = []
    for sector in some_of(scan.signatures[Signature.GPT].sectors).tolist():
        raw = evidence.read_up_to_bad(sector * SECTOR_SIZE, SECTOR_SIZE)
        length = int.from_bytes(raw[12:16], "little")
        if raw[:8] != b"EFI PART" or not 92 <= length <= len(raw):
            continue
        checksum = zlib.crc32(raw[:16] + bytes(4) + raw[20:length])
        place = int.from_bytes(raw[24:32], "little") * SECTOR_SIZE
        if checksum == int.from_bytes(raw[16:20], "little") and place < 1 << 61:
            found.append(Anchor("gpt_header", sector * SECTOR_SIZE, place, True, raw[56:72], absolute=True))
    return found


def starts_by_gpt(evidence: Evidence, header: Anchor) -> list[int]:
    """Where partitions begin, in bytes from the start of the disk, by the entries next to a primary header."""
    raw = evidence.read_up_to_bad(header.host_offset, 34 * SECTOR_SIZE)
    entries, count, size = (
        int.from_bytes(raw[72:80], "little"),
        int.from_bytes(raw[80:84], "little"),
        int.from_bytes(raw[84:88], "little"),
    )
    if header.place != SECTOR_SIZE or entries != 2 or size < 128 or size > 4096:
        return []
    found = []
    for number in range(min(count, 128)):
        entry = raw[SECTOR_SIZE + number * size : SECTOR_SIZE + number * size + 128]
        start = int.from_bytes(entry[32:40], "little")
        if any(entry[:16]) and 0 < start < 1 << 50:
            found.append(start * SECTOR_SIZE)
    return found[:MOST_STARTS]


def starts_by_mbr(first_sector: bytes) -> list[int]:
    """The same by the four entries of a master boot record; none if the sector is none."""
    if len(first_sector) < SECTOR_SIZE or first_sector[510:] != b"\x55\xaa":
        return []
    entries = [first_sector[at : at + 16] for at in range(446, 510, 16)]
    if any(entry[0] not in (0, 0x80) for entry in entries):
        return []
    starts = [int.from_bytes(entry[8:12], "little") for entry in entries if entry[4] and any(entry[12:16])]
    return [start * SECTOR_SIZE for start in starts if start]
