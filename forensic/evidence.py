"""The read-only file: opened once, never written, never mapped, proven unchanged at the end.

Nothing else in the project opens evidence. `mmap` is not used on purpose: a file that is truncated while it is
mapped kills the process with SIGBUS, a `pread` only comes back short.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from forensic.files.opened_file import Identity, reason_of
from forensic.files.opened_files import OpenedFiles, open_files, resolved
from forensic.unread import Unread, first_overlap, remember

if TYPE_CHECKING:
    from msgspec import UnsetType

    from forensic.records.run import IntegrityRecord, PieceRecord


HASH_CHUNK = 1 << 20
"""Bytes a hash takes at once: enough to release the interpreter lock for, small enough to stay in the cache."""

BLOCK_BYTES = 512
"""Bytes of the smallest block that a medium can fail to deliver."""

UNREAD_LISTED = 1000
"""Ranges that could not be read which are remembered one by one; further ones are counted."""


class ReadFailed(Exception):
    """The file system could not deliver bytes that the file has; callers turn it into a value."""

    def __init__(self, host_offset: int, length: int, reason: str) -> None:
        super().__init__(f"reading {length} bytes at host offset {host_offset:#x}: {reason}")
        self.host_offset = host_offset
        self.length = length
        self.reason = reason


class Evidence:
    """One evidence file; use it as a context manager or call `close`.

    Offsets are host offsets (bytes from the start of the file).
    """

    def __init__(
        self,
        path_as_given: str | os.PathLike[str],
        image_offset: int = 0,
        all_pieces: bool = False,
        bad: Sequence[tuple[int, int]] = (),
    ) -> None:
        """Open the file read-only; `bad` ranges, (start, end) in order, are not read, as if the medium failed there.

        What counts begins at `image_offset`. With `all_pieces` a file `NAME.001` is the first piece of evidence that
        was split, and those that follow it are read with it. Raises `EvidenceUnreadable` for what is missing, not
        permitted, or neither a regular file nor a block device, which is not read at all. A symbolic link that the
        examiner names is resolved first and reported; then none is followed.
        """
        self.path_as_given, self.image_offset = os.fspath(path_as_given), image_offset
        self.path = resolved(self.path_as_given)
        self._begin(open_files(self.path_as_given, self.path, image_offset, all_pieces), bad)

    @classmethod
    def of_opened(cls, opened: OpenedFiles, name: str, path: str = "") -> Self:
        """What was opened otherwise, which messages call `name`; it is closed with the object."""
        evidence = cls.__new__(cls)
        evidence.path_as_given, evidence.path, evidence.image_offset = name, path, opened.first.skip
        evidence._begin(opened)
        return evidence

    def _begin(self, opened: OpenedFiles, bad: Sequence[tuple[int, int]] = ()) -> None:
        self._opened = opened
        self.known_bad = tuple(bad)
        self.files, first = opened.files, opened.first
        self.before, self.open_flags = first.before, first.flags
        self._fd, self._skip, self._looks_up = first.descriptor, first.skip, opened.looks_up
        self._unread: dict[tuple[int, int], Unread] = {}
        self.unread_not_listed = 0
        self._writer = opened.writer()
        self.disk_usage = sum(file.disk_usage for file in self.files)

    def narrow(self, image_offset: int, length: int) -> None:
        """Let only this part of the file count from now on: an image within a larger file. Raises `ValueError`."""
        self._opened = self._opened.part(image_offset, length)
        self.image_offset = self._skip = image_offset
        self._looks_up = self._opened.looks_up
        self.files = self._opened.files

    @property
    def size(self) -> int:
        """Bytes in the file when it was opened, from the offset on at which it counts; all is judged against this."""
        return self._opened.size

    @property
    def is_remote(self) -> bool:
        """Whether it lies on a server, so that every byte that is read has to be fetched."""
        return self._opened.is_remote

    def expect(self, ranges: Iterable[tuple[int, int]]) -> None:
        """These ranges (host offset, length) will be read next; a server's are fetched together, faults met later."""
        with contextlib.suppress(OSError):
            self._opened.expect(ranges)

    @property
    def is_device(self) -> bool:
        """Whether it is a block device, of which only the size tells that it changed."""
        return self.files[0].is_device

    def read_at(self, host_offset: int, length: int) -> bytes:
        """Up to `length` bytes, fewer only where the file ends. Raises `ReadFailed`."""
        length = max(0, min(length, self.size - host_offset))
        if not length:
            return b""
        buffer = bytearray(length)
        self.read_into(host_offset, memoryview(buffer))
        return bytes(buffer)

    def read_or_nothing(self, host_offset: int, length: int) -> bytes:
        """The same, but no bytes where they cannot be read."""
        try:
            return self.read_at(host_offset, length)
        except ReadFailed:
            return b""

    def read_up_to_bad(self, host_offset: int, length: int) -> bytes:
        """The bytes up to `length`, to the end of the file, or to the first block that cannot be read.

        `unread` remembers that block. A read that fails says only where it began, so blocks are tried one by one.
        """
        with contextlib.suppress(ReadFailed):
            return self.read_at(host_offset, length)
        found = bytearray()
        end = min(host_offset + length, self.size)
        while (at := host_offset + len(found)) < end:
            try:
                found += self.read_at(at, min(BLOCK_BYTES - at % BLOCK_BYTES, end - at))
            except ReadFailed as failure:  # a file that was cut short may still hold the beginning of the block
                return bytes(found) + self.read_up_to_bad(at, failure.host_offset - at)
        return bytes(found)

    def read_into(self, host_offset: int, buffer: memoryview) -> None:
        """Fill the whole buffer, which must lie inside the file. Raises `ReadFailed`."""
        done = 0
        if self.known_bad and (bad := first_overlap(self.known_bad, host_offset, len(buffer))):
            raise self._failed(*bad, "the map of the device calls it unreadable")
        while done < len(buffer):
            at, rest = host_offset + done, buffer[done:] if done else buffer
            descriptor, place = self._fd, at + self._skip
            try:
                if self._looks_up:
                    descriptor, place, rest = self._opened.within(at, rest)
                count = os.preadv(descriptor, [rest], place)
            except OSError as error:
                raise self._failed(at, len(buffer) - done, reason_of(error)) from error
            if not count:
                raise self._failed(at, len(buffer) - done, "the file is shorter than when it was opened")
            done += count

    def read_each(self, host_offsets: Iterable[int], buffers: Sequence[memoryview]) -> list[int]:
        """Fill each buffer as `read_into` does; the indexes of those that cannot be filled.

        Tables of small clusters are read a hundred thousand at a time: a call for each costs as much as reading it.
        """
        plainly = not self.known_bad and not self._looks_up
        descriptor, skip, failed = self._fd, self._skip, list[int]()
        for index, (host_offset, buffer) in enumerate(zip(host_offsets, buffers, strict=True)):
            try:
                if not plainly or os.preadv(descriptor, (buffer,), host_offset + skip) < len(buffer):
                    self.read_into(host_offset, buffer)
            except OSError as error:
                self.note_unread(host_offset, len(buffer), reason_of(error))
                failed.append(index)
            except ReadFailed:
                failed.append(index)
        return failed

    @property
    def unread(self) -> tuple[Unread, ...]:
        """Every range that could not be read so far, whichever caller asked for it."""
        return tuple(sorted(self._unread.values(), key=lambda one: (one.host_offset, one.length)))

    def note_unread(self, host_offset: int, length: int, reason: str) -> None:
        """Remember a range that could not be read; another process, which read for this one, may have met it."""
        if not remember(self._unread, Unread(host_offset, length, reason), UNREAD_LISTED):
            self.unread_not_listed += 1

    def _failed(self, host_offset: int, length: int, reason: str) -> ReadFailed:
        self.note_unread(host_offset, length, reason)
        return ReadFailed(host_offset, length, reason)

    def next_data_from(self, host_offset: int) -> int:
        """The host offset of the next byte at or after this one that the file system stores; the size if none.

        Holes of a sparse file read as zeros; skipping them saves reading a terabyte of nothing.
        """
        return self._opened.next_data_from(host_offset)

    def hole_from(self, host_offset: int) -> int:
        """The host offset where the stored bytes that begin at `host_offset` end."""
        return self._opened.hole_from(host_offset)

    def sha256(self, progress: Callable[[int], None] | None = None) -> str:
        """The hash of the file as it stands, in hexadecimal; `progress` gets the bytes done. Raises `ReadFailed`."""
        import hashlib  # slow to load, and needed for hashes alone

        digest = hashlib.sha256()
        buffer = bytearray(HASH_CHUNK)
        for host_offset in range(0, self.size, HASH_CHUNK):
            view = memoryview(buffer)[: min(HASH_CHUNK, self.size - host_offset)]
            self.read_into(host_offset, view)
            digest.update(view)
            if progress:
                progress(host_offset + len(view))
        return digest.hexdigest()

    def leave_cache(self) -> None:
        """Let the system forget what it holds of the file, so that what is read next comes from the medium."""
        self._opened.leave_cache()

    def after(self) -> Identity | None:
        """The identity of what the path names now; None if it names nothing any more."""
        return self.files[0].now()

    def unchanged(self) -> bool:
        """Whether device, inode, size, mtime and ctime are as when it was opened; of a block device node and size."""
        return not any(self._opened.changes())

    def changes(self) -> list[str]:
        """How the file, or each of its pieces, differs from what it was when it was opened, as ends of sentences."""
        return list(self._opened.changes())

    def in_use(self) -> bool | None:
        """Whether another process, such as a running QEMU, holds locks on the file; None if that cannot be told.

        The locks are only asked for, never taken. A process that only reads holds locks as well; see `writer`.
        """
        return self._opened.locked()

    def writer(self) -> str | None:
        """What another process that holds the file may do to it, as the end of a sentence; None if none was seen.

        One that held it when it was opened counts, though it may be gone by now. Locks are all that is looked at: a
        program that takes none is not noticed.
        """
        self._writer = self._writer or self._opened.writer()
        return self._writer

    def notes(self) -> list[str]:
        """What a reader of any result has to know about how the file was read, in sentences about it."""
        found = []
        if writer := self.writer():
            found.append(f"is held by another process, which {writer}: it may have changed while it was read")
        for change in self._opened.changes():
            found.append(f"changed while it was being read; the result is not reliable ({change})")
        if count := len(self._unread) + self.unread_not_listed:
            ranges = "a range" if count == 1 else f"{count:,} ranges"
            found.append(f"could not be read in full, which left out {ranges}; the first: {self.unread[0]}")
        return found

    @property
    def identities(self) -> set[tuple[int, int]]:
        """Device and inode of each file that is read."""
        return self._opened.identities

    def is_same_file(self, status: os.stat_result) -> bool:
        """Whether a stat result is of this very file, whatever its name."""
        return (status.st_dev, status.st_ino) in self.identities

    @property
    def kind(self) -> str:
        """What it is: a file, a block device, an object of a server."""
        return self._opened.kind

    def pieces(self) -> list[PieceRecord] | UnsetType:
        """The files of evidence that was split, as reports hold them; nothing for a single file."""
        return self._opened.records()

    def integrity(self) -> IntegrityRecord:
        """The proof that the file was not changed, as reports hold it."""
        return self._opened.integrity()

    def close(self) -> None:
        """Close the file; the object is of no use afterwards."""
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
