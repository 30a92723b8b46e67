"""A disk in a row of cells, for a map: where its bytes come from, and how sure a recovery plan is of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct, field

from forensic.disk.disk import Disk
from forensic.disk.planned import UNKNOWN, planned_of
from forensic.explore.space_usage import FURTHEST, Grid, add_to_cells
from forensic.mapping.extents import Reason, State
from forensic.mapping.rows import Rows
from forensic.qcow2.arrays import I64, distinct

if TYPE_CHECKING:  # what reads a disk is slow to load, and a map of the tables needs none of it
    from forensic.extraction.piece_reader import Missing

CANNOT_BE_READ, NOT_ASKED_FOR = "cannot be read", "not asked for"
STATES = {
    State.DATA: "data",
    State.COMPRESSED: "compressed",
    State.ZERO: "zeroed",
    State.ZERO_ALLOCATED: "zeroed",
    State.UNALLOCATED: "not allocated",
    State.ABSENT: CANNOT_BE_READ,
}
NOT_SUPPLIED = {
    Reason.BACKING_NOT_SUPPLIED: "in the backing file, not supplied",
    Reason.DATA_FILE_NOT_SUPPLIED: "in the data file, not supplied",
    Reason.KEY_NOT_SUPPLIED: "encrypted, no key supplied",
    Reason.NOT_MARKED: NOT_ASKED_FOR,
}
FROM_BACKING, LEFT_TO_BACKING = "from a backing file", "left to the backing file"
MOST_SURE_FIRST = ("certain", "inferred", UNKNOWN)
MAX_ROWS = 1 << 24
"""Rows that are summed up: a hostile image can repeat one table so often that nobody would wait for the rest."""


class DiskCells(Struct):
    """Guest bytes by kind and cell, and by certainty and cell where a plan is used; `reached` is where it ended.

    The first `size` bytes of the `disk` are summed up.
    """

    disk: Disk
    size: int
    grid: Grid
    kinds: dict[str, I64] = field(default_factory=dict)
    certainties: dict[str, I64] = field(default_factory=dict)
    reached: int = 0

    @classmethod
    def of(cls, disk: Disk, cell_size: int) -> DiskCells:
        """Nothing is known yet."""
        size = min(disk.size, FURTHEST)
        return cls(disk, size, Grid(0, cell_size, -(-size // cell_size)))

    def add_rows(self, rows: Rows) -> None:
        """Rows of the disk, in any order."""
        below = rows["depth"] > 0
        for state, kind in STATES.items():
            chosen = rows["state"] == state
            if not chosen.any():
                continue
            if state in (State.DATA, State.COMPRESSED):
                self.add(FROM_BACKING, rows[chosen & below])
                self.add(kind, rows[chosen & ~below])
            elif state == State.UNALLOCATED:
                has_backing = self.disk.layers[-1].backing_file is not None
                self.add(LEFT_TO_BACKING if has_backing else kind, rows[chosen])
            elif state == State.ABSENT:
                self._add_absent(rows[chosen])
            else:
                self.add(kind, rows[chosen])

    def finish(self, faults: Iterable[Missing]) -> None:
        """When all rows are in: what reading could not give, and how sure a plan is of what."""
        for missing in faults:
            self.lose(missing)
        planned = planned_of(self.disk.layers[0])
        if planned:
            self.judge(planned.starts, [judged.certainty for judged in planned.judged], self.size)

    def _add_absent(self, rows: Rows) -> None:
        for reason in distinct(rows["reason"]).tolist():
            self.add(NOT_SUPPLIED.get(Reason(reason), CANNOT_BE_READ), rows[rows["reason"] == reason])

    def add(self, kind: str, rows: Rows) -> None:
        """Rows that are all of one kind."""
        if len(rows):
            add_to_cells(self._row(self.kinds, kind), self.grid, rows["guest_offset"], rows["length"])

    def lose(self, missing: Missing) -> None:
        """A range that the tables promised and that could not be read or decoded."""
        lost = np.zeros(self.grid.cells, dtype=np.int64)
        place = np.array([missing.guest_offset], dtype=np.uint64)
        add_to_cells(lost, self.grid, place, np.array([missing.length], dtype=np.uint64))
        self._row(self.kinds, CANNOT_BE_READ)[:] += lost
        for promised in (STATES[State.COMPRESSED if missing.stored_length else State.DATA], FROM_BACKING):
            held = self._row(self.kinds, promised)
            taken = np.minimum(held, lost)
            held -= taken
            lost -= taken

    def _row(self, rows: dict[str, I64], name: str) -> I64:
        return rows.setdefault(name, np.zeros(self.grid.cells, dtype=np.int64))

    def judge(self, starts: list[int], words: list[str], size: int) -> None:
        """Enter how sure the range from each of `starts` up to the next is."""
        begins = np.minimum(np.array(starts, dtype=np.uint64), np.uint64(size))
        lengths = np.append(begins[1:], np.uint64(size)) - begins
        said = np.array(words)
        for word in dict.fromkeys(words):
            chosen = said == word
            add_to_cells(self._row(self.certainties, word), self.grid, begins[chosen], lengths[chosen])


def disk_cells(disk: Disk, cell_size: int, faults: Iterable[Missing] = (), for_reading: bool = False) -> DiskCells:
    """Sum up a disk. `for_reading` says that what was not supplied is missed; otherwise the tables alone are asked."""
    found = DiskCells.of(disk, cell_size)
    seen = 0
    for rows in disk.readable_batches() if for_reading else disk.row_batches():
        found.add_rows(rows)
        seen += len(rows)
        if len(rows):
            found.reached = min(found.size, int(rows["guest_offset"][-1]) + int(rows["length"][-1]))
        if seen > MAX_ROWS:
            break
    found.finish(faults)
    return found
