"""What could not be read of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    pass


class Unread(Struct, frozen=True):
    """A host range that the file system did not deliver, and why."""

    host_offset: int
    length: int
    reason: str

    def __str__(self) -> str:
        return f"{self.length:,} bytes at host offset {self.host_offset:#x} cannot be read: {self.reason}"


class UnreadRanges(Struct, frozen=True):
    """Every range that could not be read while a file was looked at; those that are not listed are counted."""

    ranges: tuple[Unread, ...]
    not_listed: int
