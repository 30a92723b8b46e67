"""The ledger: of every guest byte whether it was read, is recorded as zero, or was filled, and why.

The sums come from the summary of the tables and the faults met in reading; they add up to the extracted range exactly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from heapq import merge
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from forensic.disk.disk import Disk
from forensic.extraction.piece_reader import Missing
from forensic.extraction.plan import PIECE_BYTES, parts_to_read
from forensic.extraction.spot_checks import Places
from forensic.mapping.extents import Reason, Run, State

if TYPE_CHECKING:
    from forensic.records.extraction import UnreadableRecord

FILLED = "filled"
"""The state in reports of what the tables call absent, and of what could not be read or decoded."""


def state_name(state: State) -> str:
    """The name of a state in reports."""
    return FILLED if state == State.ABSENT else state.name.lower()


class Ledger:
    """The sums and the ranges that were not read; kept up to date while the disk is read."""

    def __init__(self, disk_totals: DiskTotals) -> None:
        """Begin with what the tables say."""
        self._by_state = Counter({state_name(state): disk_totals.by_state[state] for state in State})
        self._by_reason = Counter({reason.code: length for reason, length in disk_totals.by_reason.items()})
        self._absent = disk_totals.missing
        self._faults = MissingRanges()

    def fault(self, missing: Missing) -> None:
        """Enter a range that could not be read or decoded; ranges come in guest order."""
        self._by_state[state_name(State.COMPRESSED if missing.stored_length else State.DATA)] -= missing.length
        self._by_state[FILLED] += missing.length
        self._by_reason[missing.reason.code] += missing.length
        self._faults.add(missing)

    @property
    def bytes_by_state(self) -> dict[str, int]:
        """Guest bytes by the name of their state."""
        return dict(self._by_state)

    @property
    def bytes_by_reason(self) -> dict[str, int]:
        """Guest bytes that were filled, by reason code."""
        return {code: self._by_reason[code] for code in sorted(self._by_reason) if self._by_reason[code]}

    @property
    def bytes_read(self) -> int:
        """Guest bytes that came from a file, as they are or decoded."""
        return self._by_state[state_name(State.DATA)] + self._by_state[state_name(State.COMPRESSED)]

    @property
    def bytes_missing(self) -> int:
        """Guest bytes that are zeros in place of bytes that could not be read."""
        return self._by_state[FILLED]

    @property
    def bytes_not_wanted(self) -> int:
        """Of these, those that nobody asked for."""
        return self._by_reason[Reason.NOT_MARKED.code]

    @property
    def bytes_zero(self) -> int:
        """Guest bytes that are recorded as zeros."""
        return sum(self._by_state.values()) - self.bytes_read - self.bytes_missing

    @property
    def faults(self) -> Sequence[Missing]:
        """The ranges that the tables promised and reading did not give, as far as they are listed."""
        return self._faults.ranges

    def unreadable(self) -> MissingRanges:
        """The ranges that were not read, in guest order."""
        together = MissingRanges(not_listed=self._absent.not_listed + self._faults.not_listed)
        for missing in merge(self._absent.ranges, self._faults.ranges, key=lambda entry: entry.guest_offset):
            together.add(missing)
        return together


def missing_records(missing: MissingRanges) -> list[UnreadableRecord]:
    """What `result.extraction.unreadable` of a report holds."""
    from forensic.records.extraction import UnreadableRecord

    return [
        UnreadableRecord(
            virtual_offset=entry.guest_offset,
            length=entry.length,
            reason_code=entry.reason.code,
            host_offset=entry.host_offset,
            filled_with="decoded bytes" if entry.reason == Reason.SALVAGED else "00",
        )
        for entry in missing.ranges
    ]


LISTED_RANGES = 100_000
"""Ranges that are listed one by one; a hostile image could have a billion. All are counted."""

KEPT_RUNS = 1 << 16
"""Runs that are kept for the plan, in some ten megabytes; those of a disk with more are decoded a second time."""


class MissingRanges(Struct):
    """Ranges that cannot be read, in guest order, neighbours of one reason merged, up to `LISTED_RANGES` of them."""

    ranges: list[Missing] = field(default_factory=list)
    not_listed: int = 0
    first_wanted: Missing | None = None
    """The first that somebody asked for."""

    def add(self, missing: Missing) -> None:
        """Enter the next range."""
        if self.first_wanted is None and missing.reason != Reason.NOT_MARKED:
            self.first_wanted = missing
        last = self.ranges[-1] if self.ranges else None
        if last and last.reason == missing.reason and last.end == missing.guest_offset:
            self.ranges[-1] = replace(last, length=last.length + missing.length)
        elif len(self.ranges) < LISTED_RANGES:
            self.ranges.append(missing)
        else:
            self.not_listed += 1


class DiskTotals(Struct):
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


def disk_totals(disk: Disk, guest_start: int, guest_end: int) -> DiskTotals:
    """Look through the tables once."""
    found = DiskTotals()
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
                read = parts_to_read(disk.layers[depth].plain_data, host_offset, host_offset + length)
                found.stored += sum(end - start for start, end in read) - length
            elif state == State.ABSENT:
                why = Reason(reason)
                found.by_reason[why] += length
                found.missing.add(Missing(guest_offset, length, why, host_offset or None, stored_length))
    found.by_state.update({state: by_state[state] for state in State})
    found.stored += by_state[State.DATA] + by_state[State.COMPRESSED]
    found.runs = kept if count <= KEPT_RUNS else None
    return found
