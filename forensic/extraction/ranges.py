"""Every guest range with its source, one after another, while the disk is read; for those who write them down."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from forensic.errors import OutputFailed
from forensic.extraction.ledger import FILLED, Ledger, state_name
from forensic.extraction.reading import Missing
from forensic.qcow2.disk import Disk
from forensic.qcow2.planned import UNKNOWN, Judged, Planned
from forensic.qcow2.states import Reason, State, is_located

NOTHING_KNOWN = Judged(UNKNOWN, 0.0, "", "", UNKNOWN)
"""How sure a plan is of what was not read."""


class GuestRange(Struct, frozen=True):
    """`length` guest bytes in one state.

    `host_offset` counts in the file that holds the data of level `depth` of the chain. Of a compressed cluster
    `stored_length` bytes are stored there, and `skip` decoded bytes come before the range. `reason` is why it was
    filled. `judged` is how sure a recovery plan is of it, if there is one.
    """

    guest_offset: int
    length: int
    state: str
    depth: int = 0
    host_offset: int | None = None
    stored_length: int = 0
    skip: int = 0
    reason: Reason = Reason.NONE
    judged: Judged | None = None

    @property
    def end(self) -> int:
        """The guest offset behind it."""
        return self.guest_offset + self.length


class RangeWriter(Protocol):
    """Writes ranges down as they come, in guest order without a gap."""

    def write(self, entry: GuestRange) -> None:
        """The next range."""

    def finish(self, ledger: Ledger, complete: bool) -> None:
        """There are no more; `complete` says whether the whole disk was gone through."""

    def abandon(self) -> None:
        """Leave nothing behind, if it is not finished."""


class RangeWalk:
    """Goes through the tables beside the extraction and lays over them what could not be read.

    Only one row and the faults of one piece are held at a time, however many ranges there are.
    """

    def __init__(self, disk: Disk, guest_start: int, guest_end: int, writers: Sequence[RangeWriter]) -> None:
        """Begin at `guest_start`."""
        self._rows = _ranges(disk, guest_start, guest_end)
        self._row: GuestRange | None = None
        self._position = guest_start
        self._faults: deque[Missing] = deque()
        self._pending: GuestRange | None = None
        self._writers = writers

    def fault(self, missing: Missing) -> None:
        """A range that could not be read or decoded; it lies behind those that were told before."""
        self.reached(missing.guest_offset)
        self._faults.append(missing)

    def reached(self, guest_offset: int) -> None:
        """Everything before this was read, but for the faults told."""
        while self._position < guest_offset:
            if self._row is None:
                self._row = next(self._rows)
            entry = self._next(self._row, guest_offset)
            self._position = entry.end
            if self._position == self._row.end:
                self._row = None
            self._emit(entry)

    def finish(self, ledger: Ledger) -> None:
        """Write the last range, and the end of every list."""
        self._flush()
        for writer in self._writers:
            writer.finish(ledger, complete=True)

    def give_up(self, ledger: Ledger) -> None:
        """End the lists where the extraction stopped, as far as they can still be written."""
        with suppress(OutputFailed):
            self._flush()
        for writer in self._writers:
            with suppress(OutputFailed):
                writer.finish(ledger, complete=False)

    def _flush(self) -> None:
        if self._pending:
            for writer in self._writers:
                writer.write(self._pending)
        self._pending = None

    def _next(self, row: GuestRange, limit: int) -> GuestRange:
        """The next stretch of a row that is in one state."""
        end = min(row.end, limit)
        if not self._faults:
            return _part(row, self._position, end)
        fault = self._faults[0]
        if self._position < fault.guest_offset:
            return _part(row, self._position, min(end, fault.guest_offset))
        end = min(end, fault.end)
        if end == fault.end:
            self._faults.popleft()
        part = _part(row, self._position, end)
        judged = part.judged and NOTHING_KNOWN
        return replace(part, state=FILLED, reason=fault.reason, judged=judged)

    def _emit(self, entry: GuestRange) -> None:
        if self._pending and _continues(self._pending, entry):
            self._pending = replace(self._pending, length=self._pending.length + entry.length)
            return
        self._flush()
        self._pending = entry


def _ranges(disk: Disk, guest_start: int, guest_end: int) -> Iterator[GuestRange]:
    planned: Planned | None = getattr(disk.levels[0], "planned", None)
    for runs in disk.readable_runs(guest_start, guest_end):
        for guest_offset, length, host_offset, stored_length, state, reason, depth, skip in runs:
            place = host_offset if is_located(state, reason) else None
            name = state_name(State(state))
            entry = GuestRange(guest_offset, length, name, depth, place, stored_length, skip, Reason(reason))
            if planned is None:
                yield entry
            else:
                yield from _judged(planned, entry)


def _judged(planned: Planned, entry: GuestRange) -> Iterator[GuestRange]:
    """A range in parts that are as sure throughout; what is filled is unknown."""
    if entry.state == FILLED:
        yield replace(entry, judged=NOTHING_KNOWN)
        return
    for start, end, judged in planned.parts(entry.guest_offset, entry.end):
        yield replace(_part(entry, start, end), judged=judged)


def _part(row: GuestRange, start: int, end: int) -> GuestRange:
    if (start, end) == (row.guest_offset, row.end):
        return row
    lead = start - row.guest_offset
    if row.stored_length:
        return replace(row, guest_offset=start, length=end - start, skip=row.skip + lead)
    host_offset = None if row.host_offset is None else row.host_offset + lead
    return replace(row, guest_offset=start, length=end - start, host_offset=host_offset)


def _continues(before: GuestRange, entry: GuestRange) -> bool:
    if (before.state, before.depth, before.reason) != (entry.state, entry.depth, entry.reason):
        return False
    if before.judged != entry.judged:
        return False
    if before.stored_length or entry.stored_length:
        same = (before.host_offset, before.stored_length) == (entry.host_offset, entry.stored_length)
        return same and before.skip + before.length == entry.skip
    if before.host_offset is None or entry.host_offset is None:
        return before.host_offset is entry.host_offset
    return before.host_offset + before.length == entry.host_offset
