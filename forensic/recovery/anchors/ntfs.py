"""NTFS: records of the master file table have their number, and the record of the table itself says where they lie."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from forensic.evidence import Evidence
from forensic.recovery.anchors.anchor import Anchor, some_of
from forensic.recovery.scan import Scan
from forensic.recovery.sectors import Signature

SECTOR = 512
DATA_ATTRIBUTE = 0x80
END_OF_ATTRIBUTES = 0xFFFF_FFFF
MIRRORED = 4
"""The first records have a copy elsewhere in the file system, which says the same of itself."""

MOST_VOLUMES = 16
MOST_ATTRIBUTES = 64
MOST_RUNS = 4096


class Volume(Struct, frozen=True):
    """The sizes of one file system in bytes, by its boot sector, and the cluster in which its file table begins."""

    cluster_size: int
    record_size: int
    span: int
    table_cluster: int
    serial: bytes


Runs = list[tuple[int, int, int]]
"""The clusters of the file table: first cluster in it, how many, where they lie (-1: nowhere)."""


def file_records(evidence: Evidence, scan: Scan) -> list[Anchor]:
    """Records of the file table: number times size is the place in the table, whose runs are in record 0.

    A record has no checksum, only the number that ends each of its sectors, so what it says is never `checked`. Record
    0 counts only if its first run is where a boot sector says that the table begins. With two file systems nothing is
    said, since a record does not tell which of them is its own.
    """
    volumes = list(_volumes(evidence, scan))
    if len(volumes) != 1:
        return []
    volume = volumes[0]
    sectors = some_of(scan.signatures[Signature.NTFS_RECORD].sectors).tolist()
    records = [(sector, raw) for sector in sectors if (raw := _record(evidence, sector * SECTOR, volume.record_size))]
    runs = next((runs for _, raw in records if (runs := _runs_of_table(raw, volume))), [])
    found: list[Anchor] = []
    for sector, raw in records:
        number = int.from_bytes(raw[44:48], "little")
        place = _place(number * volume.record_size, runs, volume)
        if number >= MIRRORED and 0 <= place < volume.span:
            found.append(Anchor("ntfs_record", sector * SECTOR, place, False, volume.serial, span=volume.span))
    return found


def _volumes(evidence: Evidence, scan: Scan) -> Iterator[Volume]:
    """One for each serial number in boot sectors and their copies."""
    seen: set[bytes] = set()
    for sector in some_of(scan.signatures[Signature.NTFS_BOOT].sectors).tolist():
        raw = evidence.read_up_to_bad(sector * SECTOR, SECTOR)
        if len(raw) < SECTOR or raw[3:11] != b"NTFS    " or raw[510:] != b"\x55\xaa" or raw[72:80] in seen:
            continue
        per_sector, per_cluster, record = int.from_bytes(raw[11:13], "little"), raw[13], raw[64]
        per_cluster = per_cluster if per_cluster < 0x80 else 1 << (256 - per_cluster)
        cluster_size = per_sector * per_cluster
        record_size = record * cluster_size if record < 0x80 else 1 << (256 - record)
        total, table = int.from_bytes(raw[40:48], "little"), int.from_bytes(raw[48:56], "little")
        possible = per_sector in (512, 1024, 2048, 4096) and 512 <= cluster_size <= 2 << 20
        if (
            possible
            and record_size in (1024, 4096)
            and 0 < total < 1 << 52
            and table * cluster_size < total * per_sector
        ):
            seen.add(raw[72:80])
            yield Volume(cluster_size, record_size, total * per_sector, table, raw[72:80])
        if len(seen) == MOST_VOLUMES:
            return


def _record(evidence: Evidence, host_offset: int, size: int) -> bytes:
    """A record whose sectors all end with the number that it says; nothing otherwise."""
    raw = evidence.read_up_to_bad(host_offset, size)
    if len(raw) < size or raw[:4] != b"FILE":
        return b""
    at, count = int.from_bytes(raw[4:6], "little"), int.from_bytes(raw[6:8], "little")
    if count != size // SECTOR + 1 or at % 2 or not 42 <= at <= SECTOR - 2 - 2 * count:
        return b""
    number = raw[at : at + 2]
    whole = all(raw[end - 2 : end] == number for end in range(SECTOR, size + 1, SECTOR))
    return raw if whole else b""


def _runs_of_table(raw: bytes, volume: Volume) -> Runs:
    """The runs of the table, if this is its record 0."""
    at = int.from_bytes(raw[20:22], "little")
    if int.from_bytes(raw[44:48], "little"):
        return []
    for _ in range(MOST_ATTRIBUTES):
        kind, length = int.from_bytes(raw[at : at + 4], "little"), int.from_bytes(raw[at + 4 : at + 8], "little")
        if kind == END_OF_ATTRIBUTES or length < 24 or at + length > len(raw):
            return []
        if kind == DATA_ATTRIBUTE and raw[at + 8] and not raw[at + 9]:
            begin = at + int.from_bytes(raw[at + 32 : at + 34], "little")
            runs = _runs(raw[begin : at + length])
            return runs if runs and runs[0][2] == volume.table_cluster else []
        at += length
    return []


def _runs(raw: bytes) -> Runs:
    """A list of runs as it is packed: lengths of two numbers, a count, and a signed distance to the run before."""
    found: Runs = []
    at = first = cluster = 0
    while at < len(raw) and raw[at] and len(found) < MOST_RUNS:
        of_count, of_place = raw[at] & 15, raw[at] >> 4
        end = at + 1 + of_count + of_place
        if not of_count or of_count > 8 or of_place > 8 or end > len(raw):
            return []
        count = int.from_bytes(raw[at + 1 : at + 1 + of_count], "little")
        cluster += int.from_bytes(raw[at + 1 + of_count : end], "little", signed=True)
        found.append((first, count, cluster if of_place else -1))
        first, at = first + count, end
    return found


def _place(offset: int, runs: Runs, volume: Volume) -> int:
    """Where a byte of the table lies in the file system; -1 if nowhere."""
    for first, count, cluster in runs:
        within = offset - first * volume.cluster_size
        if 0 <= within < count * volume.cluster_size:
            return cluster * volume.cluster_size + within if cluster >= 0 else -1
    return -1
