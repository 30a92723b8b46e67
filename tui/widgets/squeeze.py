"""Which rows of a dump are drawn when rows that repeat the one above are squeezed into one line, as hexdump does."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import overload

from msgspec import Struct

from forensic.explore import View

BLOCK_ROWS = 512
"""Rows that are read and compared at once, until a repetition turns out to be long."""

MOST_ROWS = 16384
"""Rows that are read at once in a long repetition."""

FIRST_ROWS = 8
"""Rows that are compared at first: most rows are not repeated at all."""

BLOCKS = 160
"""Blocks that one window of lines may cost; what is left of a repetition longer than that is drawn row by row."""

ASKED = 12
"""Times that a window may ask in vain how far zeros reach that need not be read; between two, more rows are read."""

LEAPS = 6
"""Times that a window may leap over what need not be read: of a disk of zeros, one table after the other is asked.

Each repetition may leap once, however many there are.
"""

FEWEST_ROWS = 2
"""Rows that are worth a line that stands for them."""


class Line(Struct, frozen=True):
    """A row that is drawn; or, with `hidden`, so many rows from there that are all like the row above."""

    row: int
    hidden: int = 0


class OpenRows(Sequence[int]):
    """Rows in order, and one more among them; nothing is copied, since there may be a million."""

    def __init__(self, rows: Sequence[int], one: int) -> None:
        self._rows, self._one = rows, one
        self._at = bisect_left(rows, one)
        self._extra = not (self._at < len(rows) and rows[self._at] == one)

    def __len__(self) -> int:
        return len(self._rows) + self._extra

    @overload
    def __getitem__(self, index: int) -> int: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[int]: ...

    def __getitem__(self, index: int | slice) -> int | Sequence[int]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        if not self._extra or index < self._at:
            return self._rows[index]
        return self._one if index == self._at else self._rows[index - 1]


class Squeezer:
    """The lines of a dump with so many bytes in a row; `open_rows`, such as the cursor's, are never hidden."""

    def __init__(self, view: View, bytes_per_row: int, on: bool = True) -> None:
        """Without `on`, every row is drawn."""
        self._view = view
        self._width = bytes_per_row
        self._on = on
        self._rows = -(-view.size // bytes_per_row)
        self._blocks, self._asked, self._leaps = BLOCKS, ASKED, LEAPS

    def lines(self, top: int, count: int, open_rows: Sequence[int] = ()) -> list[Line]:
        """`count` lines from a row on, fewer at the end; `open_rows` are in order."""
        if not self._on:
            return [Line(row) for row in range(top, min(top + count, self._rows))]
        self._blocks, self._asked, self._leaps = BLOCKS, ASKED, LEAPS
        lines: list[Line] = []
        row = top
        while len(lines) < count and row < self._rows:
            lines.append(Line(row))
            row += 1
            number = bisect_left(open_rows, row)
            stop = open_rows[number] if number < len(open_rows) else self._rows
            end = self._end_of_run(row, min(stop, self._rows))
            if end - row >= FEWEST_ROWS:
                lines.append(Line(row, end - row))
                row = end
        return lines[:count]

    def above(self, row: int, open_rows: Sequence[int] = ()) -> int:
        """The row that is drawn above one: the first of a repetition, or the one before."""
        if row <= 1 or not self._on:
            return max(0, row - 1)
        model = self._read(row - 1, 1)
        if not model:
            return row - 1
        self._blocks = BLOCKS
        number = bisect_left(open_rows, row)
        limit = open_rows[number - 1] if number else 0
        if isinstance(model, str):
            first = max(limit, min(row - 1, -(-self._view.missing_around((row - 1) * self._width)[0] // self._width)))
        else:
            first = self._begin_of_equal(row - 1, limit, model)
        return first if row - 1 - first >= FEWEST_ROWS else row - 1

    def below(self, row: int, steps: int, open_rows: Sequence[int] = ()) -> int:
        """The row that is drawn so many lines below one, or the last."""
        lines = self.lines(row, 2 * steps + 2, open_rows)
        drawn = [line.row for line in lines if not line.hidden]
        return drawn[min(steps, len(drawn) - 1)] if drawn else row

    def _end_of_run(self, row: int, stop: int) -> int:
        """The first row from `row` on that is not like the one before it, up to `stop`."""
        model = self._read(row - 1, 1)
        self._leaps = max(1, self._leaps)
        if isinstance(model, str):
            return self._end_of_missing(row, stop, model)
        if len(model) < self._width:
            return row
        zeros, begun, leapt = not any(model), row, False
        while row < stop and self._blocks > 0:
            # Most rows are unlike the next, and so are those where known zeros end: those few bytes are not counted.
            first, leapt = row == begun or leapt, False
            known = self._end_of_known_zeros(row, stop) if zeros and not first else row
            if known > row:
                row, leapt = known, True
                continue
            count = min(FIRST_ROWS if first else self._rows_to_read(row - begun), stop - row)
            data = self._read(row, count)
            self._blocks -= 0 if first else -(-count // BLOCK_ROWS)
            if not isinstance(data, bytes) or not data:
                break
            same = self._same_rows(data, model)
            row += same
            if not same or same < len(data) // self._width:  # the last row may have fewer bytes
                break
        return row

    def _end_of_missing(self, row: int, stop: int, reason: str) -> int:
        """The first row from `row` on that is not known to be missing for the reason of the one before it."""
        while self._leaps:
            end = min(stop, self._view.missing_around((row - 1) * self._width)[1] // self._width)
            if end <= row:
                break
            self._leaps -= 1
            row = end
            if row >= stop or self._read(row, 1) != reason:
                break
            row += 1
        return row

    def _begin_of_equal(self, row: int, limit: int, model: bytes) -> int:
        """The first of the rows before one that are all like it, down to a limit."""
        begun = row
        while row > limit and self._blocks > 0:
            count = min(self._rows_to_read(begun - row), row - limit)
            data = self._read(row - count, count)
            self._blocks -= -(-count // BLOCK_ROWS)
            if not isinstance(data, bytes) or len(data) < count * self._width:
                break
            if data != model * count:
                rows = range(count - 1, -1, -1)
                unlike = next(at for at in rows if data[at * self._width : (at + 1) * self._width] != model)
                return row - count + unlike + 1
            row -= count
        return row

    def _rows_to_read(self, equal: int) -> int:
        """As many again as were found equal: to the end of a block, or whole blocks, as far as the window may read."""
        if equal < BLOCK_ROWS:
            return BLOCK_ROWS - equal
        return min(equal // BLOCK_ROWS * BLOCK_ROWS, MOST_ROWS, self._blocks * BLOCK_ROWS)

    def _end_of_known_zeros(self, row: int, stop: int) -> int:
        """After the zeros that the tables or the file system guarantee."""
        if not self._asked or not self._leaps:
            return row
        end = max(row, min(stop, self._view.zeros_until(row * self._width) // self._width))
        if end > row:
            self._leaps -= 1
        else:
            self._asked -= 1
        return end

    def _same_rows(self, data: bytes, model: bytes) -> int:
        """How many rows at the beginning are like the model."""
        if data == model * (len(data) // self._width):
            return len(data) // self._width
        starts = range(0, len(data) - self._width + 1, self._width)
        return next((number for number, at in enumerate(starts) if data[at : at + self._width] != model), len(starts))

    def _read(self, row: int, rows: int) -> bytes | str:
        return self._view.read(row * self._width, rows * self._width)
