"""Where the bytes of the disk are written: the raw file or its segments, or standard output."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from forensic.errors import OutputFailed
from forensic.evidence import Evidence
from forensic.output.chunk import ZEROS, Chunk, as_bytes, length_of, split_chunk
from forensic.output.new_file import NewFile, partial_of, reason_of
from forensic.output.segments import Segment

SPARSE_BLOCK = 4096
"""Zeros are left out of the raw file in blocks of this size, the usual block of a file system."""


class Output(Protocol):
    """Takes the disk without a gap; every method raises `OutputFailed`.

    With `any_order` the ranges may come in any order, from several threads at a time.
    """

    @property
    def any_order(self) -> bool: ...

    def take(self, offset: int, chunk: Chunk) -> None:
        """The range that begins at this byte of the output."""

    def finish(self) -> None:
        """Everything was given: what is still to be written is written, and can be read back."""

    def complete(self) -> None:
        """After `finish`: what was written is called what it was to be called."""

    def abandon(self, keep: bool) -> None:
        """Give up; `keep` leaves what there is under a partial name."""


class RawFile:
    """The raw image in one file or several, each written as `NAME.partial`; all get their names in the end."""

    def __init__(self, segments: Sequence[Segment], sparse: bool, force: bool, done: int = 0) -> None:
        """Create the first file at its full size, or go on where `done` bytes are there from an interrupted run.

        Raises `OutputFailed` before anything is written if a file cannot be created or cannot be that long.
        """
        self.segments = segments
        self._sparse = sparse
        self._force = force
        self._files: list[NewFile] = []
        try:
            self._go_on(done) if done else self._next_file()
        except BaseException:
            self.abandon(keep=bool(done))
            raise

    @property
    def any_order(self) -> bool:
        """Several files are written one after the other, so that there may be many of them."""
        return len(self.segments) == 1

    def take(self, offset: int, chunk: Chunk) -> None:
        """Write what is not zero, and zeros as well if the file is not to be sparse."""
        while length_of(chunk):
            segment = self.segments[len(self._files) - 1]
            room = segment.offset + segment.length - offset
            if not room:
                self._next_file()
                continue
            part, chunk = split_chunk(chunk, room)
            self._write(offset - segment.offset, part)
            offset += length_of(part)

    def finish(self) -> None:
        """Nothing is left to be written."""

    def complete(self) -> None:
        """Give all files their names."""
        for file in reversed(self._files):  # the first one holds the lock
            file.complete()

    def abandon(self, keep: bool) -> None:
        """Remove all files, or leave them under their partial names."""
        for file in self._files:
            file.abandon(keep)

    def _write(self, offset: int, chunk: Chunk) -> None:
        file = self._files[-1]
        if isinstance(chunk, int):
            for zeros in () if self._sparse else as_bytes(chunk):
                file.write_at(offset, zeros)
                offset += len(zeros)
        elif not self._sparse:
            file.write_at(offset, chunk)
        else:
            for start, end in nonzero_runs(chunk, offset):
                file.write_at(offset + start, chunk[start:end])

    def _next_file(self) -> None:
        segment = self.segments[len(self._files)]
        self._close_last()
        file = NewFile(segment.path, self._force)
        self._files.append(file)
        file.set_size(segment.length)

    def _close_last(self) -> None:
        """Close the file that is full, unless it is the first: its lock keeps other runs away from all of them."""
        if len(self._files) > 1:
            self._files[-1].close()

    def _go_on(self, done: int) -> None:
        """Open what is there; whatever comes after the first `done` bytes is not trusted, and is removed."""
        for segment in self.segments:
            if segment.offset >= done:
                partial_of(segment.path).unlink(missing_ok=True)
                continue
            self._close_last()
            file = NewFile.again(segment.path, self._force)
            self._files.append(file)
            if done < segment.offset + segment.length:
                file.set_size(done - segment.offset)
            file.set_size(segment.length)


class StandardOutput:
    """The disk on standard output, for a pipe."""

    def __init__(self, descriptor: int, inputs: Sequence[Evidence]) -> None:
        """Raises `OutputFailed` if it is a terminal, or one of the inputs."""
        self._descriptor = descriptor
        if os.isatty(descriptor):
            raise OutputFailed("-", "standard output is a terminal; send it to a file or a pipe")
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode) and any(evidence.is_same_file(status) for evidence in inputs):
            raise OutputFailed("-", "standard output is an input; evidence is never written to")

    @property
    def any_order(self) -> bool:
        """A pipe has one order."""
        return False

    def take(self, offset: int, chunk: Chunk) -> None:
        """Write it all. Raises `BrokenPipeError` if the reader is gone."""
        for data in as_bytes(chunk):
            while len(data):
                try:
                    data = data[os.write(self._descriptor, data) :]
                except BrokenPipeError:
                    raise
                except OSError as error:
                    raise OutputFailed("standard output", reason_of(error)) from error

    def finish(self) -> None:
        """Nothing is left to be written."""

    def complete(self) -> None:
        """Nothing is left to do."""

    def abandon(self, keep: bool) -> None:
        """What was written is gone."""


def free_space(path: Path) -> int | None:
    """Bytes that can be written where a path is; None if the file system does not say. Raises `OutputFailed`."""
    try:
        status = os.statvfs(path.parent)
    except OSError as error:
        raise OutputFailed(path, reason_of(error)) from error
    return status.f_bavail * status.f_frsize if status.f_blocks else None


def refuse_lack_of_space(output: Path, parts: Sequence[Path], needed: int) -> None:
    """Raise `OutputFailed` if so many bytes find no room, beside what an interrupted run has left of the parts."""
    free = free_space(output)
    there = sum(partial_of(part).stat().st_blocks * 512 for part in parts if partial_of(part).is_file())
    if free is not None and needed > free + there:
        raise OutputFailed(output, f"needs {needed:,} bytes, but only {free:,} are free")


def nonzero_runs(data: memoryview, offset: int) -> list[tuple[int, int]]:
    """The ranges of `data`, as (start, end), that hold a byte other than zero.

    They begin and end at multiples of `SPARSE_BLOCK` in the file in which `data` lies at `offset`, so that a hole
    between them is one that the file system can leave out.
    """
    runs: list[tuple[int, int]] = []
    begin = 0
    for start, end in _zero_blocks(data, -offset % SPARSE_BLOCK):
        if begin < start:
            runs.append((begin, start))
        begin = end
    if begin < len(data):
        runs.append((begin, len(data)))
    return runs


def _zero_blocks(data: memoryview, head: int) -> Iterator[tuple[int, int]]:
    """The blocks of nothing but zeros, as (start, end); the first ends at `head`, the last may be a short one."""
    if head and ZEROS.startswith(data[:head]):
        yield 0, min(head, len(data))
    first_bytes = data[head::SPARSE_BLOCK].tobytes()  # a block that begins with something needs no closer look
    index = first_bytes.find(0)
    while index >= 0:
        start = head + index * SPARSE_BLOCK
        block = data[start : start + SPARSE_BLOCK]
        if ZEROS.startswith(block):
            yield start, start + len(block)
        index = first_bytes.find(0, index + 1)
