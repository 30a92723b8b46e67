"""A selected range of the file or the disk, written to a file of its own with its hash beside it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from msgspec import Struct

from forensic.errors import OutputFailed
from forensic.extraction.sidecars import sum_line
from forensic.output.new_file import NewFile

CHUNK_BYTES = 1 << 20


class Saved(Struct, frozen=True):
    """What was written: the file, its length in bytes and its SHA-256."""

    path: Path
    length: int
    sha256: str


def save_range(read: Callable[[int, int], bytes | str], offset: int, length: int, path: Path) -> Saved:
    """Write `length` bytes from `offset` to a new file, and `PATH.sha256` beside it in the format of sha256sum.

    Raises `OutputFailed` if one of the files exists, cannot be written, or the bytes cannot be read; then neither is
    left behind.
    """
    beside = path.with_name(path.name + ".sha256") if path.name else path
    for wanted in (path, beside):
        if os.path.lexists(wanted):
            raise OutputFailed(wanted, "exists already")
    digest = hashlib.sha256()
    with ExitStack() as undo:
        file = NewFile(path)
        undo.callback(file.abandon)
        done = 0
        while done < length:
            data = read(offset + done, min(CHUNK_BYTES, length - done))
            if isinstance(data, str) or not data:
                raise OutputFailed(path, f"bytes at {offset + done:#x} cannot be read: {data or 'the end'}")
            file.append(data)
            digest.update(data)
            done += len(data)
        file_of_hash = NewFile(beside)
        undo.callback(file_of_hash.abandon)
        file_of_hash.append(os.fsencode(sum_line(digest.hexdigest(), path.name)))
        file.complete()
        file_of_hash.complete()
    return Saved(path, length, digest.hexdigest())
