"""Lines are broken between words where the terminal ends, and nowhere else."""

import io
from collections.abc import Iterator

import pytest

from forensic.cli.wrapping import wrapped
from forensic.report.to_terminal import print_in_colour
from forensic.report.values import sentence

LINE = "critical  corruption  header-version  The version is neither 2 nor 3, and nothing after it was looked at"


@pytest.fixture(params=[40, 60, 79])
def columns(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setenv("COLUMNS", str(request.param))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    yield request.param


def test_a_line_is_broken_where_the_terminal_ends(columns: int) -> None:
    first, *rest = wrapped(LINE, 10).split("\n")
    assert max(map(len, (first, *rest))) <= columns
    assert all(line.startswith(" " * 10) and line[10] != " " for line in rest)
    assert " ".join([first, *(line.strip() for line in rest)]).split() == LINE.split()


def test_without_a_terminal_a_line_stays_whole() -> None:
    assert wrapped(LINE, 10) == LINE
    assert max(map(len, wrapped(LINE, 2, longest=50).split("\n"))) <= 50


def test_lines_in_colour_are_broken_and_indented(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    stream = io.StringIO()
    print_in_colour([[("  ", ""), (LINE, "high")], [("short", "code")]], stream)
    *broken, last = stream.getvalue().splitlines()
    assert last == "short"
    assert max(map(len, broken)) <= columns
    assert [line[:4] for line in broken[1:]] == ["    "] * (len(broken) - 1)
    assert " ".join(broken).split() == LINE.split()


def test_a_sentence_begins_with_a_capital() -> None:
    assert (sentence("the range"), sentence("")) == ("The range", "")
