"""What terminals differ in: colours that nobody wants, few columns, a mouse; every screen in each."""

from __future__ import annotations

import os
import pty
import re
import select
import sys
import time
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import DataTable, Input

from samples import recipes
from tests.tui.driving import Drive, screen_text, settled
from tui.app import QcowscopeApp
from tui.widgets.cluster_map import ClusterMap
from tui.widgets.hex_view import HexView

SNAPSHOTS = recipes.HERE / "sound" / "snapshots-512.qcow2"
COLOUR = re.compile(rb"(?:^|;)(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;|$)")
"""A colour among the parameters of `ESC [ … m`."""

LANDMARKS = {
    "1": ("verdict", "contents", "qcow2 version 3"),
    "2": ("structures", "inspector", "51 46 49 fb"),
    "3": ("legend", "1 cell =", "H header"),
    "4": ("explanation", "places", "snapshots-present"),
    "5": ("output", "sha256", "equivalent command line"),
    "6": ("active disk", "metadata", "beginning"),
    "7": ("recovery", "step", "what the plan gives"),
}


def colours(seen: bytes) -> set[bytes]:
    return {codes for codes in re.findall(rb"\x1b\[([0-9;]*)m", seen) if COLOUR.search(codes)}


def seen_on_a_terminal(image: Path, home: Path, **environment: str) -> bytes:
    """Everything that the real program sends to a terminal on a walk through its screens."""
    process, terminal = pty.fork()
    if process == 0:
        os.environ |= {"TERM": "xterm-256color", "HOME": str(home), "XDG_STATE_HOME": str(home), **environment}
        os.environ |= {"COLUMNS": "100", "LINES": "30", "TEXTUAL_ANIMATIONS": "none"}
        os.execv(sys.executable, [sys.executable, "-m", "forensic.cli", "tui", str(image)])
    seen = b""
    for words, key in WALK:
        seen += read_until(terminal, words)
        os.write(terminal, key)
    _, status = os.waitpid(process, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0
    return seen


WALK = ((b"READ-ONLY", b"2"), (b"structures", b"3"), (b"legend", b"4"), (b"explanation", b"q"))
"""What is waited for, and the key that is pressed then."""


def read_until(terminal: int, words: bytes, seconds: float = 60.0) -> bytes:
    seen, end = b"", time.monotonic() + seconds
    while words not in seen:
        assert time.monotonic() < end, f"{words!r} did not come: {seen[-2000:]!r}"
        if select.select([terminal], [], [], 0.5)[0]:
            seen += os.read(terminal, 1 << 16)
    return seen


@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}], ids=["colours", "NO_COLOR"])
def test_colours_are_left_out_when_nobody_wants_them(environment: dict[str, str], tmp_path: Path) -> None:
    seen = seen_on_a_terminal(SNAPSHOTS, tmp_path, **environment)
    assert bool(colours(seen)) == (not environment)
    if environment:
        assert re.search(rb"\x1b\[(?:[0-9;]*;)?7(?:;[0-9;]*)?m", seen), "what is marked is turned round instead"


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (200, 60)], ids=str)
def test_every_screen_has_its_parts_in_sight(drive: Drive, size: tuple[int, int]) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        for key, landmarks in LANDMARKS.items():
            await pilot.press(key)
            await settled(app, pilot)
            text = screen_text(app)
            assert "READ-ONLY" in text
            assert [words for words in landmarks if words not in text] == [], f"screen {key}:\n{text}"
            assert all(len(line) <= size[0] for line in text.splitlines())

    drive(SNAPSHOTS, story, size)


def test_the_mouse_moves_selects_follows_and_scrolls(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.click("TopBar", offset=(14, 1))
        await settled(app, pilot)
        assert app.current_mode == "structure"
        hex_view = app.screen.query_one("#host", HexView)
        await pilot.click(hex_view, offset=(1 + 9 + 3 * 4, 2))
        assert app.desk.place.offset == 0x14
        await pilot.mouse_down(hex_view, offset=(1 + 9, 1))
        await pilot.hover(hex_view, offset=(1 + 9 + 3 * 3, 1))
        await pilot.mouse_up(hex_view, offset=(1 + 9 + 3 * 3, 1))
        assert app.desk.selection is not None
        assert (app.desk.selection.offset, app.desk.selection.length) == (0, 4)
        await pilot.press("g", *"L1[0]", "enter")
        await settled(app, pilot)
        row = next(
            y for y, line in enumerate(screen_text(app).splitlines()) if "00000600" in line
        )  # where the entry is drawn
        await pilot.click(offset=(hex_view.region.x + 1 + 9, row), times=2)
        await settled(app, pilot)
        assert app.desk.place.offset == 0x1400
        await pilot.press("3")
        await settled(app, pilot)
        map_ = app.screen.query_one("#file-map", ClusterMap)
        await pilot.click(map_, offset=(2 + 2 * map_.cell_size[0], 1))
        assert app.desk.place.offset == 2 * map_.grid.cell_size

    drive(SNAPSHOTS, story, (140, 40))


def test_a_click_on_a_finding_explains_it(drive: Drive, tmp_path: Path) -> None:
    recipe = recipes.load(recipes.HERE / "damaged" / "l2-entry-outside-file.toml")

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("4")
        await settled(app, pilot)
        table = app.screen.query_one("#list", DataTable)
        assert table.row_count
        await pilot.click(table, offset=(5, 2))
        await settled(app, pilot)
        assert app.current_mode == "structure", "a click on the line that is highlighted goes there"

    drive(recipes.apply(recipe, tmp_path / "image.qcow2"), story, (140, 40))


def test_rows_that_repeat_are_one_line_and_the_cursor_steps_over_them(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2", "g", *"0x70", "enter")
        await settled(app, pilot)
        assert "24 lines like the one above" in screen_text(app)
        await pilot.press("down")
        assert app.desk.place.offset == 0x200
        await pilot.press("up")
        assert app.desk.place.offset == 0x70
        await pilot.press("g", *"0x100", "enter")
        await settled(app, pilot)
        assert "00000100" in screen_text(app), "the row of the cursor is never hidden"
        await pilot.press("g", *"0x70", "enter", "z")
        await settled(app, pilot)
        assert "lines like the one above" not in screen_text(app)
        assert "00000090" in screen_text(app)

    drive(SNAPSHOTS, story, (140, 40))


def test_numbers_are_read_in_the_order_that_is_asked_for(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2", "p", "p", "g", *"v0x0", "enter")
        await settled(app, pilot)
        data = app.desk.disk_view.read(0, 4)
        assert isinstance(data, bytes)
        assert f"{int.from_bytes(data, 'big'):#x}" in screen_text(app)
        await pilot.press("e")
        await settled(app, pilot)
        assert "little-endian" in screen_text(app)
        await pilot.press("w", "o", "t")
        await settled(app, pilot)
        assert "cp437" in screen_text(app)
        await pilot.press("i")
        await settled(app, pilot)
        assert "Explained" in screen_text(app)

    drive(SNAPSHOTS, story, (140, 40))


def test_a_bookmark_and_a_picture_are_kept_with_the_session(drive: Drive, tmp_path: Path) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2", "g", *"0x600", "enter", "B", "ctrl+e", "ctrl+e")
        await settled(app, pilot)
        assert [note.place.offset for note in app.desk.notes.notes] == [0x600]

    drive(SNAPSHOTS, story)
    assert sorted(path.name for path in (tmp_path / "session").iterdir()) == ["exhibit-001.svg", "exhibit-002.svg"]


def test_what_is_typed_before_the_prompt_is_there_is_not_lost(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2", "g")
        app.screen.set_focus(None)
        await pilot.press(*"0x600")
        line = app.screen.query_one(Input)
        assert line.value == ""
        line.focus()
        await settled(app, pilot)
        assert line.value == "0x600"
        await pilot.press("enter")
        assert app.desk.place.offset == 0x600

    drive(SNAPSHOTS, story)


def test_the_prompt_takes_commands_too(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("colon", *"extract", "enter")
        await settled(app, pilot)
        assert app.current_mode == "extract"

    drive(SNAPSHOTS, story)


def test_the_line_to_type_in_comes_back_empty(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2", "g", *"0x", "escape", "g")
        assert app.screen.query_one(Input).value == ""

    drive(SNAPSHOTS, story)
