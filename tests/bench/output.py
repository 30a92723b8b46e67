"""Whether two commands wrote the same file: what a time is worth nothing without."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

CHUNK = 1 << 20


def same_files(one: Path, other: Path) -> bool:
    """Whether two files have the same bytes; holes are skipped, since they may be terabytes."""
    with one.open("rb") as first, other.open("rb") as second:
        return _stored_in(first, second) and _stored_in(second, first)


def _stored_in(one: BinaryIO, other: BinaryIO) -> bool:
    """Whether what `one` stores stands in `other` as well."""
    size = os.fstat(one.fileno()).st_size
    if size != os.fstat(other.fileno()).st_size:
        return False
    offset = 0
    while (offset := _next_data(one, offset)) < size:
        if os.pread(one.fileno(), CHUNK, offset) != os.pread(other.fileno(), CHUNK, offset):
            return False
        offset += CHUNK
    return True


def _next_data(file: BinaryIO, offset: int) -> int:
    try:
        return os.lseek(file.fileno(), offset, os.SEEK_DATA)
    except OSError:
        return os.fstat(file.fileno()).st_size
