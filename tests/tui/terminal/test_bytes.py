"""What goes through the line at each key, on a real terminal: over a slow one, that is how long a key takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.keys import OnATerminal
from tests.images import SOUND

SNAPSHOTS = SOUND / "snapshots-512.qcow2"
STEP, PAGE = 8_000, 40_000
KEYS = {b"\x1b[C": STEP, b"\x1b[B": STEP, b"\x1b[A": STEP, b"\x1b[6~": PAGE, b"\x1b[5~": PAGE, b"v": STEP, b"i": PAGE}


@pytest.mark.parametrize("size", [(120, 40), (80, 24)], ids=str)
def test_a_key_sends_no_more_than_what_changed(size: tuple[int, int], tmp_path: Path) -> None:
    with OnATerminal(SNAPSHOTS, tmp_path, size) as program:
        program.wait_for(b"READ-ONLY")
        program.press(b"2")
        program.rest()
        sent = {key: [program.press(key).sent for _ in range(2)] for key in KEYS}
    assert {key: counts for key, counts in sent.items() if not 0 < max(counts) <= KEYS[key]} == {}


@pytest.mark.parametrize("deaf", [False, True], ids=["hangup", "nohup"])
def test_without_its_terminal_the_program_ends(deaf: bool, tmp_path: Path) -> None:
    with OnATerminal(SNAPSHOTS, tmp_path, (80, 24), deaf) as program:
        program.wait_for(b"READ-ONLY")
        program.press(b"2")
        assert program.hang_up(10), "it went on for nobody"
