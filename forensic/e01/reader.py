"""Reads an E01 container as `writer` makes it: every checksum is compared, every number bounded by its file.

It shares no code with the writer but the layout's numbers, and decompresses with another library.
"""

from __future__ import annotations

import struct
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec import Struct

from forensic.e01 import layout
from forensic.e01.layout import CHUNK, SECTION_SIZE, SECTOR
from forensic.evidence import Evidence, ReadFailed
from forensic.output.chunk import Chunk
from forensic.untrusted import shown

READ_BYTES = 4 << 20
"""Bytes of stored chunks that are read together."""

SHORT_BYTES = 1 << 10
"""A chunk of zeros is stored in fewer than these, if it is compressed."""

MAX_SECTION_BYTES = 64 << 20
"""The most of a section that is read at once, but for the chunks; the largest that is written is a table."""

_ZEROS = bytes(CHUNK)


class ContainerDamaged(Exception):
    """The container is not what its writer makes; the text says which file, where, and what is wrong."""


class _Table(Struct, frozen=True):
    """The chunks of one section: the number of the first, and where each is stored in the file."""

    file: int
    first: int
    end: int
    places: array[int]
    """Offset in the file; bit 63 is set where the chunk is compressed."""


class E01Bytes:
    """The disk in a container, by guest offset; a context manager, since its files stay open."""

    def __init__(self, paths: Sequence[Path], guest_start: int = 0) -> None:
        """Read everything but the chunks; the first byte is that of guest offset `guest_start`.

        Raises `ContainerDamaged`, `EvidenceUnreadable` if a file cannot be opened, `ReadFailed` if it cannot be read.
        """
        self.start = guest_start
        self.sectors = 0
        self.hashes: dict[str, str] = {}
        """What the container says of the disk."""
        self.errors: list[tuple[int, int]] = []
        """What it says could not be read: first sector and number of sectors of each range."""
        self._volume = b""
        self._tables: list[_Table] = []
        self._chunks = 0
        self._zeros: bytes | None = None  # a chunk of zeros as it is stored
        self._last: tuple[int, bytes] = (-1, b"")
        self._open = ExitStack()
        self._files: list[Evidence] = []
        try:
            for number, path in enumerate(paths, 1):
                self._files.append(self._open.enter_context(Evidence(path)))
                _Segment(self, self._files[-1], number, number == len(paths)).read()
            if not self.hashes or self._chunks != -(-self.size // CHUNK):
                raise ContainerDamaged(f"it has {self._chunks:,} chunks for {self.size:,} bytes")
        except BaseException:
            self._open.close()
            raise

    @property
    def size(self) -> int:
        """Bytes of the disk, with the zeros that make its sectors whole."""
        return self.sectors * SECTOR

    def in_order(self) -> Iterator[Chunk]:
        """All of the disk. Raises `ContainerDamaged`, `ReadFailed`."""
        for table in self._tables:
            yield from self._stored_in(table, table.first, table.first + len(table.places))

    def read(self, guest_offset: int, length: int) -> bytes:
        """Bytes of the disk; fewer where it ends. Raises `ReadFailed`, for what is damaged as well."""
        offset = guest_offset - self.start
        end = min(offset + length, self.size)
        first = offset // CHUNK
        try:
            parts = [self._chunk(number) for number in range(first, -(-end // CHUNK))]
        except ContainerDamaged as error:
            raise ReadFailed(guest_offset, length, str(error)) from error
        found = parts[0] if len(parts) == 1 else b"".join(parts)
        return found[offset - first * CHUNK : end - first * CHUNK]

    def stored(self, guest_offset: int, length: int) -> Iterator[tuple[int, int]]:
        """The parts of a guest range whose chunks are not stored as zeros, as (start, end). Raises as `read` does."""
        try:
            yield from self._stored_chunks(guest_offset, length)
        except ContainerDamaged as error:
            raise ReadFailed(guest_offset, length, str(error)) from error

    def _stored_chunks(self, guest_offset: int, length: int) -> Iterator[tuple[int, int]]:
        offset, end = guest_offset - self.start, guest_offset - self.start + length
        while offset < min(end, self.size):
            table = self._table_of(offset // CHUNK)
            last = min(-(-end // CHUNK), table.first + len(table.places))
            for chunk in self._stored_in(table, offset // CHUNK, last):
                follows = min(end, (offset // CHUNK + 1) * CHUNK)
                if not isinstance(chunk, int):
                    yield self.start + offset, self.start + follows
                offset = follows
        if offset < end:
            yield self.start + offset, self.start + end

    def _chunk(self, number: int) -> bytes:
        if self._last[0] != number:
            (chunk,) = self._stored_in(self._table_of(number), number, number + 1)
            self._last = number, _ZEROS[:chunk] if isinstance(chunk, int) else bytes(chunk)
        return self._last[1]

    def _table_of(self, number: int) -> _Table:
        return self._tables[bisect_right(self._tables, number, key=lambda table: table.first) - 1]

    def _stored_in(self, table: _Table, first: int, end: int) -> Iterator[Chunk]:
        """The chunks from `first` on of a table that has them all; those that are stored as zeros are a number."""
        file, places = self._files[table.file], table.places
        at = first - table.first
        while at < end - table.first:
            start, stop = places[at] & _PLACE, at
            while stop < end - table.first and self._end_of(table, stop) - start <= READ_BYTES:
                stop += 1
            stop = max(stop, at + 1)
            data = file.read_at(start, self._end_of(table, stop - 1) - start)
            for index in range(at, stop):
                stored = data[(places[index] & _PLACE) - start : self._end_of(table, index) - start]
                yield self._decoded(stored, bool(places[index] >> 63), table.first + index, file)
            at = stop

    def _end_of(self, table: _Table, index: int) -> int:
        return table.places[index + 1] & _PLACE if index + 1 < len(table.places) else table.end

    def _decoded(self, stored: bytes, compressed: bool, number: int, file: Evidence) -> Chunk:
        length = min(CHUNK, self.size - number * CHUNK)
        if stored == self._zeros and length == CHUNK:
            return length
        data = _inflated(stored, length) if compressed else _checked(stored)
        if data is None or len(data) != length:
            raise ContainerDamaged(f"{shown(file.path_as_given)}: chunk {number:,} does not decode to {length:,} bytes")
        if len(stored) < SHORT_BYTES and data == _ZEROS:
            self._zeros = stored
        return memoryview(data)

    def close(self) -> None:
        """Close the files."""
        self._open.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Segment:
    """One file of a container, section by section."""

    def __init__(self, found: E01Bytes, file: Evidence, number: int, last: bool) -> None:
        self._found, self._file, self._number, self._last = found, file, number, last
        self._sectors: tuple[int, int] | None = None  # offset and end of the chunks whose table has not come
        self._table = b""

    def read(self) -> None:
        """Note what is in it."""
        head = layout.file_header(self._number)
        if self._file.read_at(0, len(head)) != head:
            raise self._damaged(0, f"is not segment {self._number} of a container")
        offset, name = len(head), ""
        while name not in ("next", "done"):
            name, size = self._section(offset)
            offset += size
        if name != ("done" if self._last else "next"):
            raise self._damaged(offset, "the last section is not the one that ends a segment here")
        if offset != self._file.size:
            raise self._damaged(offset, "something follows the last section")

    def _section(self, offset: int) -> tuple[str, int]:
        """Take the section at this offset; its name and size."""
        head = self._checked(self._file.read_at(offset, SECTION_SIZE), offset)
        raw, following, size = struct.unpack_from("<16sQQ", head)
        name = raw.rstrip(b"\0").decode("ascii", "replace")
        last = name in ("next", "done")
        if size < SECTION_SIZE or size > self._file.size - offset or following != (offset if last else offset + size):
            raise self._damaged(offset, f"a section of {size:,} bytes leads to offset {following:#x}")
        if name == "sectors":
            self._sectors = offset, offset + size
        elif size > MAX_SECTION_BYTES:
            raise self._damaged(offset, f"a section has {size:,} bytes")
        elif not last:
            self._take(name, offset, self._file.read_at(offset + SECTION_SIZE, size - SECTION_SIZE))
        return name, size

    def _take(self, name: str, offset: int, body: bytes) -> None:
        match name:
            case "header" | "header2" if _inflated(body, MAX_SECTION_BYTES) is not None:
                pass
            case "volume" | "data":
                self._volume(self._checked(body, offset), offset)
            case "table":
                self._chunks(body, offset)
            case "table2" if body == self._table:
                pass
            case "error2":
                numbers = self._checked(body[520:], offset)
                (count,) = struct.unpack_from("<I", self._checked(body[:520], offset))
                if len(numbers) != 8 * count:
                    raise self._damaged(offset, f"the list of errors has {len(numbers):,} bytes for {count:,} ranges")
                self._found.errors = list(struct.iter_unpack("<II", numbers))
            case "digest":
                digests = self._checked(body, offset)
                self._found.hashes = {"md5": digests[:16].hex(), "sha1": digests[16:36].hex()}
            case "hash" if self._checked(body, offset)[:16].hex() == self._found.hashes.get("md5"):
                pass
            case _:
                raise self._damaged(offset, "a section does not belong here, or differs from its copy")

    def _volume(self, body: bytes, offset: int) -> None:
        if self._found._volume not in (b"", body):
            raise self._damaged(offset, "the segment is of another container")
        self._found._volume = body
        chunks, sectors_in_one, sector_size, sectors = struct.unpack_from("<4xIIIQ", body)
        if (sectors_in_one, sector_size) != (layout.CHUNK_SECTORS, SECTOR) or sectors > chunks * sectors_in_one:
            raise self._damaged(offset, f"{chunks:,} chunks cannot hold {sectors:,} sectors")
        self._found.sectors = sectors

    def _chunks(self, body: bytes, offset: int) -> None:
        """The table of the chunks that have just come."""
        if self._sectors is None or len(body) < 28:
            raise self._damaged(offset, "a table without chunks")
        (begin, end), self._sectors, self._table = self._sectors, None, body
        count, base = struct.unpack_from("<I4xQ", self._checked(body[:24], offset))
        packed = self._checked(body[24:], offset)
        if base != begin or len(packed) != 4 * count or not count:
            raise self._damaged(offset, f"the table of {count:,} chunks is not that of the chunks before it")
        entries = struct.unpack(f"<{count}I", packed)
        places = array("Q", (base + (entry & ~layout.COMPRESSED) | (entry >> 31) << 63 for entry in entries))
        plain = [place & _PLACE for place in places]
        if plain != sorted(plain) or plain[0] < begin + SECTION_SIZE or plain[-1] >= end:
            raise self._damaged(offset, "the table leads outside its chunks")
        self._found._tables.append(_Table(self._number - 1, self._found._chunks, end, places))
        self._found._chunks += count

    def _checked(self, data: bytes, offset: int) -> bytes:
        found = _checked(data)
        if found is None:
            raise self._damaged(offset, "a checksum does not fit")
        return found

    def _damaged(self, offset: int, what: str) -> ContainerDamaged:
        return ContainerDamaged(f"{shown(self._file.path_as_given)}, offset {offset:#x}: {what}")


_PLACE = (1 << 63) - 1


def _checked(data: bytes) -> bytes | None:
    """The data without its Adler-32; None if that does not fit."""
    fits = len(data) >= 4 and struct.unpack("<I", data[-4:])[0] == zlib.adler32(data[:-4])
    return data[:-4] if fits else None


def _inflated(stored: bytes, length: int) -> bytes | None:
    """A zlib stream of at most so many bytes; None if it is none."""
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(stored, length + 1)
    except zlib.error:
        return None
    return data if stream.eof and not stream.unused_data else None
