"""The map as a picture: squares that fill the pane, each where a click finds it, and a beam between the two."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.images import SOUND
from tests.tui.driving import Drive, screen_text, settled
from tui.app import QcowscopeApp
from tui.widgets.beam import drawn
from tui.widgets.cluster_map import HALVES, ClusterMap

SNAPSHOTS = SOUND / "snapshots-512.qcow2"


def halves_of(map_: ClusterMap) -> list[list[str]]:
    """The colours that are drawn, by half rows and columns."""
    rows: list[list[str]] = []
    for y in range(map_.size.height):
        above, below = [], []
        for segment in map_.render_line(y):
            style = segment.style
            assert style is not None
            for character in segment.text:
                below.append(str(style.color if character == "█" else style.bgcolor))
                above.append(str(style.bgcolor if character == " " else style.color))
        rows += [above, below]
    return rows


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60), (240, 70)], ids=str)
def test_squares_fill_the_pane_and_each_has_the_colour_of_its_cell(drive: Drive, size: tuple[int, int]) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("3")
        await settled(app, pilot)
        for name in ("#file-map", "#disk-map"):
            map_ = app.screen.query_one(name, ClusterMap)
            map_.cursor = -1  # no cell is the cursor's
            side, height = map_.cell_size
            assert side == height
            cells, columns = map_.grid.cells, map_.columns
            filled = cells * side * height / (map_.size.width * map_.size.height * HALVES)
            larger = side + 1
            room = (map_.size.width // larger) * (map_.size.height * HALVES // larger)
            assert room < cells, "there are no larger squares that would fit"
            assert filled > 0.3
            rows = halves_of(map_)
            for number, cell in enumerate(map_.cells):
                y, x = number // columns * height, number % columns * side
                expected = str(map_.get_component_rich_style(f"map--{cell.kind}").color)
                assert {rows[y + down][x + right] for down in range(height) for right in range(side)} == {expected}

    drive(SNAPSHOTS, story, size)


def test_a_click_finds_the_cell_that_is_drawn_there_and_the_wheel_zooms(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("3")
        await settled(app, pilot)
        map_ = app.screen.query_one("#file-map", ClusterMap)
        side, _ = map_.cell_size
        for number in (0, 1, map_.columns - 1, map_.columns + 2):
            x, half = number % map_.columns * side, number // map_.columns * side
            await pilot.click(map_, offset=(2 + x, 1 + -(-half // HALVES)))
            assert map_.grid.cell_of(app.desk.place.offset) == number

    drive(SNAPSHOTS, story, (140, 40))


@pytest.mark.parametrize(("above", "below"), [(0, 0), (3, 3), (2, 9), (9, 2), (0, 1), (1, 0)])
def test_the_beam_joins_two_columns(above: int, below: int) -> None:
    line = drawn(above, below)
    assert len(line) == max(above, below) + 1
    assert line[above] in "│╰╯"
    assert line[below] in "│╮╭"
    assert line.strip(" ") == line[min(above, below) :]


def test_the_beam_is_there_while_both_cursors_are_the_same_byte(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("3", "g", *"0x1800", "enter")
        await settled(app, pilot)
        assert app.desk.other_side() is not None
        assert "not on the disk" not in screen_text(app)
        await pilot.press("g", *"0x0", "enter")
        await settled(app, pilot)
        assert "not on the disk" in screen_text(app)

    drive(SNAPSHOTS, story, (140, 40))


def test_a_zoomed_map_says_which_part_is_seen(drive: Drive, tmp_path: Path) -> None:
    content = bytearray(SNAPSHOTS.read_bytes())
    content[24:32] = (1 << 40).to_bytes(8, "big")  # a disk of 1 TiB needs zooming
    image = tmp_path / "image.qcow2"
    image.write_bytes(content)

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("3", "m")
        await settled(app, pilot)
        map_ = app.screen.query_one("#disk-map", ClusterMap)
        assert "%" not in str(map_.border_title)
        await pilot.press("plus", "plus", "plus")
        await settled(app, pilot)
        assert f"{map_.grid.start:#x} – {map_.grid.end:#x}" in screen_text(app)
        assert "%" in str(map_.border_title)

    drive(image, story, (140, 40))
