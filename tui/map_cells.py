"""From sums and findings to the cells of a map: what is shown where a cell holds several things."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from forensic import State
from forensic.explore import Fill, Grid, Orphans, Places, Range, SpaceUsage
from tui.kinds import FILLS, FINDING, FREE, HIT, NOTE, ORPHAN, PENDING, STATES
from tui.looks import Cell

if TYPE_CHECKING:
    from numpy.typing import NDArray

    I64 = NDArray[np.int64]

RARE = (Fill.HEADER, Fill.LUKS, Fill.L1, Fill.SNAPSHOT, Fill.BITMAP)
"""What is shown wherever there is any of it."""

COMMON = (Fill.L2, Fill.REFCOUNT)
"""What is shown where it is a fair part of a cell."""

FAIR_PART = 8


def file_cells(usage: SpaceUsage) -> list[Cell]:
    """Cells of the file by what its parts are used for."""
    sums = usage.sums.T.tolist()
    return [_file_cell(each, usage.grid.cell_size, usage.done < 1) for each in sums]


def guest_cells(usage: SpaceUsage) -> list[Cell]:
    """Cells of the disk by the state of most of their bytes; bytes that are there count for more than none."""
    return [_guest_cell(each) for each in usage.sums.T.tolist()]


def with_findings(cells: list[Cell], grid: Grid, places: Places) -> list[Cell]:
    """Mark the cells in which a finding begins."""
    inside = (places.begins >= grid.start) & (places.begins < grid.end)
    for number in np.unique((places.begins[inside] - grid.start) // grid.cell_size).tolist():
        cells[number] = FINDING.cell
    return cells


def with_notes(cells: list[Cell], grid: Grid, places: Sequence[Range]) -> list[Cell]:
    """Mark the cells in which a note begins."""
    for place in places:
        number = grid.cell_of(place.offset)
        if 0 <= number < len(cells):
            cells[number] = NOTE.cell
    return cells


def with_hits(cells: list[Cell], grid: Grid, places: Sequence[Range]) -> list[Cell]:
    """Mark the cells in which something begins that was searched for."""
    for number in {grid.cell_of(place.offset) for place in places}:
        if 0 <= number < len(cells):
            cells[number] = HIT.cell
    return cells


def cells_touched(grid: Grid, begins: I64, ends: I64) -> list[int]:
    """The numbers of the cells in which one of these ranges has a byte."""
    inside = (ends > grid.start) & (begins < grid.end)
    steps = np.zeros(grid.cells + 1, dtype=np.int64)
    np.add.at(steps, np.maximum(begins[inside] - grid.start, 0) // grid.cell_size, 1)
    np.add.at(steps, (np.minimum(ends[inside], grid.end) - 1 - grid.start) // grid.cell_size + 1, -1)
    found: list[int] = np.flatnonzero(np.cumsum(steps)[:-1]).tolist()
    return found


def with_orphans(cells: list[Cell], grid: Grid, orphans: Orphans) -> list[Cell]:
    """Mark the cells without anything in use in which there is a part of an orphan."""
    for number in cells_touched(grid, orphans.begins, orphans.ends):
        if cells[number] in (FREE.cell, PENDING.cell):
            cells[number] = ORPHAN.cell
    return cells


def _file_cell(sums: list[int], cell_size: int, pending: bool) -> Cell:
    for fill in RARE:
        if sums[fill]:
            return FILLS[fill].cell
    for fill in COMMON:
        if sums[fill] * FAIR_PART >= cell_size:
            return FILLS[fill].cell
    best = max(Fill, key=lambda fill: sums[fill])
    if sums[best] and not (pending and best in COMMON):  # what else is in the cell may come still
        return FILLS[best].cell
    return PENDING.cell if pending else FREE.cell


def _guest_cell(sums: list[int]) -> Cell:
    if sums[State.ABSENT]:
        return STATES[State.ABSENT].cell
    if not any(sums):
        return PENDING.cell
    held = (State.DATA, State.COMPRESSED, State.ZERO_ALLOCATED, State.ZERO)
    best = max(held, key=lambda state: sums[state])
    share = sums[best] * FAIR_PART >= sum(sums)
    return STATES[best].cell if sums[best] and (share or best in held[:2]) else STATES[State.UNALLOCATED].cell
