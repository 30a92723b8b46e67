"""The sections of an E01 file as EnCase 6 lays them out, each as bytes.

There is no specification by the maker; this follows the description in the documentation of libewf ("Expert Witness
Compression Format"), whose tools read the result in the tests. All numbers are little-endian, and every part ends with
an Adler-32 of its own.
"""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

SIGNATURE = b"EVF\x09\x0d\x0a\xff\x00"
SECTOR = 512
CHUNK_SECTORS = 64
CHUNK = CHUNK_SECTORS * SECTOR
"""Bytes that are compressed together."""

MAX_TABLE_ENTRIES = 65_534
MAX_SECTORS_SECTION = (1 << 31) - (1 << 20)
"""Bytes of one section of chunks: what a table entry can reach, which has 31 bits."""

COMPRESSED = 1 << 31
"""In a table entry: the chunk is a zlib stream, and not bytes with an Adler-32 after them."""

MAX_ERROR_SECTOR = (1 << 32) - 1
MAX_SEGMENTS = 14_971

_SECTION = struct.Struct("<16sQQ40x")
_VOLUME = struct.Struct("<B3xIIIQIIIB3xI4xIB3xI4x16s963x5s")
_TABLE = struct.Struct("<I4xQ4x")
SECTION_SIZE = _SECTION.size + 4
TABLE_OVERHEAD = SECTION_SIZE + _TABLE.size + 4 + 4

FIXED_MEDIUM = 1
IMAGE_OF_PHYSICAL_DISK = 3


class CaseData(Struct, frozen=True):
    """What the container says of the case; `acquired` in seconds since 1970."""

    case_number: str = ""
    evidence_number: str = ""
    examiner: str = ""
    description: str = ""
    notes: str = ""
    version: str = ""
    system: str = ""
    acquired: int = 0


class Medium(Struct, frozen=True):
    """What is in the container: sectors of the disk, how they are compressed, and the container's identity."""

    sectors: int
    level: int
    guid: bytes

    @property
    def chunks(self) -> int:
        """How many chunks the disk makes."""
        return -(-self.sectors // CHUNK_SECTORS)


def with_checksum(data: bytes) -> bytes:
    """The bytes and their Adler-32."""
    return data + struct.pack("<I", zlib.adler32(data))


def file_header(segment: int) -> bytes:
    """How each segment begins; they are counted from 1."""
    return SIGNATURE + b"\x01" + struct.pack("<HH", segment, 0)


def section(name: str, offset: int, size: int, last: bool = False) -> bytes:
    """What precedes a section at `offset` of its segment, of `size` bytes with this; the last leads to itself."""
    following = offset if last else offset + size
    return with_checksum(_SECTION.pack(name.encode("ascii"), following, size))


def header2(case: CaseData) -> bytes:
    """The case data as EnCase 4 and later write them, compressed."""
    names = ["a", "c", "n", "e", "t", "md", "sn", "av", "ov", "m", "u", "p", "dc"]
    values = [
        *map(_field, (case.description, case.case_number, case.evidence_number, case.examiner, case.notes)),
        *("", "", _field(case.version), _field(case.system), str(case.acquired), str(case.acquired), "", ""),
    ]
    main = ["3", "main", "\t".join(names), "\t".join(values), ""]
    sources = ["srce", "0\t1", "p\tn\tid\tev\ttb\tlo\tpo\tah\tgu\taq", "0\t0", "\t\t\t\t\t-1\t-1\t\t\t", ""]
    subjects = ["sub", "0\t1", "p\tn\tid\tnu\tco\tgu", "0\t0", "\t\t\t\t1\t", "", ""]
    return zlib.compress(b"\xff\xfe" + "\n".join([*main, *sources, *subjects]).encode("utf-16-le", "replace"))


def header(case: CaseData) -> bytes:
    """The same as older programs read them: ASCII, with the date in words."""
    date = " ".join(map(str, time.gmtime(case.acquired)[:6]))
    given = (case.case_number, case.evidence_number, case.description, case.examiner, case.notes)
    values = [*map(_field, (*given, case.version, case.system)), date, date, "0"]
    names = ["c", "n", "a", "e", "t", "av", "ov", "m", "u", "p"]
    lines = ["1", "main", "\t".join(names), "\t".join(values), "", ""]
    return zlib.compress("\r\n".join(lines).encode("ascii", "replace"))


def volume(medium: Medium) -> bytes:
    """What the sections `volume` and `data` say of the medium."""
    level = 0 if not medium.level else 1 if medium.level < 6 else 2
    fields = (FIXED_MEDIUM, medium.chunks, CHUNK_SECTORS, SECTOR, medium.sectors, 0, 0, 0)
    places = (IMAGE_OF_PHYSICAL_DISK, 0, 0, level, CHUNK_SECTORS)
    return with_checksum(_VOLUME.pack(*fields, *places, medium.guid, b""))


def table(base: int, entries: Sequence[int]) -> bytes:
    """Where each chunk lies after `base`, an offset in the segment."""
    packed = struct.pack(f"<{len(entries)}I", *entries)
    return with_checksum(_TABLE.pack(len(entries), base)) + with_checksum(packed)


def errors(ranges: Iterable[tuple[int, int]]) -> bytes:
    """What could not be read: first sector and number of sectors of each range."""
    packed = b"".join(struct.pack("<II", start, count) for start, count in ranges)
    return with_checksum(struct.pack("<I512x", len(packed) // 8)) + with_checksum(packed)


def digests(hashes: Mapping[str, str]) -> tuple[bytes, bytes]:
    """The sections `digest` (MD5 and SHA-1) and `hash` (MD5)."""
    md5, sha1 = bytes.fromhex(hashes["md5"]), bytes.fromhex(hashes["sha1"])
    return with_checksum(md5 + sha1 + bytes(40)), with_checksum(md5 + bytes(16))


def stored_chunk(data: bytes) -> bytes:
    """A chunk as it is, for what does not get smaller."""
    return with_checksum(data)


def extension(segment: int) -> str:
    """How the name of a segment ends: `E01` to `E99`, then `EAA` to `EZZ`, `FAA` and so on to `ZZZ`.

    Raises `ValueError` for more than there are.
    """
    if segment < 100:
        return f"E{segment:02}"
    first, rest = divmod(segment - 100, 26 * 26)
    letters = (ord("E") - ord("A") + first, *divmod(rest, 26))
    if segment > MAX_SEGMENTS:
        raise ValueError(f"a container has at most {MAX_SEGMENTS:,} segments")
    return "".join(chr(ord("A") + letter) for letter in letters)


def error_sectors(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Byte ranges (start, end) in order as first sector and number, rounded outward; what touches is one.

    What lies past the 2 TiB that a sector number here can reach is left out.
    """
    found: list[tuple[int, int]] = []
    for start, end in ranges:
        first, after = start // SECTOR, min(-(-end // SECTOR), MAX_ERROR_SECTOR + 1)
        if first > MAX_ERROR_SECTOR:
            break
        if found and first <= found[-1][0] + found[-1][1]:
            first, after = found[-1][0], max(after, sum(found.pop()))
        # A number of sectors has 32 bits as well, which a range from sector 0 on could fill.
        found.append((first, min(after - first, MAX_ERROR_SECTOR)))
    return found


def _field(value: str) -> str:
    """A value that cannot end its field or its line."""
    return " ".join(value.split())
