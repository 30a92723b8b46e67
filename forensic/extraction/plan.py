"""The plan: what is to be read, cut into pieces small enough to hold in memory, in guest order without a gap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from forensic.evidence import Evidence
from forensic.qcow2.content import without_what_was_not_supplied
from forensic.qcow2.image import Qcow2Image
from forensic.qcow2.mapping import Reason, Rows, State

PIECE_BYTES = 1 << 20
"""Guest bytes of one piece: large enough to amortise a task, small enough to stay in the processor's cache."""


@dataclass(frozen=True)
class Part:
    """A stretch of a piece that has to be read: raw from `host_offset`, or decoded if `stored_length` is given."""

    start: int
    length: int
    host_offset: int
    stored_length: int


@dataclass(frozen=True)
class Missing:
    """A guest range whose bytes cannot be had, and why; it is filled with zeros."""

    guest_offset: int
    length: int
    reason: Reason
    host_offset: int | None = None


@dataclass
class Piece:
    """At most `PIECE_BYTES` guest bytes with something to read in them; what no part covers is zero."""

    guest_offset: int
    length: int = 0
    parts: list[Part] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)


@dataclass(frozen=True)
class Hole:
    """A guest range of which nothing has to be read: zeros, said or filled in."""

    guest_offset: int
    length: int
    missing: tuple[Missing, ...] = ()


Step = Piece | Hole


def plan(image: Qcow2Image) -> Iterator[Step]:
    """The steps that give the whole virtual disk."""
    current: Piece | None = None
    for guest_offset, length, host_offset, stored_length, state, reason in _ranges(image):
        if current is not None and (state == _ZERO_RUN or current.length + length > PIECE_BYTES):
            yield _finished(current)
            current = None
        if state == _ZERO_RUN:
            yield Hole(guest_offset, length, _missing(guest_offset, length, host_offset, reason))
            continue
        if current is None:
            current = Piece(guest_offset)
        if state in (State.DATA, State.COMPRESSED):
            current.parts.append(Part(current.length, length, host_offset, stored_length))
        else:
            current.missing += _missing(guest_offset, length, host_offset, reason)
        current.length += length
    if current is not None:
        yield _finished(current)


def bytes_to_read(steps: Iterator[Step]) -> int:
    """Guest bytes that a plan takes from the file; what the output needs on disk, at most."""
    return sum(part.length for step in steps if isinstance(step, Piece) for part in step.parts)


_ZERO_RUN = -1
"""In place of a state: nothing to read here, and long enough to be a step of its own."""


def _ranges(image: Qcow2Image) -> Iterator[tuple[int, int, int, int, int, int]]:
    """The rows of the mapping, none longer than a piece; long stretches without anything to read marked `_ZERO_RUN`."""
    geometry, has_backing_file = image.geometry, image.backing_file is not None
    for rows in image.row_batches():
        for row in _tuples(without_what_was_not_supplied(rows, geometry, has_backing_file)):
            guest_offset, length, host_offset, _, state, reason = row
            if state == State.DATA:
                yield from _data_ranges(image.evidence, guest_offset, length, host_offset)
            elif state == State.COMPRESSED or length < PIECE_BYTES:
                yield row
            else:
                yield guest_offset, length, host_offset, 0, _ZERO_RUN, reason


def _tuples(rows: Rows) -> Iterator[tuple[int, int, int, int, int, int]]:
    yield from rows.tolist()


def _data_ranges(
    evidence: Evidence, guest_offset: int, length: int, host_offset: int
) -> Iterator[tuple[int, int, int, int, int, int]]:
    """A run of data, without the holes of a sparse image file: they read as zeros, and may be terabytes."""
    end = host_offset + length
    shift = guest_offset - host_offset
    for data_start, data_end in _stored(evidence, host_offset, end) if length >= PIECE_BYTES else ((host_offset, end),):
        if data_start > host_offset:
            yield host_offset + shift, data_start - host_offset, host_offset, 0, _ZERO_RUN, Reason.NONE
        for start in range(data_start, data_end, PIECE_BYTES):
            yield start + shift, min(PIECE_BYTES, data_end - start), start, 0, State.DATA, Reason.NONE
        host_offset = data_end
    if host_offset < end:
        yield host_offset + shift, end - host_offset, host_offset, 0, _ZERO_RUN, Reason.NONE


def _stored(evidence: Evidence, host_offset: int, end: int) -> Iterator[tuple[int, int]]:
    """The parts of a host range that the file system stores, as (start, end)."""
    while (start := evidence.next_data_from(host_offset)) < end:
        host_offset = min(end, max(start + 1, evidence.hole_from(start)))
        yield start, host_offset


def _missing(guest_offset: int, length: int, host_offset: int, reason: int) -> tuple[Missing, ...]:
    if reason == Reason.NONE:
        return ()
    return (Missing(guest_offset, length, Reason(reason), host_offset or None),)


def _finished(piece: Piece) -> Step:
    """A piece in which there is nothing to read after all is a hole."""
    return piece if piece.parts else Hole(piece.guest_offset, piece.length, tuple(piece.missing))
