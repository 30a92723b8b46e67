"""Bytes of a file that were read together, out of which parts can be cut that were read and no others."""

from __future__ import annotations

from msgspec import Struct

from forensic.errors import InternalError
from forensic.evidence import Evidence


class Excerpt(Struct, frozen=True):
    """What a file of `file_size` bytes holds from `host_offset` on, as far as it was read."""

    host_offset: int
    data: bytes | memoryview
    file_size: int

    def part(self, host_offset: int, length: int) -> bytes:
        """The bytes from `host_offset` on, fewer than `length` only where the file ends.

        Raises `InternalError` for anything that was not read: an offset counted wrong must never give other bytes.
        """
        start = host_offset - self.host_offset
        found = bytes(self.data[start : start + length]) if start >= 0 else b""
        if start < 0 or (len(found) != length and len(found) != max(0, self.file_size - host_offset)):
            raise InternalError(
                f"{length} bytes at host offset {host_offset:#x} were asked for where {len(self.data)} "
                f"bytes at {self.host_offset:#x} had been read"
            )
        return found


def read_excerpt(evidence: Evidence, host_offset: int, end: int) -> Excerpt:
    """Read from `host_offset` to `end`, or to the end of the file. Raises `ReadFailed`."""
    buffer = memoryview(bytearray(max(0, min(end, evidence.size) - host_offset)))
    evidence.read_into(host_offset, buffer)
    return Excerpt(host_offset, buffer, evidence.size)
