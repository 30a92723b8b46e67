"""The runs of a disk as clusters of a new image: what each of them is to be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum

from msgspec import Struct

from forensic.mapping.extents import Run, State


class Kind(IntEnum):
    """What a cluster of the new image is; one that is made of several ranges is the highest of theirs."""

    UNALLOCATED = 0
    ZERO = 1
    DATA = 2
    STREAM = 3


KINDS = {
    State.UNALLOCATED: Kind.UNALLOCATED,
    State.ABSENT: Kind.UNALLOCATED,
    State.ZERO: Kind.ZERO,
    State.ZERO_ALLOCATED: Kind.ZERO,
    State.DATA: Kind.DATA,
    State.COMPRESSED: Kind.STREAM,
}


class Span(Struct, frozen=True):
    """`count` guest clusters of one kind from cluster `first` on.

    Data of one range has the `host_offset` and `depth` of it; a stream has a `stored_length` as well. `mixed` clusters
    consist of several ranges.
    """

    first: int
    count: int
    kind: Kind
    host_offset: int = 0
    stored_length: int = 0
    depth: int = 0
    mixed: bool = False


def spans(runs: Iterable[Run], cluster_size: int, size: int) -> Iterator[Span]:
    """The clusters of a disk of `size` bytes, whose `runs` come in guest order without a gap.

    A stream that does not fill one cluster of the new image is data there.
    """
    open_kind: Kind | None = None  # of a cluster whose end was not reached yet
    for guest_offset, length, host_offset, stored_length, state, _, depth, skip in runs:
        start, end = guest_offset, guest_offset + length
        kind = KINDS[State(state)]
        if open_kind is not None:
            open_kind = max(open_kind, min(kind, Kind.DATA))
            boundary = min(size, start + -start % cluster_size)
            if end < boundary:
                continue
            yield Span(start // cluster_size, 1, open_kind, mixed=True)
            open_kind, start = None, boundary
        last = end if end == size else end - end % cluster_size
        if start < last:
            count = -(-(last - start) // cluster_size)
            place = host_offset if stored_length else host_offset + start - guest_offset
            whole = count == 1 and not skip and start == guest_offset and last == end
            if kind == Kind.STREAM and not whole:
                yield Span(start // cluster_size, count, Kind.DATA, place, 0, depth, mixed=True)
            else:
                yield Span(start // cluster_size, count, kind, place, stored_length, depth)
            start = last
        if start < end:
            open_kind = min(kind, Kind.DATA)
