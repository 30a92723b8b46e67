"""One pass over a file: what each sector looks like by itself, whatever the header says.

A sector is read as 64 big-endian words. Whether it can be part of a table is decided by the bits that no entry has:
nearly all data fails in its first or 37th word, so only the rest is looked at whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from forensic.errors import stop_if
from forensic.evidence import Evidence, ReadFailed
from forensic.qcow2.arrays import I64, Bools
from forensic.qcow2.entries import SECTOR_SIZE
from forensic.recovery.sectors import (
    WORDS,
    Bytes,
    Kinds,
    Masks,
    Sector,
    Signature,
    Words,
    entry_like,
    extended_like,
    masks_of,
    signatures_in,
)

PIECE_BYTES = 512 << 10
"""Bytes that are read and looked at together: they stay in the processor's cache between the two."""

THREADS = 2

PIECES_OF_A_THREAD = 4
"""Pieces that a thread is given at a time."""

MOST_FRAGMENTS = 1 << 10
"""Parts of one piece: with more of them the time between two looks at whether to go on would be long."""

SECTORS_AT_ONCE = 1 << 20

NO_SECTOR = 255

LISTED = 1 << 20
"""Places of one kind that are remembered; a planted file could have one in every sector."""


Counts = npt.NDArray[np.int16]
"""Numbers of sectors of clusters, which have 4,096 at most."""


class Places(Struct, frozen=True):
    """Sectors, by number, that begin with one signature; `more` were not remembered."""

    sectors: I64
    more: int = 0


class Scan(Struct, frozen=True):
    """What each sector of the file looks like, and where known structures seem to begin."""

    sectors: Kinds
    signatures: dict[Signature, Places]
    file_size: int

    def zero_clusters(self, cluster_bits: int, also_unread: bool = True) -> Bools:
        """Which clusters hold nothing but zeros, or cannot be read."""
        kinds = (Sector.ZERO, Sector.UNREAD) if also_unread else (Sector.ZERO,)
        found: Bools = np.zeros(-(-len(self.sectors) // (1 << (cluster_bits - 9))), dtype=np.bool_)
        for first, sectors, (zero,) in self.counts(cluster_bits, kinds):
            found[first : first + len(zero)] = zero == sectors
        return found

    def counts(self, cluster_bits: int, *kinds: tuple[Sector, ...]) -> Iterator[tuple[int, Counts, list[Counts]]]:
        """How many sectors some clusters have at a time, and how many of some kinds: the first cluster, and the counts.

        There may be tens of millions of clusters, so it is done in parts. Only the last cluster may be a short one.
        """
        per_cluster = 1 << (cluster_bits - 9)
        clusters = -(-len(self.sectors) // per_cluster)
        step = max(1, SECTORS_AT_ONCE // per_cluster)
        for first in range(0, clusters, step):
            part = self.sectors.part(first * per_cluster, (first + step) * per_cluster)
            count = np.full(-(-len(part) // per_cluster), per_cluster, dtype=np.int16)
            if short := len(part) % per_cluster:
                count[-1] = short
                part = np.append(part, np.full(per_cluster - short, NO_SECTOR, dtype=np.uint8))
            rows = part.reshape(-1, per_cluster)
            yield first, count, [is_one_of(rows, one).sum(axis=1, dtype=np.int16) for one in kinds]

    def where(self, kinds: tuple[Sector, ...], most: int) -> I64:
        """The sectors of some kinds, up to so many."""
        found: list[I64] = []
        left = most
        for first in range(0, len(self.sectors), SECTORS_AT_ONCE):
            if left <= 0:
                break
            places = np.flatnonzero(is_one_of(self.sectors.part(first, first + SECTORS_AT_ONCE), kinds))[:left]
            found.append(places + first)
            left -= len(places)
        return np.concatenate([np.zeros(0, np.int64), *found])

    def totals(self) -> list[int]:
        """How many sectors of each kind there are."""
        sums = np.zeros(len(Sector), dtype=np.int64)
        for first in range(0, len(self.sectors), SECTORS_AT_ONCE):
            sums += np.bincount(self.sectors.part(first, first + SECTORS_AT_ONCE), minlength=len(Sector))
        return [int(one) for one in sums]

    def table_like(self, first_sectors: I64, per_cluster: int, kinds: tuple[Sector, ...]) -> Bools:
        """Which sectors of the clusters that begin with these are of some kinds; past the end of the file none is."""
        places = first_sectors[:, np.newaxis] + np.arange(per_cluster)
        inside = places < len(self.sectors)
        found: Bools = is_one_of(self.sectors.at(np.minimum(places, len(self.sectors) - 1)), kinds) & inside
        return found


def is_one_of(sectors: Bytes, kinds: tuple[Sector, ...]) -> Bools:
    """Which sectors are of any of these kinds."""
    table = np.zeros(256, dtype=np.bool_)
    table[list(kinds)] = True
    found: Bools = table[sectors]
    return found


def scan(
    evidence: Evidence,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Scan:
    """Look at every stored sector once; holes of the file are zeros. Raises `Interrupted`."""
    sectors = Kinds(-(-evidence.size // SECTOR_SIZE))
    masks = masks_of(evidence.size)
    found: dict[Signature, list[I64]] = {signature: [] for signature in Signature}
    with ThreadPoolExecutor(THREADS, "scan") as pool:
        workers = [_Worker(evidence, masks) for _ in range(THREADS)]
        for group in _groups(evidence):
            stop_if(cancelled, "the scan of the file")
            shares = [group[at::THREADS] for at in range(THREADS)]
            jobs = [pool.submit(worker.classify, share) for worker, share in zip(workers, shares, strict=True)]
            for job in jobs:
                for numbers, kinds, places in job.result():
                    sectors.put(numbers, kinds)
                    for signature, where in places:
                        found[signature].append(where)
            if progress:
                progress(sum(group[-1][-1]), evidence.size)
    return Scan(sectors, {signature: _listed(parts) for signature, parts in found.items()}, evidence.size)


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
        return self._classify(words), signatures_in(words, 0, self._masks)

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

    def _classify(self, words: Words) -> Bytes:
        masks = self._masks
        maybe = entry_like(words[:, 0], masks) & entry_like(words[:, 36], masks)
        kinds = np.full(len(words), Sector.OTHER, dtype=np.uint8)
        rows = np.flatnonzero(maybe)
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
