"""Help knows the keys as they are now, those that move, and those of other screens."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from tests.images import SOUND
from tests.tui.driving import Drive, screen_text, settled
from tui.actions import HELP_INDENT
from tui.app import QcowscopeApp
from tui.commands import COMMANDS, MOVEMENT
from tui.config import Preferences
from tui.screens.reading import folded

SNAPSHOTS = SOUND / "snapshots-512.qcow2"


@pytest.mark.parametrize("screen", "12345")
def test_help_lists_every_command_and_every_movement_on_every_screen(drive: Drive, screen: str) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press(screen)
        await settled(app, pilot)
        if screen == "5":
            await pilot.press("escape")
        await pilot.press("f1")
        await settled(app, pilot)
        options = app.screen.query_one(OptionList)
        listed = [" ".join(str(options.get_option_at_index(at).prompt).split()) for at in range(options.option_count)]
        for command in COMMANDS:
            assert [words for words in listed if command.help in words], command.id
        for _, keys, words in MOVEMENT:
            assert [line for line in listed if " ".join(keys.split()) in line and words in line]

    drive(SNAPSHOTS, story, (140, 40))


@pytest.mark.parametrize("width", [80, 120, 200])
def test_what_a_command_does_stands_in_a_column_of_its_own(drive: Drive, width: int) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("f1")
        await settled(app, pilot)
        options = app.screen.query_one(OptionList)
        room = options.scrollable_content_region.width - 2
        for at in range(options.option_count):
            first, *others = str(options.get_option_at_index(at).prompt).split("\n")
            assert len(first) <= room
            assert first[HELP_INDENT - 1] == " " != first[HELP_INDENT]
            for line in others:
                assert line[:HELP_INDENT].isspace()
                assert line[HELP_INDENT] != " "
                assert len(line) <= room

    drive(SNAPSHOTS, story, (width, 30))


def test_help_shows_the_keys_that_were_chosen(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("f1", *"go to")
        await settled(app, pilot)
        line = next(line for line in screen_text(app).splitlines() if "Go to 0x" in line)
        assert "^g" in line
        assert "g :" not in line

    drive(SNAPSHOTS, story, (140, 40), settings=Preferences({"go.to": "ctrl+g"}))


def test_a_command_of_another_screen_is_found_and_run_there(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("f1")
        await settled(app, pilot)
        app.screen.query_one(Input).value = "map: whole"
        await settled(app, pilot)
        await pilot.press("enter")
        await settled(app, pilot)
        assert app.current_mode == "map"

    drive(SNAPSHOTS, story, (140, 40))


def test_a_filter_that_nothing_matches_says_so(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("f1", *"zzzz")
        await settled(app, pilot)
        assert "no command has these words" in screen_text(app)

    drive(SNAPSHOTS, story, (140, 40))


def test_what_is_typed_whole_is_what_is_chosen(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2", "Y", "c", "enter")
        await settled(app, pilot)
        assert app.clipboard.startswith("{0x51")

    drive(SNAPSHOTS, story)


@pytest.mark.parametrize("width", [20, 33, 80])
def test_long_lines_are_broken_between_words_and_nothing_is_lost(width: int) -> None:
    line = "    observed  " + " ".join(f"word{number}" for number in range(60))
    parts = folded(line, width)
    assert all(len(part) <= width for part in parts)
    assert " ".join(" ".join(parts).split()) == " ".join(line.split())
    assert folded("short", width) == ["short"]
