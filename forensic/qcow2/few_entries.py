"""Guest offset to host offset without arrays, for disks with few entries, which take less time than loading numpy.

Only what needs no judgement is decoded here. At the first entry that a rule would have something to say about, after
the first `FEW_ENTRIES`, or on a bad sector this ends, and `forensic.qcow2.mapping` takes over from the last run on.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator

from forensic.evidence import Evidence, ReadFailed
from forensic.qcow2.bits import (
    COMPRESSED,
    COPIED,
    OFFSET_MASK,
    SUBCLUSTERS,
    ZERO_FLAG,
    compressed_host_offset,
    compressed_stored_length,
)
from forensic.qcow2.geometry import L1_ENTRY_SIZE, MAX_L1_ENTRIES, Geometry
from forensic.qcow2.states import Reason, Run, State

FEW_ENTRIES = 1 << 20
"""Entries that are looked at one by one; numpy would be loaded and have decoded them in the time that so many take."""

FEW_TABLE_BYTES = 32 << 20
"""Bytes of L2 tables that are read; those of a sparse disk hold mostly nothing, which is passed over quickly."""

CHUNK_BYTES = 512
"""Bytes of a table that are passed over together if all are zero."""

_NOT_COPIED = ~COPIED
_NOTHING = bytes(CHUNK_BYTES)
_ALL_SUBCLUSTERS = (1 << SUBCLUSTERS) - 1
"""The bitmap of a cluster all of whose subclusters are allocated, and none is marked as zero."""


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
    l1_end = l1_host_offset + last * L1_ENTRY_SIZE
    if (
        guest_start >= guest_end
        or geometry.external_data_file
        or not last <= l1_entry_count <= MAX_L1_ENTRIES
        or last - first > FEW_ENTRIES
        or not l1_host_offset
        or l1_host_offset % geometry.cluster_size
        or l1_end > evidence.size
        or evidence.size >> geometry.cluster_bits > FEW_ENTRIES
    ):
        return
    runs = _Runs(geometry, evidence.size, guest_start, guest_end)
    try:
        for index, entry in enumerate(_words(_read(evidence, l1_end - (last - first) * L1_ENTRY_SIZE, l1_end)), first):
            runs.take(index, _table(evidence, geometry, entry))
            yield from runs.whole()
        runs.finish()
    except _Enough:
        pass
    yield from runs.whole()


class _Enough(Exception):
    """What comes here needs a closer look, or is too much; the run in hand is left to those who may find it longer."""


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
        if bitmap != (_ALL_SUBCLUSTERS if 0 < entry & _NOT_COPIED < COMPRESSED else 0):
            raise _Enough
    return entries


def _table(evidence: Evidence, geometry: Geometry, l1_entry: int) -> bytes | None:
    """The L2 table that an L1 entry leads to; None if it leads nowhere."""
    host_offset = l1_entry & ~COPIED
    if not host_offset:
        return None
    end = host_offset + geometry.cluster_size
    if host_offset & ~OFFSET_MASK or host_offset % geometry.cluster_size or end > evidence.size:
        raise _Enough
    return _read(evidence, host_offset, end)


class _Runs:
    """Entries put together to runs, in guest order."""

    def __init__(self, geometry: Geometry, file_size: int, guest_start: int, guest_end: int) -> None:
        self._geometry = geometry
        self._file_size = file_size
        self._guest_start, self._guest_end = guest_start, guest_end
        self._whole: list[Run] = []
        self._entries_left = FEW_ENTRIES
        self._bytes_left = FEW_TABLE_BYTES
        # The run in hand: the guest cluster with which it begins, its first entry, the one that would continue it.
        self._begin = guest_start >> geometry.cluster_bits
        self._entry = self._expected = self._step = 0

    def whole(self) -> Iterator[list[Run]]:
        """The runs that have ended since they were last asked for."""
        if self._whole:
            yield self._whole
            self._whole = []

    def finish(self) -> None:
        """End the run in hand at the end of the disk. Raises `_Enough`."""
        self._end(-(-self._guest_end >> self._geometry.cluster_bits))

    def take(self, l1_index: int, table: bytes | None) -> None:
        """Take the next L2 table; None maps nothing. Raises `_Enough`."""
        cluster = l1_index * self._geometry.l2_entry_count
        if table is None:
            if self._expected:
                self._begin_run(cluster, 0)
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
        expected, step = self._expected, self._step
        for at, entry in enumerate(entries, cluster):
            entry &= _NOT_COPIED
            if entry == expected:
                expected += step
            elif at >= self._begin:
                self._begin_run(at, entry)
                expected, step = self._expected, self._step
        self._expected = expected

    def _begin_run(self, cluster: int, entry: int) -> None:
        """End the run in hand and begin one with this entry. Raises `_Enough`."""
        place = entry & ~ZERO_FLAG
        if entry & COMPRESSED:
            step, expected = 0, -1  # every stream is a run of its own
        elif (
            place & ~OFFSET_MASK
            or place % self._geometry.cluster_size
            or (entry & ZERO_FLAG and not self._geometry.zero_flag_allowed)
        ):
            raise _Enough
        else:
            step = self._geometry.cluster_size if place else 0
            expected = entry + step
        self._end(cluster)  # after the entry was looked at: the arrays may find that it belongs to the run before it
        self._begin, self._entry, self._expected, self._step = cluster, entry, expected, step

    def _end(self, cluster: int) -> None:
        """Put the run in hand, which ends before a cluster, to the whole ones. Raises `_Enough`."""
        bits = self._geometry.cluster_bits
        begin, end = self._begin << bits, min(cluster << bits, self._guest_end)
        lead = max(0, self._guest_start - begin)
        length = end - begin - lead
        if length <= 0:
            return
        state, host_offset, stored_length = self._meaning(end - begin)
        compressed = state == State.COMPRESSED
        skip = lead if compressed else 0
        if host_offset and not compressed:
            host_offset += lead
        self._whole.append((begin + lead, length, host_offset, stored_length, state, Reason.NONE, 0, skip))

    def _meaning(self, length: int) -> tuple[State, int, int]:
        """State, host offset and stored length of the run in hand. Raises `_Enough`."""
        entry, bits = self._entry, self._geometry.cluster_bits
        if entry & COMPRESSED:
            host_offset = compressed_host_offset(entry, bits)
            if host_offset >= self._file_size:
                raise _Enough
            return State.COMPRESSED, host_offset, compressed_stored_length(entry, bits)
        host_offset = entry & OFFSET_MASK
        if entry & ZERO_FLAG:
            return (State.ZERO_ALLOCATED if host_offset else State.ZERO), host_offset, 0
        if not host_offset:
            return State.UNALLOCATED, 0, 0
        if host_offset + length > self._file_size:
            raise _Enough
        return State.DATA, host_offset, 0
