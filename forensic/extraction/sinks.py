"""Where the guest's bytes go: the raw file, and the hashes."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from forensic.errors import OutputFailed
from forensic.evidence import Evidence

SPARSE_BLOCK = 4096
"""Zeros are left out of the raw file in blocks of this size, the usual block of a file system."""

ZEROS = bytes(1 << 20)
"""What long stretches of zeros are hashed and written from."""

HASHES = ("md5", "sha1", "sha256", "sha512", "blake2b")
CHECKPOINTS = 256
CHECKPOINT_UNIT = 1 << 20


class Sink(Protocol):
    """Takes the disk in guest order, without a gap."""

    def data(self, guest_offset: int, data: memoryview) -> None:
        """Bytes that were read."""

    def zeros(self, guest_offset: int, length: int) -> None:
        """A stretch of zeros."""


@dataclass(frozen=True)
class Checkpoint:
    """The hash of the first `length` bytes of the disk; a later comparison finds where two disks begin to differ."""

    length: int
    sha256: str


class Hashes:
    """Hashes of the disk in the order asked for, and on the way checkpoints of the SHA-256."""

    def __init__(self, algorithms: Sequence[str], disk_size: int) -> None:
        """Raises `ValueError` for an algorithm that is not in `HASHES`."""
        unknown = sorted(set(algorithms) - set(HASHES))
        if unknown:
            raise ValueError(f"unknown hash {', '.join(unknown)}; known are {', '.join(HASHES)}")
        self._digests = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
        self.checkpoints: list[Checkpoint] = []
        self._step = checkpoint_step(disk_size)
        self._done = 0

    def data(self, guest_offset: int, data: memoryview) -> None:
        """Take bytes that were read."""
        while len(data):
            room = self._step - self._done % self._step
            self._update(data[:room])
            data = data[room:]

    def zeros(self, guest_offset: int, length: int) -> None:
        """Take zeros; a hash cannot skip them."""
        if not self._digests:
            return
        while length:
            run = min(length, len(ZEROS))
            self.data(guest_offset, memoryview(ZEROS)[:run])
            length -= run

    def hexdigests(self) -> dict[str, str]:
        """The hashes of what was taken so far."""
        return {name: digest.hexdigest() for name, digest in self._digests.items()}

    def _update(self, data: memoryview) -> None:
        for digest in self._digests.values():
            digest.update(data)
        self._done += len(data)
        if self._done % self._step == 0 and "sha256" in self._digests:
            self.checkpoints.append(Checkpoint(self._done, self._digests["sha256"].copy().hexdigest()))


def checkpoint_step(disk_size: int) -> int:
    """Bytes between checkpoints: whole mebibytes, so that there are at most `CHECKPOINTS` of them."""
    return max(1, -(-disk_size // (CHECKPOINTS * CHECKPOINT_UNIT))) * CHECKPOINT_UNIT


class RawFile:
    """The raw image, written as `NAME.partial` and given its name when it is complete."""

    def __init__(
        self, path: Path, size: int, needed: int, sparse: bool, force: bool, inputs: Sequence[Evidence]
    ) -> None:
        """Create the partial file at its full size.

        `needed` is how many bytes will have to be stored. Raises `OutputFailed` before anything is written if the
        output exists (without `force`), is one of the inputs, does not fit, or cannot be created.
        """
        self.path = path
        self.partial = path.with_name(path.name + ".partial")
        self._sparse = sparse
        _refuse_inputs(path, inputs)
        _refuse_inputs(self.partial, inputs)
        if not force and os.path.lexists(path):
            raise OutputFailed(path, "exists already; --force overwrites it")
        if not force and os.path.lexists(self.partial):
            raise OutputFailed(
                self.partial, "exists already, from an extraction that was not completed; --force overwrites it"
            )
        self._force = force
        _refuse_lack_of_space(path, needed if sparse else size)
        self._fd = self._create(size)

    def data(self, guest_offset: int, data: memoryview) -> None:
        """Write what is not zero. Raises `OutputFailed`."""
        if not self._sparse:
            self._write(guest_offset, data)
            return
        for start, end in nonzero_runs(data, guest_offset):
            self._write(guest_offset + start, data[start:end])

    def zeros(self, guest_offset: int, length: int) -> None:
        """Leave a hole, or write the zeros if the file is not to be sparse. Raises `OutputFailed`."""
        if self._sparse:
            return
        for start in range(0, length, len(ZEROS)):
            self._write(guest_offset + start, memoryview(ZEROS)[: length - start])

    def complete(self) -> None:
        """Give the file its name. Raises `OutputFailed`."""
        try:
            os.close(self._fd)
            if self._force:
                self.partial.replace(self.path)
            else:
                _rename_without_overwriting(self.partial, self.path)
        except OSError as error:
            raise OutputFailed(self.path, _reason(error)) from error

    def abandon(self, keep: bool) -> None:
        """Give up: remove the partial file, or leave it under its partial name."""
        with contextlib.suppress(OSError):
            os.close(self._fd)
        if not keep:
            self.partial.unlink(missing_ok=True)

    def _create(self, size: int) -> int:
        try:
            if self._force:
                self.partial.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(self.partial, flags, 0o644)
        except OSError as error:
            raise OutputFailed(self.partial, _reason(error)) from error
        try:
            os.ftruncate(descriptor, size)
        except (OSError, OverflowError) as error:
            os.close(descriptor)
            self.partial.unlink(missing_ok=True)
            too_large = isinstance(error, OverflowError) or error.errno == errno.EFBIG
            reason = f"{size:,} bytes are more than a file can have here" if too_large else _reason(error)
            raise OutputFailed(self.path, reason) from error
        return descriptor

    def _write(self, offset: int, data: memoryview) -> None:
        try:
            while len(data):
                written = os.pwrite(self._fd, data, offset)
                data, offset = data[written:], offset + written
        except OSError as error:
            raise OutputFailed(self.partial, _reason(error)) from error


def nonzero_runs(data: memoryview, offset: int) -> list[tuple[int, int]]:
    """The stretches of `data`, as (start, end), that hold a byte other than zero.

    They begin and end at multiples of `SPARSE_BLOCK` in the file in which `data` lies at `offset`, so that a hole
    between them is one that the file system can leave out.
    """
    head = min(len(data), -offset % SPARSE_BLOCK)
    whole = (len(data) - head) // SPARSE_BLOCK
    words = np.frombuffer(data[head : head + whole * SPARSE_BLOCK], dtype=np.uint64)
    occupied = np.zeros(whole + 2, dtype=bool)
    occupied[0] = any(data[:head])
    occupied[1:-1] = words.reshape(whole, SPARSE_BLOCK // 8).any(axis=1)
    occupied[-1] = any(data[head + whole * SPARSE_BLOCK :])
    starts = np.concatenate([[0], head + np.arange(whole + 1) * SPARSE_BLOCK, [len(data)]])
    edges = np.flatnonzero(np.diff(np.concatenate([[False], occupied, [False]]).astype(np.int8)))
    return [(int(starts[start]), int(starts[end])) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def _refuse_inputs(path: Path, inputs: Sequence[Evidence]) -> None:
    try:
        status = path.stat()
    except OSError:
        return
    if any(evidence.is_same_file(status) for evidence in inputs):
        raise OutputFailed(path, "is an input; evidence is never written to")


def _refuse_lack_of_space(path: Path, needed: int) -> None:
    try:
        status = os.statvfs(path.parent)
    except OSError as error:
        raise OutputFailed(path, _reason(error)) from error
    free = status.f_bavail * status.f_frsize
    if needed > free:
        raise OutputFailed(path, f"needs {needed:,} bytes, but only {free:,} are free")


def _rename_without_overwriting(partial: Path, path: Path) -> None:
    """A rename would replace a file that appeared meanwhile; a link never does."""
    try:
        os.link(partial, path)
    except OSError as error:
        if error.errno == errno.EEXIST:
            raise
        if path.exists():
            raise OSError(errno.EEXIST, "file exists") from error
        partial.replace(path)  # a file system without hard links
    else:
        partial.unlink()


def _reason(error: OSError | OverflowError) -> str:
    text = error.strerror if isinstance(error, OSError) else str(error)
    return (text or "cannot be written").lower()
