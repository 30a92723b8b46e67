"""Where the guest bytes of a version 1 disk lie, as the rows of `forensic.mapping.rows`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from forensic.evidence import Evidence
from forensic.mapping.extents import Reason, State
from forensic.mapping.rows import ROW, Rows, clipped, coalesced, cut_at_file_end, mark_absent, single_row
from forensic.qcow2.arrays import I64, distinct
from forensic.qcow2.entries import SECTOR_SIZE
from forensic.qcow2.intervals import equal_runs
from forensic.qcow2.v1_tables import Qcow1L1, Qcow1L2Batch, read_l2_batches


def row_batches(evidence: Evidence, l1: Qcow1L1, guest_start: int, guest_end: int) -> Iterator[Rows]:
    """The rows that cover a guest range within the disk, in guest order."""
    coverage = l1.header.l1_coverage
    first, last = guest_start // coverage, -(-guest_end // coverage)
    known = min(last, len(l1.entries))
    readable = l1.readable()[first:known]
    for begin, end in equal_runs(readable).tolist():
        run = np.arange(first + begin, first + end, dtype=np.int64)
        if readable[begin]:
            for batch in read_l2_batches(evidence, l1, run):
                yield clipped(rows_of(batch), guest_start, guest_end)
        else:
            yield clipped(_rows_without_tables(l1, run), guest_start, guest_end)
    if known < last:
        start = max(guest_start, max(first, known) * coverage)
        yield single_row(start, guest_end - start, State.ABSENT, Reason.L2_UNREADABLE)


def most_extents(l1: Qcow1L1) -> int:
    """One for each entry of a distinct L2 table, one for each L1 entry."""
    tables = distinct(l1.entries[l1.readable()])
    return len(l1.entries) + len(tables) * l1.header.l2_entry_count


def _rows_without_tables(l1: Qcow1L1, run: I64) -> Rows:
    """A run of L1 entries of which none leads to a table: empty ones, and ones that lead out of the file."""
    coverage = l1.header.l1_coverage
    rows = np.zeros(len(run), dtype=ROW)
    rows["guest_offset"] = run.astype(np.uint64) * np.uint64(coverage)
    rows["length"] = coverage
    mark_absent(rows, l1.entries[run] != 0, Reason.L2_UNREADABLE)
    return coalesced(rows)


def rows_of(batch: Qcow1L2Batch) -> Rows:
    """The rows of a batch of L2 tables, table after table."""
    cluster_size = batch.header.cluster_size
    entries, compressed = batch.entries.reshape(-1), batch.compressed().reshape(-1)
    rows = np.zeros(len(entries), dtype=ROW)
    clusters = batch.l1_indices[:, np.newaxis] * batch.header.l2_entry_count + np.arange(batch.header.l2_entry_count)
    rows["guest_offset"] = clusters.reshape(-1).astype(np.uint64) * np.uint64(cluster_size)
    rows["length"] = cluster_size
    rows["host_offset"] = batch.stored_offsets().reshape(-1)
    rows["state"] = np.where(entries != 0, State.DATA, State.UNALLOCATED)
    rows["state"][compressed] = State.COMPRESSED
    rows["stored_length"] = batch.stored_lengths().reshape(-1)
    empty_stream = compressed & (rows["stored_length"] == 0)
    mark_absent(rows, empty_stream, Reason.DECOMPRESS_FAILED)
    unaligned = ~compressed & (rows["host_offset"] % np.uint64(SECTOR_SIZE) != 0)
    mark_absent(rows, unaligned, Reason.ENTRY_UNALIGNED)
    mark_absent(rows, ~batch.in_file().reshape(-1), Reason.L2_UNREADABLE)
    return cut_at_file_end(coalesced(rows), batch.file_size)
