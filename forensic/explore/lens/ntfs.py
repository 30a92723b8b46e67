"""The boot sectors and the file records of an NTFS volume."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from functools import partial

from forensic.explore.lens.zones import Kind, Zone, ZoneAt, marked, one
from forensic.format.guest.ntfs import Ntfs
from forensic.structure import Structure, parse
from forensic.volumes.signatures import Read

MAX_ATTRIBUTES = 64
MAX_RUNS = 4096
MIRRORED_RECORDS = 4
LEN_BOOT_SECTOR, UPDATE_UNIT = 512, 512
DATA = 0x80

BOOT_SECTOR = Kind("ntfs", "boot_sector", partial(parse, Ntfs.BootSector))


def _parse_record(data: bytes, base: int, name: str) -> Structure:
    return parse(Ntfs.FileRecord, data, base, name, MAX_ATTRIBUTES)


RECORD = Kind("ntfs", "file_record", _parse_record)


def ntfs_zones(read: Read, length: int) -> ZoneAt:
    """What finds the structure that holds a byte. The table is found by the runs in its first record alone."""
    boot = marked(BOOT_SECTOR, b"NTFS    ", 3)
    zones = [one(0, LEN_BOOT_SECTOR, "boot sector", boot)]
    sector = read(0, LEN_BOOT_SECTOR)
    if isinstance(sector, bytes):
        zones += _of_boot_sector(read, parse(Ntfs.BootSector, sector, 0, ""), length)
    zones.sort(key=lambda zone: zone.offset)

    def zone_at(offset: int) -> Zone | None:
        at = bisect_right(zones, offset, key=lambda zone: zone.offset) - 1
        return zones[at] if at >= 0 and offset < zones[at].end else None

    return zone_at


def _of_boot_sector(read: Read, boot: Structure, length: int) -> Iterator[Zone]:
    sector, code = boot.integer("bytes_per_sector"), boot.integer("sectors_per_cluster")
    cluster = sector * (code if code <= 0x80 else 1 << (256 - code) % 32)
    record = _size_of(boot.integer("record_size_code"), cluster)
    if not (256 <= sector <= 4096 and sector <= cluster <= 1 << 21 and 512 <= record <= 1 << 16):
        return
    last = boot.integer("sector_count") * sector
    if LEN_BOOT_SECTOR <= last < length:
        yield one(last, LEN_BOOT_SECTOR, "backup boot sector", marked(BOOT_SECTOR, b"NTFS    ", 3))
    kind_of = marked(RECORD, b"FILE")
    mirror = boot.integer("mft_mirror_cluster") * cluster
    if 0 < mirror < length:
        yield Zone(mirror, MIRRORED_RECORDS * record, record, "mirrored MFT record {}", kind_of, mend=mended)
    place = boot.integer("mft_cluster") * cluster
    first = read(place, record) if 0 < place < length else b""
    if isinstance(first, str) or first[:4] != b"FILE":
        return
    number = 0
    for start, count in runs_of(_data_runs(_parse_record(mended(first), 0, ""))):
        records = count * cluster // record
        if start is not None and records and 0 <= start * cluster < length:
            yield Zone(start * cluster, records * record, record, "MFT record {}", kind_of, number, mended)
        number += records


def _size_of(code: int, cluster: int) -> int:
    """Bytes of a record; a negative code is that of a power of two."""
    return code * cluster if code > 0 else 1 << min(-code, 32)


def mended(record: bytes) -> bytes:
    """A record with the last bytes of its sectors put back, where they are what the update sequence says."""
    start, count = (int.from_bytes(record[at : at + 2], "little") for at in (4, 6))
    sequence = record[start : start + 2 * count]
    mended_record = bytearray(record)
    for number in range(1, len(sequence) // 2):
        end = number * UPDATE_UNIT
        if end > len(record) or record[end - 2 : end] != sequence[:2]:
            break
        mended_record[end - 2 : end] = sequence[2 * number : 2 * number + 2]
    return bytes(mended_record)


def _data_runs(record: Structure) -> bytes:
    """The runs of the content itself, which has no name."""
    for number in range(MAX_ATTRIBUTES):
        stem = f"attributes[{number}]"
        if record.integer(f"{stem}.type") == DATA and not record.integer(f"{stem}.body.len_name"):
            return record.raw(f"{stem}.body.non_resident.runs")
    return b""


def runs_of(raw: bytes) -> Iterator[tuple[int | None, int]]:
    """First cluster and length of each run; None for one that is nowhere (sparse)."""
    position, cluster = 0, 0
    for _ in range(MAX_RUNS):
        if position >= len(raw) or not raw[position]:
            return
        long, far = raw[position] & 15, raw[position] >> 4
        length = int.from_bytes(raw[position + 1 : position + 1 + long], "little")
        distance = raw[position + 1 + long : position + 1 + long + far]
        if long > 8 or far > 8 or len(distance) < far:
            return
        cluster += int.from_bytes(distance, "little", signed=True)
        yield cluster if far else None, length
        position += 1 + long + far
