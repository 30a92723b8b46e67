"""How often each host cluster of a file was counted: a bit for the first time, a byte more only where there are others.

Nearly every cluster of an image has one reference, so that a hundred million of them take 16 MiB.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from forensic.qcow2.arrays import I64, Bools, NDArray, distinct_counted

MOST = 255
"""Times beyond which it is not counted."""

AT_ONCE = 1 << 20
"""Clusters that are looked at together; a multiple of 8."""

DENSE = 8
"""Numbers that are no sparser than one in so many are entered as a stretch of bits."""

Times = NDArray[np.uint8]


class Tally:
    """So many counters, all zero; numbers are those of counters that there are. Untouched ones take no memory."""

    def __init__(self, size: int) -> None:
        """So many counters."""
        self.size = size
        self.any = False
        self._once = np.zeros((size + 7) // 8, dtype=np.uint8)
        self._more = np.zeros(0, dtype=np.uint8)

    @property
    def has_more(self) -> bool:
        """Whether anything was counted more than once."""
        return len(self._more) > 0

    def add(self, numbers: I64) -> None:
        """Count each of these once more, in any order."""
        if not len(numbers):
            return
        self.any = True
        low, high = int(numbers.min()), int(numbers.max())
        if high - low < DENSE * len(numbers) and self._add_stretch(numbers, low, high):
            return
        self._put(*distinct_counted(numbers))

    def put(self, numbers: I64, times: I64) -> None:
        """Count each of these, which rise, so many times more."""
        self.add(numbers[times == 1])
        more = times > 1
        if more.any():
            self.any = True
            self._put(numbers[more], times[more])

    def at(self, numbers: I64) -> Times:
        """The counts of some."""
        found: Times = self.are_counted(numbers).view(np.uint8)
        if self.has_more:
            found += self._more[numbers]
        return found

    def are_counted(self, numbers: I64) -> Bools:
        """Which of some were counted at all."""
        if not self.any:
            return np.zeros(numbers.shape, dtype=np.bool_)
        bits = self._once[numbers >> 3]
        bits >>= (numbers & 7).astype(np.uint8)
        bits &= np.uint8(1)
        found: Bools = bits.view(np.bool_)
        return found

    def part(self, part: slice) -> Times:
        """The counts of one of the `parts`."""
        if not self.any:
            return np.zeros(part.stop - part.start, dtype=np.uint8)
        bits = self._once[part.start // 8 : -(-part.stop // 8)]
        found = np.unpackbits(bits, count=part.stop - part.start, bitorder="little")
        if self.has_more:
            found += self._more[part]
        return found

    def of(self, numbers: slice | I64) -> Times:
        """The counts of a part, or of some."""
        return self.part(numbers) if isinstance(numbers, slice) else self.at(numbers)

    def parts(self) -> Iterator[slice]:
        """All counters in parts."""
        for first in range(0, self.size, AT_ONCE):
            yield slice(first, min(first + AT_ONCE, self.size))

    def _add_stretch(self, numbers: I64, low: int, high: int) -> bool:
        """Count distinct numbers that lie close together and were not counted yet; False if they are not such."""
        begin = low // 8
        marks = np.zeros(high + 1 - 8 * begin, dtype=np.bool_)
        marks[numbers - 8 * begin] = True
        if np.count_nonzero(marks) != len(numbers):
            return False
        new = np.packbits(marks, bitorder="little")
        there = self._once[begin : begin + len(new)]
        if (there & new).any():
            return False
        there |= new
        return True

    def _put(self, numbers: I64, times: NDArray[np.int64]) -> None:
        before = self.are_counted(numbers)
        new = numbers[~before]
        places, bits = new >> 3, np.left_shift(1, new & 7).astype(np.uint8)
        starts = np.flatnonzero(np.append(True, places[1:] != places[:-1]))
        if len(new):
            self._once[places[starts]] |= np.bitwise_or.reduceat(bits, starts)
        more = times - ~before
        again = more > 0
        if not again.any():
            return
        if not self.has_more:
            self._more = np.zeros(self.size, dtype=np.uint8)
        numbers = numbers[again]
        self._more[numbers] = np.minimum(self._more[numbers] + more[again], MOST - 1)
