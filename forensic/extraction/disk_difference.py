"""Where two disks differ: by their mappings first, by their bytes where the mappings cannot tell.

Two ranges that lie at the same place of the same file are equal without being read, and so are two ranges of zeros;
that makes comparing a snapshot with the active disk a matter of what was written since.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from forensic.disk.chain import pieces_at
from forensic.disk.disk import Disk
from forensic.extraction.plan import PIECE_BYTES
from forensic.mapping.extents import Reason, State
from forensic.mapping.rows import ROW, Rows, clipped
from forensic.qcow2.arrays import Bools, NDArray, distinct
from forensic.qcow2.entries import SECTOR_SIZE
from forensic.qcow2.intervals import true_runs


class Relation(StrEnum):
    """What is known of a range."""

    DIFFERS = "differs"
    NOT_COMPARED = "not_compared"
    ONLY_IN_FIRST = "only_in_first"
    ONLY_IN_SECOND = "only_in_second"


class Difference(Struct, frozen=True):
    """A guest range in which two disks differ, or of which that cannot be said; `reasons` are codes why not.

    Ranges that differ begin and end on sectors of 512 bytes.
    """

    guest_offset: int
    length: int
    relation: Relation
    reasons: tuple[str, ...] = ()


def differences(first: Disk, second: Disk) -> Iterator[Difference]:
    """The ranges in guest order, neighbours of one relation merged. Both disks must stay open meanwhile."""
    pending: Difference | None = None
    for found in _differences(first, second):
        if pending is None:
            pending = found
        elif _continues(pending, found):
            pending = replace(pending, length=pending.length + found.length)
        else:
            yield pending
            pending = found
    if pending is not None:
        yield pending


def _continues(before: Difference, after: Difference) -> bool:
    touches = before.guest_offset + before.length == after.guest_offset
    return touches and (before.relation, before.reasons) == (after.relation, after.reasons)


def compared_by_mapping(first: Disk, second: Disk) -> Iterator[tuple[Rows, Rows, Bools]]:
    """The rows of both disks over the same guest ranges, and which of them are equal without being read."""
    end = min(first.size, second.size)
    for mine, others in _side_by_side(first.row_batches(0, end), second.row_batches(0, end), end):
        yield mine, others, _equal_by_mapping(first, mine, second, others)


def _differences(first: Disk, second: Disk) -> Iterator[Difference]:
    end = min(first.size, second.size)
    for my_rows, other_rows, equal in compared_by_mapping(first, second):
        mine, others = my_rows[~equal], other_rows[~equal]
        first.mark_what_was_not_supplied(mine)
        second.mark_what_was_not_supplied(others)
        for my_row, other_row in zip(mine, others, strict=True):
            yield from _compared(first, my_row, second, other_row)
    if first.size > end:
        yield Difference(end, first.size - end, Relation.ONLY_IN_FIRST)
    if second.size > end:
        yield Difference(end, second.size - end, Relation.ONLY_IN_SECOND)


def _side_by_side(first: Iterable[Rows], second: Iterable[Rows], end: int) -> Iterator[tuple[Rows, Rows]]:
    """The rows of both disks, batch by batch over the same guest range, cut at the same offsets."""
    streams = (iter(first), iter(second))
    held = [np.zeros(0, dtype=ROW), np.zeros(0, dtype=ROW)]
    position = 0
    while position < end:
        for side in (0, 1):
            while _end_of(held[side]) <= position:
                held[side] = next(streams[side])
        stop = min(_end_of(held[0]), _end_of(held[1]))
        mine, others = (clipped(rows, position, stop) for rows in held)
        starts = distinct(np.concatenate([mine["guest_offset"], others["guest_offset"]]))
        yield pieces_at(mine, starts, stop), pieces_at(others, starts, stop)
        position = stop


def _end_of(rows: Rows) -> int:
    return int(rows["guest_offset"][-1]) + int(rows["length"][-1]) if len(rows) else 0


def _equal_by_mapping(first: Disk, mine: Rows, second: Disk, others: Rows) -> Bools:
    same_file = _files(first, mine, first) == _files(second, others, first)
    same_place = same_file & (mine["state"] == others["state"])
    for column in ("host_offset", "stored_length", "skip"):
        same_place &= mine[column] == others[column]
    located = np.isin(mine["state"], (State.DATA, State.COMPRESSED))
    beneath_the_same = same_file & (mine["state"] == State.UNALLOCATED) & (others["state"] == State.UNALLOCATED)
    equal: Bools = (same_place & located) | beneath_the_same | (_zero(first, mine) & _zero(second, others))
    return equal


def _files(disk: Disk, rows: Rows, known: Disk) -> NDArray[np.int64]:
    """A number for the file that holds each row, the same for the same file of both disks (`known` is the first)."""
    identities = [_identity(known, depth) for depth in range(len(known.layers))]
    numbers = []
    for depth in range(len(disk.layers)):
        identity = _identity(disk, depth)
        numbers.append(identities.index(identity) if identity in identities else -1 - depth)
    by_row: NDArray[np.int64] = np.array(numbers, dtype=np.int64)[rows["depth"]]
    return by_row


def _identity(disk: Disk, depth: int) -> tuple[tuple[int, int, int], ...]:
    """The files of a layer by device, inode and where in it the image begins; with a data file there are two."""
    files = [file for one in disk.layers[depth].evidences for file in one.files]
    return tuple((file.before.device, file.before.inode, file.skip) for file in files)


def _zero(disk: Disk, rows: Rows) -> Bools:
    """Which rows are recorded as zeros."""
    zero = np.isin(rows["state"], (State.ZERO, State.ZERO_ALLOCATED))
    last = len(disk.layers) - 1
    nothing_beneath = (rows["depth"] < last) | np.bool_(disk.layers[last].backing_file is None)
    found: Bools = zero | ((rows["state"] == State.UNALLOCATED) & nothing_beneath)
    return found


def _compared(first: Disk, my_row: np.void, second: Disk, other_row: np.void) -> Iterator[Difference]:
    """What reading both sides of one row tells."""
    start, length = int(my_row["guest_offset"]), int(my_row["length"])
    lacking = {Reason(int(row["reason"])).code for row in (my_row, other_row) if row["state"] == State.ABSENT}
    if lacking:
        yield Difference(start, length, Relation.NOT_COMPARED, tuple(sorted(lacking)))
        return
    for at in range(0, length, PIECE_BYTES):
        size = min(PIECE_BYTES, length - at)
        mine, my_faults = _bytes_of(first, my_row, at, size)
        others, other_faults = _bytes_of(second, other_row, at, size)
        if my_faults | other_faults:
            reasons = tuple(sorted(reason.code for reason in my_faults | other_faults))
            yield Difference(start + at, size, Relation.NOT_COMPARED, reasons)
        else:
            yield from _unlike_sectors(start + at, mine, others)


def _bytes_of(disk: Disk, row: np.void, at: int, size: int) -> tuple[bytearray, set[Reason]]:
    """Bytes of a row from `at` on, and why some of them could not be read."""
    buffer = bytearray(size)
    guest_offset, _, host_offset, stored_length, state, _, depth, skip = row.tolist()
    if state == State.DATA:
        faults = disk.read(depth, guest_offset + at, host_offset + at, 0, 0, memoryview(buffer))
    elif state == State.COMPRESSED:
        faults = disk.read(depth, guest_offset + at, host_offset, stored_length, skip + at, memoryview(buffer))
    else:
        faults = []
    return buffer, {fault.reason for fault in faults}


def _unlike_sectors(guest_offset: int, mine: bytearray, others: bytearray) -> Iterator[Difference]:
    if mine == others:
        return
    padding = bytes(-len(mine) % SECTOR_SIZE)
    unlike_bytes = np.frombuffer(mine + padding, dtype=np.uint8) != np.frombuffer(others + padding, dtype=np.uint8)
    places = true_runs(unlike_bytes.reshape(-1, SECTOR_SIZE).any(axis=1)) * SECTOR_SIZE
    for start, end in np.minimum(places, len(mine)).tolist():
        yield Difference(guest_offset + start, end - start, Relation.DIFFERS)
