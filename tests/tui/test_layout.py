"""Every pane ends where its neighbour does, nothing that matters is cut off, and what is said is of what is shown."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from rich.console import Console
from textual.pilot import Pilot
from textual.widgets import DataTable

from forensic.explore import Certainty, Range, Space, Summary
from forensic.mapping.extents import State
from tests.images import SOUND
from tests.tui.driving import Drive, screen_text, settled
from tui.app import QcowscopeApp
from tui.recovering.rows import sums_of

SIZES = [(80, 24), (120, 40), (200, 60)]
IMAGES = ("snapshots-512", "luks-4k")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", IMAGES)
def test_the_panes_fill_the_screen(drive: Drive, name: str, size: tuple[int, int]) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        bottom = app.screen.query_one("#body").region.bottom
        assert app.screen.query_one("#disk-pane").region.bottom == bottom
        top = app.screen.query_one("#facts-pane").region
        assert top.bottom == app.screen.query_one("#verdict-pane").region.bottom
        assert top.bottom == app.screen.query_one("#disk-pane").region.y
        assert top.height > 4
        await pilot.press("3")
        await settled(app, pilot)
        if size[0] > 100:
            assert app.screen.query_one("#legend").region.bottom == app.screen.query_one("#maps").region.bottom
        await pilot.press("4")
        await settled(app, pilot)
        assert app.screen.query_one("#places").region.bottom == app.screen.query_one("#detail-pane").region.bottom

    drive(SOUND / f"{name}.qcow2", story, size)


@pytest.mark.parametrize("size", SIZES)
def test_what_was_observed_is_cut_with_a_sign_and_at_the_end_of_the_list(drive: Drive, size: tuple[int, int]) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("4")
        await settled(app, pilot)
        for width in (size[0], size[0] + 20):
            await pilot.resize_terminal(width, size[1])
            await settled(app, pilot)
            table = app.screen.query_one("#list", DataTable)
            assert table.virtual_size.width == table.scrollable_content_region.width
            for row, finding in enumerate(app.desk.findings):
                shown = str(table.get_row_at(row)[-1])
                assert shown == finding.observation or finding.observation.startswith(shown.removesuffix("…"))
                assert (shown == finding.observation) == (not shown.endswith("…"))
            assert table.cursor_row == 0

    drive(SOUND / "snapshots-512.qcow2", story, size)


@pytest.mark.parametrize("bytes_", [0, 65_536, 2_034_237_440, 1 << 40, (1 << 62) + 1])
@pytest.mark.parametrize("width", [40, 44, 47, 80])
def test_no_figure_of_a_recovery_is_cut_off(bytes_: int, width: int) -> None:
    states = (State.DATA, State.ZERO, State.ABSENT)
    summary = Summary(Counter({(each.value, state): bytes_ for each in Certainty for state in states}), Counter())
    console = Console(width=width)
    with console.capture() as captured:
        console.print(sums_of(summary, {}, width))
    lines = captured.get().splitlines()
    assert len(lines) == 1 + len(Certainty)
    assert "…" not in captured.get()
    if width == 80 and bytes_ < 1 << 60:
        assert f"{bytes_:,}" in lines[1]


def test_all_that_is_said_is_of_the_byte_that_is_shown(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2", "p")
        await settled(app, pilot)
        assert app.desk.place.space == Space.HOST, "both are shown"
        await pilot.press("p")
        await settled(app, pilot)
        assert app.desk.place == Range(Space.GUEST, 0, 1)
        assert " guest 0x0 " in screen_text(app)
        await pilot.press("p")
        await settled(app, pilot)
        assert app.desk.place == Range(Space.HOST, 0, 1), "nothing was done on the disk: back to where it was left"
        await pilot.press("P", "down")
        await settled(app, pilot)
        there = app.desk.place
        assert there.space == Space.GUEST
        assert there.offset > 0
        await pilot.press("p")
        await settled(app, pilot)
        assert app.desk.place.space == Space.HOST
        assert app.desk.other_side() == there, "the same byte, after a step on the disk"

    drive(SOUND / "snapshots-512.qcow2", story, (120, 40))


def test_a_long_reason_for_an_empty_list_takes_as_many_lines_as_it_needs(drive: Drive, tmp_path: Path) -> None:
    path = tmp_path / "lost.qcow2"
    raw = (SOUND / "snapshots-512.qcow2").read_bytes()
    path.write_bytes(bytes(512) + raw[512:])

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("6")
        await settled(app, pilot)
        assert "qcowscope recover may read it" in " ".join(screen_text(app).replace("│", " ").split())

    drive(path, story, (80, 24))
