"""The survey of a disk before it is extracted: how many bytes are in which state, by the tables alone."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct, field
from msgspec.structs import replace

from forensic.extraction.places import Places
from forensic.extraction.plan import PIECE_BYTES, parts_to_read
from forensic.extraction.reading import Missing
from forensic.qcow2.disk import Disk
from forensic.qcow2.states import Reason, Run, State

LISTED_RANGES = 100_000
"""Ranges that are listed one by one; a hostile image could have a billion. All are counted."""


KEPT_RUNS = 1 << 16
"""Runs that are kept for the plan, in some ten megabytes; those of a disk with more are decoded a second time."""


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
    may have to be stored, since they come from a place where the file is no hole. `runs` are those of the range, None
    if they are too many to be kept. `places` chooses where the output is compared with a second reading.
    """

    by_state: Counter[State] = field(default_factory=Counter)
    by_reason: Counter[Reason] = field(default_factory=Counter)
    missing: MissingRanges = field(default_factory=MissingRanges)
    stored: int = 0
    runs: list[list[Run]] | None = None
    places: Places = field(default_factory=Places)


def survey(disk: Disk, guest_start: int, guest_end: int) -> Survey:
    """Look through the tables once."""
    found = Survey()
    kept: list[list[Run]] = []
    count = 0
    by_state = [0] * len(State)
    for runs in disk.readable_runs(guest_start, guest_end):
        count += len(runs)
        found.places.see(runs)
        if count <= KEPT_RUNS:
            kept.append(runs)
        for guest_offset, length, host_offset, stored_length, state, reason, depth, _ in runs:
            by_state[state] += length
            if state == State.DATA and length >= PIECE_BYTES:
                # Only long runs are worth asking the file system about.
                read = parts_to_read(disk.levels[depth].plain_data, host_offset, host_offset + length)
                found.stored += sum(end - start for start, end in read) - length
            elif state == State.ABSENT:
                why = Reason(reason)
                found.by_reason[why] += length
                found.missing.add(Missing(guest_offset, length, why, host_offset or None, stored_length))
    found.by_state.update({state: by_state[state] for state in State})
    found.stored += by_state[State.DATA] + by_state[State.COMPRESSED]
    found.runs = kept if count <= KEPT_RUNS else None
    return found
