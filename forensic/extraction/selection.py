"""A selected range of the file or the disk, written to a file of its own with its hash beside it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from forensic.errors import OutputFailed

CHUNK = 1 << 20


class Saved(Struct, frozen=True):
    """What was written: the file, its length in bytes and its SHA-256."""

    path: Path
    length: int
    sha256: str


def save_range(read: Callable[[int, int], bytes | str], offset: int, length: int, path: Path) -> Saved:
    """Write `length` bytes from `offset` to a new file, and `PATH.sha256` beside it in the format of sha256sum.

    Raises `OutputFailed` if one of the files exists, cannot be written, or the bytes cannot be had.
    """
    beside = path.with_name(path.name + ".sha256")
    if os.path.lexists(beside):
        raise OutputFailed(beside, "exists already")
    digest = hashlib.sha256()
    try:
        with path.open("xb") as stream:
            done = 0
            while done < length:
                data = read(offset + done, min(CHUNK, length - done))
                if isinstance(data, str) or not data:
                    raise OutputFailed(path, f"bytes at {offset + done:#x} cannot be had: {data or 'the end'}")
                stream.write(data)
                digest.update(data)
                done += len(data)
        with beside.open("x", encoding="utf-8") as stream_of_hash:
            stream_of_hash.write(f"{digest.hexdigest()}  {path.name}\n")
    except FileExistsError as error:
        raise OutputFailed(path, "exists already") from error
    except OSError as error:
        raise OutputFailed(path, (error.strerror or "cannot be written").lower()) from error
    except OutputFailed:
        path.unlink(missing_ok=True)
        raise
    return Saved(path, length, digest.hexdigest())
