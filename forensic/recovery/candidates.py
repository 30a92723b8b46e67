"""Clusters that read as tables: L2 tables, L1 tables and refcount tables, by their content alone.

What a cluster looks like proves nothing: a guest may keep a qcow2 image, or a table may have been planted. It is what
the ladder of `forensic.recovery.slots` and the accounts of `forensic.recovery.accounts` choose from.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from forensic.evidence import Evidence
from forensic.qcow2.arrays import I64, U64, Bools, big_endian
from forensic.qcow2.entries import (
    SECTOR_SIZE,
    compressed_host_offset,
    compressed_stored_length,
    has_zero_flag,
    host_offset_of,
    is_compressed,
    is_copied,
)
from forensic.qcow2.geometry import MAX_CLUSTER_BITS, MIN_CLUSTER_BITS
from forensic.recovery.scan import Scan
from forensic.recovery.sectors import Sector

Counts = npt.NDArray[np.int32]
"""Numbers of entries of one table each, of which there may be a million; a table has at most 2^18."""

MAX_CANDIDATES = 1 << 20
"""Tables that are looked at, in the order of the file; how many more there are is counted and said."""

MOST_OTHER = 0.25
"""The share of a table's sectors that something else may have been written over."""

LEAST_DISTINCT = 0.9
L1_TARGETS = 0.6
"""The share of an L1 table's entries that have to lead to tables."""

SAMPLED_SECTORS = 1 << 14
READ_AT_ONCE = 1 << 20
TABLE_KINDS = (Sector.STANDARD, Sector.COMPRESSED, Sector.EXTENDED)


class Candidates(Struct, frozen=True):
    """Clusters that read as tables of offsets, in file order; all columns are of one length.

    `used` counts the entries that are not zero, `located` those with an aligned host offset, `copied` those that say
    that their cluster has one reference, `flagged` those with the zero flag, `streams` the compressed descriptors,
    `tables` the located entries that lead to other candidates. `partial` tables have sectors that read as something
    else. `more` candidates were left out.
    """

    host_offsets: U64
    used: Counts
    located: Counts
    copied: Counts
    flagged: Counts
    streams: Counts
    tables: Counts
    partial: Bools
    more: int = 0

    @property
    def l1_like(self) -> Bools:
        """Which read as (part of) an L1 table: only offsets, most of them of tables."""
        plain: Bools = (self.flagged == 0) & (self.streams == 0) & (self.located == self.used)
        return plain & (self.located > 0) & (self.tables >= L1_TARGETS * self.located)

    def chosen(self, which: Bools | I64) -> Candidates:
        """Some of them."""
        return Candidates(
            self.host_offsets[which],
            self.used[which],
            self.located[which],
            self.copied[which],
            self.flagged[which],
            self.streams[which],
            self.tables[which],
            self.partial[which],
            self.more,
        )

    def index(self, host_offset: int) -> int | None:
        """The place of a table in the columns."""
        at = int(np.searchsorted(self.host_offsets, np.uint64(host_offset)))
        return at if at < len(self.host_offsets) and int(self.host_offsets[at]) == host_offset else None


def find_candidates(evidence: Evidence, scan: Scan, cluster_bits: int, extended: bool) -> Candidates:
    """The clusters whose sectors read as parts of a table, and what their entries say."""
    offsets, partial, more = _by_sectors(scan, cluster_bits, extended)
    marks = _Marks(offsets, cluster_bits, len(scan.sectors))
    kept = np.zeros(len(offsets), dtype=np.bool_)
    columns = np.zeros((6, len(offsets)), dtype=np.int32)
    for at, words, good in _read(evidence, scan, offsets, cluster_bits, extended):
        part = slice(at, at + len(words))
        kept[part], columns[:, part] = _judged(words, good, offsets[part], marks, cluster_bits)
    used, located, copied, flagged, streams, tables = (column if kept.all() else column[kept] for column in columns)
    return Candidates(offsets[kept], used, located, copied, flagged, streams, tables, partial[kept], more)


class _Marks:
    """A bit for each cluster of the file that may be a table: looking a million of them up in order takes minutes."""

    def __init__(self, host_offsets: U64, cluster_bits: int, sectors: int) -> None:
        """Mark the clusters at these offsets."""
        self._bits = cluster_bits
        self._clusters = (sectors >> (cluster_bits - 9)) + 1
        self._marks = np.zeros((self._clusters >> 3) + 1, dtype=np.uint8)
        numbers = (host_offsets >> np.uint64(cluster_bits)).astype(np.int64)
        np.bitwise_or.at(self._marks, numbers >> 3, np.left_shift(1, numbers & 7).astype(np.uint8))

    def has(self, offsets: U64) -> Bools:
        """Which of these aligned offsets are marked; what lies past the end of the file is not."""
        numbers = (offsets >> np.uint64(self._bits)).astype(np.int64)
        inside = numbers < self._clusters
        numbers[~inside] = 0
        found: Bools = ((self._marks[numbers >> 3] >> (numbers & 7).astype(np.uint8)) & np.uint8(1)) != 0
        return found & inside


def _by_sectors(scan: Scan, cluster_bits: int, extended: bool) -> tuple[U64, Bools, int]:
    """Host offset of every cluster that has few sectors which are no part of a table, and at least one that is."""
    per_cluster = 1 << (cluster_bits - 9)
    kinds = TABLE_KINDS if extended else TABLE_KINDS[:2]
    table, zero = scan.count(cluster_bits, kinds), scan.count(cluster_bits, (Sector.ZERO,))
    other = per_cluster - table - zero
    if len(other):
        last = len(scan.sectors) - (len(other) - 1) * per_cluster
        other[-1] = last - table[-1] - zero[-1]
    found = np.flatnonzero((table > 0) & (other <= MOST_OTHER * np.minimum(per_cluster, table + other)))
    found = found[found > 0]
    kept = found[:MAX_CANDIDATES]
    return kept.astype(np.uint64) << np.uint64(cluster_bits), other[kept] > 0, len(found) - len(kept)


def read_table(evidence: Evidence, host_offset: int, length: int) -> U64:
    """The words of a table; zeros in place of what is not in the file or cannot be read."""
    raw = evidence.read_up_to_bad(host_offset, length)
    return big_endian(raw.ljust(length, b"\0"))


def _read(
    evidence: Evidence, scan: Scan, offsets: U64, cluster_bits: int, extended: bool
) -> Iterator[tuple[int, U64, Bools]]:
    """The first words of the entries of some tables at a time, and which of them lie in sectors of a table."""
    size = 1 << cluster_bits
    step = max(1, READ_AT_ONCE >> cluster_bits)
    per_cluster = size // SECTOR_SIZE
    for at in range(0, len(offsets), step):
        some = offsets[at : at + step]
        words = np.stack([read_table(evidence, int(offset), size) for offset in some])
        first = (some >> np.uint64(9)).astype(np.int64)
        good = scan.table_like(first, per_cluster, (Sector.ZERO, *TABLE_KINDS))
        good = np.repeat(good, SECTOR_SIZE // 8, axis=1)
        yield (at, words[:, 0::2], good[:, 0::2]) if extended else (at, words, good)


def _judged(words: U64, good: Bools, own: U64, marks: _Marks, cluster_bits: int) -> tuple[Bools, list[I64]]:
    """Which tables are candidates, and their columns."""
    entries = np.where(good, words, np.uint64(0))
    streams = is_compressed(entries)
    offsets = host_offset_of(entries)
    offsets[streams] = 0
    located = offsets != 0
    unaligned = located & ((offsets & np.uint64((1 << cluster_bits) - 1)) != 0)
    used = (entries != 0).sum(axis=1)
    count = located.sum(axis=1)
    ordered = np.sort(offsets, axis=1)
    distinct = ((ordered[:, 1:] != ordered[:, :-1]) & (ordered[:, 1:] != 0)).sum(axis=1) + (ordered[:, 0] != 0)
    itself = (offsets == own[:, np.newaxis]).any(axis=1)
    kept = (unaligned.sum(axis=1) == 0) & (distinct >= LEAST_DISTINCT * count) & ~itself & (used > 0)
    copied = is_copied(entries).sum(axis=1)
    flagged = has_zero_flag(entries) & ~streams
    tables = (marks.has(offsets) & located).sum(axis=1)  # of what is not aligned nothing is kept
    return kept, [used, count, copied, flagged.sum(axis=1), streams.sum(axis=1), tables]


def cluster_bits_by_content(evidence: Evidence, scan: Scan) -> tuple[int, int] | None:
    """The cluster size to which the entries of all tables are aligned, and how many entries say so; None if none do.

    It proves nothing where there are few entries, or where all of them happen to be multiples of more.
    """
    entries, neighbours = _sampled_entries(evidence, scan)
    if not len(entries):
        return _by_streams(evidence, scan)
    offsets = host_offset_of(entries)
    found = MIN_CLUSTER_BITS
    for bits in range(MIN_CLUSTER_BITS, MAX_CLUSTER_BITS + 1):
        aligned = np.count_nonzero((offsets & np.uint64((1 << bits) - 1)) == 0)
        if aligned >= 0.95 * len(offsets):
            found = bits
    for bits in range(MIN_CLUSTER_BITS, found):
        if np.count_nonzero(neighbours == np.uint64(1 << bits)) >= 8:
            usual = [int(np.count_nonzero(neighbours == np.uint64(1 << one))) for one in range(9, 22)]
            found = min(found, MIN_CLUSTER_BITS + usual.index(max(usual)))
            break
    return found, len(offsets)


def _sampled_entries(evidence: Evidence, scan: Scan) -> tuple[U64, U64]:
    """Entries with the copied bit, or else all of sectors that have several; and the distances of neighbours."""
    sectors = scan.where(TABLE_KINDS, MAX_CANDIDATES)
    sectors = sectors[:: max(1, len(sectors) // SAMPLED_SECTORS)]
    if not len(sectors):
        return np.zeros(0, np.uint64), np.zeros(0, np.uint64)
    rows = np.stack([read_table(evidence, int(sector) * SECTOR_SIZE, SECTOR_SIZE) for sector in sectors])
    extended = scan.sectors[sectors] == Sector.EXTENDED
    rows[extended, 1::2] = 0
    rows[is_compressed(rows)] = 0
    located = host_offset_of(rows) != 0
    copied = located & is_copied(rows)
    several = located.sum(axis=1) >= 2
    chosen = copied if np.count_nonzero(copied) >= 4 else located & several[:, np.newaxis]
    if np.count_nonzero(copied) < 4:
        chosen &= host_offset_of(rows) >= np.uint64(1536)
    offsets = host_offset_of(rows)
    both = chosen[:, 1:] & chosen[:, :-1]
    distances = np.where(offsets[:, 1:] > offsets[:, :-1], offsets[:, 1:] - offsets[:, :-1], np.uint64(0))
    return rows[chosen], distances[both]


def _by_streams(evidence: Evidence, scan: Scan) -> tuple[int, int] | None:
    """The cluster size under which successive compressed descriptors lead to streams that lie one after another."""
    sectors = scan.where((Sector.COMPRESSED,), 1024)
    best = (0, 0)
    for bits in range(MIN_CLUSTER_BITS, MAX_CLUSTER_BITS + 1):
        adjoining = 0
        for sector in sectors.tolist():
            row = read_table(evidence, sector * SECTOR_SIZE, SECTOR_SIZE)
            row = row[is_compressed(row)]
            starts = compressed_host_offset(row, bits)
            ends = starts + compressed_stored_length(row, bits)
            follows = (starts[1:] > starts[:-1]) & (starts[1:] <= ends[:-1])
            follows &= starts[1:] > ends[:-1] - np.uint64(SECTOR_SIZE)
            adjoining += int(np.count_nonzero(follows))
        if adjoining > best[1]:
            best = (bits, adjoining)
    return best if best[1] >= 2 else None
