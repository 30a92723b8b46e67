"""The cells of a disk, filled while a check walks over its tables, so that a map of it needs no walk of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from forensic.budget import Unexamined
from forensic.disk.disk import Disk
from forensic.disk.qcow2_layer import Qcow2Layer
from forensic.disk.v1_layer import Qcow1Layer
from forensic.explore import disk_cells
from forensic.explore.disk_cells import DiskCells
from forensic.mapping import table_rows, v1
from forensic.mapping.extents import Reason, State
from forensic.mapping.rows import ROW, Rows, clipped, mark_absent, single_row
from forensic.qcow2.arrays import I64, U64
from forensic.qcow2.geometry import ACTIVE
from forensic.qcow2.intervals import equal_runs
from forensic.qcow2.tables import L1Table, L2Batch
from forensic.qcow2.v1_tables import Qcow1L1, Qcow1L2Batch

if TYPE_CHECKING:
    from forensic.extraction.piece_reader import Missing

ENTRIES_AT_ONCE = 1 << 17
"""Entries of L2 tables that are mapped again at once, where L1 entries name one table several times."""

ROWS_AT_ONCE = 1 << 13
"""Rows that are summed up at once: a batch of tables gives few where a disk was filled in order."""

L1_ENTRIES_AT_ONCE = 1 << 18


def is_walked(disk: Disk) -> bool:
    """Whether the cells of this disk follow from the tables that a check of its image walks over, and nothing else."""
    if type(disk) is not Disk or len(disk.layers) > 1:
        return False
    layer = disk.layers[0]
    if isinstance(layer, Qcow2Layer):
        return layer.l1_place.owner == ACTIVE and not layer.base and layer.planned is None
    return isinstance(layer, Qcow1Layer)


class WalkedCells:
    """Takes the structures of a check in the order in which it walks over them.

    A table is met once and mapped as often as the L1 table names it; the walk of `disk_cells`, in guest order, comes
    to the same cells.
    """

    def __init__(self, disk: Disk, cell_size: int, for_reading: bool) -> None:
        """`disk` is one that `is_walked`; `for_reading` as for `disk_cells`."""
        self._disk, self._for_reading = disk, for_reading
        layer = disk.layers[0]
        data_file = layer.data_file if isinstance(layer, Qcow2Layer) else None
        self._data_size = data_file.size if data_file else None
        self._cells = DiskCells.of(disk, cell_size)
        self._entries: _L1Entries | None = None
        self._held: list[Rows] = []
        self._count = 0
        self._complete = True

    def see(self, structure: object) -> None:
        """Take a structure; those that map nothing of the disk are passed over."""
        if isinstance(structure, L2Batch | Qcow1L2Batch):
            self._see_tables(structure)
        elif isinstance(structure, L1Table | Qcow1L1) and self._entries is None:
            self._entries = _L1Entries(structure, self._disk.size)
            # The check follows no table that lies off its place.
            self._complete &= isinstance(structure, Qcow1L1) or not structure.misplaced
        elif isinstance(structure, Unexamined) and structure.structure is L2Batch:
            self._complete = False

    def found(self, faults: Sequence[Missing] = ()) -> DiskCells | None:
        """What `disk_cells` gives; None if the check did not see all of the tables, or too many rows for a summary."""
        if self._entries is None or not self._complete:
            return None
        for rows in self._entries.rows_without_tables():
            self._add(rows)
        if not self._complete:
            return None
        self._add_what_is_held()
        self._cells.reached = self._cells.size
        self._cells.finish(faults)
        return self._cells

    def _see_tables(self, batch: L2Batch | Qcow1L2Batch) -> None:
        if self._entries is None or not self._complete or (isinstance(batch, L2Batch) and batch.owner != ACTIVE):
            return
        begin, end = self._entries.leading_to(batch.host_offsets)
        once = np.flatnonzero(end - begin == 1)
        self._map(batch, once, self._entries.indices[begin[once]])
        for table in np.flatnonzero(end - begin > 1).tolist():
            if not _maps_nothing(batch, table):
                self._map_again_and_again(batch, table, self._entries.indices[begin[table] : end[table]])

    def _map_again_and_again(self, batch: L2Batch | Qcow1L2Batch, table: int, indices: I64) -> None:
        """Some at a time: a hostile image names one table a million times."""
        at_once = max(1, ENTRIES_AT_ONCE // batch.entries.shape[1])
        for start in range(0, len(indices), at_once):
            chosen = indices[start : start + at_once]
            if self._complete:
                self._map(batch, np.full(len(chosen), table), chosen)

    def _map(self, batch: L2Batch | Qcow1L2Batch, tables: I64, indices: I64) -> None:
        """Add what these tables of the batch map at these L1 entries."""
        if not len(tables) or self._entries is None:
            return
        self._entries.met[indices] = True
        if not np.array_equal(indices, batch.l1_indices):
            order = np.argsort(indices)
            batch = batch.selected(tables[order], indices[order])
        self._add(_rows_of(batch, self._data_size))

    def _add(self, rows: Rows) -> None:
        rows = clipped(rows, 0, self._disk.size)
        if self._for_reading:
            self._disk.mark_what_was_not_supplied(rows)
        self._count += len(rows)
        self._complete &= self._count <= disk_cells.MAX_ROWS
        self._held.append(rows)
        if sum(map(len, self._held)) > ROWS_AT_ONCE:
            self._add_what_is_held()

    def _add_what_is_held(self) -> None:
        held, self._held = self._held, []
        self._cells.add_rows(np.concatenate([np.zeros(0, dtype=ROW), *held]))


class _L1Entries:
    """The entries of an L1 table that map a disk: which of them lead to a table, and which of these tables were met.

    `indices` are the numbers of those that lead to a table, in the order of the tables in the file.
    """

    def __init__(self, l1: L1Table | Qcow1L1, disk_size: int) -> None:
        self._l1, self._disk_size = l1, disk_size
        self._coverage = (l1.header if isinstance(l1, Qcow1L1) else l1.geometry).l1_coverage
        needed = -(-disk_size // self._coverage)
        self._named, self._readable = l1.l2_offsets()[:needed], l1.readable()[:needed]
        self.met = np.zeros(len(self._named), dtype=np.bool_)
        self.indices: I64 = np.flatnonzero(self._readable)
        self._offsets: U64 = self._named[self.indices]
        if (self._offsets[1:] < self._offsets[:-1]).any():
            order = np.argsort(self._offsets, kind="stable")
            self._offsets, self.indices = self._offsets[order], self.indices[order]

    def leading_to(self, host_offsets: U64) -> tuple[I64, I64]:
        """From where to where in `indices` those stand that lead to each of these tables."""
        return np.searchsorted(self._offsets, host_offsets), np.searchsorted(self._offsets, host_offsets, side="right")

    def rows_without_tables(self) -> Iterator[Rows]:
        """What the other entries map: tables in holes of the file nothing, ones that cannot be read are missed."""
        coverage, known = self._coverage, len(self._named)
        for start in range(0, known, L1_ENTRIES_AT_ONCE):
            part = slice(start, start + L1_ENTRIES_AT_ONCE)
            lost = (self._named[part] != 0) & ~self._readable[part]
            runs = equal_runs(lost + np.int8(2) * self.met[part])
            runs = runs[~self.met[part][runs[:, 0]]]
            rows = np.zeros(len(runs), dtype=ROW)
            rows["guest_offset"] = (start + runs[:, 0]).astype(np.uint64) * np.uint64(coverage)
            rows["length"] = (runs[:, 1] - runs[:, 0]) * coverage
            mark_absent(rows, lost[runs[:, 0]], Reason.L2_UNREADABLE)
            yield rows
        if known * coverage < self._disk_size:
            overwritten = isinstance(self._l1, L1Table) and self._l1.overwritten
            reason = Reason.ENTRY_DOUBTFUL if overwritten else Reason.L2_UNREADABLE
            yield single_row(known * coverage, self._disk_size - known * coverage, State.ABSENT, reason)


def _maps_nothing(batch: L2Batch | Qcow1L2Batch, table: int) -> bool:
    """Whether a table is there and holds nothing, as if there were none."""
    bitmaps = batch.bitmaps if isinstance(batch, L2Batch) else None
    whole = int(batch.present[table]) == batch.entries.shape[1]
    return whole and not batch.entries[table].any() and not (bitmaps is not None and bitmaps[table].any())


def _rows_of(batch: L2Batch | Qcow1L2Batch, data_size: int | None) -> Rows:
    return v1.rows_of(batch) if isinstance(batch, Qcow1L2Batch) else table_rows.rows_of(batch, data_size)
