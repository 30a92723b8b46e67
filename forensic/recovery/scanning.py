"""One pass over a file: what each sector looks like by itself, whatever the header says.

A sector is read as 64 big-endian words. Whether it can be part of a table is decided by the bits that no entry has:
nearly all data fails in its first or 37th word, so only the rest is looked at whole.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

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
    heads_of,
    masks_of,
    maybe_entries,
    snapshots_in,
    structures_in,
)

PIECE_BYTES = 2 << 20
"""Bytes that are read and looked at together: with fewer the calls cost more than what they do."""

ALIGNED = 1 << 12
"""Bytes of a page of memory."""

THREADS = 2

PIECES_OF_A_JOB = 4
"""Pieces that a thread is given at a time."""

WAITING = 2 * THREADS
"""Jobs that are given out before the first of them has to be done: no thread waits for what is done with the others."""

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
    found: dict[Signature, list[I64]] = {signature: [] for signature in Signature}
    stopped_at = None

    def keep(job: Future[Looked]) -> None:
        numbers, kinds, places = job.result()
        first = int(numbers[0])
        if int(numbers[-1]) - first == len(numbers) - 1:  # they rise, so nothing lies between them
            sectors.put_run(first, kinds)
        else:
            sectors.put(numbers, kinds)
        for signature, where in places:
            found[signature].append(where)

    idle = [_Worker(evidence, masks_of(evidence.size)) for _ in range(THREADS)]
    waiting: deque[Future[Looked]] = deque()
    every = _pieces(evidence)
    with ThreadPoolExecutor(THREADS, "scan") as pool:
        while pieces := list(islice(every, PIECES_OF_A_JOB)):
            stop_if(cancelled, "the scan of the file")
            if until is not None and time.monotonic() > until:
                stopped_at = pieces[0][0][0]
                break
            waiting.append(pool.submit(_looked_at, idle, pieces))
            if len(waiting) > WAITING:
                keep(waiting.popleft())
            if progress:
                progress(sum(pieces[-1][-1]), evidence.size)
        for job in waiting:
            keep(job)
    if stopped_at is not None:
        sectors.stop_at(stopped_at // SECTOR_SIZE)
    listed = {signature: _listed(parts) for signature, parts in found.items()}
    return Scan(sectors, listed, evidence.size, stopped_at)


def look_at(evidence: Evidence, found: Scan, host_offsets: Sequence[int], length: int) -> None:
    """Look at structures of a length that a scan did not come to, since something leads to them."""
    worker = _Worker(evidence, masks_of(evidence.size))
    for host_offset in host_offsets:
        end = min(host_offset + length, evidence.size)
        for start in range(host_offset, end, PIECE_BYTES):
            numbers, kinds, _ = worker.looked_at([[(start, min(PIECE_BYTES, end - start))]])
            found.sectors.put(numbers, kinds)


def _listed(parts: list[I64]) -> Places:
    places = np.concatenate([np.zeros(0, np.int64), *parts])
    return Places(np.sort(places[:LISTED]), max(0, len(places) - LISTED))


Fragments = list[tuple[int, int]]
"""Host offset and length of stored parts of the file that are looked at together; the offsets are those of sectors."""


def _pieces(evidence: Evidence) -> Iterator[Fragments]:
    """The stored parts of the file in pieces.

    A piece has `PIECE_BYTES` at most, ends where a multiple of them does, and may consist of many parts: a sparse file
    has a million of them, each with a few sectors.
    """
    piece: Fragments = []
    room = PIECE_BYTES
    for start, end in _stored_sectors(evidence):
        while start < end:
            length = min(end - start, room, PIECE_BYTES - start % PIECE_BYTES)
            piece.append((start, length))
            start, room = start + length, room - length - -length % SECTOR_SIZE
            if room <= 0 or len(piece) == MOST_FRAGMENTS or start % PIECE_BYTES == 0:
                yield piece
                piece, room = [], PIECE_BYTES
    if piece:
        yield piece


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
    if len(piece) == 1:
        ((start, length),) = piece
        return np.arange(start // SECTOR_SIZE, -(-(start + length) // SECTOR_SIZE))
    starts = np.array([start for start, _ in piece], dtype=np.int64) // SECTOR_SIZE
    counts = -(-np.array([length for _, length in piece], dtype=np.int64) // SECTOR_SIZE)
    before = np.cumsum(counts) - counts
    return np.repeat(starts - before, counts) + np.arange(int(counts.sum()))


Looked = tuple[I64, Bytes, list[tuple[Signature, I64]]]
"""Numbers of sectors, their kinds, and where structures may begin."""


def _looked_at(idle: list[_Worker], pieces: Sequence[Fragments]) -> Looked:
    """What one of those that are idle finds in pieces; there are as many of them as threads."""
    worker = idle.pop()
    try:
        return worker.looked_at(pieces)
    finally:
        idle.append(worker)


class _Worker:
    """Looks at pieces; one of its buffers serves them all."""

    def __init__(self, evidence: Evidence, masks: Masks) -> None:
        self._evidence, self._masks = evidence, masks
        # Into memory that does not begin with a line of the cache the kernel copies a third more slowly.
        memory = np.zeros(PIECE_BYTES + ALIGNED, dtype=np.uint8)
        self._buffer = memory[-memory.ctypes.data % ALIGNED :][:PIECE_BYTES]

    def looked_at(self, pieces: Sequence[Fragments]) -> Looked:
        """What the sectors of pieces look like."""
        numbers, kinds, places = zip(*map(self._piece, pieces), strict=True)
        return np.concatenate(numbers), np.concatenate(kinds), [place for found in places for place in found]

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
        kinds, places = self._kinds_and_places(self._buffer[:place])
        return numbers, kinds, [(signature, numbers[rows]) for signature, rows in places]

    def _kinds_and_places(self, buffer: Bytes) -> tuple[Bytes, list[tuple[Signature, I64]]]:
        heads = heads_of(buffer)
        begin = heads[:, 0].copy()
        maybe = maybe_entries(begin, self._masks)
        kinds = np.full(len(begin), Sector.OTHER, dtype=np.uint8)
        if len(maybe):
            self._classify(kinds, maybe, begin, buffer.view(np.uint64).reshape(-1, WORDS))
        places = structures_in(heads)
        if len(snapshots := snapshots_in(maybe, heads, self._masks)):
            places.append((Signature.SNAPSHOT, snapshots))
        return kinds, places

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
            kinds[row : row + 1], found = self._kinds_and_places(buffer)
            places += [(signature, rows + number) for signature, rows in found]
        return numbers, kinds, places

    def _classify(self, kinds: Bytes, maybe: I64, begin: Words, words: Words) -> None:
        masks = self._masks
        rows = maybe[entry_like(begin[maybe], masks)]
        rows = rows[entry_like(words[rows, 36], masks)]
        if not len(rows):
            return
        looked_at = words if len(rows) == len(words) else words[rows]
        used = np.bitwise_or.reduce(looked_at, axis=1) != 0
        kinds[rows[~used]] = Sector.ZERO
        rows, looked_at = rows[used], looked_at[used]
        if len(rows):
            kinds[rows] = self._kinds(looked_at)

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
