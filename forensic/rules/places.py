"""Where problems lie: fields of the header, entries of tables and of the snapshot table."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from forensic.finding import Problem, Problems, Range, guest, host
from forensic.qcow2.arrays import Bools
from forensic.qcow2.geometry import (
    L1_ENTRY_SIZE,
)
from forensic.qcow2.metadata import HeaderCluster
from forensic.qcow2.snapshots import Snapshot
from forensic.qcow2.tables import L1Table, L2Batch


def in_header(cluster: HeaderCluster, field: str) -> tuple[Range, ...]:
    """Where a field of the header lies, by its name in the `.ksy`."""
    offset, length = cluster.header.field_range(field)
    return (host(offset, length),) if length else ()


def at_l1_entries(table: L1Table, hits: npt.NDArray[np.bool_], say: Callable[[int, int], str]) -> Problems:
    """One problem for each entry that `hits` selects; `say` words it from index and entry."""
    indices = np.flatnonzero(hits)
    if not len(indices):
        return Problems(0, tuple)

    def described() -> Iterator[Problem]:
        for index in indices:
            entry = int(table.entries[index])
            yield Problem(
                f"{table.owner} L1[{index}] is {entry:#018x}: {say(int(index), entry)}",
                (host(table.entry_host_offset(int(index)), L1_ENTRY_SIZE),),
                f"{table.owner} L1[{index}]",
                {"entry_hex": f"{entry:016x}"},
            )

    return Problems(len(indices), described)


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
                    host(batch.entry_host_offset(table, index), batch.geometry.l2_entry_size),
                    guest(guest_offset, batch.geometry.cluster_size),
                ),
                path,
                {"entry_hex": f"{entry:016x}"},
            )

    return Problems(len(tables), described)


def in_snapshot(snapshot: Snapshot, text: str, *fields: str) -> Problem:
    """A problem of one field of an entry, of the first of those named that the entry has."""
    found = next((place for name in fields if (place := snapshot.place(name))), (snapshot.host_offset, snapshot.length))
    return Problem(f"snapshot {snapshot.index}: {text}", (host(*found),), f"snapshots[{snapshot.index}]")


def at_snapshot_l1(snapshot: Snapshot, text: str) -> Problem:
    """A problem of the first 12 bytes of an entry, which say where its L1 table is."""
    path = f"snapshots[{snapshot.index}]"
    return Problem(f"snapshot {snapshot.index}: {text}", (host(snapshot.host_offset, 12),), path)
