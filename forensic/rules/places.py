"""Where problems lie: fields of the header, entries of tables and of the snapshot table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from forensic.finding import Problem, Problems, Range, guest_range, host_range
from forensic.qcow2.arrays import U64, Bools
from forensic.qcow2.metadata import HeaderCluster
from forensic.qcow2.snapshots import Snapshot
from forensic.qcow2.table_reading import ENTRY_SIZE
from forensic.qcow2.tables import L1Table, L2Batch


def in_header(cluster: HeaderCluster, field: str) -> tuple[Range, ...]:
    """Where a field of the header lies, by its name in the `.ksy`."""
    offset, length = cluster.header.field_range(field)
    return (host_range(offset, length),) if length else ()


class EntryTable(Protocol):
    """A table of 8-byte entries."""

    @property
    def entries(self) -> U64: ...

    def entry_host_offset(self, index: int) -> int:
        """Where an entry lies in the file."""


def at_entries(
    table: EntryTable, hits: Bools, path: Callable[[int], str], say: Callable[[int, int], str], name: str = ""
) -> Problems:
    """One problem for each entry that `hits` selects; `say` words it from index and entry.

    `path` names the entry from its index; in the sentence it is called `name` and its index, if there is one.
    """
    indices = np.flatnonzero(hits)

    def described() -> Iterator[Problem]:
        for index in indices.tolist():
            entry = int(table.entries[index])
            yield Problem(
                f"{f'{name} {index}' if name else path(index)} is {entry:#018x}: {say(index, entry)}",
                (host_range(table.entry_host_offset(index), ENTRY_SIZE),),
                path(index),
                {"entry_hex": f"{entry:016x}"},
            )

    return Problems(len(indices), described)


def at_l1_entries(table: L1Table, hits: Bools, say: Callable[[int, int], str]) -> Problems:
    """One problem for each entry of an L1 table that `hits` selects; `say` words it from index and entry."""
    return at_entries(table, hits, lambda index: f"{table.owner} L1[{index}]", say)


def at_l2_entries(batch: L2Batch, hits: Bools, say: Callable[[int], str]) -> Problems:
    """One problem for each entry that `hits` (in the shape of `entries`) selects; `say` words it from the entry."""
    if not hits.any():
        return Problems(0, tuple)
    tables, indices = np.nonzero(hits if batch.whole else hits & batch.in_file())

    def described() -> Iterator[Problem]:
        for table, index in zip(tables.tolist(), indices.tolist(), strict=True):
            entry = int(batch.entries[table, index])
            path = f"{batch.owner} {batch.path(table, index)}"
            guest_offset = batch.guest_offset(table, index)
            yield Problem(
                f"{path} (guest offset {guest_offset:#x}) is {entry:#018x}: {say(entry)}",
                (
                    host_range(batch.entry_host_offset(table, index), batch.geometry.l2_entry_size),
                    guest_range(guest_offset, batch.geometry.cluster_size),
                ),
                path,
                {"entry_hex": f"{entry:016x}"},
            )

    return Problems(len(tables), described)


def in_snapshot(snapshot: Snapshot, text: str, *fields: str) -> Problem:
    """A problem of one field of an entry, of the first of those named that the entry has."""
    found = next((place for name in fields if (place := snapshot.place(name))), (snapshot.host_offset, snapshot.length))
    return Problem(f"snapshot {snapshot.index}: {text}", (host_range(*found),), f"snapshots[{snapshot.index}]")


def at_snapshot_l1(snapshot: Snapshot, text: str) -> Problem:
    """A problem of the first 12 bytes of an entry, which say where its L1 table is."""
    path = f"snapshots[{snapshot.index}]"
    return Problem(f"snapshot {snapshot.index}: {text}", (host_range(snapshot.host_offset, 12),), path)
