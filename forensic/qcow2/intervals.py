"""Intervals: runs and pieces of arrays, and ranges that are merged or clipped, without a loop.

Ranges are rows of begin and end (the place after the last), in rising order of their begin.
"""

from __future__ import annotations

import numpy as np

from forensic.qcow2.arrays import I64, Bools, NDArray


def piece_starts(breaks: Bools) -> I64:
    """Where the pieces of an array begin that is parted between elements i and i + 1 where `breaks[i]` is set.

    The array has one element more than `breaks`, so it is not empty.
    """
    return np.concatenate([[0], np.flatnonzero(breaks) + 1])


def pieces(breaks: Bools) -> I64:
    """The same pieces as ranges of indices."""
    starts = piece_starts(breaks)
    return np.stack([starts, np.append(starts[1:], len(breaks) + 1)], axis=1)


def equal_runs(values: NDArray[np.generic]) -> I64:
    """The ranges of indices over which neighbours are equal; together they cover the array."""
    return pieces(values[1:] != values[:-1]) if len(values) else np.zeros((0, 2), dtype=np.int64)


def true_runs(marks: Bools) -> I64:
    """The ranges of indices over which all marks are set."""
    return np.flatnonzero(np.diff(marks, prepend=False, append=False)).reshape(-1, 2)


def joined(ranges: I64, breaks: Bools) -> I64:
    """The ranges, each piece of them (see `piece_starts`) as one, from its first begin to its last end."""
    if len(ranges) < 2:
        return ranges
    found = pieces(breaks)
    return np.stack([ranges[found[:, 0], 0], ranges[found[:, 1] - 1, 1]], axis=1)


def merged(ranges: I64) -> I64:
    """The ranges, those that touch or overlap as one."""
    reach = np.maximum.accumulate(ranges[:, 1])
    return joined(np.stack([ranges[:, 0], reach], axis=1), ranges[1:, 0] > reach[:-1])


def clipped(ranges: I64, within: I64) -> I64:
    """The parts of the ranges that lie inside those of `within`, which do not overlap."""
    if not len(ranges):
        return ranges
    first = np.searchsorted(within[:, 1], ranges[:, 0], side="right")
    last = np.searchsorted(within[:, 0], ranges[:, 1], side="left")
    counts = np.maximum(last - first, 0)
    rows = np.repeat(np.arange(len(ranges)), counts)
    inside = np.repeat(first, counts) + np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.stack(
        [np.maximum(ranges[rows, 0], within[inside, 0]), np.minimum(ranges[rows, 1], within[inside, 1])], axis=1
    )
