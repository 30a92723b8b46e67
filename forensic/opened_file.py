"""How evidence is opened: without writing, waiting or following a link; and what identifies the file afterwards."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from forensic.records.run import IdentityRecord


class Identity(Struct, frozen=True):
    """What identifies a file and shows a change to it; times in nanoseconds, size in bytes."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    mode: int
    owner: int

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


A_PIPE = "a pipe or a socket cannot be read, since an image needs random access: write it to a file first"


def is_pipe(path: str | bytes) -> bool:
    """Whether a path that leads to no file, such as `/dev/stdin`, is that of a pipe."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def times_of(identity: Identity) -> IdentityRecord:
    """Size and times as a report holds them."""
    from forensic.records.run import IdentityRecord

    return IdentityRecord(size=identity.size, mtime_ns=identity.mtime_ns, ctime_ns=identity.ctime_ns)


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
    """Why a file cannot be opened, as the end of a sentence."""
    text = error.strerror if isinstance(error, OSError) else str(error)
    return (text or "cannot be read").lower()


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
