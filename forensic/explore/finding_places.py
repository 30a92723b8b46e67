"""Where every problem of every rule lies: a finding words the first few only, a map has to show all of them."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Iterable

import numpy as np
from msgspec import Struct

from forensic.finding import Range, Space
from forensic.qcow2.arrays import I64

MOST_PLACES = 1 << 20
"""Places of one rule that are kept; 16 bytes each."""

FURTHEST = 1 << 62
"""Offsets past this are of no file and no disk; they are kept as this one."""


class Places(Struct, frozen=True):
    """Ranges of one address space in the order of their beginnings, in bytes; `reach` is the furthest end so far."""

    begins: I64
    ends: I64
    reach: I64

    def __len__(self) -> int:
        return len(self.begins)

    def overlapping(self, start: int, end: int) -> list[tuple[int, int]]:
        """Offset and length of those that have a byte in the range from `start` to `end`."""
        first = int(np.searchsorted(self.reach, start, side="right"))
        last = int(np.searchsorted(self.begins, end))
        begins, ends = self.begins[first:last], self.ends[first:last]
        inside = ends > start
        return list(zip(begins[inside].tolist(), (ends - begins)[inside].tolist(), strict=True))

    def next(self, offset: int, backwards: bool = False) -> tuple[int, int] | None:
        """Offset and length of the next that begins after (or before) an offset; None if there is none."""
        if backwards:
            number = int(np.searchsorted(self.begins, offset)) - 1
        else:
            number = int(np.searchsorted(self.begins, offset, side="right"))
        if not 0 <= number < len(self.begins):
            return None
        begin = int(self.begins[number])
        return begin, int(self.ends[number]) - begin


def places_from(begins: I64, lengths: I64) -> Places:
    """Places in any order, put in order; of those that are the same one is kept."""
    ends = begins + np.maximum(lengths, 1)
    order = np.lexsort((ends, begins))
    begins, ends = begins[order], ends[order]
    kept = np.ones(len(begins), dtype=np.bool_)
    kept[1:] = (begins[1:] != begins[:-1]) | (ends[1:] != ends[:-1])
    return Places(begins[kept], ends[kept], np.maximum.accumulate(ends[kept]))


def joined(several: Iterable[Places]) -> Places:
    """The places of several rules as one."""
    parts = [places for places in several if len(places)]
    if not parts:
        return places_from(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    begins = np.concatenate([places.begins for places in parts])
    return places_from(begins, np.concatenate([places.ends for places in parts]) - begins)


class FindingPlaces:
    """The places of each rule, filled by the thread of a check (`add` is what `check` calls) and read by others."""

    def __init__(self, most: int = MOST_PLACES) -> None:
        """Keep up to so many places of each rule and space."""
        self._most = most
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, Space], tuple[array[int], array[int]]] = {}
        self._sorted: dict[tuple[str, Space], tuple[int, Places]] = {}
        self._full: set[str] = set()

    def add(self, code: str, ranges: tuple[Range, ...]) -> bool:
        """Keep where a problem lies; False once there is no more room for this rule."""
        with self._lock:
            for place in ranges:
                begins, lengths = self._kept.setdefault((code, place.space), (array("q"), array("q")))
                if len(begins) >= self._most:
                    self._full.add(code)
                    return False
                begins.append(min(place.offset, FURTHEST))
                lengths.append(min(place.length, FURTHEST))
        return True

    def of(self, code: str, space: Space) -> Places:
        """The places of a rule so far."""
        with self._lock:
            begins, lengths = self._kept.get((code, space), (array("q"), array("q")))
            count, places = self._sorted.get((code, space), (-1, None))
            if places is not None and count == len(begins):
                return places
            count, found = len(begins), (np.array(begins, dtype=np.int64), np.array(lengths, dtype=np.int64))
        places = places_from(*found)
        self._sorted[code, space] = count, places
        return places

    def is_complete(self, code: str) -> bool:
        """Whether every place of the rule so far was kept."""
        return code not in self._full
