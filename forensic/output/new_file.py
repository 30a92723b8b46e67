"""A file that is written as `NAME.partial` and gets its name when it is complete."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from typing import TYPE_CHECKING

from forensic.errors import OutputFailed

if TYPE_CHECKING:
    from pathlib import Path

BEING_WRITTEN = "is being written by another run"
LOCK_PATIENCE = 0.5
"""Seconds to wait for a lock: processes of a run that was killed hold it until they have noticed."""


class NewFile:
    """One output file, from its creation under the partial name to its final name.

    The partial file is locked for as long as it is open, so that no second run writes to it, removes it or goes on
    with it. Every method raises `OutputFailed`.
    """

    def __init__(self, path: Path, force: bool = False) -> None:
        """Create the partial file; with `force` in place of one that is left from an earlier run."""
        self.path = path
        self.partial = partial_of(path)
        self._force = force
        try:
            if force:
                _remove_left_over(self.partial)
            # Neither a file that is there nor a link to one is ever written into.
            self._fd = os.open(self.partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            raise OutputFailed(self.partial, reason_of(error)) from error
        self._lock()

    @classmethod
    def again(cls, path: Path, force: bool = False) -> NewFile:
        """Go on with a partial file that an interrupted run has left."""
        file = cls.__new__(cls)
        file.path, file.partial, file._force = path, partial_of(path), force
        try:
            file._fd = os.open(file.partial, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            raise OutputFailed(file.partial, reason_of(error)) from error
        file._lock()
        return file

    def set_size(self, size: int) -> None:
        """Make the file that long; what is added is a hole, and what is appended comes after it."""
        try:
            os.ftruncate(self._fd, size)
            os.lseek(self._fd, size, os.SEEK_SET)
        except (OSError, OverflowError) as error:
            too_large = isinstance(error, OverflowError) or error.errno in (errno.EFBIG, errno.EINVAL)
            reason = f"{size:,} bytes are more than a file can have here" if too_large else reason_of(error)
            raise OutputFailed(self.path, reason) from error

    def write_at(self, offset: int, data: memoryview) -> None:
        """Write all of the data."""
        try:
            while len(data):
                written = os.pwrite(self._fd, data, offset)
                data, offset = data[written:], offset + written
        except OSError as error:
            raise OutputFailed(self.partial, reason_of(error)) from error

    def append(self, data: bytes) -> None:
        """Write at the end."""
        try:
            view = memoryview(data)
            while len(view):
                view = view[os.write(self._fd, view) :]
        except OSError as error:
            raise OutputFailed(self.partial, reason_of(error)) from error

    def complete(self) -> None:
        """Give the file its name; until then it stays locked."""
        try:
            with contextlib.ExitStack() as locked:
                if self._fd >= 0:
                    locked.callback(os.close, os.dup(self._fd))
                self._close()
                if self._force:
                    self.partial.replace(self.path)
                else:
                    _rename_without_overwriting(self.partial, self.path)
        except OSError as error:
            raise OutputFailed(self.path, reason_of(error)) from error

    def close(self) -> None:
        """Close the file, which keeps its partial name for now."""
        try:
            self._close()
        except OSError as error:
            raise OutputFailed(self.partial, reason_of(error)) from error

    def abandon(self, keep: bool = False) -> None:
        """Give up: remove the partial file, or leave it under its partial name; does nothing after `complete`."""
        if not keep:
            with contextlib.suppress(OSError):
                self.partial.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._close()

    def _lock(self) -> None:
        """Take the lock; the file of another run, which was quicker, is left alone."""
        if _locked(self._fd, fcntl.LOCK_EX) and _is_at(self._fd, self.partial):
            return
        self._close()
        raise OutputFailed(self.partial, BEING_WRITTEN)

    def _close(self) -> None:
        descriptor, self._fd = self._fd, -1
        if descriptor >= 0:
            os.close(descriptor)


def partial_of(path: Path) -> Path:
    """The name of a file while it is written."""
    return path.with_name(path.name + ".partial")


def flush_to_disk(partial: Path) -> None:
    """Have a file on the medium and out of the cache, so that what is read next comes from there."""
    try:
        descriptor = os.open(partial, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise OutputFailed(partial, reason_of(error)) from error


def is_being_written(partial: Path) -> bool:
    """Whether another run, or another thread of this one, holds the lock of a partial file."""
    try:
        descriptor = os.open(partial, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return stat.S_ISREG(os.fstat(descriptor).st_mode) and not _locked(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _remove_left_over(partial: Path) -> None:
    """Remove what an earlier run has left, but not what another one is writing. Raises `OSError`."""
    try:
        descriptor = os.open(partial, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return
    except OSError:  # a link, a socket, or a file that may be removed but not read
        partial.unlink(missing_ok=True)
        return
    try:
        if not _locked(descriptor, fcntl.LOCK_EX):
            raise BlockingIOError(errno.EAGAIN, BEING_WRITTEN)
        partial.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _locked(descriptor: int, kind: int) -> bool:
    """Take a lock that ends with the descriptor, and with those that a fork has made of it; False if others hold it."""
    give_up = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > give_up:
                return False
            time.sleep(LOCK_PATIENCE / 10)
        except OSError:
            return True  # a file system without locks
        else:
            return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether a path still leads to the open file."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    mine = os.fstat(descriptor)
    return (mine.st_dev, mine.st_ino) == (status.st_dev, status.st_ino)


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


def reason_of(error: OSError | OverflowError) -> str:
    """What an error of the system says, as the end of a sentence."""
    text = error.strerror if isinstance(error, OSError) else str(error)
    return (text or "cannot be written").lower()


BUFFERED_CHARACTERS = 1 << 16
"""Characters that are collected before they are written."""


class LineFile:
    """Takes lines of ASCII; every method raises `OutputFailed`."""

    def __init__(self, path: Path, force: bool = False) -> None:
        """Create the file under its partial name."""
        self.file = NewFile(path, force)
        self._lines: list[str] = []
        self._length = 0

    def add(self, line: str) -> None:
        """Write one line, now or soon."""
        self._lines.append(line + "\n")
        self._length += len(line) + 1
        if self._length >= BUFFERED_CHARACTERS:
            self.flush()

    def flush(self) -> None:
        """Write what was collected."""
        self.file.append("".join(self._lines).encode("ascii"))
        self._lines, self._length = [], 0

    def complete(self) -> None:
        """Write what was collected, and give the file its name."""
        self.flush()
        self.file.complete()

    def abandon(self) -> None:
        """Remove what was written so far; does nothing after `complete`."""
        self.file.abandon()


def write_new_file(path: Path, text: str, force: bool) -> None:
    """Write a whole file of text; one that exists is kept unless `force`. Raises `OutputFailed`."""
    file = NewFile(path, force)
    try:
        file.append(os.fsencode(text))
        file.complete()
    finally:
        file.abandon()
