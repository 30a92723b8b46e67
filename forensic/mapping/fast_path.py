"""Guest offset to host offset without arrays, for disks with few entries, which take less time than loading numpy.

Only what needs no judgement is decoded here. At the first table with an entry that a rule would have something to say
about, after the first `FEW_ENTRIES`, or on a bad sector this ends, and `forensic.mapping.rows` takes over from the
last run on: whether a table is damaged as a whole, so that none of its entries is to be believed, is decided there.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator
from itertools import pairwise

from forensic.evidence import Evidence, ReadFailed
from forensic.mapping.extents import Run, State
from forensic.qcow2.entries import (
    ALL_SUBCLUSTERS,
    COMPRESSED,
    COPIED,
    OFFSET_MASK,
    SECTOR_SIZE,
    ZERO_FLAG,
    compressed_host_offset,
    compressed_offset_bits,
    compressed_sectors_mask,
)
from forensic.qcow2.geometry import L1_ENTRY_SIZE, Geometry

FEW_ENTRIES = 1 << 20
"""Entries that are looked at one by one; numpy would be loaded and have decoded them in the time that so many take."""

FEW_TABLE_BYTES = 32 << 20
"""Bytes of L2 tables that are read; those of a sparse disk hold mostly nothing, which is passed over quickly."""

CHUNK_BYTES = 512
"""Bytes of a table that are passed over together if all are zero."""

# As numbers, since there are many runs, and looking up a member takes a while.
_UNALLOCATED, _DATA, _COMPRESSED = int(State.UNALLOCATED), int(State.DATA), int(State.COMPRESSED)
_ZERO, _ZERO_ALLOCATED = int(State.ZERO), int(State.ZERO_ALLOCATED)

_NOT_COPIED = ~COPIED
_NOTHING = bytes(CHUNK_BYTES)


def few_runs(
    evidence: Evidence,
    geometry: Geometry,
    l1_host_offset: int,
    l1_entry_count: int,
    guest_start: int,
    guest_end: int,
) -> Iterator[list[Run]]:
    """The runs from `guest_start` on, neighbours of one kind merged; they may end before `guest_end`.

    Specification: "Cluster mapping".
    """
    coverage = geometry.l1_coverage
    first, last = guest_start // coverage, -(-guest_end // coverage)
    l1_end = l1_host_offset + l1_entry_count * L1_ENTRY_SIZE
    if (
        guest_start >= guest_end
        or geometry.external_data_file
        or not last <= l1_entry_count <= FEW_ENTRIES
        or l1_host_offset % geometry.cluster_size
        or l1_end > evidence.size
        or evidence.size >> geometry.cluster_bits > FEW_ENTRIES
    ):
        return
    runs = _Runs(geometry, evidence.size, guest_start, guest_end)
    try:
        for index, entry in enumerate(_l1(evidence, geometry, l1_host_offset, l1_end)[first:last], first):
            runs.take(index, _table(evidence, entry, geometry.cluster_size))
            if found := runs.ended():
                yield found
            if runs.stopped:
                return
        runs.finish()
    except _Enough:
        return
    if found := runs.ended():
        yield found


class _Enough(Exception):
    """What comes here needs a closer look, or is too much; arrays take over, and may extend the current run."""


def _read(evidence: Evidence, start: int, end: int) -> bytes:
    try:
        return evidence.read_at(start, end - start)
    except ReadFailed as failure:
        raise _Enough from failure


def _words(table: bytes) -> array[int]:
    """The entries of a table."""
    words = array("Q", table)
    if sys.byteorder == "little":
        words.byteswap()
    return words


def _whole_clusters(words: array[int]) -> array[int]:
    """The first words of extended entries, whose bitmaps must say nothing more than they do. Raises `_Enough`."""
    entries = words[0::2]
    for entry, bitmap in zip(entries, words[1::2], strict=True):
        if bitmap != (ALL_SUBCLUSTERS if 0 < entry & _NOT_COPIED < COMPRESSED else 0):
            raise _Enough
    return entries


def _l1(evidence: Evidence, geometry: Geometry, host_offset: int, end: int) -> array[int]:
    """The L1 table, all of it: one bad entry may be one of many. Raises `_Enough`."""
    entries = _words(_read(evidence, host_offset, end))
    not_an_offset = ~(COPIED | OFFSET_MASK) | geometry.cluster_size - 1
    if any(entry & not_an_offset or entry & OFFSET_MASK >= evidence.size for entry in entries):
        raise _Enough
    return entries


def _table(evidence: Evidence, l1_entry: int, cluster_size: int) -> bytes | None:
    """The L2 table that an L1 entry leads to; None if it leads nowhere. Raises `_Enough`."""
    host_offset = l1_entry & OFFSET_MASK
    if not host_offset:
        return None
    end = host_offset + cluster_size
    if end > evidence.size:
        raise _Enough
    return _read(evidence, host_offset, end)


class _Runs:
    """Entries put together to runs, in guest order.

    A run is held as the guest cluster with which it begins and its first entry; it ends where the next one begins.
    """

    def __init__(self, geometry: Geometry, file_size: int, guest_start: int, guest_end: int) -> None:
        self._geometry = geometry
        self._file_size = file_size
        self._guest_start, self._guest_end = guest_start, guest_end
        self._table_start = self._table_end = 0
        self._entries_left = FEW_ENTRIES
        self._bytes_left = FEW_TABLE_BYTES
        self._begun: list[tuple[int, int]] = [(0, 0)]  # what comes before `guest_start` is cut off
        self._expected = self._step = (
            0  # the entry that would continue the run in hand, by how much the next one differs
        )
        self.stopped = False
        """Whether a run needs a closer look, so that none is given any more."""

    def finish(self) -> None:
        """The disk ends, and with it the run in hand."""
        self._begun.append((-(-self._guest_end >> self._geometry.cluster_bits), 0))

    def take(self, l1_index: int, table: bytes | None) -> None:
        """Take the next L2 table; None maps nothing. Raises `_Enough`."""
        cluster = l1_index * self._geometry.l2_entry_count
        self._table_start, self._table_end = cluster, cluster + self._geometry.l2_entry_count
        if table is None:
            if self._expected:
                self._expected = self._step = 0
                self._begun.append((cluster, 0))
            return
        self._bytes_left -= len(table)
        entry_size = self._geometry.l2_entry_size
        for start in range(0, len(table), CHUNK_BYTES):
            chunk = table[start : start + CHUNK_BYTES]
            if self._expected or chunk != _NOTHING:
                self._entries_left -= CHUNK_BYTES // entry_size
                if self._entries_left < 0 or self._bytes_left < 0:
                    raise _Enough
                words = _words(chunk)
                self._take(cluster + start // entry_size, _whole_clusters(words) if entry_size == 16 else words)

    def _take(self, cluster: int, entries: array[int]) -> None:
        begun, expected, step = self._begun, self._expected, self._step
        cluster_size = self._geometry.cluster_size
        not_an_offset = ~OFFSET_MASK | cluster_size - 1
        for at, entry in enumerate(entries, cluster):
            entry &= _NOT_COPIED
            if entry == expected:
                expected += step
                continue
            if not entry:
                step = expected = 0
            elif entry & not_an_offset:
                step = self._step_from(entry)
                expected = entry + step if step or entry == ZERO_FLAG else -1
            else:
                step = cluster_size
                expected = entry + step
            begun.append((at, entry))
        self._expected, self._step = expected, step

    def _step_from(self, entry: int) -> int:
        """How the next entry of a run differs from this one, which is not just an offset. Raises `_Enough`."""
        if entry & COMPRESSED:
            return 0  # every stream is a run of its own
        place = entry & ~ZERO_FLAG
        unaligned = place % self._geometry.cluster_size
        if place & ~OFFSET_MASK or unaligned or not self._geometry.zero_flag_allowed:
            raise _Enough
        return self._geometry.cluster_size if place else 0

    def ended(self) -> list[Run]:
        """The runs that have ended since they were last asked for.

        If any in the table in hand needs a closer look, only those that ended before that table.
        """
        bits, found = self._geometry.cluster_bits, list[Run]()
        # What `compressed_host_offset` and `compressed_stored_length` do, without two calls for each stream.
        offset_bits, sectors_mask = compressed_offset_bits(bits), compressed_sectors_mask(bits)
        offset_mask = (1 << offset_bits) - 1
        guest_start, guest_end, file_size = self._guest_start, self._guest_end, self._file_size
        for (begin, entry), (end, _) in pairwise(self._begun):
            if begin >= end:  # nothing yet at the start, or all of it past the end of the disk
                continue
            guest_offset, length = begin << bits, end - begin << bits
            host_offset, stored_length, state = entry, 0, _DATA
            if not entry:
                state = _UNALLOCATED
            elif entry & COMPRESSED:
                host_offset, state = entry & offset_mask, _COMPRESSED
                more_sectors = entry >> offset_bits & sectors_mask
                stored_length = (more_sectors + 1) * SECTOR_SIZE - host_offset % SECTOR_SIZE
                self.stopped = host_offset >= file_size
            elif entry & ZERO_FLAG:
                host_offset = entry & OFFSET_MASK
                state = _ZERO_ALLOCATED if host_offset else _ZERO
                self.stopped = bool(host_offset) and host_offset + length > file_size
            elif entry + length > file_size:
                self.stopped = True
            if self.stopped:
                break
            run = (guest_offset, length, host_offset, stored_length, state, 0, 0, 0)
            if guest_offset < guest_start or guest_offset + length > guest_end:
                found += self._clipped(run)
            else:
                found.append(run)
        del self._begun[:-1]
        if self.stopped or self._in_hand_past_file_end():
            self.stopped = True
            table = self._table_start << bits
            return [run for run in found if run[0] + run[1] <= table]
        return found

    def _in_hand_past_file_end(self) -> bool:
        """Whether the run in hand, as far as it goes now, reaches past the end of the file."""
        begin, entry = self._begun[-1]
        if entry & COMPRESSED:
            return compressed_host_offset(entry, self._geometry.cluster_bits) >= self._file_size
        host_offset = entry & OFFSET_MASK
        length = self._table_end - begin << self._geometry.cluster_bits
        return host_offset != 0 and host_offset + length > self._file_size

    def _clipped(self, run: Run) -> Iterator[Run]:
        """The part of a run that is asked for, if any is."""
        guest_offset, length, host_offset, stored_length, state, reason, depth, _ = run
        start, end = max(guest_offset, self._guest_start), min(guest_offset + length, self._guest_end)
        if start < end:
            lead = start - guest_offset
            skip = lead if state == _COMPRESSED else 0
            if host_offset:
                host_offset += lead - skip
            yield start, end - start, host_offset, stored_length, state, reason, depth, skip
