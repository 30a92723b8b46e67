"""The L2 tables that each L1 table leads to, and the walk over all of them, each distinct table once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec import Struct, field
from msgspec.structs import replace

from forensic.accounting.saved_state import is_left_behind
from forensic.budget import Budget, Unexamined
from forensic.evidence import Evidence
from forensic.image import Qcow2Image
from forensic.qcow2.arrays import I64, U64, NDArray, distinct, is_among
from forensic.qcow2.entries import host_offset_of, is_copied
from forensic.qcow2.geometry import ACTIVE, MAX_L1_ENTRIES
from forensic.qcow2.intervals import equal_runs
from forensic.qcow2.snapshots import Snapshot
from forensic.qcow2.table_reading import tables_to_read
from forensic.qcow2.tables import L1Table, L2Batch, believed_l1, believed_l2_batches, read_l1

SETS_AT_ONCE = 8
"""Table sets distinguished in one pass over the tables: one bit of a byte each."""


_ONCE_EACH: I64 = np.broadcast_to(np.int64(1), MAX_L1_ENTRIES)
"""References of tables that are named once each; as long as it is, it takes no memory."""

TABLES_AT_ONCE = 1 << 16
"""Tables that are asked for holes of the file at once, in plain numbers."""


class TableSet(Struct, frozen=True):
    """The distinct L2 tables that one L1 table leads to, in file order.

    `l1_indices[t]` is the first L1 entry that leads to table t, `references[t]` how many do; `times` is how many
    L1 tables (the active disk's, snapshots') lie in this very place.
    """

    owner: str
    times: int
    l1_indices: I64
    host_offsets: U64
    references: I64
    copied: NDArray[np.bool_] | None
    saved_state_end: int


class DistinctTables(Struct, frozen=True):
    """Every L2 table once: set after set, those of a set in file order, each with the first set that leads there.

    `set_numbers[t]` is the number of that set, `l1_indices[t]` its L1 entry, `host_offsets[t]` where the table lies.
    """

    set_numbers: I64
    l1_indices: I64
    host_offsets: U64

    def selected(self, wanted: U64) -> DistinctTables:
        """Those at the host offsets of `wanted`, which are in rising order."""
        parts = range(0, len(self.host_offsets), TABLES_AT_ONCE)
        found = [is_among(self.host_offsets[part : part + TABLES_AT_ONCE], wanted) for part in parts]
        chosen = np.concatenate([np.zeros(0, dtype=np.bool_), *found])
        return DistinctTables(self.set_numbers[chosen], self.l1_indices[chosen], self.host_offsets[chosen])

    def by_set(self) -> Iterator[tuple[int, I64, U64]]:
        """The tables of each set that has any, some at a time: its number, the L1 indices, the host offsets."""
        for first, stop in equal_runs(self.set_numbers).tolist():
            for begin in range(first, stop, TABLES_AT_ONCE):
                end = min(begin + TABLES_AT_ONCE, stop)
                yield int(self.set_numbers[begin]), self.l1_indices[begin:end], self.host_offsets[begin:end]


class TableSets(Struct):
    """All table sets, filled as the L1 tables are walked."""

    sets: list[TableSet] = field(default_factory=list)
    lost: str | None = None
    _order: DistinctTables | None = None

    def add(self, table: L1Table, times: int) -> None:
        """Take the L2 tables of an L1 table; what cannot be reached is remembered in `lost`."""
        if table.overwritten:
            self.lost = self.lost or f"the L1 table of {table.owner} is overwritten"
        if len(table.entries) < min(table.claimed_entries, MAX_L1_ENTRIES) or table.misplaced:
            self.lost = self.lost or f"the L1 table of {table.owner} could not be read to its end"
        indices, used = _readable_entries(table)
        if not self.lost and np.count_nonzero(host_offset_of(table.entries)) > len(indices):
            self.lost = f"an L2 table of {table.owner} could not be read"
        references = _ONCE_EACH[: len(used)]
        if (used[1:] <= used[:-1]).any():  # there may be millions: only what is out of order is put in order
            used, first, references = np.unique(used, return_index=True, return_counts=True)
            indices = indices[first]
        copied = is_copied(table.entries[indices]) if table.owner == ACTIVE else None
        self.sets.append(TableSet(table.owner, times, indices, used, references, copied, table.saved_state_end))

    def distinct(self) -> tuple[U64, I64]:
        """The host offsets of all L2 tables, and how often each is referenced by all sets together."""
        match self.sets:
            case [only]:
                return only.host_offsets, only.references if only.times == 1 else only.references * only.times
        everything = np.concatenate([tables.host_offsets for tables in self.sets])
        offsets = distinct(everything)
        references = np.zeros(len(offsets), dtype=np.int64)
        for tables in self.sets:
            references[np.searchsorted(offsets, tables.host_offsets)] += tables.references * tables.times
        return offsets, references

    def membership(self, first_set: int) -> tuple[U64, NDArray[np.uint8]]:
        """The L2 tables of `SETS_AT_ONCE` sets from `first_set`, and for each the bits of the sets that lead there."""
        chosen = self.sets[first_set : first_set + SETS_AT_ONCE]
        match chosen:
            case [only]:
                return only.host_offsets, np.ones(len(only.host_offsets), dtype=np.uint8)
        offsets = distinct(np.concatenate([tables.host_offsets for tables in chosen]))
        masks = np.zeros(len(offsets), dtype=np.uint8)
        for bit, tables in enumerate(chosen):
            masks[np.searchsorted(offsets, tables.host_offsets)] |= np.uint8(1 << bit)
        return offsets, masks

    def batches(self, evidence: Evidence, active: L1Table, wanted: U64 | None = None) -> Iterator[L2Batch]:
        """Every L2 table that any set leads to, once, in file order, named after the first set that leads there.

        With `wanted` only the tables at these host offsets, in rising order. A table in a hole of the file maps nothing
        and is left out. Reading in file order keeps the disk's head still and finds neighbours that one call can read
        together.
        """
        tables = self._in_order() if wanted is None else self._in_order().selected(wanted)
        for number, indices, offsets in tables.by_set():
            there = tables_to_read(evidence, offsets, active.geometry.cluster_size)
            owner = self.sets[number]
            for batch in believed_l2_batches(evidence, active.geometry, owner.owner, indices[there], offsets[there]):
                yield replace(batch, saved_state_end=owner.saved_state_end)

    def _in_order(self) -> DistinctTables:
        """Worked out once, when all sets are there: there may be thousands, and many walks."""
        if self._order is None:
            self._order = _distinct_tables(self.sets)
        return self._order


def _distinct_tables(sets: list[TableSet]) -> DistinctTables:
    match sets:
        case [only]:
            numbers = np.broadcast_to(np.int64(0), len(only.host_offsets))
            return DistinctTables(numbers, only.l1_indices, only.host_offsets)
    lengths = [len(tables.host_offsets) for tables in sets]
    numbers = np.repeat(np.arange(len(lengths)), lengths)
    indices = np.concatenate([tables.l1_indices for tables in sets])
    offsets = np.concatenate([tables.host_offsets for tables in sets])
    by_offset = np.argsort(offsets, kind="stable")
    ordered = offsets[by_offset]
    first = np.sort(by_offset[np.diff(ordered, prepend=~ordered[:1]) != 0])
    return DistinctTables(numbers[first], indices[first], offsets[first])


def _readable_entries(table: L1Table) -> tuple[I64, U64]:
    """The entries that lead to an L2 table, and the host offsets in them; none of a table that lies off its place."""
    if not table.bits or table.misplaced:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.uint64)
    indices = np.flatnonzero(table.readable())
    return indices, host_offset_of(table.entries[indices])


def l1_tables_within(image: Qcow2Image, budget: Budget) -> Iterator[tuple[L1Table | Unexamined, int]]:
    """`l1_tables` as far as the limits allow; the last one says what was left out."""
    limits = budget.limits
    for number, (table, times) in enumerate(l1_tables(image)):
        stop = budget.exceeded("L1 table entries", limits.table_entries, len(table.entries))
        if number:
            stop = stop or budget.exceeded("L1 tables of snapshots", limits.snapshot_tables, 1)
            budget.spend("L1 tables of snapshots", 1)
        if stop:
            yield Unexamined(L1Table, f"{stop} before the L1 table of {table.owner}", limit=True), times
            return
        budget.spend("L1 table entries", len(table.entries))
        yield table, times


def l1_tables(image: Qcow2Image) -> Iterator[tuple[L1Table, int]]:
    """The L1 tables of the active disk and of every snapshot, and how many of them lie in the very same place.

    One that several share is read once, for the first.
    """
    snapshots = image.snapshots.snapshots if image.header.nb_snapshots else ()
    coverage = image.geometry.l1_coverage
    saved_state_end = 0
    for snapshot in snapshots:
        if snapshot.vm_state_size:
            begins = -(-(snapshot.disk_size or image.virtual_size) // coverage) * coverage
            saved_state_end = max(saved_state_end, begins + snapshot.vm_state_size)
    if is_left_behind(image):
        saved_state_end = max(saved_state_end, len(image.l1.entries) * coverage)
    active = (image.geometry.l1_table_offset, image.geometry.l1_entry_count)
    times = {active: 1}
    first_at: dict[tuple[int, int], Snapshot] = {}
    for snapshot in snapshots:
        place = (snapshot.l1_table_offset, snapshot.l1_size)
        times[place] = times.get(place, 0) + 1
        first_at.setdefault(place, snapshot)
    yield replace(image.l1, saved_state_end=saved_state_end), times[active]
    for place, snapshot in first_at.items():
        if place != active:
            disk_size = snapshot.disk_size or image.virtual_size
            table = believed_l1(read_l1(image.evidence, image.geometry, snapshot.owner, place[0], place[1], disk_size))
            yield replace(table, saved_state_size=snapshot.vm_state_size), times[place]
