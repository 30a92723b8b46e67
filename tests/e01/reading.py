"""E01 read as plainly as it can be: section by section, chunk by chunk, every checksum compared."""

import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path

CHUNK = 32768


@dataclass
class Read:
    """What a container holds."""

    disk: bytearray = field(default_factory=bytearray)
    sections: list[list[str]] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    volumes: list[bytes] = field(default_factory=list)
    errors: list[tuple[int, int]] = field(default_factory=list)
    md5: str = ""
    sha1: str = ""
    tables: list[int] = field(default_factory=list)


def checked(data: bytes) -> bytes:
    """The data without its Adler-32, which must fit."""
    assert struct.unpack("<I", data[-4:])[0] == zlib.adler32(data[:-4])
    return data[:-4]


def read(paths: list[Path]) -> Read:
    """Read the segments of a container."""
    found = Read()
    for number, path in enumerate(paths, 1):
        data = path.read_bytes()
        assert data[:13] == b"EVF\x09\x0d\x0a\xff\x00\x01" + struct.pack("<HH", number, 0)
        found.sections.append([])
        offset, last = 13, ""
        while last not in ("next", "done"):
            last, offset = _section(data, offset, found)
        assert offset == len(data)
        assert last == ("done" if path == paths[-1] else "next")
    return found


def _section(data: bytes, offset: int, found: Read) -> tuple[str, int]:
    name, following, size = struct.unpack_from("<16sQQ", checked(data[offset : offset + 76]))
    kind = name.rstrip(b"\0").decode()
    found.sections[-1].append(kind)
    body = data[offset + 76 : offset + size]
    if kind in ("next", "done"):
        assert (following, size) == (offset, 76)
        return kind, offset + 76
    assert following == offset + size
    if kind in ("header", "header2"):
        found.texts[kind] = zlib.decompress(body).decode("utf-16" if kind == "header2" else "ascii")
    elif kind in ("volume", "data"):
        found.volumes.append(checked(body))
    elif kind == "table":
        _table(data, body, found)
    elif kind == "table2":
        assert body == data[offset - len(body) : offset]
    elif kind == "error2":
        (count,) = struct.unpack_from("<I", checked(body[:520]))
        assert len(body) == 524 + 8 * count
        numbers = struct.unpack(f"<{2 * count}I", checked(body[520:]))
        found.errors = list(zip(numbers[::2], numbers[1::2], strict=True))
    elif kind == "digest":
        found.md5, found.sha1 = checked(body)[:16].hex(), body[16:36].hex()
    elif kind == "hash":
        assert checked(body)[:16].hex() == found.md5
    else:
        assert kind == "sectors"
    return kind, offset + size


def _table(data: bytes, body: bytes, found: Read) -> None:
    count, base = struct.unpack_from("<I4xQ", checked(body[:24]))
    entries = struct.unpack(f"<{count}I", checked(body[24:]))
    found.tables.append(count)
    name, _, size = struct.unpack_from("<16sQQ", data, base)
    assert name.rstrip(b"\0") == b"sectors"
    places = [base + (entry & 0x7FFFFFFF) for entry in entries]
    for entry, start, end in zip(entries, places, [*places[1:], base + size], strict=True):
        stored = data[start:end]
        chunk = zlib.decompress(stored) if entry >> 31 else checked(stored)
        assert len(chunk) == CHUNK or end == base + size
        found.disk += chunk
