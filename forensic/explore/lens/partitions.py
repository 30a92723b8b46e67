"""Boot records and GUID partition tables of a disk. UEFI specification 5.2 and 5.3."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import partial

from forensic.explore.lens.zones import Kind, Zone, always, marked, one
from forensic.format.guest.partitions import Partitions
from forensic.numbers import SECTOR_SIZE
from forensic.structure import parse
from forensic.volumes.partitions import EXTENDED_TYPES, MAX_GPT_ENTRIES, MAX_LOGICAL_PARTITIONS
from forensic.volumes.signatures import Read

BOOT_RECORD = Kind("partitions", "boot_record", partial(parse, Partitions.BootRecord))
GPT_HEADER = Kind("partitions", "gpt_header", partial(parse, Partitions.GptHeader))
GPT_ENTRY = Kind("partitions", "gpt_entry", partial(parse, Partitions.GptEntry))

LEN_GPT_ENTRY = 128
BOOT_SIGNATURE = b"\x55\xaa"
FIRST_LINK = 446


def partition_zones(read: Read, disk_size: int, partitioned: bool) -> list[Zone]:
    """Where the tables lie; a boot sector of a file system is none (`partitioned` False)."""
    if not partitioned:
        return []
    zones = [one(0, SECTOR_SIZE, "MBR", marked(BOOT_RECORD, BOOT_SIGNATURE, 510))]
    for sector in (SECTOR_SIZE, 4096):
        found = list(_gpt(read, disk_size, sector, sector, "GPT"))
        if found:
            last = disk_size // sector * sector - sector
            return [*zones, *found, *_gpt(read, disk_size, sector, last, "backup GPT")]
    return [*zones, *_boot_records(read, disk_size)]


def _gpt(read: Read, disk_size: int, sector: int, place: int, name: str) -> Iterator[Zone]:
    header = read(place, SECTOR_SIZE)
    if isinstance(header, str) or header[:8] != b"EFI PART" or len(header) < 92:
        return
    yield one(place, 92, f"{name} header", marked(GPT_HEADER, b"EFI PART"))
    table, count, width = struct.unpack_from("<QII", header, 72)
    if LEN_GPT_ENTRY <= width <= 4096 and table * sector < disk_size:
        length = width * min(count, MAX_GPT_ENTRIES)
        yield Zone(table * sector, length, width, f"{name} entry {{}}", always(GPT_ENTRY), 1)


def _boot_records(read: Read, disk_size: int) -> Iterator[Zone]:
    """The chain of logical partitions of each extended one; a hostile one may lead in a circle."""
    seen: set[int] = set()
    for start in _links(read, 0):
        place = start
        while place not in seen and len(seen) < MAX_LOGICAL_PARTITIONS and place < disk_size:
            seen.add(place)
            yield one(place, SECTOR_SIZE, "extended boot record", marked(BOOT_RECORD, BOOT_SIGNATURE, 510))
            following = next(_links(read, place), None)
            if following is None:
                break
            place = start + following


def _links(read: Read, place: int) -> Iterator[int]:
    sector = read(place, SECTOR_SIZE)
    if isinstance(sector, str) or sector[510:] != BOOT_SIGNATURE:
        return
    for number in range(4):
        kind, first = struct.unpack_from("<4xB3xI", sector, FIRST_LINK + 16 * number)
        if kind in EXTENDED_TYPES:
            yield first * SECTOR_SIZE
