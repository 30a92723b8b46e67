"""The line of pointers follows the cursor; its steps can be clicked, and `^` goes back along them."""

from __future__ import annotations

from pathlib import Path

from textual.pilot import Pilot

from forensic.explore import guest_range
from tests.images import SOUND
from tests.tui.driving import Drive, settled, told
from tui.app import QcowscopeApp
from tui.widgets.crumbs import Crumbs


def test_up_along_the_pointers_and_down_again(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2")
        app.desk.go(guest_range(0, 1))
        await settled(app, pilot)
        crumbs = app.screen.query_one(Crumbs)
        way = [step.place for step in crumbs.steps]
        assert len(way) == 4
        assert crumbs.steps[-1].here
        for place in reversed(way[:-1]):
            await pilot.press("circumflex_accent")
            assert app.desk.place == place
        await pilot.press("circumflex_accent")
        assert "nothing is known to point here" in told(app)
        await pilot.press("backspace")
        assert app.desk.place == way[1], "the history knows each of them"

    drive(SOUND / "data-4k.qcow2", story)


def test_a_click_on_a_step_goes_there(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2")
        app.desk.go(guest_range(0, 1))
        await settled(app, pilot)
        crumbs = app.screen.query_one(Crumbs)
        shown = str(crumbs.render())
        second = crumbs.steps[1]
        await pilot.click(Crumbs, offset=(shown.index(second.label) + 1, 0))
        assert app.desk.place == second.place

    drive(SOUND / "data-4k.qcow2", story)


def test_where_room_is_short_the_end_of_the_way_is_kept(drive: Drive, tmp_path: Path) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2")
        app.desk.go(guest_range(0, 1))
        await settled(app, pilot)
        shown = str(app.screen.query_one(Crumbs).render())
        assert shown.startswith(" … → ")
        assert "cluster 0x" in shown

    drive(SOUND / "data-4k.qcow2", story, (40, 24))
