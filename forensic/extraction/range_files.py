"""The two files that list every guest range: the ledger as JSON Lines, and the map that ddrescue's tools read."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from forensic.extraction.ledger import FILLED, Ledger
from forensic.extraction.line_file import LineFile
from forensic.extraction.ranges import GuestRange
from forensic.qcow2.planned import Judged
from forensic.qcow2.states import Reason
from forensic.untrusted import Json
from forensic.version import __version__

LEDGER_SCHEMA = "qcowscope-ledger/1"
NOT_TRIED = frozenset({Reason.BACKING_NOT_SUPPLIED, Reason.DATA_FILE_NOT_SUPPLIED, Reason.KEY_NOT_SUPPLIED})
"""Reasons for which a range was not even looked for; ddrescue's `?`."""

MAP_HEAD = (
    f"# Mapfile. Created by qcowscope {__version__}\n"
    "# + read, - cannot be read, ? not tried: a backing file, data file or key was not supplied\n"
    "# current_pos  current_status  current_pass\n"
)
MAP_OF_PLAN = "# / placed by inference of a recovery plan: the image does not say that it belongs there\n"
MAP_COLUMNS = "#      pos        size  status\n"


class LedgerFile:
    """One JSON object a line: a header, every range, and a trailer without which the file was cut short."""

    def __init__(self, path: Path, header: dict[str, Json], force: bool = False) -> None:
        """Create the file. Raises `OutputFailed`."""
        self._lines = LineFile(path, force)
        self._count = 0
        self._certainty: Counter[str] = Counter()
        self._lines.add(json.dumps({"type": "header", "schema": LEDGER_SCHEMA, **header}))

    def write(self, entry: GuestRange) -> None:
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
            line += _certainty(entry.judged)
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


def _certainty(judged: Judged) -> str:
    """What a line says of how sure a range is; strings come from a plan, so they are written as JSON."""
    line = f', "certainty": "{judged.certainty}", "confidence": {judged.confidence:.2f}'
    if judged.decision:
        line += f', "basis": [{json.dumps(judged.decision)}]'
    return line + f', "version": "{judged.version}"'


class MapFile:
    """A ddrescue map: `+` was read or is zero by the image's word, `-` cannot be read, `?` was not tried.

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
        self._lines.file.append((head + _status_line(guest_start, "?") + MAP_COLUMNS).encode("ascii"))

    def write(self, entry: GuestRange) -> None:
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
            self._lines.add(f"0x{self._start:08X}  0x{self._end - self._start:08X}  {self._status}")
        self._start = self._end


def _status_line(position: int, status: str) -> str:
    return f"0x{position:016X}     {status}               1\n"
