"""A file that is written as `NAME.partial` and gets its name when it is complete."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from forensic.errors import OutputFailed
from forensic.evidence import Evidence
from forensic.untrusted import shown

if TYPE_CHECKING:
    from pathlib import Path


class NewFile:
    """One output file, from its creation under the partial name to its final name.

    Every method raises `OutputFailed`.
    """

    def __init__(self, path: Path, force: bool = False) -> None:
        """Create the partial file; with `force` in place of one that is left from an earlier run."""
        self.path = path
        self.partial = partial_of(path)
        self._force = force
        try:
            if force:
                self.partial.unlink(missing_ok=True)
            # Neither a file that is there nor a link to one is ever written into.
            self._fd = os.open(self.partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            raise OutputFailed(self.partial, reason_of(error)) from error

    @classmethod
    def again(cls, path: Path, force: bool = False) -> NewFile:
        """Go on with a partial file that an interrupted run has left."""
        file = cls.__new__(cls)
        file.path, file.partial, file._force = path, partial_of(path), force
        try:
            file._fd = os.open(file.partial, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            raise OutputFailed(file.partial, reason_of(error)) from error
        return file

    def set_size(self, size: int) -> None:
        """Make the file that long; what is added is a hole, and what is appended comes behind it."""
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
        """Give the file its name."""
        try:
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
        with contextlib.suppress(OSError):
            self._close()
        if not keep:
            with contextlib.suppress(OSError):
                self.partial.unlink(missing_ok=True)

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


def refuse(paths: Sequence[Path], inputs: Sequence[Evidence], force: bool, resume: bool = False) -> None:
    """Raise `OutputFailed` for the first path that must not or cannot be written, before anything is.

    No two may need one name, now or while they are written. None may be an input, by whatever name or link, nor exist,
    unless `force` says so, or `resume` of what an interrupted run has left. The folder it is in must exist.
    """
    from pathlib import Path

    named: set[Path] = set()
    for path in paths:
        if not path.name or path.is_dir():
            raise OutputFailed(path, "is a directory")
        if path.exists() and not path.is_file():
            raise OutputFailed(path, "is not a regular file")
        if not path.parent.is_dir():
            raise OutputFailed(path, "there is no such directory")
        for written in (path, partial_of(path)):
            place = Path(os.path.realpath(path.parent)) / written.name
            if place in named:
                raise OutputFailed(path, f"is in the way of another output, which needs {shown(place)}")
            named.add(place)
            _refuse_inputs(written, inputs)
            if os.path.lexists(written) and not force and not (resume and written != path):
                left = "" if written == path else ", from a run that was not completed; --resume goes on with it"
                raise OutputFailed(written, f"exists already{left}; --force overwrites it")


def _refuse_inputs(path: Path, inputs: Sequence[Evidence]) -> None:
    try:
        status = path.stat()
    except OSError:
        return
    if any(evidence.is_same_file(status) for evidence in inputs):
        raise OutputFailed(path, "is an input; evidence is never written to")


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
