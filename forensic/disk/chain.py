"""The rows of a whole backing chain: those of each layer, and through its gaps those of the layers below."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from forensic.disk.layer import Layer
from forensic.mapping.extents import Reason, State
from forensic.mapping.rows import Rows, begin_later, clipped, coalesced, mark_absent, single_row
from forensic.qcow2.arrays import U64, distinct

GATHERED_ROWS = 8192
"""Rows that are held against the next layer at once: small batches over a layer with large tables would read those
tables again and again."""


def rows_of_chain(layers: tuple[Layer, ...], depth: int, start: int, end: int) -> Iterator[Rows]:
    """The rows of a layer and of everything below that shows through it.

    A layer that is shorter than the one above it reads as zeros beyond its end, whatever lies below: nothing is
    allocated there as far as the layer above is concerned, so its depth is given, as QEMU does.
    """
    layer = layers[depth]
    own_end = min(end, layer.size)
    if start < own_end:
        batches = _at_depth(layer.row_batches(start, own_end), depth)
        if depth + 1 == len(layers):
            yield from batches
        else:
            for rows in _gathered(batches):
                yield from _with_what_shows_through(rows, layers, depth)
    if own_end < end:
        start = max(start, own_end)
        yield single_row(start, end - start, State.UNALLOCATED, depth=depth - 1)


def mark_what_was_not_supplied(layers: tuple[Layer, ...], rows: Rows) -> None:
    """Turn rows absent, in place, whose bytes lie in a file or under a key that was not supplied."""
    for depth, layer in enumerate(layers):
        if layer.data_lacks != Reason.NONE:
            here = (rows["depth"] == depth) & (rows["state"] == State.DATA)
            mark_absent(rows, here, layer.data_lacks)
    last = len(layers) - 1
    if layers[last].backing_file is not None:
        beneath = (rows["depth"] == last) & (rows["state"] == State.UNALLOCATED)
        mark_absent(rows, beneath, Reason.BACKING_NOT_SUPPLIED)


def _at_depth(batches: Iterable[Rows], depth: int) -> Iterator[Rows]:
    for rows in batches:
        if len(rows):
            rows["depth"] = depth
            yield rows


def _gathered(batches: Iterable[Rows]) -> Iterator[Rows]:
    """Consecutive batches put together until they have `GATHERED_ROWS` rows."""
    held: list[Rows] = []
    count = 0
    for rows in batches:
        held.append(rows)
        count += len(rows)
        if count >= GATHERED_ROWS:
            yield np.concatenate(held)
            held, count = [], 0
    if held:
        yield np.concatenate(held)


def _with_what_shows_through(rows: Rows, layers: tuple[Layer, ...], depth: int) -> Iterator[Rows]:
    """The rows of one layer, those that are unallocated replaced by the rows of the layer below."""
    open_rows = np.flatnonzero(rows["state"] == State.UNALLOCATED)
    if not len(open_rows):
        yield rows
        return
    first, last = int(open_rows[0]), int(open_rows[-1])
    if first:
        yield rows[:first]
    start = int(rows["guest_offset"][first])
    end = int(rows["guest_offset"][last]) + int(rows["length"][last])
    for below in rows_of_chain(layers, depth + 1, start, end):
        below_start = int(below["guest_offset"][0])
        below_end = int(below["guest_offset"][-1]) + int(below["length"][-1])
        yield coalesced(_overlaid(clipped(rows, below_start, below_end), below, below_end))
    if last + 1 < len(rows):
        yield rows[last + 1 :]


def _overlaid(above: Rows, below: Rows, end: int) -> Rows:
    """Two layers over the same guest range: the rows above, and where they are unallocated those below."""
    starts = distinct(np.concatenate([above["guest_offset"], below["guest_offset"]]))
    merged = pieces_at(above, starts, end)
    unallocated = merged["state"] == State.UNALLOCATED
    merged[unallocated] = pieces_at(below, starts, end)[unallocated]
    return merged


def pieces_at(rows: Rows, starts: U64, end: int) -> Rows:
    """The pieces of `rows` that begin at `starts`, of which the first is that of the rows; the last ends at `end`."""
    pieces: Rows = rows[np.searchsorted(rows["guest_offset"], starts, side="right") - 1]
    begin_later(pieces, starts - pieces["guest_offset"])
    pieces["length"] = np.diff(np.append(starts, np.uint64(end)))
    return pieces
