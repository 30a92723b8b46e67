"""What could not be read of a file."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
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


def first_overlap(ranges: Sequence[tuple[int, int]], host_offset: int, length: int) -> tuple[int, int] | None:
    """Host offset and length of the first part of a range that lies in one of others, (start, end) in order."""
    index = bisect_right(ranges, host_offset, key=lambda one: one[1])
    if index == len(ranges) or ranges[index][0] >= host_offset + length:
        return None
    start = max(host_offset, ranges[index][0])
    return start, min(host_offset + length, ranges[index][1]) - start
