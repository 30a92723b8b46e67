"""What becomes of a disk in a row of cells: what is read, what is zero, what cannot be read."""

from __future__ import annotations

from collections import Counter
from enum import IntEnum

import numpy as np

from forensic.disk.disk import Disk
from forensic.explore.space_usage import FURTHEST, Grid, Sums, add_to_cells
from forensic.extraction.piece_reader import Missing
from forensic.mapping.extents import Reason, State


class Fate(IntEnum):
    """What becomes of guest bytes."""

    READ = 0
    ZERO = 1
    MISSING = 2


_FATES = {
    State.DATA: Fate.READ,
    State.COMPRESSED: Fate.READ,
    State.ZERO: Fate.ZERO,
    State.ZERO_ALLOCATED: Fate.ZERO,
    State.UNALLOCATED: Fate.ZERO,
    State.ABSENT: Fate.MISSING,
}


class ExtractionCells:
    """Guest bytes by `Fate` and cell: at first by the word of the tables, then with what reading taught."""

    def __init__(self, disk: Disk, cells: int, start: int = 0, end: int | None = None) -> None:
        """Look through the tables of a disk, or of a range of it, once.

        `bytes_by_reason` says why bytes will be missing, before any is read.
        """
        end = min(disk.size if end is None else end, FURTHEST)
        self.grid = Grid(start, max(1, -(-(end - start) // cells)), cells)
        self.sums: Sums = np.zeros((len(Fate), cells), dtype=np.int64)
        self.bytes_by_reason: Counter[str] = Counter()
        for rows in disk.readable_batches(start, end):
            unwanted = rows["reason"] == Reason.NOT_MARKED
            for state, fate in _FATES.items():
                chosen = rows[(rows["state"] == state) & ~unwanted]
                add_to_cells(self.sums[fate], self.grid, chosen["guest_offset"], chosen["length"])
            left_out = rows[unwanted]  # what nobody asked for is not missing
            add_to_cells(self.sums[Fate.ZERO], self.grid, left_out["guest_offset"], left_out["length"])
            absent = rows[(rows["state"] == State.ABSENT) & ~unwanted]
            for reason in np.unique(absent["reason"]).tolist():
                length = int(absent["length"][absent["reason"] == reason].sum())
                self.bytes_by_reason[Reason(reason).code] += length

    def missed(self, missing: Missing) -> None:
        """A range that the tables promised and that could not be read or decoded."""
        lost = np.zeros(self.grid.cells, dtype=np.int64)
        place = np.array([missing.guest_offset], dtype=np.uint64)
        add_to_cells(lost, self.grid, place, np.array([missing.length], dtype=np.uint64))
        self.sums[Fate.READ] -= lost
        self.sums[Fate.MISSING] += lost

    def fates(self, done: int) -> list[Fate]:
        """Of each cell that begins in the first `done` bytes what is worst in it: missing, then read, then zero."""
        known = min(self.grid.cells, -(-done // self.grid.cell_size))
        return [
            Fate.MISSING if missing else Fate.READ if read else Fate.ZERO
            for read, _, missing in self.sums[:, :known].T.tolist()
        ]
