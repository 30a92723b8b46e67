"""A selection ends as people expect, and then everything is about the cursor."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from forensic.explore import Range, Space
from tests.images import SOUND
from tests.tui.driving import Drive, screen_text, settled
from tui.app import QcowscopeApp
from tui.widgets.hex_view import HexView

SNAPSHOTS = SOUND / "snapshots-512.qcow2"
Way = Callable[[QcowscopeApp, "Pilot[int]"], Awaitable[None]]


async def escape(app: QcowscopeApp, pilot: Pilot[int]) -> None:
    await pilot.press("escape")


async def move(app: QcowscopeApp, pilot: Pilot[int]) -> None:
    await pilot.press("right")


async def jump(app: QcowscopeApp, pilot: Pilot[int]) -> None:
    await pilot.press("g", *"0x1400", "enter")


async def jump_to_the_disk(app: QcowscopeApp, pilot: Pilot[int]) -> None:
    await pilot.press("g", *"v0x0", "enter")


async def click(app: QcowscopeApp, pilot: Pilot[int]) -> None:
    await pilot.click(app.screen.query_one("#host", HexView), offset=(1 + 9 + 3 * 4, 4))


async def go_back(app: QcowscopeApp, pilot: Pilot[int]) -> None:
    await pilot.press("backspace")


async def step_on_the_map(app: QcowscopeApp, pilot: Pilot[int]) -> None:
    await pilot.press("3")
    await settled(app, pilot)
    await pilot.press("right", "2")


WAYS: list[Way] = [escape, move, jump, jump_to_the_disk, click, go_back, step_on_the_map]


async def select(app: QcowscopeApp, pilot: Pilot[int]) -> Range:
    """Three bytes at 0x600."""
    await pilot.press("2", "g", *"0x600", "enter", "v", "right", "right", "v")
    await settled(app, pilot)
    assert app.desk.selection == Range(Space.HOST, 0x600, 3)
    return app.desk.selection


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_after_it_was_given_up_everything_is_about_the_cursor(drive: Drive, way: Way, tmp_path: Path) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        chosen = await select(app, pilot)
        assert "3 bytes selected" in screen_text(app)
        assert app.chosen == chosen
        await way(app, pilot)
        await settled(app, pilot)
        assert app.desk.selection is None
        assert all(view.selection is None for view in app.screen.query(HexView))
        place = app.desk.place
        await pilot.press("B", "y")
        await settled(app, pilot)
        noted = app.desk.notes.notes[-1].place
        assert noted.space == place.space
        assert noted.offset <= place.offset < noted.offset + noted.length
        data = app.desk.view_of(noted.space).read(noted.offset, noted.length)
        assert isinstance(data, bytes)
        assert app.clipboard == data.hex(" ")
        assert "bytes selected" not in screen_text(app)

    drive(SNAPSHOTS, story, (140, 40))


def test_while_it_is_made_it_follows_the_cursor_by_keys_and_jumps(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2", "g", *"0x600", "enter", "v", "down", "g", *"0x700", "enter")
        await settled(app, pilot)
        assert app.desk.selection == Range(Space.HOST, 0x600, 0x101)
        await pilot.press("g", *"0x500", "enter")
        await settled(app, pilot)
        assert app.desk.selection == Range(Space.HOST, 0x500, 0x101)
        await pilot.press("escape", "right")
        await settled(app, pilot)
        assert app.desk.selection is None
        await pilot.press("v", "right")
        await settled(app, pilot)
        assert app.desk.selection == Range(Space.HOST, 0x501, 2), "a new one begins where the cursor is"

    drive(SNAPSHOTS, story, (140, 40))


def test_escape_without_a_selection_stops_the_search(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped: list[bool] = []

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        monkeypatch.setattr(type(app), "action_cancel_search", lambda app: stopped.append(True))
        await select(app, pilot)
        await pilot.press("escape")
        assert stopped == []
        await pilot.press("escape")
        assert stopped == [True]

    drive(SNAPSHOTS, story, (140, 40))


@pytest.mark.parametrize("view", ["host", "both", "guest"])
@pytest.mark.parametrize("target", ["0x600", "v0x200"])
def test_a_jump_is_always_seen_in_the_bytes_that_the_status_line_names(drive: Drive, view: str, target: str) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2", *"p" * ["host", "both", "guest"].index(view), "g", *target, "enter")
        await settled(app, pilot)
        place = app.desk.place
        shown = app.screen.query_one("#host" if place.space == Space.HOST else "#guest", HexView)
        assert shown.cursor == place.offset
        assert shown.region.area > 0
        assert f"{place.space.value} {place.offset:#x}" in screen_text(app)

    drive(SNAPSHOTS, story, (140, 40))
