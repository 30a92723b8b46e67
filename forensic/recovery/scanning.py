"""One pass over a file: what each sector looks like by itself, whatever the header says.

A sector is read as 64 big-endian words. Whether it can be part of a table is decided by the bits that no entry has:
nearly all data fails in its first or 37th word, so only the rest is looked at whole.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from forensic.errors import stop_if
from forensic.evidence import Evidence, ReadFailed
from forensic.qcow2.arrays import I64
from forensic.qcow2.entries import SECTOR_SIZE
from forensic.recovery.kinds import Bytes, Kinds, Sector
from forensic.recovery.scan import Places, Scan
from forensic.recovery.sectors import (
    WORDS,
    Masks,
    Signature,
    Words,
    entry_like,
    extended_like,
    masks_of,
    signatures_in,
)

PIECE_BYTES = 2 << 20
"""Bytes that are read and looked at together: with fewer the calls cost more than what they do."""

THREADS = 2

PIECES_OF_A_THREAD = 4
"""Pieces that a thread is given at a time."""

MOST_FRAGMENTS = 1 << 10
"""Parts of one piece: with more of them the time between two looks at whether to go on would be long."""

LISTED = 1 << 20
"""Places of one kind that are remembered; a planted file could have one in every sector."""


def scan(
    evidence: Evidence,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    until: float | None = None,
) -> Scan:
    """Look at every stored sector once; holes of the file are zeros. Raises `Interrupted`.

    It stops at the time `until` (of the monotonic clock): what it did not come to is as if it could not be read.
    """
    sectors = Kinds(-(-evidence.size // SECTOR_SIZE))
    masks = masks_of(evidence.size)
    found: dict[Signature, list[I64]] = {signature: [] for signature in Signature}
    stopped_at = None
    with ThreadPoolExecutor(THREADS, "scan") as pool:
        workers = [_Worker(evidence, masks) for _ in range(THREADS)]
        for group in _groups(evidence):
            stop_if(cancelled, "the scan of the file")
            if until is not None and time.monotonic() > until:
                stopped_at = group[0][0][0]
                sectors.stop_at(stopped_at // SECTOR_SIZE)
                break
            shares = [group[at::THREADS] for at in range(THREADS)]
            jobs = [pool.submit(worker.classify, share) for worker, share in zip(workers, shares, strict=True)]
            results = [job.result() for job in jobs]
            for at in range(len(group)):  # in the order of the file
                numbers, kinds, places = results[at % THREADS][at // THREADS]
                sectors.put(numbers, kinds)
                for signature, where in places:
                    found[signature].append(where)
            if progress:
                progress(sum(group[-1][-1]), evidence.size)
    listed = {signature: _listed(parts) for signature, parts in found.items()}
    return Scan(sectors, listed, evidence.size, stopped_at)


def look_at(evidence: Evidence, found: Scan, host_offsets: Sequence[int], length: int) -> None:
    """Look at structures of a length that a scan did not come to, since something leads to them."""
    worker = _Worker(evidence, masks_of(evidence.size))
    for host_offset in host_offsets:
        end = min(host_offset + length, evidence.size)
        for start in range(host_offset, end, PIECE_BYTES):
            for numbers, kinds, _ in worker.classify([[(start, min(PIECE_BYTES, end - start))]]):
                found.sectors.put(numbers, kinds)


def _listed(parts: list[I64]) -> Places:
    places = np.concatenate([np.zeros(0, np.int64), *parts])
    return Places(np.sort(places[:LISTED]), max(0, len(places) - LISTED))


Fragments = list[tuple[int, int]]
"""Host offset and length of stored parts of the file that are looked at together; the offsets are those of sectors."""


def _groups(evidence: Evidence) -> Iterator[list[Fragments]]:
    """The stored parts of the file in pieces, as many together as there are threads.

    A piece has `PIECE_BYTES` at most, and may consist of many parts: a sparse file has a million of them, each with a
    few sectors.
    """
    group: list[Fragments] = []
    piece: Fragments = []
    room = PIECE_BYTES
    for start, end in _stored_sectors(evidence):
        while start < end:
            length = min(end - start, room)
            piece.append((start, length))
            start, room = start + length, room - length - -length % SECTOR_SIZE
            if room <= 0 or len(piece) == MOST_FRAGMENTS:
                group.append(piece)
                piece, room = [], PIECE_BYTES
                if len(group) == THREADS * PIECES_OF_A_THREAD:
                    yield group
                    group = []
    if piece:
        group.append(piece)
    if group:
        yield group


def _stored_sectors(evidence: Evidence) -> Iterator[tuple[int, int]]:
    """The parts of the file that are no holes, from sector to sector; each hole is looked up once."""
    at = 0
    while (start := evidence.next_data_from(at)) < evidence.size:
        end = min(evidence.size, max(start + 1, evidence.hole_from(start)))
        begin, stop = start - start % SECTOR_SIZE, min(evidence.size, end + -end % SECTOR_SIZE)
        if max(begin, at) < stop:
            yield max(begin, at), stop
        at = max(at, stop)


def _sector_numbers(piece: Fragments) -> I64:
    """The numbers of the sectors of a piece, one part after another."""
    starts = np.array([start for start, _ in piece], dtype=np.int64) // SECTOR_SIZE
    counts = -(-np.array([length for _, length in piece], dtype=np.int64) // SECTOR_SIZE)
    before = np.cumsum(counts) - counts
    return np.repeat(starts - before, counts) + np.arange(int(counts.sum()))


Looked = tuple[I64, Bytes, list[tuple[Signature, I64]]]
"""Numbers of sectors, their kinds, and where structures may begin."""


class _Worker:
    """Looks at pieces; one of its buffers serves them all."""

    def __init__(self, evidence: Evidence, masks: Masks) -> None:
        self._evidence, self._masks = evidence, masks
        self._buffer = np.zeros(PIECE_BYTES, dtype=np.uint8)

    def classify(self, pieces: Sequence[Fragments]) -> list[Looked]:
        """Classify the sectors of pieces."""
        return [self._piece(piece) for piece in pieces]

    def _piece(self, piece: Fragments) -> Looked:
        place = 0
        try:
            for host_offset, length in piece:
                self._buffer[place + length : place + length + -length % SECTOR_SIZE] = 0
                self._evidence.read_into(host_offset, self._buffer[place : place + length].data)
                place += length + -length % SECTOR_SIZE
        except ReadFailed:
            return self._sector_by_sector(piece)
        numbers = _sector_numbers(piece)
        kinds, places = self._looked_at(self._buffer[:place])
        return numbers, kinds, [(signature, numbers[rows]) for signature, rows in places]

    def _looked_at(self, buffer: Bytes) -> tuple[Bytes, list[tuple[Signature, I64]]]:
        words = buffer.view(np.uint64).reshape(-1, WORDS)
        begin = words[:, 0].copy()
        return self._classify(words, begin), signatures_in(words, begin, self._masks)

    def _sector_by_sector(self, piece: Fragments) -> Looked:
        numbers = _sector_numbers(piece)
        kinds, places = np.full(len(numbers), Sector.UNREAD, dtype=np.uint8), []
        buffer = np.zeros(SECTOR_SIZE, dtype=np.uint8)
        for row, number in enumerate(numbers.tolist()):
            at = number * SECTOR_SIZE
            length = min(SECTOR_SIZE, self._evidence.size - at)
            buffer[length:] = 0
            try:
                self._evidence.read_into(at, buffer[:length].data)
            except ReadFailed:
                continue
            kinds[row : row + 1], found = self._looked_at(buffer)
            places += [(signature, rows + number) for signature, rows in found]
        return numbers, kinds, places

    def _classify(self, words: Words, begin: Words) -> Bytes:
        masks = self._masks
        kinds = np.full(len(words), Sector.OTHER, dtype=np.uint8)
        rows = np.flatnonzero(entry_like(begin, masks))
        rows = rows[entry_like(words[rows, 36], masks)]
        if not len(rows):
            return kinds
        looked_at = words if len(rows) == len(words) else words[rows]
        used = np.bitwise_or.reduce(looked_at, axis=1) != 0
        kinds[rows[~used]] = Sector.ZERO
        rows, looked_at = rows[used], looked_at[used]
        if len(rows):
            kinds[rows] = self._kinds(looked_at)
        return kinds

    def _kinds(self, words: Words) -> Bytes:
        masks = self._masks
        standard = (words & masks.standard) == 0
        streams = (words & masks.stream) == masks.stream_value
        entries = standard | streams
        kinds = np.full(len(words), Sector.OTHER, dtype=np.uint8)
        whole = entries.all(axis=1)
        kinds[whole] = Sector.STANDARD
        kinds[whole & streams.any(axis=1)] = Sector.COMPRESSED
        kinds[~whole & extended_like(words, entries, streams)] = Sector.EXTENDED
        return kinds
