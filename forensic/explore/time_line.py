"""How the disk came to be what it is: each snapshot and the active disk, compared with the state before it.

By their mappings alone: what lies at the same place of the file is shared, whatever else is there was written since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum

import numpy as np
from msgspec import Struct

from forensic.disk.disk import Disk
from forensic.disk.opening import open_disk
from forensic.image import Qcow1Image, Qcow2Image
from forensic.mapping.extents import State
from forensic.mapping.rows import Rows
from forensic.qcow2.arrays import I64, Bools
from forensic.qcow2.snapshots import Snapshot

MAX_STRIPS = 64
"""States that are compared: the last ones."""


class Since(IntEnum):
    """What became of bytes since the state before."""

    NOTHING = 0
    SHARED = 1
    NEW = 2
    GONE = 3


class Strip(Struct, frozen=True):
    """One state of the disk: a snapshot, or the active disk (None).

    `cells` are equal parts of the disk, each with what is most telling of it (`Since`); `sums` are the bytes of each.
    """

    snapshot: Snapshot | None
    cells: Sequence[int]
    sums: Sequence[int]


class _TooManyRows(Exception):
    """More rows were to be compared than the caller wants to wait for."""


class _Rows:
    """Counts the rows that were compared."""

    def __init__(self, most: int | None) -> None:
        """Any number of them, or `most`."""
        self._left = most

    def count(self, rows: Rows) -> None:
        """Raises `_TooManyRows`."""
        if self._left is None:
            return
        self._left -= len(rows)
        if self._left < 0:
            raise _TooManyRows


def strips_of(
    image: Qcow2Image | Qcow1Image, cells: int, cancelled: Callable[[], bool], most_rows: int | None = None
) -> Iterator[Strip]:
    """The states in the order of the snapshot table, the active disk last; none if there is no snapshot.

    It ends early where more than `most_rows` rows would have to be compared: a hostile image repeats tables. Raises
    `Unsupported` for an image whose disks cannot be read.
    """
    if isinstance(image, Qcow1Image) or image.planned is not None or not image.header.nb_snapshots:
        return
    states: list[Snapshot | None] = [*image.snapshots.snapshots, None]
    before: Disk | None = None
    counted = _Rows(most_rows)
    if len(states) > MAX_STRIPS:
        before = open_disk(image, states[-MAX_STRIPS - 1])
    for state in states[-MAX_STRIPS:]:
        if cancelled():
            return
        disk = open_disk(image, state)
        try:
            sums = _compared(before, disk, cells, counted)
        except _TooManyRows:
            return
        telling = np.select([sums[Since.NEW] > 0, sums[Since.GONE] > 0, sums[Since.SHARED] > 0],
                            [Since.NEW, Since.GONE, Since.SHARED], Since.NOTHING)  # fmt: skip
        yield Strip(state, telling.tolist(), sums.sum(axis=1).tolist())
        before = disk


def _compared(before: Disk | None, disk: Disk, cells: int, counted: _Rows) -> I64:
    """Bytes of each `Since` in each cell."""
    from forensic.extraction.disk_difference import compared_by_mapping  # slow to load, and most images need it not

    sums = np.zeros((len(Since), cells), dtype=np.int64)
    edges = np.array([disk.size * number // cells for number in range(cells + 1)], dtype=np.int64)
    known = 0 if before is None else min(before.size, disk.size)
    if before is not None:
        for mine, others, equal in compared_by_mapping(before, disk):
            counted.count(others)
            had, has = _is_located(mine), _is_located(others)
            for what, rows, which in (
                (Since.SHARED, others, has & equal),
                (Since.NEW, others, has & ~equal),
                (Since.GONE, mine, had & ~has),
            ):
                sums[what] += _bytes_by_cell(rows[which], edges)
    if known < disk.size:
        for rows in disk.row_batches(known, disk.size):
            counted.count(rows)
            sums[Since.NEW] += _bytes_by_cell(rows[_is_located(rows)], edges)
    return sums


def _is_located(rows: Rows) -> Bools:
    found: Bools = np.isin(rows["state"], (State.DATA, State.COMPRESSED))
    return found


def _bytes_by_cell(rows: Rows, edges: I64) -> I64:
    """How many bytes of these rows, which are in order and apart, lie between each two edges."""
    if not len(rows):
        return np.zeros(len(edges) - 1, dtype=np.int64)
    starts, lengths = rows["guest_offset"].astype(np.int64), rows["length"].astype(np.int64)
    before = np.concatenate([[0], np.cumsum(lengths)])
    at = np.searchsorted(starts, edges, "right") - 1
    within = np.minimum(edges - starts[np.maximum(at, 0)], lengths[np.maximum(at, 0)])
    up_to = np.where(at < 0, 0, before[np.maximum(at, 0)] + within)
    found: I64 = np.diff(up_to)
    return found
