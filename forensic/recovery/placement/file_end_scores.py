"""How well tables fit slots by where the guest's files end: data up to the last byte, and zeros after it.

A match proves nothing alone: data ends there by chance once in some thousand blocks that end with zeros. Something else
in place of the zeros speaks against a slot, unless the file was written since its inode was.
"""

from __future__ import annotations

import numpy as np

from forensic.disk.codecs import decode
from forensic.qcow2.arrays import I64, U64, Bools, NDArray
from forensic.qcow2.entries import SECTOR_SIZE, compressed_host_offset, compressed_stored_length
from forensic.recovery.accounts import Accounts, located
from forensic.recovery.anchors.file_ends import FileEnds
from forensic.recovery.kinds import Sector
from forensic.recovery.scan import Scan

POINTS = 24
"""For a table whose data ends where a file does, and against one with data where there have to be zeros."""

FEWEST_ZEROS = 8
"""Bytes of zeros after an end without which it is not looked for."""

USUAL_STEP = 64
"""Ends at a multiple of so many bytes are met by chance."""

MOST_PAIRS = 1 << 24
MOST_READ = 1 << 15
"""Pairs of an end and a table that are looked at, and those of which the bytes are read."""

MOST_DECODED = 128 << 20
"""Bytes of compressed clusters that are decoded."""

Scores = NDArray[np.float32]


def file_end_scores(accounts: Accounts, scan: Scan, orphans: U64, slots: I64, ends: FileEnds) -> Scores:
    """Points for each table in each slot; the slots rise."""
    geometry = accounts.geometry
    found = np.zeros((len(orphans), len(slots)), dtype=np.float32)
    last, size = ends.ends - 1, geometry.cluster_size
    numbers = np.searchsorted(slots, last // geometry.l1_coverage)
    wanted = slots[np.minimum(numbers, len(slots) - 1)] == last // geometry.l1_coverage
    zeros = np.minimum(ends.zeros, size - 1 - last % size)
    rows = _spread(np.flatnonzero(wanted & (zeros >= FEWEST_ZEROS)), MOST_PAIRS // max(1, len(orphans)))
    last, numbers, zeros = last[rows], numbers[rows], zeros[rows]
    indices, within = last % geometry.l1_coverage // size, last % size
    read, decoded = (most // max(1, len(orphans)) for most in (MOST_READ, MOST_DECODED // size))
    done = 0
    for batch, good in accounts.batches(np.arange(len(orphans)), orphans):
        places, streams = located(batch, good)
        for row in range(len(places)):
            hosts = places[row][indices].astype(np.int64)
            hosts = np.where((hosts == 0) | (hosts >= accounts.evidence.size), -1, hosts + within)
            against, look_at = _by_sectors(scan, hosts, zeros)
            np.subtract.at(found[done], numbers[against], POINTS)
            for at in _spread(np.flatnonzero(look_at), read).tolist():
                length = min(int(zeros[at]), SECTOR_SIZE - 1 - int(hosts[at]) % SECTOR_SIZE)
                raw = accounts.evidence.read_up_to_bad(int(hosts[at]), 1 + length)
                found[done, numbers[at]] += POINTS * _fits(raw, int(last[at]))
            for at in _spread(np.flatnonzero(streams[row][indices]), decoded).tolist():
                raw = _decoded(accounts, int(batch.entries[row, indices[at]]))
                part = raw[int(within[at]) :][: 1 + int(zeros[at])]
                found[done, numbers[at]] += POINTS * _fits(part, int(last[at]))
            done += 1
    return found


def _spread(rows: I64, most: int) -> I64:
    """So many at most, from everywhere."""
    return rows[:: -(-len(rows) // most) if most else len(rows) + 1] if len(rows) > most else rows


def _by_sectors(scan: Scan, hosts: I64, zeros: I64) -> tuple[Bools, Bools]:
    """Which ends cannot be at these host offsets (-1: nowhere), and which have to be looked at.

    Whole sectors after the end have to be zeros; that of the last byte has to be none of zeros.
    """
    count = len(scan.sectors)
    first, end = hosts // SECTOR_SIZE, np.minimum((hosts + zeros) // SECTOR_SIZE + 1, count)
    there = (hosts >= 0) & (first < count)
    against = np.zeros(len(hosts), dtype=np.bool_)
    for step in range(1, int((end - first).max(initial=0))):
        at = first + step
        inside = there & (at < end)
        against[inside] |= scan.sectors.at(at[inside]) != Sector.ZERO
    used = np.zeros(len(hosts), dtype=np.bool_)
    used[there] = scan.sectors.at(first[there]) != Sector.ZERO
    return against, there & used & ~against


def _decoded(accounts: Accounts, entry: int) -> bytes:
    """A compressed cluster; nothing if it cannot be decoded."""
    bits = accounts.geometry.cluster_bits
    place, stored = compressed_host_offset(entry, bits), compressed_stored_length(entry, bits)
    raw = accounts.evidence.read_or_nothing(place, stored)
    found = decode(raw, accounts.geometry.compression_type, accounts.geometry.cluster_size)
    return b"" if found.fault else bytes(found.data)


def _fits(raw: bytes, last: int) -> int:
    """1 if data ends with the first of these bytes, which has to be the last of a file; -1 if something else follows.

    0 if neither shows.
    """
    if not raw or any(raw[1:]):
        return -bool(raw)
    return int(raw[0] != 0 and (last + 1) % USUAL_STEP != 0)
