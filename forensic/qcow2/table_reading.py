"""How tables are read: as far as the file holds them, around bad sectors, and not where the file has holes."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np

from forensic.evidence import Evidence
from forensic.qcow2.arrays import I64, U64, Bools, NDArray, big_endian
from forensic.qcow2.geometry import Geometry
from forensic.qcow2.intervals import pieces

BATCH_BYTES = 1 << 20
"""Bytes of tables decoded at once: few calls for many small tables, still small enough for the processor's cache."""

ENTRY_SIZE = 8

SPARSE_BYTES = 1 << 20
"""From this length on, holes of the file inside an L1 table are skipped instead of read."""


MOST_UNASKED = 1024
"""Tables in a row that are read without asking whether they lie in a hole, since those before them do not."""


def read_table(evidence: Evidence, host_offset: int, entry_count: int) -> U64:
    """A table of 8-byte entries, bounded by the file; of a long one, holes of the file are not read."""
    length = entry_count * ENTRY_SIZE
    if length > SPARSE_BYTES:
        return _read_sparse(evidence, host_offset, length)
    return big_endian(read_what_is_there(evidence, host_offset, length))


def _read_sparse(evidence: Evidence, host_offset: int, length: int) -> U64:
    """A long table of 8-byte entries, of which only what the file system stores is read and takes memory."""
    end = min(host_offset + length, evidence.size)
    entries = np.zeros(max(0, end - host_offset) // ENTRY_SIZE, dtype=np.uint64)
    at = host_offset
    while (data := evidence.next_data_from(at)) < end:
        start = data - (data - host_offset) % ENTRY_SIZE
        stop = min(evidence.hole_from(data), start + SPARSE_BYTES, end)
        stop = min(stop + -(stop - host_offset) % ENTRY_SIZE, end)
        found = big_endian(raw := read_what_is_there(evidence, start, stop - start))
        first = (start - host_offset) // ENTRY_SIZE
        entries[first : first + len(found)] = found
        if len(raw) < stop - start:
            return entries[: first + len(found)]
        at = stop
    return entries


def within_file(offsets: U64, cluster_size: int, file_size: int) -> Bools:
    """Which offsets are set and lead to a cluster boundary inside the file."""
    aligned: Bools = (offsets & np.uint64(cluster_size - 1)) == 0
    inside: Bools = (offsets != 0) & aligned & (offsets < file_size)
    return inside


def tables_to_read(evidence: Evidence, host_offsets: U64, cluster_size: int) -> Bools:
    """Which of these tables, each a cluster, have to be read; the others lie in holes, and a few that do are read."""
    return stored_clusters(evidence, host_offsets, cluster_size, MOST_UNASKED)


def stored_clusters(evidence: Evidence, host_offsets: U64, cluster_size: int, most_unasked: int = 0) -> Bools:
    """Which of these clusters, given in file order, the file system stores, at least in part.

    The others lie in a hole of the file, wholly inside it, and read as zeros: asking costs two system calls a run of
    neighbours, reading a million of them costs a minute. With `most_unasked`, fewer and fewer are asked for where the
    answer is yes again and again, so that up to that many at the start of a hole are taken to be stored as well; then
    nobody asks where a run ends, for which a file in memory is looked through page by page.
    """
    # How much there is of one past the end of the file only reading can tell.
    found: Bools = host_offsets + np.uint64(cluster_size) > np.uint64(evidence.size)
    places = host_offsets.tolist()  # numpy takes longer to search for one number
    at = unasked = 0
    while at < len(places):
        data = evidence.next_data_from(places[at])
        if data >= evidence.size:
            break
        first = bisect_left(places, max(0, data - cluster_size + 1), at)
        if most_unasked:
            unasked = min(2 * unasked + 1, most_unasked) if first == at else 0
            stop = first + 1 + unasked
        else:
            stop = max(bisect_left(places, evidence.hole_from(data), first), at + 1)
        found[first:stop] = True
        at = stop
    return found


def read_clusters(evidence: Evidence, geometry: Geometry, offsets: U64) -> tuple[NDArray[np.uint8], I64]:
    """Whole clusters as an array [cluster, byte], neighbours read with one call; and how many bytes of each exist."""
    size = geometry.cluster_size
    raw = np.zeros((len(offsets), size), dtype=np.uint8)
    present = np.clip(evidence.size - offsets.astype(np.int64), 0, size)
    runs = pieces((np.diff(offsets.astype(np.int64)) != size) | (present[:-1] < size))
    starts, places = runs[:, 0], offsets[runs[:, 0]].tolist()
    lengths = np.add.reduceat(present, starts).tolist()
    evidence.expect(zip(places, lengths, strict=True))
    buffer = raw.reshape(-1).data
    parts = [buffer[first : first + length] for first, length in zip((starts * size).tolist(), lengths, strict=True)]
    for bad in evidence.read_each(places, parts):
        _read_one_by_one(evidence, offsets, raw, present, *runs[bad].tolist())
    return raw, present


def _read_one_by_one(
    evidence: Evidence, offsets: U64, raw: NDArray[np.uint8], present: I64, first: int, end: int
) -> None:
    """After a bad sector in a run of neighbours: keep the clusters that can be read, mark the others as missing."""
    for row in range(first, end):
        found = read_what_is_there(evidence, int(offsets[row]), int(present[row]))
        raw[row, : len(found)] = np.frombuffer(found, dtype=np.uint8)
        raw[row, len(found) :] = 0
        present[row] = len(found)


def read_what_is_there(evidence: Evidence, host_offset: int, length: int) -> bytes:
    """The bytes up to the end of the file or the first bad sector."""
    return evidence.read_up_to_bad(host_offset, length)
