"""The files of one piece of evidence in a row: where a host offset lies in them, what they store, who holds them."""

from __future__ import annotations

import contextlib
import errno
import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from forensic.errors import EvidenceUnreadable
from forensic.files.opened_file import Identity, OpenedFile, change_of, open_file, pieces_after, reason_of, times_of
from forensic.files.qemu_locks import is_locked, writer_of
from forensic.untrusted import shown

if TYPE_CHECKING:
    from forensic.records.run import IntegrityRecord, PieceRecord

FIRST_OF_SEVERAL = ".001"
"""How the name of the first piece of evidence that was split ends."""


class OpenedFiles:
    """One file, or the pieces of evidence that was split; host offsets count through all of them."""

    is_remote = False
    method = "device, inode, size, mtime and ctime when opened and when the report was made"
    """How a change would be noticed, as reports have it."""

    def __init__(self, files: Sequence[OpenedFile]) -> None:
        self.files = tuple(files)
        self.first = self.files[0]
        self.size = self.files[-1].end
        # What was last found to be stored: some file systems look at each page of it to find its end.
        self._stored = (0, 0)

    @classmethod
    def of_descriptor(cls, descriptor: int) -> OpenedFiles:
        """A file without a name that this process has written itself, and only reads from now on."""
        return cls([OpenedFile(descriptor, "", (), Identity.of(os.fstat(descriptor)))])

    @property
    def several(self) -> bool:
        """Whether there is more than one."""
        return len(self.files) > 1

    def part(self, offset: int, length: int) -> OpenedFiles:
        """So many bytes of the file alone, from an offset on. Raises `ValueError` if it has no such part.

        Evidence that was split has none.
        """
        if self.several or not 0 <= offset <= offset + length <= self.first.before.size:
            raise ValueError(f"{length:,} bytes at offset {offset:#x} are no part of it")
        return OpenedFiles([replace(self.first, skip=offset, most=length)])

    def at(self, host_offset: int) -> OpenedFile:
        """The file in which an offset lies; the last one for those past its end."""
        return self.files[bisect_right(self.files, host_offset, key=lambda file: file.start) - 1]

    @property
    def looks_up(self) -> bool:
        """Whether `within` has to be asked before each read."""
        return len(self.files) > 1

    def expect(self, ranges: Iterable[tuple[int, int]]) -> None:
        """These ranges (host offset, length) will be read; what has to be fetched can be fetched together."""

    def within(self, host_offset: int, buffer: memoryview) -> tuple[int, int, memoryview]:
        """What to read for a buffer: from which descriptor, at which place in it, and how much of the buffer."""
        file = self.at(host_offset)
        return file.descriptor, host_offset - file.start + file.skip, buffer[: file.end - host_offset]

    def next_data_from(self, host_offset: int) -> int:
        """The host offset of the next byte that the file system stores; the size if none."""
        if self._stored[0] <= host_offset < self._stored[1]:
            return host_offset
        while host_offset < self.size:  # an offset out of an image may be more than the system call takes
            file = self.at(host_offset)
            shift = file.skip - file.start
            try:
                return os.lseek(file.descriptor, host_offset + shift, os.SEEK_DATA) - shift
            except OSError as error:
                if error.errno != errno.ENXIO:
                    return host_offset
            host_offset = file.end  # the rest of the file is a hole
        return self.size

    def hole_from(self, host_offset: int) -> int:
        """The host offset where the stored bytes that begin at `host_offset` end."""
        begins, ends = self._stored
        if not begins <= host_offset < ends:
            file = self.at(host_offset)
            shift = file.skip - file.start
            try:
                ends = min(os.lseek(file.descriptor, host_offset + shift, os.SEEK_HOLE) - shift, file.end)
            except (OSError, OverflowError):
                return file.end
            self._stored = (host_offset, ends)
        return ends

    def leave_cache(self) -> None:
        """Let the system forget what it holds of the files."""
        for file in self.files:
            with contextlib.suppress(OSError):
                os.posix_fadvise(file.descriptor, 0, 0, os.POSIX_FADV_DONTNEED)

    def locked(self) -> bool | None:
        """Whether another process holds locks on one of them; None if that cannot be told."""
        found = [is_locked(file.descriptor) for file in self.files]
        return None if None in found else any(found)

    def writer(self) -> str | None:
        """What another process that holds one of them may do to it; None if none was seen."""
        return next((found for file in self.files if (found := writer_of(file.descriptor))), None)

    @property
    def kind(self) -> str:
        """What a report calls it."""
        return "block" if self.first.is_device else "file"

    @property
    def identities(self) -> set[tuple[int, int]]:
        """Device and inode of each."""
        return {(file.before.device, file.before.inode) for file in self.files}

    def changes(self) -> Iterator[str]:
        """How each that changed since it was opened differs from what it was."""
        for file in self.files:
            if (after := file.now()) != file.before:
                yield change_of(file.before, after)

    def integrity(self) -> IntegrityRecord:
        """The proof that nothing was changed, as reports hold it."""
        from forensic.records.run import IntegrityRecord

        after = self.first.now()
        unchanged = after == self.first.before and all(file.now() == file.before for file in self.files[1:])
        device = self.first.is_device
        return IntegrityRecord(
            before=times_of(self.first.before),
            after=times_of(after) if after else None,
            unchanged=None if device and unchanged else unchanged,
            method="size and node of the block device, which do not tell whether its content changed"
            if device
            else self.method,
        )

    def records(self) -> list[PieceRecord] | UnsetType:
        """What a report says of the pieces, if there are several."""
        from forensic.records.run import PieceRecord

        return [PieceRecord(path=shown(one.path), size=one.size) for one in self.files] if self.several else UNSET

    def close(self) -> None:
        """Close them."""
        for file in self.files:
            with contextlib.suppress(OSError):
                os.close(file.descriptor)


def open_files(path_as_given: str, path: str, image_offset: int, all_pieces: bool) -> OpenedFiles:
    """Open a file, of which what counts begins at `image_offset`, or the pieces of which it is the first.

    `path` is the one given with every link resolved. Raises `EvidenceUnreadable`.
    """
    files = [open_file(path_as_given, path)]
    try:
        if all_pieces and path_as_given.endswith(FIRST_OF_SEVERAL):
            for piece in pieces_after(path_as_given):
                files.append(replace(open_file(piece, resolved(piece)), start=files[-1].end))
        if image_offset and len(files) > 1:
            raise EvidenceUnreadable(path_as_given, "evidence that was split has no offset at which it begins")
        if image_offset > files[0].before.size:
            where = f"there is no offset {image_offset:#x} in its {files[0].before.size:,} bytes"
            raise EvidenceUnreadable(path_as_given, where)
    except BaseException:
        OpenedFiles(files).close()
        raise
    return OpenedFiles([replace(files[0], skip=image_offset), *files[1:]])


def resolved(path_as_given: str) -> str:
    """The path that every link on the way leads to. Raises `EvidenceUnreadable` for what is no path."""
    try:
        return os.path.realpath(path_as_given)
    except (OSError, ValueError) as error:
        raise EvidenceUnreadable(path_as_given, reason_of(error)) from error
