"""The bar of progress on a terminal: one unit for its rate, and a pass after the first has a name of its own."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stderr

import pytest

from forensic.cli import output

MIB = 1 << 20


class Terminal(io.StringIO):
    """Standard error, as if it were a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    there = Terminal()
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(output, "REDRAWN_AFTER", -1.0)
    return there


def names_shown(terminal: Terminal) -> list[str]:
    """What the bar was called, each time that it was called otherwise than before."""
    words = re.findall(r"(?:\r|\n|\A|\x1b\[2K|\x1b\[\?25[lh])(extracting|verifying) ", terminal.getvalue())
    return [word for at, word in enumerate(words) if at == 0 or words[at - 1] != word]


def test_a_count_that_begins_anew_is_the_pass_after(terminal: Terminal) -> None:
    with redirect_stderr(terminal), output.progress_bar("extracting", then="verifying") as move:
        assert move is not None
        for _ in range(2):
            for done in (MIB, 50 * MIB, 100 * MIB):
                move(done, 100 * MIB)
    assert names_shown(terminal) == ["extracting", "verifying"]
    rates = set(re.findall(r"[\d.]+ (\w+/s)", terminal.getvalue()))
    assert rates == {"MiB/s"}


def test_without_a_name_for_another_pass_the_bar_keeps_its_own(terminal: Terminal) -> None:
    with redirect_stderr(terminal), output.progress_bar("extracting") as move:
        assert move is not None
        move(2, 2)
        move(1, 2)
    assert names_shown(terminal) == ["extracting"]
