"""What a search found stands in a list, is lit in the dump and on the map, and earlier searches are a key away."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from forensic.explore import Range, Space
from tests.images import SOUND
from tests.tui.driving import Drive, settled
from tui.app import QcowscopeApp
from tui.kinds import HIT
from tui.searching import Hits as Lit
from tui.widgets.cluster_map import ClusterMap
from tui.widgets.hex_view import HexView
from tui.widgets.hits import Hits

IMAGE = SOUND / "snapshots-512.qcow2"


async def search(app: QcowscopeApp, pilot: Pilot[int], text: str) -> None:
    await pilot.press("slash", *text, "enter")
    await settled(app, pilot)


def places(data: bytes, wanted: bytes) -> list[int]:
    found, at = [], data.find(wanted)
    while at >= 0:
        found.append(at)
        at = data.find(wanted, at + 1)
    return found


def test_every_place_is_listed_with_what_stands_around_it_and_enter_goes_there(drive: Drive) -> None:
    expected = places(IMAGE.read_bytes(), b"QFI")

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2")
        await search(app, pilot, "nocase:qfi")
        hits = app.screen.query_one(Hits)
        assert hits.display
        assert [place.offset for place in hits.places] == expected
        assert "QFI" in hits._cells(0)[4].plain
        assert hits._cells(0)[3].plain.startswith("header")
        await pilot.press("f")
        assert app.focused is hits
        app.desk.go(Range(Space.HOST, 0x100, 1))
        await pilot.press("enter")
        await settled(app, pilot)
        assert app.desk.place.offset == expected[hits.cursor]
        assert app.focused is hits
        await pilot.press("f")
        assert not hits.display

    drive(IMAGE, story)


def test_the_list_is_of_the_other_space_where_that_was_searched(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        first = app.desk.disk_view.read(0, 8)
        assert isinstance(first, bytes)
        await search(app, pilot, f"v:hex:{first.hex()}")
        hits = app.screen.query_one(Hits)
        assert hits.places[0] == Range(Space.GUEST, 0, 8)
        host_offset = app.desk.sides_of(hits.places[0])[0]
        assert hits._cells(0)[2].plain == host_offset != ""
        assert app.desk.file_view.read(int(host_offset, 16), 8) == first

    drive(IMAGE, story)


def test_hits_are_lit_in_the_dump_and_their_rows_are_not_folded(drive: Drive, tmp_path: Path) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2")
        await search(app, pilot, "hex:" + "00" * 16)
        view = app.screen.query_one("#host", HexView)
        shown = {line.row for line in view._lines() if not line.hidden}
        width = view._layout.bytes_per_row
        top, bottom = min(shown) * width, max(shown) * width
        for place in app.desk.matches:
            if top <= place.offset < bottom:
                assert place.offset // width in shown
        painter = view._painter
        assert painter is not None
        style = view.get_component_rich_style("hex--hit")
        rows = [view._drawn(painter, line) for line in view._lines() if line.row * width in
                {place.offset for place in app.desk.matches} and line.row != view._cursor_row]  # fmt: skip
        for segments in rows[:3]:
            colours = {segment.style.bgcolor for segment in segments if segment.text == "00" and segment.style}
            assert style.bgcolor in colours

    drive(IMAGE, story)


def test_hits_are_on_the_map_and_gone_with_the_next_search(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("3")
        await settled(app, pilot)
        await search(app, pilot, "QFI")
        map_ = app.screen.query_one("#file-map", ClusterMap)
        assert app.current_mode == "map"
        assert map_.cells[0] == HIT.cell
        await search(app, pilot, "NOT IN THERE")
        assert HIT.cell not in map_.cells

    drive(IMAGE, story)


def test_earlier_searches_come_back_with_the_arrows(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        for text in ("one", "two", "one"):
            await search(app, pilot, text)
        await pilot.press("slash", *"thr", "up")
        line = app.screen.query_one(Input)
        assert line.value == "one"
        await pilot.press("up", "up", "up")
        assert line.value == "two", "the same search is remembered once"
        await pilot.press("down", "down")
        assert line.value == "thr", "what was begun is not lost"

    drive(IMAGE, story)


@pytest.mark.parametrize("start", range(40))
def test_what_overlaps_a_row(start: int) -> None:
    ranges = [Range(Space.HOST, 3, 2), Range(Space.HOST, 8, 20), Range(Space.HOST, 30, 1)]
    expected = [(each.offset, each.length) for each in ranges if each.offset < start + 4 and
                each.offset + each.length > start]  # fmt: skip
    assert Lit(ranges).overlapping(start, start + 4) == expected
