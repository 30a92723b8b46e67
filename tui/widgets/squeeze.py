"""Which rows of a dump are drawn when rows that repeat the one above are squeezed into one line, as hexdump does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from forensic import View

BLOCK_ROWS = 64
"""Rows that are compared at once."""

LOOK_AHEAD = 4096
"""Rows that are read to find the end of a repetition; zeros that need not be read are skipped, however many."""

ROUNDS = 4
"""Times that zeros which have to be read and zeros which need not be may follow one another in one line."""

FEWEST = 2
"""Rows that are worth a line that stands for them."""


@dataclass(frozen=True)
class Line:
    """A row that is drawn; or, with `hidden`, so many rows from there that are all like the row above."""

    row: int
    hidden: int = 0


class Squeezer:
    """The lines of a dump with so many bytes in a row; `open_rows`, such as the cursor's, are never hidden."""

    def __init__(self, view: View, bytes_per_row: int, on: bool = True) -> None:
        """Without `on`, every row is drawn."""
        self._view = view
        self._width = bytes_per_row
        self._on = on
        self._rows = -(-view.size // bytes_per_row)

    def lines(self, top: int, count: int, open_rows: Sequence[int] = ()) -> list[Line]:
        """`count` lines from a row on, fewer at the end; `open_rows` are in order."""
        if not self._on:
            return [Line(row) for row in range(top, min(top + count, self._rows))]
        lines: list[Line] = []
        row = top
        while len(lines) < count and row < self._rows:
            lines.append(Line(row))
            row += 1
            stop = next((each for each in open_rows if each >= row), self._rows)
            end = self._end_of_run(row, min(stop, self._rows))
            if end - row >= FEWEST:
                lines.append(Line(row, end - row))
                row = end
        return lines[:count]

    def above(self, row: int, open_rows: Sequence[int] = ()) -> int:
        """The row that is drawn above one: the first of a repetition, or the one before."""
        if row <= 1 or not self._on:
            return max(0, row - 1)
        data = self._read(row - 1, 1)
        stop = max((each for each in open_rows if each < row), default=-1)
        first = row - 1
        while (
            isinstance(data, bytes) and first > max(stop, row - 1 - LOOK_AHEAD, 0) and data == self._read(first - 1, 1)
        ):
            first -= 1
        return first if row - 1 - first >= FEWEST else row - 1

    def below(self, row: int, steps: int, open_rows: Sequence[int] = ()) -> int:
        """The row that is drawn so many lines below one, or the last."""
        lines = self.lines(row, 2 * steps + 2, open_rows)
        drawn = [line.row for line in lines if not line.hidden]
        return drawn[min(steps, len(drawn) - 1)] if drawn else row

    def _end_of_run(self, row: int, stop: int) -> int:
        """The first row from `row` on that is not like the one before it, up to `stop`."""
        model = self._read(row - 1, 1)
        if not isinstance(model, bytes) or len(model) < self._width or row >= stop:
            return row
        for _ in range(ROUNDS):
            begin = row
            if not any(model):
                row = self._end_of_known_zeros(row, stop)
            row, ended = self._end_of_equal(row, min(stop, row + LOOK_AHEAD), model)
            if ended or row in (begin, stop):
                break
        return row

    def _end_of_equal(self, row: int, limit: int, model: bytes) -> tuple[int, bool]:
        """How far rows are like this one, up to a limit, and whether one was met that is not."""
        while row < limit:
            data = self._read(row, min(BLOCK_ROWS, limit - row))
            if not isinstance(data, bytes) or not data:
                return row, True
            if data != model * (len(data) // self._width):
                return row + self._same_rows(data, model), True
            row += len(data) // self._width
        return row, False

    def _end_of_known_zeros(self, row: int, stop: int) -> int:
        """Behind the zeros that the tables or the file system vouch for."""
        for _ in range(BLOCK_ROWS):
            reached = min(stop, self._view.zeros_until(row * self._width) // self._width)
            if reached <= row:
                break
            row = reached
        return row

    def _same_rows(self, data: bytes, model: bytes) -> int:
        starts = range(0, len(data) - self._width + 1, self._width)
        return next((number for number, at in enumerate(starts) if data[at : at + self._width] != model), len(starts))

    def _read(self, row: int, rows: int) -> bytes | str:
        return self._view.read(row * self._width, rows * self._width)
