"""Every guest range with its source, one after another, while the disk is read."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from forensic.disk.disk import Disk
from forensic.disk.planned import UNKNOWN, Judged, Planned, planned_of
from forensic.errors import OutputFailed
from forensic.extraction.ledger import FILLED, Ledger, state_name
from forensic.extraction.piece_reader import Missing
from forensic.mapping.extents import Reason, State, is_located
from forensic.output.mapfile import COLUMNS, mapfile_head, mapfile_line
from forensic.output.new_file import LineFile
from forensic.untrusted import Json

NOTHING_KNOWN = Judged(UNKNOWN, 0.0, "", "", UNKNOWN)
"""How sure a plan is of what was not read."""


class ListedRange(Struct, frozen=True):
    """`length` guest bytes in one state.

    `host_offset` counts in the file that holds the data of layer `depth` of the chain. Of a compressed cluster
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
        """The guest offset where it ends."""
        return self.guest_offset + self.length


class RangeWriter(Protocol):
    """Writes ranges down as they come, in guest order without a gap."""

    def write(self, entry: ListedRange) -> None:
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
        self._row: ListedRange | None = None
        self._position = guest_start
        self._faults: deque[Missing] = deque()
        self._pending: ListedRange | None = None
        self._writers = writers

    def fault(self, missing: Missing) -> None:
        """A range that could not be read or decoded; it comes after those that were told before."""
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

    def _next(self, row: ListedRange, limit: int) -> ListedRange:
        """The next range of a row that is in one state."""
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

    def _emit(self, entry: ListedRange) -> None:
        if self._pending and _continues(self._pending, entry):
            self._pending = replace(self._pending, length=self._pending.length + entry.length)
            return
        self._flush()
        self._pending = entry


def _ranges(disk: Disk, guest_start: int, guest_end: int) -> Iterator[ListedRange]:
    planned = planned_of(disk.layers[0])
    for runs in disk.readable_runs(guest_start, guest_end):
        for guest_offset, length, host_offset, stored_length, state, reason, depth, skip in runs:
            place = host_offset if is_located(state, reason) else None
            name = state_name(State(state))
            entry = ListedRange(guest_offset, length, name, depth, place, stored_length, skip, Reason(reason))
            if planned is None:
                yield entry
            else:
                yield from _judged(planned, entry)


def _judged(planned: Planned, entry: ListedRange) -> Iterator[ListedRange]:
    """A range in parts that are as sure throughout; what is filled is unknown."""
    if entry.state == FILLED:
        yield replace(entry, judged=NOTHING_KNOWN)
        return
    for start, end, judged in planned.parts(entry.guest_offset, entry.end):
        yield replace(_part(entry, start, end), judged=judged)


def _part(row: ListedRange, start: int, end: int) -> ListedRange:
    if (start, end) == (row.guest_offset, row.end):
        return row
    lead = start - row.guest_offset
    if row.stored_length:
        return replace(row, guest_offset=start, length=end - start, skip=row.skip + lead)
    host_offset = None if row.host_offset is None else row.host_offset + lead
    return replace(row, guest_offset=start, length=end - start, host_offset=host_offset)


def _continues(before: ListedRange, entry: ListedRange) -> bool:
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


LEDGER_SCHEMA = "qcowscope-ledger/1"

NOT_TRIED = frozenset(
    {Reason.BACKING_NOT_SUPPLIED, Reason.DATA_FILE_NOT_SUPPLIED, Reason.KEY_NOT_SUPPLIED, Reason.NOT_MARKED}
)
"""Reasons for which a range was not even looked for; ddrescue's `?`."""

MAP_HEAD = mapfile_head(
    "+ read, - cannot be read, ? not tried: not wanted, or a backing file, data file or key was not supplied"
)

MAP_OF_PLAN = "# / placed by inference of a recovery plan: the image does not say that it belongs there\n"


class LedgerFile:
    """One JSON object a line: a header, every range, and a trailer without which the file was cut short."""

    def __init__(self, path: Path, header: dict[str, Json], force: bool = False) -> None:
        """Create the file. Raises `OutputFailed`."""
        self._lines = LineFile(path, force)
        self._count = 0
        self._certainty: Counter[str] = Counter()
        self._lines.add(json.dumps({"type": "header", "schema": LEDGER_SCHEMA, **header}))

    def write(self, entry: ListedRange) -> None:
        """Write one range; what does not apply to it is left out."""
        self._count += 1
        line = f'{{"type": "range", "virtual_offset": {entry.guest_offset}, "length": {entry.length}'
        line += f', "state": "{entry.state}", "depth": {entry.depth}'
        if entry.host_offset is not None:
            line += f', "host_offset": {entry.host_offset}'
        if entry.stored_length:
            line += f', "stored_length": {entry.stored_length}'
        if entry.skip:
            line += f', "skip": {entry.skip}'
        if entry.judged:
            line += entry.judged.in_ledger
            self._certainty[entry.judged.certainty] += entry.length
        if entry.reason != Reason.NONE:
            line += f', "reason_code": "{entry.reason.code}", "filled_with": "00"'
        self._lines.add(line + "}")

    def finish(self, ledger: Ledger, complete: bool) -> None:
        """Write the trailer and give the file its name; the sums are those of the report."""
        trailer: dict[str, Json] = {"type": "trailer", "complete": complete, "ranges": self._count}
        if complete:
            trailer |= {"bytes_by_state": ledger.bytes_by_state, "bytes_by_reason": ledger.bytes_by_reason}
            if self._certainty:
                trailer["bytes_by_certainty"] = dict(sorted(self._certainty.items()))
        self._lines.add(json.dumps(trailer))
        self._lines.complete()

    def abandon(self) -> None:
        """Remove what was written so far."""
        self._lines.abandon()


class MapFile:
    """A ddrescue map: `+` was read or is recorded as zero, `-` cannot be read, `?` was not tried.

    Where a recovery plan was used `/` is what it has placed by inference.
    """

    def __init__(
        self, path: Path, guest_start: int, guest_end: int, force: bool = False, planned: bool = False
    ) -> None:
        """Create the file; offsets in it are those of the virtual disk. Raises `OutputFailed`."""
        self._lines = LineFile(path, force)
        self._start, self._end, self._status = guest_start, guest_start, "+"
        self._guest_end = guest_end
        head = MAP_HEAD + (MAP_OF_PLAN if planned else "")
        self._status_place = len(head)
        # The line that says how it ended stands at the beginning; it is written over in the end.
        self._lines.file.append((head + _status_line(guest_start, "?") + COLUMNS).encode("ascii"))

    def write(self, entry: ListedRange) -> None:
        """Take one range; neighbours of one status become one line."""
        if entry.state == FILLED:
            self._take(entry.end, "?" if entry.reason in NOT_TRIED else "-")
        else:
            sure = entry.judged is None or entry.judged.certainty == "certain"
            self._take(entry.end, "+" if sure else "/")

    def finish(self, ledger: Ledger, complete: bool) -> None:
        """Write the last line and give the file its name; what was not reached was not tried."""
        reached = self._end
        if reached < self._guest_end:
            self._take(self._guest_end, "?")
        self._end_line()
        status = _status_line(reached, "+" if complete else "?").encode("ascii")
        self._lines.file.write_at(self._status_place, memoryview(status))
        self._lines.complete()

    def abandon(self) -> None:
        """Remove what was written so far."""
        self._lines.abandon()

    def _take(self, end: int, status: str) -> None:
        if status != self._status:
            self._end_line()
            self._status = status
        self._end = end

    def _end_line(self) -> None:
        if self._end > self._start:
            self._lines.add(mapfile_line(self._start, self._end - self._start, self._status))
        self._start = self._end


def _status_line(position: int, status: str) -> str:
    return f"0x{position:016X}     {status}               1\n"
