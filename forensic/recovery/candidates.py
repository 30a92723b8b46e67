"""Clusters that read as tables: L2 tables, L1 tables and refcount tables, by their content alone.

What a cluster looks like proves nothing: a guest may keep a qcow2 image, or a table may have been planted. It is what
the ladder of `forensic.recovery.placement.slots` and the accounts of `forensic.recovery.accounts` choose from.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec import Struct

from forensic.evidence import Evidence
from forensic.qcow2.arrays import I64, U64, Bools, NDArray, big_endian
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
from forensic.recovery.kinds import Sector
from forensic.recovery.scan import Scan
from forensic.recovery.tally import Tally

Counts = NDArray[np.int32]
"""Numbers of entries of one table each, of which there may be a million; a table has at most 2^18."""

MAX_CANDIDATES = 1 << 20
"""Tables that are looked at, in the order of the file; how many more there are is counted and said."""

MOST_OTHER = 0.25
"""The share of a table's sectors that something else may have been written over."""

LEAST_DISTINCT = 0.9
L1_TARGETS = 0.6
"""The share of an L1 table's entries that have to lead to tables."""

LEAST_COPIED = 0.25
"""The share of the entries that have the copied bit for these alone to say the cluster size."""

SAMPLED_SECTORS = 1 << 14
READ_AT_ONCE = 1 << 20
TABLES_AT_ONCE = 1 << 12
TABLE_KINDS = (Sector.STANDARD, Sector.COMPRESSED, Sector.EXTENDED)


class Candidates(Struct, frozen=True):
    """Clusters that read as tables of offsets, in file order; all columns are of one length.

    `used` counts the entries that are not zero, `located` those with an aligned host offset, `copied` those that say
    that their cluster has one reference, `flagged` those with the zero flag, `streams` the compressed descriptors,
    `tables` the located entries that lead to other candidates, `beyond` those that lead past the end of the file, which
    may have been cut. `partial` tables have sectors that read as something
    else. `more` candidates were left out.
    """

    host_offsets: U64
    used: Counts
    located: Counts
    copied: Counts
    flagged: Counts
    streams: Counts
    tables: Counts
    beyond: Counts
    partial: Bools
    more: int = 0

    @property
    def l1_like(self) -> Bools:
        """Which read as (part of) an L1 table: only offsets, most of those in the file of tables."""
        plain: Bools = (self.flagged == 0) & (self.streams == 0) & (self.located == self.used)
        return plain & (self.tables > 0) & (self.tables >= L1_TARGETS * (self.located - self.beyond))

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
            self.beyond[which],
            self.partial[which],
            self.more,
        )

    def joined(self, rows: list[tuple[int, ...]]) -> Candidates:
        """These and some partial tables: of each the host offset and the columns from `used` to `beyond`."""
        if not rows:
            return self
        more = np.array(rows, dtype=np.int64).T
        own = (self.used, self.located, self.copied, self.flagged, self.streams, self.tables, self.beyond)
        new = np.concatenate([np.stack(own), more[1:]], axis=1, dtype=np.int32)
        offsets = np.concatenate([self.host_offsets, more[0].astype(np.uint64)])
        partial = np.concatenate([self.partial, np.ones(len(rows), np.bool_)])
        both = Candidates(offsets, new[0], new[1], new[2], new[3], new[4], new[5], new[6], partial, self.more)
        return both.chosen(np.argsort(offsets, kind="stable"))

    def index(self, host_offset: int) -> int | None:
        """The place of a table in the columns."""
        at = int(np.searchsorted(self.host_offsets, np.uint64(host_offset)))
        return at if at < len(self.host_offsets) and int(self.host_offsets[at]) == host_offset else None


def find_candidates(evidence: Evidence, scan: Scan, cluster_bits: int, extended: bool) -> Candidates:
    """The clusters whose sectors read as parts of a table, and what their entries say."""
    offsets, partial, more = _by_sectors(scan, cluster_bits, extended)
    marks = Tally(-(-len(scan.sectors) >> (cluster_bits - 9)))
    marks.add((offsets >> np.uint64(cluster_bits)).astype(np.int64))
    kept = np.zeros(len(offsets), dtype=np.bool_)
    columns = np.zeros((7, len(offsets)), dtype=np.int32)
    for first, count, rows, words in _used_sectors(evidence, scan, offsets, cluster_bits):
        part = slice(first, first + count)
        words = words[:, 0::2] if extended else words
        kept[part], columns[:, part] = _judged(words, rows, offsets[part], marks, cluster_bits)
    every = (column if kept.all() else column[kept] for column in columns)
    used, located, copied, flagged, streams, tables, beyond = every
    return Candidates(offsets[kept], used, located, copied, flagged, streams, tables, beyond, partial[kept], more)


def _by_sectors(scan: Scan, cluster_bits: int, extended: bool) -> tuple[U64, Bools, int]:
    """Host offset of every cluster that has few sectors which are no part of a table, and at least one that is."""
    kinds = TABLE_KINDS if extended else TABLE_KINDS[:2]
    places, partial = [np.zeros(0, np.int64)], [np.zeros(0, np.bool_)]
    kept = more = 0
    others = tuple(kind for kind in Sector if kind != Sector.ZERO and kind not in kinds)
    for clusters, _, (table, other) in scan.counts(cluster_bits, kinds, others):
        rows = np.flatnonzero((table > 0) & (other <= MOST_OTHER * (table + other)) & (clusters > 0))
        some = rows[: MAX_CANDIDATES - kept]
        kept, more = kept + len(some), more + len(rows) - len(some)
        places.append(clusters[some])
        partial.append(other[some] > 0)
    return np.concatenate(places).astype(np.uint64) << np.uint64(cluster_bits), np.concatenate(partial), more


def read_table(evidence: Evidence, host_offset: int, length: int) -> U64:
    """The words of a table; zeros in place of what is not in the file or cannot be read."""
    raw = evidence.read_up_to_bad(host_offset, length)
    return big_endian(raw.ljust(length, b"\0"))


def _used_sectors(
    evidence: Evidence, scan: Scan, offsets: U64, cluster_bits: int
) -> Iterator[tuple[int, int, I64, U64]]:
    """The sectors of tables that read as parts of one and are not zero, those of some tables at a time.

    The first table, how many, of each sector the number of its table among them, and its words. What is zero in a table
    is not read: a planted one may be all hole but for a sector.
    """
    per_cluster = 1 << (cluster_bits - 9)
    step = max(1, READ_AT_ONCE // SECTOR_SIZE // per_cluster)
    waiting: list[tuple[I64, I64]] = []
    first, count, sectors = 0, 0, 0
    for at in range(0, len(offsets), step):
        begin = (offsets[at : at + step] >> np.uint64(9)).astype(np.int64)
        rows, places = np.nonzero(scan.table_like(begin, per_cluster, TABLE_KINDS))
        waiting.append((rows + (at - first), begin[rows] + places))
        count, sectors = count + len(begin), sectors + len(rows)
        if sectors >= READ_AT_ONCE // SECTOR_SIZE or count >= TABLES_AT_ONCE:
            yield first, count, *_read(evidence, waiting)
            first, count, sectors, waiting = at + len(begin), 0, 0, []
    if count:
        yield first, count, *_read(evidence, waiting)


def _read(evidence: Evidence, waiting: list[tuple[I64, I64]]) -> tuple[I64, U64]:
    """The words of sectors; neighbours are read at once."""
    rows = np.concatenate([part for part, _ in waiting])
    sectors = np.concatenate([part for _, part in waiting])
    breaks = np.flatnonzero(np.diff(sectors) != 1) + 1
    starts, stops = [0, *breaks.tolist()], [*breaks.tolist(), len(sectors)]
    found = [
        read_table(evidence, int(sectors[start]) * SECTOR_SIZE, (stop - start) * SECTOR_SIZE)
        for start, stop in zip(starts, stops, strict=True)
        if start < stop
    ]
    words = np.concatenate([np.zeros(0, np.uint64), *found])
    return rows, words.reshape(-1, SECTOR_SIZE // 8)


def _judged(words: U64, rows: I64, own: U64, marks: Tally, cluster_bits: int) -> tuple[Bools, list[I64]]:
    """Which tables are candidates, and their columns; `rows` says of each sector whose it is."""
    tables = np.repeat(rows, words.shape[1])
    entries = words.reshape(-1)
    in_use = entries != 0
    tables, entries = tables[in_use], entries[in_use]
    streams = is_compressed(entries)
    offsets = host_offset_of(entries)
    offsets[streams] = 0
    located = offsets != 0

    def counted(which: Bools) -> I64:
        return np.bincount(tables[which], minlength=len(own))

    unaligned = located & ((offsets & np.uint64((1 << cluster_bits) - 1)) != 0)
    itself = located & (offsets == own[tables])
    count, distinct = counted(located), _distinct(tables[located], offsets[located], len(own))
    used = np.bincount(tables, minlength=len(own))
    kept = (counted(unaligned) == 0) & (distinct >= LEAST_DISTINCT * count) & (counted(itself) == 0) & (used > 0)
    copied = is_copied(entries)
    flagged = has_zero_flag(entries) & ~streams
    to_tables = located & _are_marked(marks, offsets, cluster_bits)  # of what is not aligned nothing is kept
    beyond = offsets >= np.uint64(marks.size << cluster_bits)
    return kept, [used, count, *(counted(one) for one in (copied, flagged, streams, to_tables, beyond))]


def _are_marked(marks: Tally, offsets: U64, cluster_bits: int) -> Bools:
    """Which offsets are in a marked cluster; what lies past the end of the file is not."""
    numbers = (offsets >> np.uint64(cluster_bits)).astype(np.int64)
    inside = numbers < marks.size
    if inside.all():
        return marks.are_counted(numbers)
    numbers[~inside] = 0
    return marks.are_counted(numbers) & inside


def _distinct(tables: I64, offsets: U64, count: int) -> I64:
    """How many different offsets each of the tables has."""
    if bool(((offsets[1:] > offsets[:-1]) | (tables[1:] != tables[:-1])).all()):  # as a converter writes them
        return np.bincount(tables, minlength=count)
    order = np.lexsort((offsets, tables))
    tables, offsets = tables[order], offsets[order]
    new = np.ones(len(tables), dtype=np.bool_)
    new[1:] = (tables[1:] != tables[:-1]) | (offsets[1:] != offsets[:-1])
    found: I64 = np.bincount(tables[new], minlength=count)
    return found


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
    extended = scan.sectors.at(sectors) == Sector.EXTENDED
    rows[extended, 1::2] = 0
    rows[is_compressed(rows)] = 0
    located = host_offset_of(rows) != 0
    copied = located & is_copied(rows)
    several = located.sum(axis=1) >= 2
    others = located & several[:, np.newaxis] & (host_offset_of(rows) >= np.uint64(1536))
    count = np.count_nonzero(copied)
    enough = count >= 4 and count >= LEAST_COPIED * np.count_nonzero(others)  # a snapshot clears the bit
    chosen = copied if enough else others
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
