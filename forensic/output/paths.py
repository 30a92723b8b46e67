"""What a command may write where: every path that it will touch, tested against everything that it reads.

The one place for this question. Code that creates, renames or removes files asks here first, with all of its inputs and
all of its outputs at once, before the first byte is written.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from forensic.errors import OutputFailed
from forensic.evidence import Evidence
from forensic.output.new_file import BEING_WRITTEN, is_being_written, partial_of
from forensic.untrusted import shown

Input = Evidence | str | os.PathLike[str]
"""A file that is read: as it is open, or by its name (a key file is closed as soon as it was read)."""

NOT_FOR_FILES = ("/dev/fd/", "/proc/", "/sys/")
"""Where a name stands for something else than a file, as in /dev itself: a file there would be in others' way."""


def refuse(paths: Sequence[Path], inputs: Iterable[Input], force: bool, resume: bool | None = None) -> None:
    """Raise `OutputFailed` for the first path that must not or cannot be written, before anything is.

    Of each path its name while it is written counts as well. No two may need one name, now or while they are written.
    None may be an input, by whatever name or link, nor be written by another run, nor exist, unless `force` says so,
    or `resume` of what an interrupted run has left (None: this cannot be resumed). The folder it is in must exist.
    """
    identities = _identities(inputs)
    named: set[Path] = set()
    for path in paths:
        _refuse_what_is_no_file(path)
        for written in (path, partial_of(path)):
            place = Path(os.path.realpath(path.parent)) / written.name
            if place in named:
                raise OutputFailed(path, f"two outputs need this name: {shown(place)}")
            named.add(place)
            if _identity(written) in identities:
                raise OutputFailed(written, "is an input; evidence is never written to")
            if written != path and is_being_written(written):
                raise OutputFailed(written, BEING_WRITTEN)
            if os.path.lexists(written) and not force and not (resume and written != path):
                left = "" if written == path else ", from a run that was not completed"
                left += "; --resume continues it" if left and resume is not None else ""
                raise OutputFailed(written, f"exists already{left}; --force overwrites it")


def _refuse_what_is_no_file(path: Path) -> None:
    if not path.name or path.is_dir():
        raise OutputFailed(path, "is a directory")
    folder = os.path.realpath(path.parent)
    special = folder == "/dev" or f"{folder}/".startswith(NOT_FOR_FILES)
    if special or (path.exists() and not path.is_file()):
        raise OutputFailed(path, "is not a regular file")
    if not path.parent.is_dir():
        raise OutputFailed(path, "there is no such directory")


def _identities(inputs: Iterable[Input]) -> set[tuple[int, int] | None]:
    found: set[tuple[int, int] | None] = set()
    for one in inputs:
        found |= one.identities if isinstance(one, Evidence) else {_identity(one)}
    return found - {None}


def _identity(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    """Device and inode of what a path leads to; None if that is nothing."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
