"""Rules about what lies past the end of the virtual disk: hidden data, and the saved state of a machine."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from forensic.finding import FindingClass, Problem, Severity
from forensic.qcow2.arrays import Bools
from forensic.qcow2.geometry import ACTIVE
from forensic.qcow2.tables import L1Table, L2Batch
from forensic.rules.l2 import guest_offsets
from forensic.rules.places import at_l1_entries, at_l2_entries
from forensic.rules.registry import rule

MAX_U64 = (1 << 64) - 1


@rule(L1Table, Severity.LOW, FindingClass.ANOMALY)
def l1_entry_beyond_disk(table: L1Table) -> Iterable[Problem]:
    """An L1 entry past the end of the virtual disk points to an L2 table.

    Why: what it maps is not part of any disk that a guest or a converter sees. Deleting a snapshot of a running machine
    leaves such an entry with an empty table; a table that still maps data is reported separately.
    Spec: Snapshots; Header, bytes 24-39
    QEMU: reports nothing; it keeps a machine's saved state there while it takes a snapshot.
    Next: see the L2 entries past the end of the disk; what they map can be examined in the file.
    """
    if not table.bits:
        return ()
    coverage = table.geometry.l1_coverage
    first = max(table.geometry.l1_entries_needed, -(-table.saved_state_end // coverage))
    beyond = np.arange(len(table.entries)) >= first
    if table.owner != ACTIVE:
        beyond[:] = False
    return at_l1_entries(
        table,
        beyond & (table.l2_offsets() != 0),
        lambda _, __: (
            f"the virtual disk ends with entry {table.geometry.l1_entries_needed - 1}"
            if table.geometry.l1_entries_needed
            else "the virtual disk has a size of 0 bytes and needs no entry"
        ),
    )


@rule(L2Batch, Severity.HIGH, FindingClass.HIDDEN_DATA)
def l2_entry_beyond_disk(batch: L2Batch) -> Iterable[Problem]:
    """An L2 entry past the end of the virtual disk is allocated.

    Why: its bytes are in the file but on no disk that a guest or a converter sees, and no saved state of a machine
    accounts for them.
    Spec: Header, bytes 24-31; Cluster mapping
    QEMU: reports nothing; its check counts more clusters allocated than the disk has.
    Next: examine the host cluster's bytes; a machine's saved state begins with the letters QEVM.
    """
    beyond = _beyond_disk(batch)
    if not beyond.any():
        return ()
    return at_l2_entries(
        batch,
        beyond & ~_in_saved_state(batch),
        lambda _: f"the virtual disk ends at guest offset {batch.geometry.virtual_size:#x}",
    )


@rule(L1Table, Severity.MEDIUM, FindingClass.ANOMALY)
def saved_state_unmapped(table: L1Table) -> Iterable[Problem]:
    """A snapshot records a saved machine state, but its L1 table has no L2 table where the state should be.

    Why: the saved memory is missing or incomplete; the size in the snapshot table is wrong, or the state was lost.
    Spec: Snapshots, VM state size
    QEMU: reports nothing and lists the size as recorded.
    Next: search the unreferenced clusters for the state, which begins with the letters QEVM.
    """
    if table.owner == ACTIVE or not table.saved_state_size:
        return ()
    geometry = table.geometry
    indices = np.arange(len(table.entries))
    first = -(-table.disk_size // geometry.l1_coverage)
    last = first + -(-table.saved_state_size // geometry.l1_coverage)
    claimed = (indices >= first) & (indices < last)
    return at_l1_entries(
        table,
        claimed & (table.entries == 0),
        lambda _, __: f"{table.saved_state_size:,} bytes of saved state should be mapped from entry {first} on",
    )


@rule(L2Batch, Severity.INFO, FindingClass.INFO)
def saved_state_in_active_disk(batch: L2Batch) -> Iterable[Problem]:
    """A machine's saved state lies past the end of the active disk.

    Why: reverting to a snapshot of a running machine leaves it there; it is the machine's memory, and stays when the
    snapshot is deleted.
    Spec: Snapshots
    QEMU: reports nothing; it lists the state with its snapshot, if that still exists.
    Next: extract the snapshot that the state belongs to, and its memory; failing that, examine the host clusters.
    """
    if not batch.saved_state_end:
        return ()
    return at_l2_entries(
        batch,
        _beyond_disk(batch) & _in_saved_state(batch),
        lambda _: "a saved machine state accounts for it",
    )


def _beyond_disk(batch: L2Batch) -> Bools:
    """Which entries of the active disk are allocated though no byte of theirs lies on the disk."""
    size = batch.geometry.cluster_size
    disk_end = -(-batch.geometry.virtual_size // size) * size
    batch_end = (int(batch.l1_indices.max(initial=-1)) + 1) * batch.geometry.l1_coverage
    if batch.owner != ACTIVE or batch_end <= disk_end:  # a snapshot's saved machine state lies there
        return np.zeros(batch.entries.shape, dtype=np.bool_)
    allocated = (batch.data_offsets != 0) | batch.compressed
    beyond: Bools = allocated & (guest_offsets(batch) >= min(disk_end, MAX_U64))
    return beyond


def _in_saved_state(batch: L2Batch) -> Bools:
    geometry = batch.geometry
    within: Bools = guest_offsets(batch) < min(batch.saved_state_end, MAX_U64)
    return within & (guest_offsets(batch) >= min(geometry.l1_entries_needed * geometry.l1_coverage, MAX_U64))
