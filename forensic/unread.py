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


def remember(listed: dict[tuple[int, int], Unread], one: Unread, most: int) -> bool:
    """Enter a range, by its offset and length, in place of larger ones; False if as many as may be are listed already.

    Where part of it is known to be to blame, nothing is entered. Several threads may do so at a time.
    """
    start, end = one.host_offset, one.host_offset + one.length
    known = list(listed)
    if any(start <= place[0] and sum(place) <= end for place in known):
        return True
    for place in known:
        if place[0] <= start and end <= sum(place):
            listed.pop(place, None)
    if len(listed) >= most:
        return False
    listed[start, one.length] = one
    return True
