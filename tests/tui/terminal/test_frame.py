"""What is sent to the terminal: as little as will do, and after it the terminal shows what it is to show."""

from __future__ import annotations

import random

import pytest
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style

from tests.tui.terminal.emulator import BLANK, Emulator
from tui.terminal.frame import Frame

WIDTH, HEIGHT = 30, 6
STYLES = [
    Style.parse(words)
    for words in (
        "none",
        "red",
        "bold red",
        "red on #102030",
        "#a9b1d6 on #102030",
        "underline",
        "reverse bold",
        "on blue",
    )
]
TEXTS = ("a", "b", " ", "·", "░", "漢", "字", "e\u0301", "漢\u0301")
TRUE = ColorSystem.TRUECOLOR


def strip(dice: random.Random, columns: int) -> list[Segment]:
    """Random text in random styles that fills so many columns."""
    segments, left = [], columns
    while left:
        text = dice.choice(TEXTS)
        if (width := Segment(text).cell_length) <= left:
            segments.append(Segment(text, dice.choice(STYLES)))
            left -= width
    return segments


def drawn(frame: Frame, *pieces: tuple[int, int, list[Segment]]) -> str:
    return frame.difference(pieces, (WIDTH, HEIGHT), TRUE)


@pytest.mark.parametrize("seed", range(40))
def test_after_what_was_sent_the_terminal_shows_what_it_is_to_show(seed: int) -> None:
    """Whole screens and pieces of them, in any order; a terminal that is told everything is the model."""
    dice = random.Random(seed)
    frame, terminal, model = Frame(), Emulator(WIDTH, HEIGHT), Emulator(WIDTH, HEIGHT)
    whole = [(row, 0, strip(dice, WIDTH)) for row in range(HEIGHT)]
    for number in range(12):
        row, column = dice.randrange(HEIGHT), dice.randrange(WIDTH)
        changed = list(whole)
        if number % 3 == 0:
            changed = [(y, 0, strip(dice, WIDTH) if dice.random() < 0.4 else line) for y, _, line in whole]
            pieces, whole = changed, changed
        else:
            pieces = [(row, 0, strip(dice, column)), (row, column, strip(dice, WIDTH - column))]
            whole[row] = (row, 0, [*pieces[0][2], *pieces[1][2]])
        terminal.feed(drawn(frame, *pieces))
        model.feed(Frame().difference(whole, (WIDTH, HEIGHT), TRUE))
        assert terminal.cells == model.cells


def test_what_is_there_already_is_not_sent_again() -> None:
    frame, dice = Frame(), random.Random(1)
    pieces = [(row, 0, strip(dice, WIDTH)) for row in range(HEIGHT)]
    assert drawn(frame, *pieces)
    assert drawn(frame, *pieces) == ""
    frame.forget()
    assert drawn(frame, *pieces)
    assert frame.difference(pieces, (WIDTH, HEIGHT + 1), TRUE), "a terminal of another size has moved everything"


def test_one_cell_that_changed_is_one_cell_that_is_sent() -> None:
    frame, style = Frame(), Style.parse("#a9b1d6 on #102030")
    line = Segment("x" * WIDTH, style)
    drawn(frame, *((row, 0, [line]) for row in range(HEIGHT)))
    sent = drawn(frame, (3, 0, [Segment("x" * 10 + "y" + "x" * (WIDTH - 11), style)]))
    assert sent == "\x1b[4;11H\x1b[38;2;169;177;214;48;2;16;32;48my\x1b[0m"


def test_colours_are_sent_where_they_change_and_not_for_each_byte() -> None:
    segments = [Segment(f"{number:02x}", STYLES[1 + number // 5]) for number in range(15)]
    assert drawn(Frame(), (0, 0, segments)).count("\x1b[") == 1 + 3 + 1  # place, three colours, the end


def test_only_pieces_on_the_screen_are_written() -> None:
    terminal = Emulator(WIDTH, HEIGHT)
    terminal.feed(
        drawn(Frame(), (-1, 0, [Segment("up")]), (HEIGHT, 0, [Segment("down")]), (0, WIDTH - 2, [Segment("edge")]))
    )
    assert "".join(cell[0] for cell in terminal.cells[0]).strip() == "ed"
    assert terminal.cells[1] == [BLANK] * WIDTH
