"""The host clusters that L2 tables lead to, taken out of a batch in groups that count alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from msgspec import Struct

from forensic.qcow2.arrays import I64, U64, Bools, NDArray, distinct
from forensic.qcow2.entries import compressed_host_offset, compressed_stored_length, host_offset_of, is_copied
from forensic.qcow2.geometry import ACTIVE
from forensic.qcow2.tables import L2Batch

U8 = NDArray[np.uint8]


class References(Struct, frozen=True):
    """References to host `clusters` (numbers), in the order of the entries.

    Each counts `times` times; `sets` are the table sets of this pass that lead there, a bit each. `copied` are the
    copied bits: True if all have it, None where they mean nothing. `compressed` is for clusters that a stream touches.
    `goes_on`, where it is known already, tells from the second on which is the cluster after the one before it.
    """

    clusters: U64
    times: int
    sets: int
    copied: Bools | bool | None = None
    compressed: bool = False
    goes_on: Callable[[], Bools] | None = None

    def part(self, which: Bools | I64) -> References:
        """Some of them."""
        copied = self.copied[which] if isinstance(self.copied, np.ndarray) else self.copied
        return References(self.clusters[which], self.times, self.sets, copied, self.compressed)


class TableReferences(References, frozen=True, kw_only=True):
    """The same, and the tables that lead there: `table_offsets` are host offsets.

    `rows` gives the number of the table for each reference, when it is asked for; it is None if every table has as
    many references as the others.
    """

    table_offsets: U64
    rows: Callable[[], I64] | None = None

    def elsewhere(self, first: int, end: int) -> tuple[U64, U64]:
        """Which tables lead to clusters outside `first` to `end`, and where: numbers of parts of the file that are
        `end` clusters long, and for each the host offset of a table that leads there.
        """
        lowest, highest = int(self.clusters.min()), int(self.clusters.max())
        if self.rows is None and lowest >= end and lowest // end == highest // end:  # as in most disks
            return np.broadcast_to(np.uint64(lowest // end), len(self.table_offsets)), self.table_offsets
        outside = (self.clusters < np.uint64(first)) | (self.clusters >= np.uint64(end))
        parts = self.clusters[outside] // np.uint64(end)
        count = np.uint64(len(self.table_offsets))
        evenly = np.arange(len(self.clusters)) * len(self.table_offsets) // len(self.clusters)
        rows = (self.rows() if self.rows else evenly)[outside]
        pairs = distinct(parts * count + rows.astype(np.uint64))
        return pairs // count, self.table_offsets[(pairs % count).astype(np.int64)]


def references_of(batch: L2Batch, times: I64, sets: U8) -> Iterator[TableReferences]:
    """What a batch refers to; entries that lead nowhere in the file count for nothing.

    `times` is how often each table is referenced, `sets` which of the table sets of this pass lead to it.
    """
    kinds = sorted(set(zip(times.tolist(), sets.tolist(), strict=True)))
    for each_times, each_sets in kinds:
        rows = slice(None) if len(kinds) == 1 else np.flatnonzero((times == each_times) & (sets == each_sets))
        if batch.any_compressed:
            yield from _of_streams(batch, rows, each_times, each_sets)
        yield _of_data(batch, rows, each_times, each_sets)


def _of_data(batch: L2Batch, rows: slice | I64, times: int, sets: int) -> TableReferences:
    offsets = batch.data_offsets[rows]
    valid = _leading_somewhere(batch, offsets)
    clusters = (offsets if valid is None else offsets[valid]).reshape(-1) >> np.uint64(batch.geometry.cluster_bits)
    tables = None if valid is None else lambda: np.nonzero(valid)[0]
    copied = _copied(batch, rows, valid)
    whole = valid is None and isinstance(rows, slice)
    return TableReferences(
        clusters,
        times,
        sets,
        copied,
        goes_on=(lambda: batch.goes_on) if whole else None,
        table_offsets=batch.host_offsets[rows],
        rows=tables,
    )


def _of_streams(batch: L2Batch, rows: slice | I64, times: int, sets: int) -> Iterator[TableReferences]:
    """Compressed clusters: every host cluster that they touch."""
    if batch.geometry.external_data_file:
        return
    bits, size = batch.geometry.cluster_bits, batch.geometry.cluster_size
    compressed = batch.compressed[rows]
    found = batch.entries[rows][compressed]
    tables = np.nonzero(compressed)[0]
    begins = compressed_host_offset(found, bits)
    ends = begins + compressed_stored_length(found, bits)
    first, last = begins >> np.uint64(bits), (ends - np.uint64(1)) >> np.uint64(bits)
    in_file = ends < np.uint64(batch.file_size + size)
    for distance in range(3):  # a stream of at most two clusters' length touches at most three
        touched = first + np.uint64(distance)
        counted = in_file & (touched <= last)
        rows_of = partial(_some, tables, counted)
        found_there = touched[counted]
        yield TableReferences(
            found_there, times, sets, compressed=True, table_offsets=batch.host_offsets[rows], rows=rows_of
        )


def _some(tables: I64, which: Bools) -> I64:
    return tables[which]


def _copied(batch: L2Batch, rows: slice | I64, valid: Bools | None) -> Bools | bool | None:
    """The copied bits of standard entries of the active disk; True if all have it, None where they mean nothing."""
    if batch.owner != ACTIVE:
        return None
    if is_copied(batch.common_bits):
        return True
    flagged = is_copied(batch.entries[rows])
    chosen: Bools = (flagged if valid is None else flagged[valid]).reshape(-1)
    return chosen


def _leading_somewhere(batch: L2Batch, offsets: U64) -> Bools | None:
    """Which entries lead to a cluster of the file, or None if all do; those that lead nowhere count for nothing."""
    size, file_size = batch.geometry.cluster_size, batch.file_size
    if batch.geometry.external_data_file:
        return np.zeros(offsets.shape, dtype=np.bool_)
    unaligned = host_offset_of(batch.bits) & (size - 1)
    # The lowest is 0 where an entry leads nowhere, is compressed, or is not in the file.
    if not unaligned and batch.highest_data_offset < file_size and batch.lowest_data_offset > 0:
        return None
    valid: Bools = (offsets != 0) & (offsets < np.uint64(file_size))
    valid &= (offsets & np.uint64(size - 1)) == 0
    return valid
