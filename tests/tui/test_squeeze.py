"""Which rows of a dump are drawn: repetitions in one line, and nothing lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from forensic import open_image
from forensic.explore import DiskView, FileView, Space
from tests.images import SOUND, opened, tiny
from tui.widgets.squeeze import BLOCK_ROWS, BLOCKS, Line, Squeezer


class Bytes:
    """A view of bytes; `holes` are known to be zeros."""

    space = Space.HOST

    def __init__(self, data: bytes, hole: tuple[int, int] = (0, 0)) -> None:
        self.data, self.hole = data, hole
        self.read_bytes = 0

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, offset: int, length: int) -> bytes | str:
        self.read_bytes += length
        return self.data[offset : offset + length]

    def stretches(self) -> Iterator[tuple[int, int]]:
        yield 0, self.size

    def zeros_until(self, offset: int) -> int:
        return self.hole[1] if self.hole[0] <= offset < self.hole[1] else offset

    def missing_around(self, offset: int) -> tuple[int, int]:
        return offset, offset


class Gaps(Bytes):
    """A view in which ranges are missing for a reason each; how far is known of one at a time."""

    def __init__(self, data: bytes, gaps: list[tuple[int, int, str]]) -> None:
        super().__init__(data)
        self.gaps = gaps

    def read(self, offset: int, length: int) -> bytes | str:
        end = min(offset + length, self.size)
        reasons = [reason for begin, until, reason in self.gaps if begin < end and offset < until]
        return reasons[0] if reasons else super().read(offset, length)

    def missing_around(self, offset: int) -> tuple[int, int]:
        return next((begin, end) for begin, end, _ in self.gaps if begin <= offset < end)


A, B, Z = b"a" * 16, b"b" * 16, bytes(16)


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (A + B + Z, [Line(0), Line(1), Line(2)]),
        (A + A + B, [Line(0), Line(1), Line(2)]),  # one row is not worth a line that stands for it
        (A * 4 + B, [Line(0), Line(1, 3), Line(4)]),
        (A * 200 + B * 3 + b"rest", [Line(0), Line(1, 199), Line(200), Line(201, 2), Line(203)]),
        (Z * 3 + b"zzz", [Line(0), Line(1, 2), Line(3)]),
    ],
)
def test_repetitions_become_one_line(data: bytes, lines: list[Line]) -> None:
    assert Squeezer(Bytes(data), 16).lines(0, 99) == lines


@pytest.mark.parametrize("width", [4, 8, 16, 32])
def test_a_last_row_of_any_length_is_drawn(width: int) -> None:
    """And the search for its like comes to an end, wherever the cursor is."""
    for size in range(1, 3 * width + 2):
        rows = -(-size // width)
        for data in (bytes(size), bytes(range(size)), b"\xaa" * size):
            for cursor in range(rows):
                lines = Squeezer(Bytes(data), width).lines(0, 10, [cursor])
                assert sum(line.hidden or 1 for line in lines) == rows


def test_open_rows_stay_and_the_count_is_kept() -> None:
    squeezer = Squeezer(Bytes(A * 20), 16)
    assert squeezer.lines(0, 99, [7]) == [Line(0), Line(1, 6), Line(7), Line(8, 12)]
    assert squeezer.lines(0, 2, [7]) == [Line(0), Line(1, 6)]
    assert squeezer.lines(5, 99) == [Line(5), Line(6, 14)]


def test_rows_that_are_missing_for_one_reason_become_one_line() -> None:
    row = 16
    gaps = [(2 * row, 40 * row, "no key"), (40 * row, 60 * row, "no key"), (60 * row, 70 * row + 8, "broken")]
    view = Gaps(A + B * 75, gaps)
    expected = [Line(0), Line(1), Line(2), Line(3, 57), Line(60), Line(61, 10), Line(71), Line(72, 4)]
    assert Squeezer(view, row).lines(0, 99) == expected
    assert Squeezer(view, row).lines(0, 6, [50]) == [*expected[:3], Line(3, 47), Line(50), Line(51, 9)]
    assert [Squeezer(view, row).above(each) for each in (60, 40, 70, 2)] == [40, 2, 60, 1]
    assert Squeezer(view, row).above(60, [50]) == 50
    assert Squeezer(view, row, on=False).lines(0, 76) == [Line(number) for number in range(76)]


def test_each_of_many_repetitions_is_leapt_over() -> None:
    row, rows = 16, BLOCKS * BLOCK_ROWS
    view = Gaps(A, [(number * rows * row, (number + 1) * rows * row, f"reason {number}") for number in range(40)])
    view.data = bytes(40 * rows * row)
    assert Squeezer(view, row).lines(0, 99)[::2] == [Line(number * rows) for number in range(40)]


def test_where_known_zeros_end_no_more_is_read_than_where_others_do() -> None:
    """Zeros that are known and rows that are not zero by turns: each stretch of zeros is one line."""
    rows, turns = BLOCKS * BLOCK_ROWS, 9

    class ByTurns(Bytes):
        def zeros_until(self, offset: int) -> int:
            turn = rows * 16
            return offset if (offset // turn + 1) * turn - offset <= 16 else (offset // turn + 1) * turn - 16

    view = ByTurns((Z * (rows - 1) + A) * turns)
    drawn = [
        Line(turn * rows + at, hidden) for turn in range(turns) for at, hidden in ((0, 0), (1, rows - 2), (rows - 1, 0))
    ]
    assert Squeezer(view, 16).lines(0, 99) == drawn


def test_every_row_is_in_exactly_one_line() -> None:
    data = b"".join(bytes([(number // 5) ** 2 % 3]) * 16 for number in range(500))
    covered = [
        row
        for line in Squeezer(Bytes(data), 16).lines(0, 999)
        for row in range(line.row, line.row + max(1, line.hidden))
    ]
    assert covered == list(range(500))


def test_ordinary_rows_do_not_use_up_what_repetitions_need() -> None:
    """A tall window of rows that are all different, and then a long repetition: it is still one line."""
    ordinary = b"".join(bytes([number % 251] * 16) for number in range(3 * BLOCKS))
    lines = Squeezer(Bytes(ordinary + A * 5000 + B), 16).lines(0, 4 * BLOCKS)
    assert lines[-3:] == [Line(3 * BLOCKS), Line(3 * BLOCKS + 1, 4999), Line(3 * BLOCKS + 5000)]


def test_known_zeros_are_not_read() -> None:
    rows = 40 * BLOCKS * BLOCK_ROWS
    view = Bytes(Z * rows + A, (0, 16 * rows))
    assert Squeezer(view, 16).lines(0, 9) == [Line(0), Line(1, rows - 1), Line(rows)]
    assert view.read_bytes < 1 << 15


@pytest.mark.parametrize("rows_before", [0, 1, 600, 4096, 20_000, 60_000])
def test_zeros_that_are_known_further_on_end_no_repetition(rows_before: int) -> None:
    """A cluster of zeros that has to be read, however large, and then a disk that is zero by its tables."""
    rows = rows_before + 400_000
    view = Bytes(Z * rows + A, (16 * rows_before, 16 * rows))
    assert Squeezer(view, 16).lines(0, 60) == [Line(0), Line(1, rows - 1), Line(rows)]
    assert view.read_bytes <= 2 * 16 * rows_before + 16 * BLOCK_ROWS


def test_a_window_costs_no_more_than_so_many_reads() -> None:
    view = Bytes(A * (3 * BLOCKS * BLOCK_ROWS))
    squeezer = Squeezer(view, 16)
    lines = squeezer.lines(0, 30)
    assert lines[:2] == [Line(0), Line(1, BLOCKS * BLOCK_ROWS)]
    assert [line.hidden for line in lines[2:]] == [0] * 28
    assert view.read_bytes < 2 * BLOCKS * BLOCK_ROWS * 16
    view.read_bytes = 0
    assert squeezer.above(3 * BLOCKS * BLOCK_ROWS - 1) == 3 * BLOCKS * BLOCK_ROWS - 2 - BLOCKS * BLOCK_ROWS
    assert view.read_bytes < 2 * BLOCKS * BLOCK_ROWS * 16


def test_the_row_above_is_the_first_of_its_repetition() -> None:
    squeezer = Squeezer(Bytes(B + A * 10 + B), 16)
    assert [squeezer.above(11), squeezer.above(1), squeezer.above(0)] == [1, 0, 0]
    assert squeezer.above(11, [5]) == 5
    assert Squeezer(Bytes(A + B + B + A), 16).above(3) == 2


def test_views_know_what_is_zero_without_reading(tmp_path: Path) -> None:
    with open_image(SOUND / "patterns-v3-4k.qcow2") as image:
        disk = DiskView(image)
        for offset in range(0, disk.size, 4096):
            end = disk.zeros_until(offset)
            assert offset <= end <= disk.size
            data = disk.read(offset, end - offset)
            assert isinstance(data, bytes)
            assert not any(data)
        assert any(disk.zeros_until(offset) > offset for offset in range(0, disk.size, 4096))
    with (tmp_path / "sparse.qcow2").open("wb") as stream:  # a data cluster that is a hole of the file
        stream.write(tiny([1 << 63 | 1 << 20], file_clusters=8))
        stream.truncate((1 << 20) + 512)
    with open_image(tmp_path / "sparse.qcow2") as image:
        assert DiskView(image).zeros_until(0) == 1 << 14
    with opened(tmp_path, tiny([])) as image:
        assert FileView(image.evidence).zeros_until(0) == 0
        assert DiskView(image).zeros_until(0) == 1 << 14
