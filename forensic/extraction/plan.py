"""The plan: what is to be read, cut into pieces small enough to hold in memory, in guest order without a gap."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Struct, field

from forensic.evidence import Evidence
from forensic.qcow2.disk import Disk
from forensic.qcow2.mapping import Reason, Rows, State

PIECE_BYTES = 1 << 20
"""Guest bytes of one piece: large enough to amortise a task, small enough to stay in the processor's cache."""


class Part(NamedTuple):
    """A stretch of a piece that has to be read from `host_offset` of the file at `depth`.

    With a `stored_length` it is a compressed cluster, of whose decoded bytes the first `skip` come before the stretch.
    """

    start: int
    length: int
    host_offset: int
    stored_length: int
    depth: int = 0
    skip: int = 0


class Piece(Struct):
    """At most `PIECE_BYTES` guest bytes with something to read in them; what none of the parts covers is zero.

    The parts come in guest order and do not overlap.
    """

    guest_offset: int
    length: int = 0
    parts: list[Part] = field(default_factory=list)


class Hole(Struct, frozen=True):
    """A guest range of which nothing has to be read: zeros, said or filled in."""

    guest_offset: int
    length: int


Step = Piece | Hole


def plan(disk: Disk, guest_start: int = 0, guest_end: int | None = None) -> Iterator[Step]:
    """The steps that give the whole disk, or the part of it from `guest_start` to `guest_end`."""
    current: Piece | None = None
    for row in _ranges(disk, guest_start, guest_end):
        guest_offset, length, host_offset, stored_length, state, _, depth, skip = row
        if current is not None and (state == _ZERO_RUN or current.length + length > PIECE_BYTES):
            yield _finished(current)
            current = None
        if state == _ZERO_RUN:
            yield Hole(guest_offset, length)
            continue
        if current is None:
            current = Piece(guest_offset)
        if state in (State.DATA, State.COMPRESSED):
            current.parts.append(Part(current.length, length, host_offset, stored_length, depth, skip))
        current.length += length
    if current is not None:
        yield _finished(current)


_ZERO_RUN = -1
"""In place of a state: nothing to read here, and long enough to be a step of its own."""


_Range = tuple[int, int, int, int, int, int, int, int]
"""A row of the mapping as plain numbers, in the order of its columns."""


def _ranges(disk: Disk, guest_start: int, guest_end: int | None) -> Iterator[_Range]:
    """The rows of the mapping, none longer than a piece; long stretches without anything to read marked `_ZERO_RUN`."""
    for rows in disk.readable_batches(guest_start, guest_end):
        for row in _tuples(rows):
            guest_offset, length, host_offset, _, state, reason, depth, _ = row
            if state == State.DATA:
                yield from _data_ranges(disk.levels[depth].plain_data, guest_offset, length, host_offset, depth)
            elif state == State.COMPRESSED or length < PIECE_BYTES:
                yield row
            else:
                yield guest_offset, length, host_offset, 0, _ZERO_RUN, reason, depth, 0


def _tuples(rows: Rows) -> Iterator[_Range]:
    yield from rows.tolist()


def _data_ranges(
    plain: Evidence | None, guest_offset: int, length: int, host_offset: int, depth: int
) -> Iterator[_Range]:
    """A run of data, without the holes of a sparse file: they read as zeros, and may be terabytes.

    Without `plain` they do not read as zeros (they are encrypted), and everything is read.
    """
    end = host_offset + length
    shift = guest_offset - host_offset
    stored = stored_parts(plain, host_offset, end) if plain and length >= PIECE_BYTES else ((host_offset, end),)
    for data_start, data_end in stored:
        if data_start > host_offset:
            yield host_offset + shift, data_start - host_offset, host_offset, 0, _ZERO_RUN, Reason.NONE, depth, 0
        for start in range(data_start, data_end, PIECE_BYTES):
            yield start + shift, min(PIECE_BYTES, data_end - start), start, 0, State.DATA, Reason.NONE, depth, 0
        host_offset = data_end
    if host_offset < end:
        yield host_offset + shift, end - host_offset, host_offset, 0, _ZERO_RUN, Reason.NONE, depth, 0


def stored_parts(evidence: Evidence, host_offset: int, end: int) -> Iterator[tuple[int, int]]:
    """The parts of a host range that the file system stores, as (start, end)."""
    while (start := evidence.next_data_from(host_offset)) < end:
        host_offset = min(end, max(start + 1, evidence.hole_from(start)))
        yield start, host_offset


def _finished(piece: Piece) -> Step:
    """A piece in which there is nothing to read after all is a hole."""
    return piece if piece.parts else Hole(piece.guest_offset, piece.length)
