"""Compressed clusters that no table leads to, found without tables.

A stream that ends itself after exactly one cluster of output is no accident: in millions of places of other data none
did. Writers put one stream right after another, also across the borders of clusters, so each that is found says where
the next one begins; after something else one begins with a cluster.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np
from msgspec import Struct, field

from forensic.disk.codecs import ZSTD_MAGIC, Codec, decode
from forensic.disk.examination import fills_cluster, stream_end
from forensic.qcow2.arrays import I64, is_among
from forensic.qcow2.entries import SECTOR_SIZE, compressed_host_offset, compressed_stored_length, host_offset_of
from forensic.recovery.accounts import located
from forensic.recovery.placement.in_streams import Cluster, Decoded
from forensic.recovery.placement.placing import all_placed
from forensic.recovery.sectors import Signature, heads_of, structures_in
from forensic.recovery.work import Streams, Work

MOST_STREAMS = 1 << 20

FAILURES = 1 << 15
"""Places in which no stream begins that are tried, and `FAILURES_EACH` more for each that is found."""

FAILURES_EACH = 64

CLUSTERS_AT_ONCE = 1 << 16
MOST_KNOWN = 1 << 21
"""Streams of known tables whose ends are looked at, to go on from there."""

SEARCHED_AT_ONCE = 1 << 20
LOOKED_AT_FIRST = 1 << 12
"""Bytes of a deflate stream that are decoded to see whether it is one."""


class Found(Struct):
    """The streams, and those clusters in which a structure of the guest may begin."""

    starts: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    structured: Decoded = field(default_factory=Decoded)
    failures: int = 0
    complete: bool = True

    @property
    def is_over(self) -> bool:
        """Whether it has been tried often enough."""
        return len(self.starts) >= MOST_STREAMS or self.failures > FAILURES + FAILURES_EACH * len(self.starts)

    def streams(self) -> Streams:
        """In the order of the file."""
        starts, lengths = np.array(self.starts, dtype=np.int64), np.array(self.lengths, dtype=np.int64)
        order = np.argsort(starts, kind="stable")
        kept = order[np.diff(starts[order], prepend=-1) > 0]  # the first of those that begin at one place
        return Streams(starts[kept], lengths[kept])


def find_streams(work: Work) -> Found:
    """The compressed clusters in what nothing claims, as far as the budget goes."""
    found = Found()
    begins, tails = _known_streams(work)
    search = _Search(work, found, begins)
    for begin, end, limit in _places(work, tails):
        search.chain(begin, end, limit)
        if found.is_over or work.is_late("looking for compressed clusters"):
            found.complete = False
            break
    search.look_for_structures()
    return found


class _Search:
    """Decodes at one place after another, and keeps what is found."""

    def __init__(self, work: Work, found: Found, known: I64) -> None:
        self._evidence, self._found, self._known = work.evidence, found, known
        self._codec, self._size = work.geometry.compression_type, work.geometry.cluster_size
        self._waiting: list[Cluster] = []

    def chain(self, begin: int, end: int, limit: int) -> None:
        """The streams that begin in a range of the file, each where the one before ends, or else with a cluster.

        They may go on in the cluster after it, up to `limit`. The first that a table leads to ends them.
        """
        at = begin
        while (at < end or (at < limit and at > begin)) and not self._is_known(at) and not self._found.is_over:
            stored = self._evidence.read_or_nothing(at, min(2 * self._size, limit - at))
            length = stream_length(stored, self._codec, self._size)
            if length is None:
                self._found.failures += 1
                at += self._size - at % self._size
                continue
            self._found.starts.append(at)
            self._found.lengths.append(length)
            self._keep(at, stored[:length])
            at += length

    def _is_known(self, at: int) -> bool:
        """Whether a stream that a table leads to begins here."""
        place = int(np.searchsorted(self._known, at))
        return place < len(self._known) and int(self._known[place]) == at

    def _keep(self, at: int, stored: bytes) -> None:
        room = self._found.structured
        if room.left < self._size:
            return
        room.left -= self._size
        self._waiting.append(Cluster(0, -1, at, bytes(decode(stored, self._codec, self._size).data)))
        if len(self._waiting) * self._size >= SEARCHED_AT_ONCE:
            self.look_for_structures()

    def look_for_structures(self) -> None:
        """Keep those of the clusters that wait in which a structure may begin."""
        if not self._waiting:
            return
        sectors = np.frombuffer(b"".join(one.data for one in self._waiting), dtype=np.uint8)
        per_cluster = self._size // SECTOR_SIZE
        with_some: set[int] = set()
        for kind, rows in structures_in(heads_of(sectors)):
            if kind != Signature.QCOW2:
                with_some.update((rows // per_cluster).tolist())
        kept = self._found.structured
        for number in sorted(with_some):
            if kept.room >= self._size:
                kept.clusters.append(self._waiting[number])
                kept.room -= self._size
        self._waiting.clear()


def stream_length(stored: bytes, codec: int, size: int) -> int | None:
    """How many bytes a stream takes that these begin with; None if none does that ends itself after a whole cluster."""
    if codec == Codec.ZSTD:
        if not stored.startswith(ZSTD_MAGIC):
            return None
    else:
        try:
            if not zlib.decompressobj(-zlib.MAX_WBITS).decompress(stored[:LOOKED_AT_FIRST], size):
                return None
        except zlib.error:
            return None
    end = stream_end(stored, codec, size)
    return end if end is not None and fills_cluster(stored[:end], codec, size) else None


def _places(work: Work, tails: dict[int, list[int]]) -> Iterator[tuple[int, int, int]]:
    """Where streams may begin: begin and end of each range, and up to where one may reach.

    Those are runs of clusters that are in use and that nothing claims, and what follows the last of some streams that
    tables lead to: the next one may begin in the same cluster.
    """
    size, accounts = work.geometry.cluster_size, work.accounts
    for first, stop in unclaimed_runs(work):
        begin, end = first * size, min(stop * size, work.evidence.size)
        before = max(tails.get(first - 1, [begin]))
        shared = stop < accounts.clusters and bool(accounts.streams.are_counted(np.array([stop]))[0])
        yield min(begin, before), end, min(work.evidence.size, end + size * shared)
    for cluster, some in sorted(tails.items()):  # that fill what is left of a cluster, and perhaps go on in the next
        end = min((cluster + 1) * size, work.evidence.size)
        for tail in some:
            yield tail, end, min(end + size, work.evidence.size)


def unclaimed_runs(work: Work) -> Iterator[tuple[int, int]]:
    """Clusters in a row that are in use though nothing claims them, without the places of tables that are lost."""
    accounts, bits = work.accounts, work.geometry.cluster_bits
    named = np.unique(host_offset_of(work.layout.l1) >> np.uint64(bits))
    first = stop = -1
    for used in work.found.used_clusters(bits):
        for at in range(0, len(used), CLUSTERS_AT_ONCE):
            part = used[at : at + CLUSTERS_AT_ONCE]
            part = part[~accounts.are_claimed(part) & ~is_among(part.astype(np.uint64), named)]
            if accounts.usable and accounts.stored is not None:
                part = part[accounts.stored.are_counted(part)]
            if not len(part):
                continue
            breaks = np.flatnonzero(np.diff(part) != 1) + 1
            for piece in np.split(part, breaks) if len(breaks) < len(part) - 1 else part[:, np.newaxis]:
                if int(piece[0]) != stop:
                    if first >= 0:
                        yield first, stop
                    first = int(piece[0])
                stop = int(piece[-1]) + 1
    if first >= 0:
        yield first, stop


def _known_streams(work: Work) -> tuple[I64, dict[int, list[int]]]:
    """Where the streams of known tables begin; and where those end that no other one follows, by cluster.

    Nothing, if there are too many of them.
    """
    accounts, bits, size = work.accounts, work.geometry.cluster_bits, work.geometry.cluster_size
    begins, ends, count = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], 0
    tables = np.array([table for _, table in all_placed(work)], dtype=np.uint64)
    for batch, good in accounts.batches(np.arange(len(tables)), tables) if accounts.streams.any else ():
        _, streams = located(batch, good)
        entries = batch.entries[streams]
        count += len(entries)
        if count > MOST_KNOWN:
            return begins[0], {}
        begins.append(compressed_host_offset(entries, bits).astype(np.int64))
        ends.append(begins[-1] + compressed_stored_length(entries, bits).astype(np.int64))
    order = np.argsort(np.concatenate(begins), kind="stable")
    starts, stops = np.concatenate(begins)[order], np.concatenate(ends)[order]
    last = np.append(starts[1:] > stops[:-1], True) if len(starts) else np.zeros(0, dtype=np.bool_)
    tails: dict[int, list[int]] = {}
    for start, stop in zip(starts[last].tolist(), stops[last].tolist(), strict=True):
        stored = accounts.evidence.read_or_nothing(start, min(stop, accounts.evidence.size) - start)
        length = stream_end(stored, work.geometry.compression_type, size)
        if length is not None and (start + length) % size:
            tails.setdefault((start + length) // size, []).append(start + length)
    return starts, tails
