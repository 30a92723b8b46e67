"""Whether another process may write to a file, by the locks that QEMU takes; they are asked for, never taken."""

from __future__ import annotations

import fcntl
import os
import struct

# QEMU announces that it has an image open by locking single bytes from these offsets (its raw-posix driver): one of the
# first hundred for each thing that it does, one of the second for each thing that no other process may do meanwhile.
QEMU_LOCK_FIRST, QEMU_LOCK_LENGTH = 100, 200

QEMU_WRITES = ((101, "writes to it"), (102, "writes to it without changing what it holds"), (103, "may resize it"))
"""The bytes that writers lock; readers lock others, and are no danger."""

_FLOCK = struct.Struct("hhqqi4x")


def is_locked(descriptor: int) -> bool | None:
    """Whether another process holds any of these locks on the file; None if that cannot be known."""
    kind = _lock(descriptor, QEMU_LOCK_FIRST, QEMU_LOCK_LENGTH)
    return None if kind is None else kind != fcntl.F_UNLCK


def writer_of(descriptor: int) -> str | None:
    """What the process that holds the file may do to it, as the end of a sentence; None if it may only read."""
    if not is_locked(descriptor):
        return None
    for byte, what in QEMU_WRITES:
        if _lock(descriptor, byte, 1) not in (None, fcntl.F_UNLCK):
            return what
    everything = _lock(descriptor, QEMU_LOCK_FIRST, QEMU_LOCK_LENGTH)
    return "has locked it exclusively" if everything == fcntl.F_WRLCK else None


def _lock(descriptor: int, first: int, length: int) -> int | None:
    """The kind of lock that another process holds on these bytes; None if that cannot be known."""
    query = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, first, length, 0)
    try:
        return int(_FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, query))[0])
    except OSError:
        return None
