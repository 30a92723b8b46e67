"""Writes a disk as E01: chunks, tables, segments, hashes, and what could not be read."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

import deflate

from forensic.e01 import layout
from forensic.e01.layout import CHUNK, MAX_SEGMENTS, SECTION_SIZE, SECTOR, CaseData, Medium
from forensic.errors import OutputFailed
from forensic.output.chunk import Chunk, length_of, split_chunk
from forensic.output.hashes import Hashes
from forensic.output.new_file import NewFile
from forensic.output.segments import remove

HASHES = ("md5", "sha1")
"""What the container says of the disk; programs that read it compare them."""

BATCH = 32 * CHUNK
"""Bytes that are collected before they are hashed and compressed."""

AT_ONCE = 1024
"""Chunks of zeros that are written together."""

SMALLEST_SEGMENT = 1 << 20
NUMBERED = 99
"""Segments whose names end with a number; those after them end with letters, as those of other files may."""
AT_THE_END = 4096
"""Room that is kept in a segment for what follows its tables, but for the list of unread ranges."""

FASTEST, THOROUGH = 1, 9

Unread = Callable[[], Iterable[tuple[int, int]]]
"""Gives the ranges of the output that could not be read, (start, end) in order, once all of it was given."""


class E01Output:
    """The segments `NAME.E01`, `NAME.E02`, … of one container, each written as `NAME.E01.partial`.

    Every method raises `OutputFailed`.
    """

    def __init__(
        self,
        base: Path,
        size: int,
        case: CaseData,
        unread: Unread,
        level: int = FASTEST,
        segment_size: int | None = None,
        force: bool = False,
    ) -> None:
        """Create the first segment of a disk of `size` bytes; `level` is 0 (stored) to 9.

        A size that is no multiple of 512 is filled up with zeros, since the format counts in sectors.
        """
        self.size = size
        self.padding = -size % SECTOR
        self.files: list[Path] = []
        self._base, self._unread, self._force = base, unread, force
        self._level, self._segment_size = level, segment_size
        self._medium = Medium((size + self.padding) // SECTOR, level, _identity(case, size))
        self._case = case
        self._open: list[NewFile] = []
        self._batch = bytearray()
        self._position = 0  # in the segment
        self._sectors_at = 0  # where the section of chunks begins; 0 where none is open
        self._entries: list[int] = []
        self._stored_zeros = self._stored(bytes(CHUNK))
        self._hashes = Hashes(HASHES, size + self.padding)
        try:
            self._next_segment()
        except BaseException:
            self.abandon(keep=False)
            raise

    @property
    def any_order(self) -> bool:
        """Chunks are compressed one after the other."""
        return False

    @property
    def hashes(self) -> dict[str, str]:
        """MD5 and SHA-1 of the disk as it stands in the container, padding included; after `finish`."""
        return self._hashes.hexdigests()

    def take(self, offset: int, chunk: Chunk) -> None:
        """The range that comes next."""
        while length_of(chunk):
            if isinstance(chunk, int) and chunk >= CHUNK and not len(self._batch) % CHUNK:
                self._write_batch()
                self._write_zeros(chunk // CHUNK)
                chunk %= CHUNK
                continue
            step = CHUNK if isinstance(chunk, int) else BATCH
            part, chunk = split_chunk(chunk, step - len(self._batch) % step)
            self._batch += bytes(part) if isinstance(part, int) else part
            if len(self._batch) >= BATCH:
                self._write_batch()

    @property
    def partials(self) -> list[Path]:
        """The files as they are called before `complete`."""
        return [file.partial for file in self._open]

    def finish(self) -> None:
        """Write what is left, the hashes, and what could not be read."""
        if self.padding:
            self.take(self.size, self.padding)
        self._write_batch()
        self._hashes.finish()
        self._end_sectors()
        ranges = layout.error_sectors(self._unread())
        if ranges:
            self._write_section("error2", layout.errors(ranges))
        digest, md5 = layout.digests(self.hashes)
        self._write_section("digest", digest)
        self._write_section("hash", md5)
        self._append(layout.section("done", self._position, SECTION_SIZE, last=True))
        self._hashes.stop()

    def complete(self) -> None:
        """Give all files their names; after `finish`."""
        for file in reversed(self._open):  # the first one holds the lock
            file.complete()
        # Of a container that was written over, and had more segments.
        remove(segments_after(self._base, len(self.files)) if self._force else ())

    def abandon(self, keep: bool) -> None:
        """Remove all files; a container without its end is of no use to any program."""
        self._hashes.stop()
        for file in self._open:
            file.abandon(keep)

    def _write_batch(self) -> None:
        if not self._batch:
            return
        data, self._batch = bytes(self._batch), bytearray()
        self._hashes.take(memoryview(data))
        for start in range(0, len(data), CHUNK):
            self._write_chunks(*self._stored(data[start : start + CHUNK]), 1)

    def _write_zeros(self, count: int) -> None:
        """So many chunks of nothing but zeros, which are all stored alike."""
        self._hashes.take(count * CHUNK)
        self._write_chunks(*self._stored_zeros, count)

    def _stored(self, data: bytes) -> tuple[bytes, int]:
        """A chunk as it is written, and the flag in its table entry."""
        if self._level:
            stream = bytes(deflate.zlib_compress(data, self._level))
            if len(stream) < len(data):
                return stream, layout.COMPRESSED
        return layout.stored_chunk(data), 0

    def _write_chunks(self, stored: bytes, flag: int, count: int) -> None:
        """The same chunk `count` times."""
        while count:
            some = min(count, self._room_for(len(stored)), AT_ONCE)
            if not some:
                self._end_sectors()
                if self._segment_size and not self._fits_segment(len(stored)):
                    self._append(layout.section("next", self._position, SECTION_SIZE, last=True))
                    self._next_segment()
                continue
            if not self._sectors_at:
                self._sectors_at = self._position
                self._append(bytes(SECTION_SIZE))  # written over when the section ends, and its size is known
            first = self._position - self._sectors_at
            self._entries += [first + number * len(stored) | flag for number in range(some)]
            self._append(stored * some)
            count -= some

    def _room_for(self, length: int) -> int:
        """How many chunks of so many bytes go into the section, or into a new one."""
        used = self._position - self._sectors_at if self._sectors_at else SECTION_SIZE
        room = min(layout.MAX_TABLE_ENTRIES - len(self._entries), (layout.MAX_SECTORS_SECTION - used) // length)
        if self._segment_size and self._sectors_at:
            room = min(room, int(self._fits_segment(length)))
        return room

    def _fits_segment(self, length: int) -> bool:
        """Whether another chunk, the tables and what may follow them go into the segment."""
        tables = 2 * (layout.TABLE_OVERHEAD + 4 * (len(self._entries) + 1))
        return self._position + SECTION_SIZE + length + tables + AT_THE_END <= (self._segment_size or 0)

    def _end_sectors(self) -> None:
        """Give the section of chunks its size, and write its tables."""
        if not self._sectors_at:
            return
        begin, self._sectors_at = self._sectors_at, 0
        head = layout.section("sectors", begin, self._position - begin)
        self._open[-1].write_at(begin, memoryview(head))
        entries, self._entries = self._entries, []
        for name in ("table", "table2"):
            self._write_section(name, layout.table(begin, entries))

    def _next_segment(self) -> None:
        number = len(self._open) + 1
        path = segment_path(self._base, number)
        if len(self._open) > 1:
            self._open[-1].close()  # the first stays open: its lock keeps other runs away from all of them
        self._open.append(NewFile(path, self._force))
        self.files.append(path)
        self._position = 0
        self._append(layout.file_header(number))
        if number > 1:
            self._write_section("data", layout.volume(self._medium))
            return
        for _ in range(2):
            self._write_section("header2", layout.header2(self._case))
        self._write_section("header", layout.header(self._case))
        self._write_section("volume", layout.volume(self._medium))

    def _write_section(self, name: str, data: bytes) -> None:
        self._append(layout.section(name, self._position, SECTION_SIZE + len(data)) + data)

    def _append(self, data: bytes) -> None:
        self._open[-1].append(data)
        self._position += len(data)


def segments_after(base: Path, number: int) -> list[Path]:
    """The segments of a container that there are after the one with this number, up to the first that is missing."""
    found: list[Path] = []
    while (after := number + len(found)) < MAX_SEGMENTS and os.path.lexists(path := segment_path(base, after + 1)):
        found.append(path)
    return found


def segment_path(base: Path, number: int) -> Path:
    """The name of a segment, counted from 1. Raises `OutputFailed` for more than there can be."""
    try:
        return base.with_name(f"{base.name}.{layout.extension(number)}")
    except ValueError as error:
        raise OutputFailed(base, str(error)) from error


def _identity(case: CaseData, size: int) -> bytes:
    """The GUID by which segments belong together; where builds are to be reproducible it follows from the content."""
    if "SOURCE_DATE_EPOCH" in os.environ:
        return uuid.uuid5(uuid.NAMESPACE_OID, f"{case!r} {size}").bytes
    return uuid.uuid4().bytes
