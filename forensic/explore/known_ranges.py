"""Which ranges of the file the structures that were read lead to, for the map of a report."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from forensic.qcow2.arrays import U64, Bools
from forensic.qcow2.bitmaps import BitmapDirectory
from forensic.qcow2.entries import (
    compressed_host_offset,
    compressed_stored_length,
    has_zero_flag,
    host_offset_of,
    is_compressed,
)
from forensic.qcow2.geometry import ACTIVE, L1_ENTRY_SIZE, Geometry
from forensic.qcow2.intervals import pieces, true_runs
from forensic.qcow2.luks import LuksHeader
from forensic.qcow2.snapshots import SnapshotTable
from forensic.qcow2.table_reading import ENTRY_SIZE
from forensic.qcow2.tables import L1Table, L2Batch, RefcountTable

HostRange = tuple[int, int, str]
"""Host offset, length in bytes, kind."""

RUN_WORTH_A_SLICE = 256
"""Parts in a run from which on a slice is faster than single numbers."""

MAX_UNITS = 1 << 22
"""Parts of a file that are distinguished: a map needs no more, and a hostile image could claim billions."""


class KnownRanges:
    """Takes the structures of a walk over an image, and gives what they lead to, in whole clusters.

    None where the header gives no geometry. A cluster that both the active disk and a snapshot use is given for both.
    """

    def __init__(self, file_size: int, geometry: Geometry) -> None:
        """Only the header is known."""
        self.file_size, self.cluster_size = file_size, geometry.cluster_size
        self._geometry = geometry
        self._single: list[HostRange] = [(0, geometry.cluster_size, "header")]
        self._units = Units(file_size, geometry.cluster_size)

    def see(self, structure: object) -> None:
        """Take a structure; those that lead nowhere in the file are passed over."""
        if isinstance(structure, L2Batch):
            if not self._geometry.external_data_file:
                _mark_data(self._units, structure)
        elif isinstance(structure, L1Table):
            self._single.append((structure.host_offset, len(structure.entries) * L1_ENTRY_SIZE, "L1 table"))
            self._units.mark_clusters("L2 table", structure.l2_offsets()[structure.readable()])
        elif isinstance(structure, RefcountTable):
            self._single.append((structure.host_offset, structure.claimed_entries * ENTRY_SIZE, "refcounts"))
            self._units.mark_clusters("refcounts", structure.block_offsets()[structure.readable()])
        elif isinstance(structure, SnapshotTable):
            length = structure.end_offset - structure.host_offset
            self._single.append((structure.host_offset, length, "snapshot table"))
        elif isinstance(structure, BitmapDirectory):
            self._single.append((structure.host_offset, structure.size, "bitmaps"))
            tables = [(bitmap.table_offset, bitmap.table_size * ENTRY_SIZE) for bitmap in structure.bitmaps]
            self._single += [(host_offset, length, "bitmaps") for host_offset, length in tables]
        elif isinstance(structure, LuksHeader):
            self._single.append((structure.host_offset, structure.length, "LUKS header"))

    def ranges(self) -> Iterator[HostRange]:
        """All of them, in no order."""
        yield from self._single
        yield from self._units.ranges()


class Units:
    """The file in parts of one size, a cluster or more, and which kinds each part was marked with."""

    def __init__(self, file_size: int, cluster_size: int) -> None:
        """Nothing is marked yet."""
        clusters = max(1, -(-file_size // cluster_size))
        self.file_size = file_size
        self._bits = cluster_size.bit_length() - 1 + (-(-clusters // MAX_UNITS) - 1).bit_length()
        self.size = 1 << self._bits
        self.marks: dict[str, Bools] = {}

    def mark_clusters(self, kind: str, host_offsets: U64) -> None:
        """Mark the clusters at these offsets; what begins past the end is left out."""
        if not len(host_offsets):
            return
        if int(host_offsets.max()) >= self.file_size:
            host_offsets = host_offsets[host_offsets < self.file_size]
        self._marks_of(kind)[host_offsets >> np.uint64(self._bits)] = True

    def mark_runs(self, kind: str, host_offsets: U64, goes_on: Bools) -> None:
        """The same of clusters inside the file, of which each leads on from the one before where `goes_on` says so."""
        runs = pieces(~goes_on)
        if len(runs) * RUN_WORTH_A_SLICE > len(host_offsets):
            self.mark_clusters(kind, host_offsets)
            return
        marks = self._marks_of(kind)
        ends = host_offsets[np.column_stack([runs[:, 0], runs[:, 1] - 1])] >> np.uint64(self._bits)
        for first, last in ends.tolist():
            marks[first : last + 1] = True

    def mark(self, kind: str, host_offsets: U64, lengths: U64) -> None:
        """Mark what begins at these offsets; a length may reach over three parts, and what begins past the end is
        left out."""
        inside = host_offsets < self.file_size
        firsts = host_offsets[inside]
        if not len(firsts):
            return
        lasts = np.minimum(firsts + lengths[inside] - np.uint64(1), np.uint64(self.file_size - 1))
        for places in (firsts, firsts + (lasts - firsts) // np.uint64(2), lasts):
            self._marks_of(kind)[places >> np.uint64(self._bits)] = True

    def _marks_of(self, kind: str) -> Bools:
        if kind not in self.marks:
            self.marks[kind] = np.zeros(-(-self.file_size // self.size), dtype=np.bool_)
        return self.marks[kind]

    def ranges(self) -> Iterator[HostRange]:
        """Neighbours with one mark as one range."""
        for kind, marks in self.marks.items():
            for first, end in true_runs(marks).tolist():
                yield first * self.size, (end - first) * self.size, kind


def _mark_data(units: Units, batch: L2Batch) -> None:
    geometry = batch.geometry
    of_snapshot = "" if batch.owner == ACTIVE else "snapshot "
    if batch.all_lead_to_data:
        units.mark_runs(f"{of_snapshot}data", batch.data_offsets.reshape(-1), batch.goes_on)
        return
    plain = not batch.any_compressed and not (geometry.zero_flag_allowed and has_zero_flag(batch.bits))
    if plain and batch.whole:
        offsets = batch.data_offsets.reshape(-1)
        units.mark_clusters(f"{of_snapshot}data", offsets if batch.lowest_data_offset else offsets[offsets != 0])
        return
    entries = batch.entries[batch.in_file()]
    compressed = is_compressed(entries)
    streams, standard = entries[compressed], entries[~compressed]
    offsets = host_offset_of(standard)
    flagged = has_zero_flag(standard)
    zeroed = flagged if geometry.zero_flag_allowed else np.zeros_like(flagged)
    units.mark_clusters(f"{of_snapshot}data", offsets[(offsets != 0) & ~zeroed])
    units.mark_clusters("zeroed", offsets[(offsets != 0) & zeroed])
    begin = compressed_host_offset(streams, geometry.cluster_bits)
    units.mark(f"{of_snapshot}compressed", begin, compressed_stored_length(streams, geometry.cluster_bits))
