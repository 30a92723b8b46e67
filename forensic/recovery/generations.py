"""What the file held before: snapshots that were deleted, as far as nothing was written over them since.

Nothing of this is ever certain: a cluster that the disk shares with a snapshot is rewritten in place once its count is
one, and nothing shows that it was.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from forensic.evidence import Evidence
from forensic.qcow2.arrays import I64, U64, is_among
from forensic.qcow2.entries import (
    compressed_host_offset,
    compressed_stored_length,
    host_offset_of,
    l1_reserved_bits,
)
from forensic.qcow2.geometry import L1_ENTRY_SIZE, MAX_L1_ENTRIES
from forensic.qcow2.snapshots import Snapshot
from forensic.recovery.accounts import Accounts, located
from forensic.recovery.candidates import Candidates, read_table
from forensic.recovery.certainty import Why, Whys
from forensic.recovery.composing import Ranges
from forensic.recovery.layout import Layout, snapshot_tables
from forensic.recovery.scan import Scan
from forensic.recovery.understanding import snapshots_in_use

MOST_DELETED = 1024


class OldTables(Struct, frozen=True):
    """The L2 tables of a deleted snapshot: slots and places, and the slots whose table is gone."""

    slots: I64
    tables: U64
    gone: I64


def deleted_snapshots(evidence: Evidence, found: Scan, layout: Layout) -> list[Snapshot]:
    """Entries of snapshot tables that are not in use any more, oldest first; see `snapshots_in_use`."""
    listed = {_identity(snapshot) for snapshot in snapshots_in_use(evidence, layout)}
    old: dict[tuple[object, ...], Snapshot] = {}
    for table in snapshot_tables(evidence, found, layout.geometry):
        for snapshot in table:
            if _identity(snapshot) not in listed:
                old.setdefault(_identity(snapshot), snapshot)
    ordered = sorted(old.values(), key=lambda one: (one.date_sec, one.date_nsec, one.l1_table_offset))
    return ordered[:MOST_DELETED]


def _identity(snapshot: Snapshot) -> tuple[object, ...]:
    return (snapshot.l1_table_offset, snapshot.l1_size, snapshot.id.raw, snapshot.date_sec, snapshot.date_nsec)


def old_tables(
    evidence: Evidence,
    candidates: Candidates,
    accounts: Accounts,
    snapshot: Snapshot,
    in_use: set[int],
    current: list[tuple[int, int]],
) -> OldTables:
    """The tables that a deleted snapshot's L1 table leads to, as far as both still read as tables.

    `in_use` are the host offsets of L1 tables of snapshots that may not have been deleted, `current` slots and tables
    of now: one that is in another slot now was freed and taken again.
    """
    geometry = accounts.geometry
    count = min(snapshot.l1_size, MAX_L1_ENTRIES, max(0, evidence.size - snapshot.l1_table_offset) // L1_ENTRY_SIZE)
    entries = read_table(evidence, snapshot.l1_table_offset, count * L1_ENTRY_SIZE)
    if snapshot.l1_table_offset not in in_use and _taken_since(accounts, snapshot.l1_table_offset):
        entries = entries[:0]
    offsets = host_offset_of(entries)
    used = np.flatnonzero(entries)
    clean = (l1_reserved_bits(entries[used]) == 0) & is_among(offsets[used], candidates.host_offsets)
    if accounts.possible:
        clusters = np.minimum(offsets[used] >> np.uint64(geometry.cluster_bits), np.uint64(accounts.clusters - 1))
        numbers = clusters.astype(np.int64)
        clean &= ~(accounts.data.are_counted(numbers) | accounts.streams.are_counted(numbers))
        now = set(current)
        shared = np.array([pair in now for pair in zip(used.tolist(), offsets[used].tolist(), strict=True)], np.bool_)
        clean &= shared | ~(accounts.metadata.are_counted(numbers) | accounts.others.are_counted(numbers))
    return OldTables(used[clean], offsets[used][clean], used[~clean])


def _taken_since(accounts: Accounts, host_offset: int) -> bool:
    """Whether something else lies there now."""
    return bool(
        accounts.possible and accounts.are_claimed(np.array([host_offset >> accounts.geometry.cluster_bits]))[0]
    )


def judge_old_tables(accounts: Accounts, current: list[tuple[int, int]], old: OldTables) -> Ranges:
    """Which entries of old tables lead to clusters that something else was written to since.

    A cluster that is free, or that belongs to the same guest offset of the disk as it is or of one of its snapshots
    (`current`: slots and tables), is taken for what it was; that is an inference. Any other was reused since.
    """
    geometry, found = accounts.geometry, Ranges([], [], [])
    guest = _guest_numbers(accounts, current)
    bits = np.uint64(geometry.cluster_bits)
    for batch, good in accounts.batches(old.slots, old.tables):
        places, streams = located(batch, good)
        numbers = batch.l1_indices[:, np.newaxis] * geometry.l2_entry_count + np.arange(geometry.l2_entry_count)
        clusters = np.minimum(places >> bits, np.uint64(max(0, accounts.clusters - 1))).astype(np.int64)
        taken = accounts.are_claimed(clusters) & (guest[clusters] != numbers) & (places != 0)
        whys: Whys = np.zeros(batch.entries.shape, dtype=np.uint8)
        whys[taken] = Why.OVERWRITTEN
        for table, index in zip(*np.nonzero(streams), strict=True):
            if _stream_taken(accounts, int(batch.entries[table, index]), geometry.cluster_bits):
                whys[table, index] = Why.OVERWRITTEN
        whys[~good] = Why.OVERWRITTEN
        found.add(batch.l1_indices, whys)
    found.add_slots(old.gone, geometry.l2_entry_count, Why.OVERWRITTEN)
    return found


def judge_tables_of_now(accounts: Accounts, slots: I64, tables: U64, before: int) -> Ranges:
    """Which entries of the disk's tables of now say what a deleted snapshot had, whose own tables are gone.

    What lies at or after host offset `before`, where the snapshot's L1 table was made, was written later. What was
    written after the deletion lies in clusters that this freed, of which QEMU takes the lowest first: so an entry that
    leads past the lowest free cluster is older. One that leads before it is believed if it and its neighbour lead to
    neighbours, as writes of single clusters do not. It proves nothing where a guest wrote several clusters at once.
    """
    geometry, found = accounts.geometry, Ranges([], [], [])
    lowest = _lowest_free(accounts) << geometry.cluster_bits
    for batch, good in accounts.batches(slots, tables):
        places, streams = located(batch, good)
        adjoins = (places[:, 1:] == places[:, :-1] + np.uint64(geometry.cluster_size)) & (places[:, :-1] != 0)
        in_run = np.zeros(places.shape, dtype=np.bool_)
        in_run[:, 1:] |= adjoins
        in_run[:, :-1] |= adjoins
        older = (places < np.uint64(before)) & ((places > np.uint64(lowest)) | in_run)
        whys: Whys = np.zeros(batch.entries.shape, dtype=np.uint8)
        whys[((places != 0) & ~older) | streams | ~good] = Why.OVERWRITTEN
        found.add(batch.l1_indices, whys)
    return found


def _lowest_free(accounts: Accounts) -> int:
    """The number of the first cluster with refcount 0; one past the last if none has, or refcounts are lost."""
    stored = accounts.stored
    if stored is None or not accounts.usable:
        return accounts.clusters
    for part in stored.parts():
        free = np.flatnonzero(stored.part(part) == 0)
        if len(free):
            return int(part.start) + int(free[0])
    return accounts.clusters


def _stream_taken(accounts: Accounts, entry: int, cluster_bits: int) -> bool:
    """Whether a stream lies where plain data or a table lies now; beside other streams it may be."""
    begin = compressed_host_offset(entry, cluster_bits)
    end = begin + compressed_stored_length(entry, cluster_bits)
    part = np.arange(begin >> cluster_bits, min(accounts.clusters, ((end - 1) >> cluster_bits) + 1))
    return bool((accounts.data.are_counted(part) | accounts.metadata.are_counted(part)).any())


def _guest_numbers(accounts: Accounts, current: list[tuple[int, int]]) -> I64:
    """For each host cluster the guest cluster that it belongs to now; -1 for none."""
    guest = np.full(max(1, accounts.clusters), -1, dtype=np.int64)
    per_table = accounts.geometry.l2_entry_count
    slots = np.array([slot for slot, _ in current], dtype=np.int64)
    tables = np.array([table for _, table in current], dtype=np.uint64)
    for batch, good in accounts.batches(slots, tables):
        places, _ = located(batch, good)
        inside = (places != 0) & (places < np.uint64(accounts.evidence.size))
        numbers = batch.l1_indices[:, np.newaxis] * per_table + np.arange(per_table)
        guest[(places[inside] >> np.uint64(accounts.geometry.cluster_bits)).astype(np.int64)] = numbers[inside]
    return guest
