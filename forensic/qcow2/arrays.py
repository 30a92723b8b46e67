"""Decoding of whole tables with numpy; the bits of an entry have their names in `forensic.qcow2.entries`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray as NDArray
else:  # numpy.typing takes as long to load as thirty modules of ours, for annotations that nothing reads
    NDArray = list

Scalar = TypeVar("Scalar", bound=np.generic)

U64 = NDArray[np.uint64]
"""Table entries in host byte order."""

I64 = NDArray[np.int64]
Bools = NDArray[np.bool_]


def big_endian(raw: bytes | memoryview) -> U64:
    """A table of big-endian 64-bit entries as an array in host order; a torn last entry is left out."""
    return np.frombuffer(raw, dtype=">u8", count=len(raw) // 8).astype(np.uint64)


def distinct(values: NDArray[Scalar]) -> NDArray[Scalar]:
    """The values in order, each once.

    `np.unique` would load numpy's masked arrays, to ask whether this is one: a tenth of a small image's time.
    """
    ordered = np.sort(values, axis=None)
    fresh = np.ones(len(ordered), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=fresh[1:])
    found: NDArray[Scalar] = ordered[fresh]
    return found


def distinct_counted(values: NDArray[Scalar]) -> tuple[NDArray[Scalar], I64]:
    """The values in order, each once, and how often each was there."""
    ordered = np.sort(values, axis=None)
    fresh = np.ones(len(ordered), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=fresh[1:])
    starts = np.flatnonzero(fresh)
    found: NDArray[Scalar] = ordered[starts]
    return found, np.diff(starts, append=len(ordered))


def without(values: I64, others: Sequence[int] | I64) -> I64:
    """The values in order, each once, that are not among others."""
    found = distinct(values)
    return found[~is_among(found, np.sort(np.array(others, dtype=np.int64)))]


def is_among(values: NDArray[Scalar], ordered: NDArray[Scalar]) -> NDArray[np.bool_]:
    """Which of the values are among others that are in rising order."""
    if not len(ordered):
        return np.zeros(values.shape, dtype=np.bool_)
    near = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    found: NDArray[np.bool_] = ordered[near] == values
    return found
