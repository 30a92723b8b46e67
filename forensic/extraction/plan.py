"""The plan: what is to be read, cut into pieces small enough to hold in memory, in guest order without a gap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct, field

from forensic.disk.disk import Disk
from forensic.evidence import Evidence
from forensic.mapping.extents import Run, State
from forensic.qcow2.geometry import MAX_CLUSTER_BITS

PIECE_BYTES = 1 << 20
"""Bytes that are read for one piece: large enough to amortise a task, small enough to stay in the processor's cache."""

LARGEST_PIECE = 1 << MAX_CLUSTER_BITS
"""Bytes of a piece with blank parts, or of one compressed cluster, which is decoded at once however large it is."""

Part = tuple[int, int, int, int, int, int]
"""A range of a piece that has to be read: start, length, host_offset, stored_length, depth, skip.

It lies at `host_offset` of the file at `depth`. With a `stored_length` it is a compressed cluster, of whose decoded
bytes the first `skip` come before the range. A plain tuple, since there are many, and they go to other processes.
"""


class Piece(Struct, frozen=True):
    """At most `LARGEST_PIECE` guest bytes of which some have to be read; what none of the parts covers is zero.

    The parts come in guest order and do not overlap, and have `PIECE_BYTES` together at most. A compressed cluster that
    is larger is a piece by itself.
    """

    guest_offset: int
    length: int = 0
    parts: list[Part] = field(default_factory=list)


class Hole(Struct, frozen=True):
    """A guest range of which nothing has to be read: zeros, said or filled in."""

    guest_offset: int
    length: int


Step = Piece | Hole


def plan(
    disk: Disk, guest_start: int = 0, guest_end: int | None = None, known: Iterable[list[Run]] | None = None
) -> Iterator[Step]:
    """The steps that give the whole disk, or the part from `guest_start` to `guest_end`, whose runs may be `known`."""
    read = (int(State.DATA), int(State.COMPRESSED))
    begin, filled, to_read = guest_start, 0, 0  # of the piece in hand
    parts: list[Part] = []
    for runs in disk.readable_runs(guest_start, guest_end) if known is None else known:
        for guest_offset, length, host_offset, stored_length, state, _, depth, skip in runs:
            is_long = length >= PIECE_BYTES and not stored_length
            if is_long or to_read + length > PIECE_BYTES or filled + length > LARGEST_PIECE:
                yield from _piece(begin, filled, parts)
                begin, filled, to_read, parts = guest_offset, 0, 0, []
            if is_long:
                plain = disk.layers[depth].plain_data
                stored = () if state not in read else parts_to_read(plain, host_offset, host_offset + length)
                yield from _steps_of_long_run(guest_offset, length, host_offset, depth, stored)
                begin += length
                continue
            if state in read:
                parts.append((filled, length, host_offset, stored_length, depth, skip))
                to_read += length
            filled += length
    yield from _piece(begin, filled, parts)


def _piece(guest_offset: int, length: int, parts: list[Part]) -> Iterator[Step]:
    """A piece; one in which there is nothing to read is a hole."""
    if length:
        yield Piece(guest_offset, length, parts) if parts else Hole(guest_offset, length)


def _steps_of_long_run(
    guest_offset: int, length: int, host_offset: int, depth: int, stored: Iterable[tuple[int, int]]
) -> Iterator[Step]:
    """A run of which only the stored parts have to be read: what lies between them reads as zeros."""
    shift = guest_offset - host_offset
    position, end = host_offset, host_offset + length
    for data_start, data_end in stored:
        if position < data_start:
            yield Hole(position + shift, data_start - position)
        for start in range(data_start, data_end, PIECE_BYTES):
            count = min(PIECE_BYTES, data_end - start)
            yield Piece(start + shift, count, [(0, count, start, 0, depth, 0)])
        position = data_end
    if position < end:
        yield Hole(position + shift, end - position)


def parts_to_read(plain: Evidence | None, host_offset: int, end: int) -> Iterable[tuple[int, int]]:
    """What has to be read of a run, as (start, end).

    The holes of a sparse file are left out: they read as zeros, and may be terabytes. Without `plain` they do not read
    as zeros (they are encrypted), and everything is read.
    """
    return stored_parts(plain, host_offset, end) if plain else ((host_offset, end),)


def stored_parts(evidence: Evidence, host_offset: int, end: int) -> Iterator[tuple[int, int]]:
    """The parts of a host range that the file system stores, as (start, end)."""
    while (start := evidence.next_data_from(host_offset)) < end:
        host_offset = min(end, max(start + 1, evidence.hole_from(start)))
        yield start, host_offset
