"""How evidence is opened: without writing, waiting or following a link; and what identifies the file afterwards."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

from msgspec import UNSET, Struct

from forensic.errors import EvidenceUnreadable
from forensic.untrusted import shown

if TYPE_CHECKING:
    from forensic.records.run import IdentityRecord


class Identity(Struct, frozen=True):
    """What identifies a file and shows a change to it; times in nanoseconds, size in bytes.

    Of an object on a server there is the size and the version that the server gives it (`etag`) alone.
    """

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    mode: int
    owner: int
    etag: str = ""

    @classmethod
    def of(cls, status: os.stat_result) -> Identity:
        """The identity in a stat result."""
        return cls(
            status.st_dev,
            status.st_ino,
            status.st_size,
            status.st_mtime_ns,
            status.st_ctime_ns,
            status.st_mode,
            status.st_uid,
        )


class OpenedFile(Struct, frozen=True):
    """One file of the evidence, open for reading.

    Its bytes count from `skip` on, `most` of them if that is given, and are those from `start` on of the evidence. A
    block device has no size and no times that say anything of its content: `before` has the size that was measured, and
    no times.
    """

    descriptor: int
    path: str
    flags: tuple[str, ...]
    before: Identity
    is_device: bool = False
    disk_usage: int = 0
    skip: int = 0
    start: int = 0
    most: int | None = None

    @property
    def size(self) -> int:
        """Bytes that count."""
        rest = max(0, self.before.size - self.skip)
        return rest if self.most is None else min(rest, self.most)

    @property
    def end(self) -> int:
        """The host offset where it ends."""
        return self.start + self.size

    def now(self) -> Identity | None:
        """The identity of what the path names now; None if it names nothing any more."""
        try:
            # What this process has written to a file without a name is asked for by its descriptor.
            status = os.stat(self.path) if self.path else os.fstat(self.descriptor)
            return _identity(status, self.descriptor) if self.is_device else Identity.of(status)
        except OSError:
            return None


def open_file(path_as_given: str, path: str) -> OpenedFile:
    """Open a regular file or a block device, read-only; `path` is the one given with every link resolved.

    Raises `EvidenceUnreadable` for everything else, which is not read at all, and for what is one of our own streams.
    """
    try:
        descriptor, flags = open_read_only(path)
    except (OSError, ValueError) as error:
        reason = A_PIPE if is_pipe(path_as_given) else reason_of(error)
        raise EvidenceUnreadable(path_as_given, reason) from error
    try:
        status = os.fstat(descriptor)
        is_device = stat.S_ISBLK(status.st_mode)
        if not (stat.S_ISREG(status.st_mode) or is_device):
            raise EvidenceUnreadable(path_as_given, f"not a regular file but {kind_of(status.st_mode)}")
        if stream := stream_that_is(status):
            raise EvidenceUnreadable(path_as_given, f"{stream} is an input; evidence is never written to")
        before = _identity(status, descriptor) if is_device else Identity.of(status)
    except OSError as error:
        os.close(descriptor)
        raise EvidenceUnreadable(path_as_given, reason_of(error)) from error
    except BaseException:
        os.close(descriptor)
        raise
    return OpenedFile(descriptor, path, flags, before, is_device, status.st_blocks * 512)


def _identity(status: os.stat_result, descriptor: int) -> Identity:
    """The identity of a block device. Raises `OSError` if it does not tell how large it is."""
    size = os.lseek(descriptor, 0, os.SEEK_END)
    return Identity(status.st_dev, status.st_ino, size, 0, 0, status.st_mode, status.st_uid)


MAX_PIECES = 9999


def pieces_after(path: str) -> list[str]:
    """The paths of the pieces that follow a first one, `NAME.001`: `NAME.002` and so on, as far as there are any.

    Raises `EvidenceUnreadable` if one is missing before others.
    """
    stem = path.removesuffix("001")
    found: list[str] = []
    while len(found) < MAX_PIECES and os.path.lexists(following := f"{stem}{len(found) + 2:03}"):
        found.append(following)
    if os.path.lexists(f"{stem}{len(found) + 3:03}"):
        raise EvidenceUnreadable(path, f"its piece {following} is missing, though there are pieces after it")
    return found


A_PIPE = "a pipe or a socket cannot be read, since an image needs random access: write it to a file first"


def is_pipe(path: str | bytes) -> bool:
    """Whether a path that leads to no file, such as `/dev/stdin`, is that of a pipe."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def change_of(before: Identity, after: Identity | None) -> str:
    """How a file differs from what it was."""
    if after is None:
        return "there is no file of its name any more"
    if (after.device, after.inode) != (before.device, before.inode):
        return "another file has its name now"
    if after.size != before.size:
        return f"it had {before.size:,} bytes and has {after.size:,}"
    if after.etag != before.etag:
        return "the server has another version of it"
    return "its times or permissions have changed"


def times_of(identity: Identity) -> IdentityRecord:
    """Size and times as a report holds them."""
    from forensic.records.run import IdentityRecord

    return IdentityRecord(
        size=identity.size,
        mtime_ns=identity.mtime_ns,
        ctime_ns=identity.ctime_ns,
        etag=shown(identity.etag) if identity.etag else UNSET,
    )


def stream_that_is(status: os.stat_result) -> str | None:
    """The name of one of our own streams if what goes there would be written into this very file."""
    for descriptor, name in ((1, "standard output"), (2, "standard error")):
        with contextlib.suppress(OSError):
            stream = os.fstat(descriptor)
            if (stream.st_dev, stream.st_ino) == (status.st_dev, status.st_ino):
                return name
    return None


def open_read_only(path: str) -> tuple[int, tuple[str, ...]]:
    """Open without waiting for a FIFO's writer and, where the owner's right allows it, without touching atime."""
    names = ["O_RDONLY", "O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_NOATIME"]
    while True:
        flags = 0
        for name in names:
            flags |= getattr(os, name, 0)
        try:
            return os.open(path, flags), tuple(names)
        except PermissionError:
            if "O_NOATIME" not in names:
                raise
            names.remove("O_NOATIME")


def reason_of(error: OSError | ValueError) -> str:
    """Why a file cannot be opened, as the end of a sentence. A path is a bad value only if it holds a NUL."""
    if isinstance(error, ValueError):
        return "the name holds a NUL character"
    return (error.strerror or "cannot be read").lower()


def kind_of(mode: int) -> str:
    """What a path leads to that is no regular file."""
    kinds = {
        stat.S_IFDIR: "a directory",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFCHR: "a character device",
        stat.S_IFBLK: "a block device",
        stat.S_IFSOCK: "a socket",
    }
    return kinds.get(stat.S_IFMT(mode), "something else")
