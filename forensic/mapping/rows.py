"""Rows: guest ranges in one state as numpy records, and what is done with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from forensic.mapping.extents import Reason, State
from forensic.qcow2.arrays import U64, NDArray
from forensic.qcow2.intervals import piece_starts

ROW = np.dtype(
    [
        ("guest_offset", np.uint64),
        ("length", np.uint64),
        ("host_offset", np.uint64),
        ("stored_length", np.uint32),  # bytes to read for a compressed cluster, 0 otherwise
        ("state", np.uint8),
        ("reason", np.uint8),
        ("depth", np.uint8),  # 0 the image itself, 1 its backing file, and so on
        ("skip", np.uint32),  # of a compressed cluster: decoded bytes before the row's first
    ]
)

ROWS_AT_ONCE = 1 << 16
"""Rows that are given at once, where neighbours in different batches are merged."""

Rows = NDArray[np.void]
"""Extents as an array of `ROW`; host offsets count in the file that holds the data of layer `depth`."""


def joined(batches: Iterable[Rows]) -> Iterator[Rows]:
    """The same rows, neighbours of one kind merged across batches as they are within one; not too many at a time."""
    last = np.zeros(0, dtype=ROW)
    for batch in batches:
        rows = coalesced(np.concatenate([last, batch]))
        for start in range(0, len(rows) - 1, ROWS_AT_ONCE):
            yield rows[start : min(start + ROWS_AT_ONCE, len(rows) - 1)]
        last = rows[-1:]
    yield last


def single_row(guest_offset: int, length: int, state: State, reason: Reason = Reason.NONE, depth: int = 0) -> Rows:
    """One extent that lies nowhere in a file."""
    return np.array([(guest_offset, length, 0, 0, state, reason, depth, 0)], dtype=ROW)


def mark_absent(rows: Rows, which: NDArray[np.bool_], reason: Reason) -> None:
    """Turn the rows that `which` selects into ranges that cannot be read, for this reason."""
    rows["state"][which] = State.ABSENT
    rows["reason"][which] = reason


def coalesced(rows: Rows) -> Rows:
    """Merge neighbours that are one run, in the guest and where it matters in the file; they need not touch."""
    if len(rows) < 2:
        return rows
    before, after = rows[:-1], rows[1:]
    state, host_offset = after["state"], after["host_offset"]
    breaks = (state != before["state"]) | (after["reason"] != before["reason"]) | (after["depth"] != before["depth"])
    breaks |= after["guest_offset"] != before["guest_offset"] + before["length"]
    located = (state == State.DATA) | (state == State.ZERO_ALLOCATED) | (after["reason"] == Reason.ENTRY_BEYOND_EOF)
    breaks |= located & (host_offset != before["host_offset"] + before["length"])
    one_cluster = (host_offset == before["host_offset"]) & (after["skip"] == before["skip"] + before["length"])
    breaks |= (state == State.COMPRESSED) & ~one_cluster
    starts = piece_starts(breaks)
    merged: Rows = rows[starts]
    merged["length"] = np.add.reduceat(rows["length"], starts)
    return merged


def cut_at_file_end(rows: Rows, file_size: int) -> Rows:
    """Split data rows at the end of the file: what lies past it is absent, not zero."""
    data = rows["state"] == State.DATA
    ends = rows["host_offset"] + rows["length"]
    beyond = data & (ends > file_size)
    beyond_compressed = (rows["state"] == State.COMPRESSED) & (rows["host_offset"] >= file_size)
    mark_absent(rows, beyond_compressed, Reason.ENTRY_BEYOND_EOF)
    if not beyond.any():
        return rows
    whole = beyond & (rows["host_offset"] >= file_size)
    cut = beyond & ~whole
    tails = rows[cut].copy()
    inside = np.uint64(file_size) - tails["host_offset"]
    begin_later(tails, inside)
    rows["length"][cut] = inside
    mark_absent(rows, whole, Reason.ENTRY_BEYOND_EOF)
    mark_absent(tails, np.ones(len(tails), dtype=bool), Reason.ENTRY_BEYOND_EOF)
    together = np.concatenate([rows, tails])
    return together[np.argsort(together["guest_offset"], kind="stable")]


def clipped(rows: Rows, guest_start: int, guest_end: int) -> Rows:
    """Only what lies within the range."""
    ends = rows["guest_offset"] + rows["length"]
    rows = rows[(ends > guest_start) & (rows["guest_offset"] < guest_end)].copy()
    if not len(rows):
        return rows
    lead = max(0, guest_start - int(rows["guest_offset"][0]))
    begin_later(rows[:1], np.array([lead], dtype=np.uint64))
    rows["length"][-1] -= max(0, int(rows["guest_offset"][-1]) + int(rows["length"][-1]) - guest_end)
    return rows


def begin_later(rows: Rows, by: U64) -> None:
    """Let each row begin `by` bytes later."""
    rows["guest_offset"] += by
    rows["length"] -= by
    compressed = rows["state"] == State.COMPRESSED
    rows["skip"] += np.where(compressed, by, 0).astype(np.uint32)
    rows["host_offset"] += np.where(compressed, np.uint64(0), by)
