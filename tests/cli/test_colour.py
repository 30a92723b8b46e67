"""Colour is for terminals whose user wants it; an image's names reach no terminal as they are."""

import os
import pty
import re
import sys
from pathlib import Path

import pytest

from tests.commands import damaged, with_backing_name

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def on_a_terminal(*arguments: str | Path, **environment: str) -> str:
    """What a command writes to a terminal of 80 columns."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.pop("NO_COLOR", None)
        os.environ.update({"TERM": "xterm-256color", "COLUMNS": "80", **environment})
        os.execv(sys.executable, [sys.executable, "-m", "forensic.cli", *map(str, arguments)])
    pieces = []
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # how Linux says that the other side has closed the terminal
            break
        if not piece:
            break
        pieces.append(piece)
    os.close(terminal)
    os.waitpid(pid, 0)
    return b"".join(pieces).decode().replace("\r\n", "\n")


@pytest.mark.parametrize("command", ["check", "info"])
def test_a_terminal_gets_colour_and_the_same_words(command: str, tmp_path: Path) -> None:
    image = damaged("l2-entry-outside-file", tmp_path)
    coloured = on_a_terminal(command, image)
    assert ESCAPE.search(coloured)
    assert ESCAPE.sub("", coloured).split() == on_a_terminal(command, image, NO_COLOR="1").split()


def test_the_verdict_and_the_severity_stand_out(tmp_path: Path) -> None:
    coloured = on_a_terminal("check", damaged("l2-entry-outside-file", tmp_path))
    assert re.search(r"\x1b\[[0-9;]*31m *corrupt", coloured)
    assert re.search(r"\x1b\[[0-9;]*31m *high", coloured)


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_who_wants_no_colour_gets_none(environment: dict[str, str], tmp_path: Path) -> None:
    assert "\x1b" not in on_a_terminal("check", damaged("l2-entry-outside-file", tmp_path), **environment)


@pytest.mark.parametrize("command", ["check", "info"])
def test_nothing_of_a_name_controls_the_terminal_or_the_colours(command: str, tmp_path: Path) -> None:
    evil = b"\x1b]52;c;ZXZpbA==\x07[bold red]x[/] [@click=app.quit]y[/z] :smile: \x9b31m" + b"A" * 900
    plain = ESCAPE.sub("", on_a_terminal(command, with_backing_name(evil, tmp_path / "image.qcow2")))
    assert "\x1b" not in plain and "\x07" not in plain and "\x9b" not in plain
    said = "\\x1b]52;c;ZXZpbA==\\x07[bold red]x[/] [@click=app.quit]y[/z] :smile: \\x9b31m" + "A" * 900
    assert said in " ".join(plain.split())
