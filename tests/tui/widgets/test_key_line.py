"""The line of keys is never cut: Help and Quit are there on every screen, and all keys where they have room."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from tests.images import SOUND
from tests.tui.driving import Drive, screen_text, settled
from tui.app import QcowscopeApp
from tui.widgets.key_line import KeyLine


@pytest.mark.parametrize("width", [80, 120])
def test_help_and_quit_are_in_sight_on_every_screen(drive: Drive, width: int) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        for screen in "1234567":
            await pilot.press(screen)
            await settled(app, pilot)
            keys = screen_text(app).splitlines()[-1].rstrip()
            assert "? Help" in keys, screen
            assert "q Quit" in keys, screen
            if width == 120:
                assert "S Supplies" in keys, screen

    drive(SOUND / "snapshots-512.qcow2", story, (width, 24))


def test_keys_come_and_go_with_the_room(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("7")
        for width, there in ((120, True), (80, False), (120, True)):
            await pilot.resize_terminal(width, 24)
            await settled(app, pilot)
            assert ("S Supplies" in screen_text(app).splitlines()[-1]) == there, width

    drive(SOUND / "snapshots-512.qcow2", story, (120, 24))


def test_a_prompt_that_closes_leaves_the_line_as_it_is_and_other_keys_change_it(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2")
        await settled(app, pilot)
        line = app.screen.query_one(KeyLine)
        before = list(line.children)
        await pilot.press("g", "escape")
        await settled(app, pilot)
        assert [id(each) for each in line.children] == [id(each) for each in before]
        app.screen.query_one("#tree").focus()  # the keys of a dump are not those of a tree
        await settled(app, pilot)
        assert [id(each) for each in line.children] != [id(each) for each in before]

    drive(SOUND / "snapshots-512.qcow2", story)
