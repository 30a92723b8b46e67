"""The survey of a disk before it is extracted: how many bytes are in which state, by the tables alone."""

from __future__ import annotations

from collections import Counter

import numpy as np
from msgspec import Struct, field
from msgspec.structs import replace

from forensic.extraction.plan import PIECE_BYTES, stored_parts
from forensic.extraction.reading import Missing
from forensic.qcow2.disk import Disk
from forensic.qcow2.entries import distinct
from forensic.qcow2.mapping import Reason, Rows, State

LISTED_RANGES = 100_000
"""Ranges that are listed one by one; a hostile image could have a billion. All are counted."""


class MissingRanges(Struct):
    """Ranges that cannot be read, in guest order, neighbours of one reason merged, up to `LISTED_RANGES` of them."""

    ranges: list[Missing] = field(default_factory=list)
    not_listed: int = 0

    def add(self, missing: Missing) -> None:
        """Enter the next range."""
        last = self.ranges[-1] if self.ranges else None
        if last and last.reason == missing.reason and last.end == missing.guest_offset:
            self.ranges[-1] = replace(last, length=last.length + missing.length)
        elif len(self.ranges) < LISTED_RANGES:
            self.ranges.append(missing)
        else:
            self.not_listed += 1


class Survey(Struct):
    """What the tables say of a guest range.

    The counters are in guest bytes and add up to the length of the range; `stored` is how many bytes of the output
    may have to be stored, since they come from a place where the file is no hole.
    """

    by_state: Counter[State] = field(default_factory=Counter)
    by_reason: Counter[Reason] = field(default_factory=Counter)
    missing: MissingRanges = field(default_factory=MissingRanges)
    stored: int = 0


def survey(disk: Disk, guest_start: int, guest_end: int) -> Survey:
    """Look through the tables once."""
    found = Survey()
    for rows in disk.readable_batches(guest_start, guest_end):
        for state in State:
            found.by_state[state] += _sum(rows[rows["state"] == state])
        absent = rows[rows["state"] == State.ABSENT]
        for reason in distinct(absent["reason"]).tolist():
            found.by_reason[Reason(reason)] += _sum(absent[absent["reason"] == reason])
        _list(found.missing, absent)
        found.stored += _stored(disk, rows)
    return found


def _sum(rows: Rows) -> int:
    return int(rows["length"].sum(dtype=np.uint64))


def _list(missing: MissingRanges, absent: Rows) -> None:
    room = max(0, LISTED_RANGES - len(missing.ranges)) + 1
    for guest_offset, length, host_offset, stored_length, _, reason, *_ in absent[:room].tolist():
        missing.add(Missing(guest_offset, length, Reason(reason), host_offset or None, stored_length))
    missing.not_listed += len(absent[room:])


def _stored(disk: Disk, rows: Rows) -> int:
    """Bytes that are decoded or lie in the stored parts of a file; only long runs are worth asking the file system."""
    total = _sum(rows[rows["state"] == State.COMPRESSED])
    data = rows[rows["state"] == State.DATA]
    long = data["length"] >= PIECE_BYTES
    total += _sum(data[~long])
    for _, length, host_offset, _, _, _, depth, _ in data[long].tolist():
        plain = disk.levels[depth].plain_data
        if plain is None:
            total += length
        else:
            total += sum(end - start for start, end in stored_parts(plain, host_offset, host_offset + length))
    return total
