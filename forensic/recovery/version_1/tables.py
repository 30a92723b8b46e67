"""L2 tables of version 1 that do not read as those of version 3: with compressed clusters, or overwritten in part."""

from __future__ import annotations

import numpy as np

from forensic.qcow2.arrays import I64, U64, Bools, without
from forensic.qcow2.entries import SECTOR_SIZE
from forensic.qcow2.table_reading import ENTRY_SIZE
from forensic.qcow2.v1 import Qcow1Header
from forensic.qcow2.v1_tables import Qcow1L1, Qcow1L2Batch, read_l2_batches
from forensic.recovery.certainty import Method
from forensic.recovery.work import PlacedData, Work

PER_SECTOR = SECTOR_SIZE // ENTRY_SIZE


def read_other_tables(work: Work, header: Qcow1Header) -> None:
    """Place what such tables lead to, as far as their sectors hold no impossible entry.

    What an intact table has empty is judged as slots without a table are.
    """
    work.accounts.claim_range(header.l1_table_offset, ENTRY_SIZE * len(work.layout.l1))
    offsets = work.layout.l1[work.broken]
    inside = (offsets < np.uint64(work.evidence.size)) & (offsets & np.uint64(header.cluster_size - 1) == 0)
    l1, method = Qcow1L1(header, work.layout.l1, work.evidence.size), work.layout.l1_method
    for batch in read_l2_batches(work.evidence, l1, work.broken[inside]):
        good = sound_entries(batch)
        for row, slot in enumerate(batch.l1_indices.tolist()):
            if good[row].any() and (one := _placed(batch, row, slot, good[row], method)):
                work.placed_data.append(one)
                _claim(work, int(batch.host_offsets[row]), one)
    work.broken = without(work.broken, [one.slot for one in work.placed_data])


def sound_entries(batch: Qcow1L2Batch) -> Bools:
    """Which entries stand in a sector of which every entry can be right."""
    size, places, lengths = batch.header.cluster_size, batch.stored_offsets(), batch.stored_lengths()
    possible = (places < np.uint64(batch.file_size)) & (places >= np.uint64(size))
    possible &= np.where(batch.compressed(), lengths > 0, places & np.uint64(size - 1) == 0)
    possible |= batch.entries == 0
    possible &= batch.in_file()
    sectors = possible.reshape(len(possible), -1, PER_SECTOR).all(axis=2)
    return np.repeat(sectors, PER_SECTOR, axis=1)


def _placed(batch: Qcow1L2Batch, row: int, slot: int, good: Bools, method: Method) -> PlacedData | None:
    used = np.flatnonzero(good & (batch.entries[row] != 0))
    if not len(used):
        return None
    places: I64 = batch.stored_offsets()[row][used].astype(np.int64)
    lengths: I64 = batch.stored_lengths()[row][used].astype(np.int64)
    because = f"the table at {int(batch.host_offsets[row]):#x}, read as version 1 has it"
    empty = np.flatnonzero(good & (batch.entries[row] == 0))
    return PlacedData(slot, used, places, method, because, lengths, empty)


def _claim(work: Work, table: int, placed: PlacedData) -> None:
    size = work.geometry.cluster_size
    lengths = size if placed.stored_lengths is None else np.where(placed.stored_lengths, placed.stored_lengths, size)
    first, last = placed.host_offsets // size, (placed.host_offsets + lengths - 1) // size
    clusters: U64 = np.unique(np.concatenate([first, last])).astype(np.uint64) * np.uint64(size)
    work.accounts.claim_range(table, size)
    work.accounts.claim_clusters(clusters)
