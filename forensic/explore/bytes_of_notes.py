"""The bytes that a note is about: the first of them to read, and the hash of all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from forensic.report.notes import NotedBytes

SHOWN_BYTES = 32
CHUNK_BYTES = 1 << 20

MOST_HASHED = 16 << 20
"""Bytes of a range that are hashed while the examiner waits."""


def noted_bytes(read: Callable[[int, int], bytes | str], offset: int, length: int) -> NotedBytes:
    """What a range holds now; why not, where it cannot be read or is too long to be hashed while one waits."""
    digest, shown, done = hashlib.sha256(), b"", 0
    while done < length:
        data = read(offset + done, min(CHUNK_BYTES, length - done))
        if isinstance(data, str) or not data:
            return NotedBytes(shown.hex(), reason=f"at offset {offset + done:#x}: {data or 'the end'}")
        shown += data[: SHOWN_BYTES - len(shown)]
        if length > MOST_HASHED:
            return NotedBytes(shown.hex(), reason=f"longer than {MOST_HASHED:,} bytes, not hashed")
        digest.update(data)
        done += len(data)
    return NotedBytes(shown.hex(), digest.hexdigest())
