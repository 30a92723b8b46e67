"""The list of findings while the check goes on: it grows, and what the examiner looks at stays where it is."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace
from textual.pilot import Pilot
from textual.widgets import DataTable, OptionList

from forensic import Finding, Judgement
from samples import recipes
from tests.tui.driving import Drive, screen_text, settled
from tui.app import QcowscopeApp
from tui.messages import Judged, Noticed


def damaged(folder: Path) -> Path:
    recipe = recipes.load(recipes.HERE / "damaged" / "l2-entry-outside-file.toml")
    return recipes.apply(recipe, folder / "image.qcow2")


async def begin_anew(app: QcowscopeApp, pilot: Pilot[int]) -> Judgement:
    """As it was before the check said anything; gives what it will say in the end."""
    judgement = app.desk.judgement
    assert judgement is not None
    app.desk.judgement, app.desk.findings = None, ()
    app.desk.learn("findings")
    await pilot.pause()
    return judgement


async def notice(app: QcowscopeApp, pilot: Pilot[int], *findings: Finding) -> None:
    app.post_message(Noticed(findings))
    for _ in range(3):
        await pilot.pause()


def like(finding: Finding, rule: str, count: int) -> Finding:
    return replace(finding, rule=rule, count=count)


def test_what_is_found_is_seen_before_the_check_is_done(drive: Drive, tmp_path: Path) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        judgement = await begin_anew(app, pilot)
        assert "checking" in screen_text(app)
        assert "no findings so far" in screen_text(app)
        await notice(app, pilot, *judgement.findings)
        assert "CORRUPT so far" in screen_text(app)
        assert judgement.worst_first()[0].title[:30] in screen_text(app)
        await pilot.press("3")
        await settled(app, pilot)
        assert "▲" in screen_text(app), "the map marks it"
        await pilot.press("4")
        await settled(app, pilot)
        assert "the check is running" in screen_text(app)
        app.post_message(Judged(judgement))
        await settled(app, pilot)
        assert "the check is running" not in screen_text(app)

    drive(damaged(tmp_path), story)


def test_cursor_filter_and_order_survive_what_comes_later(drive: Drive, tmp_path: Path) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        (finding,) = (await begin_anew(app, pilot)).findings[:1]
        await pilot.press("4")
        await settled(app, pilot)
        table, places = app.screen.query_one("#list", DataTable), app.screen.query_one("#places", OptionList)
        first = [like(finding, f"m{number}", number + 1) for number in range(40)]
        await notice(app, pilot, *first)
        await pilot.press("s", "f", *"rule:m", "enter", *["down"] * 30)  # by code, behind what is in sight
        await settled(app, pilot)
        here, top = str(table.get_row_at(table.cursor_row)[2]), table.scroll_y
        assert top > 0
        places.highlighted = 0
        await notice(app, pilot, *first, *(like(finding, f"a{number}", 1) for number in range(5)))
        assert (table.row_count, str(table.get_row_at(table.cursor_row)[2])) == (40, here), "the filter keeps a0 out"
        await notice(app, pilot, *first, like(finding, "m", 1))
        assert (table.row_count, str(table.get_row_at(table.cursor_row)[2])) == (41, here)
        assert str(table.get_row_at(0)[2]) == "m"
        assert (table.scroll_y, places.highlighted) == (top + 1, 0), "it stays where it was on the screen"
        grown = [replace(each, count=each.count + 1000) for each in first]
        await notice(app, pilot, *grown, like(finding, "m", 1))
        assert str(table.get_row_at(1)[1]) == "1,001"
        assert str(table.get_row_at(table.cursor_row)[2]) == here

    drive(damaged(tmp_path), story)
