"""The map: its colours, and the steps from one orphan to the next."""

from __future__ import annotations

from pathlib import Path

from textual.pilot import Pilot

from forensic.explore import Range, Space
from samples import recipes
from tests.tui.driving import Drive, screen_text, settled
from tui.app import QcowscopeApp
from tui.colourings import COLOURS, COUNTS
from tui.widgets.cluster_map import ClusterMap

SNAPSHOTS = recipes.HERE / "sound" / "snapshots-512.qcow2"


def glyphs(app: QcowscopeApp, name: str) -> str:
    return "".join(cell.glyph for cell in app.screen.query_one(name, ClusterMap).cells)


async def coloured_by(app: QcowscopeApp, pilot: Pilot[int], colour: str) -> None:
    await pilot.press("3", *"c" * COLOURS.index(colour))
    for _ in range(3):
        await settled(app, pilot)
    assert f"colour: {colour}" in screen_text(app)


def test_refcounts_and_owners_colour_both_maps(drive: Drive) -> None:
    seen: list[str] = []

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        for colour in ("refcount", "owner"):
            await coloured_by(app, pilot, colour)
            seen.extend((glyphs(app, "#file-map"), glyphs(app, "#disk-map")))
            await pilot.press(*"c" * (len(COLOURS) - COLOURS.index(colour)))  # round to the first again
            await settled(app, pilot)
        await coloured_by(app, pilot, "owner")
        assert "snapshot 0 alone" in screen_text(app)

    drive(SNAPSHOTS, story, (140, 40))
    counts, counts_of_disk, owners, owners_of_disk = seen
    assert set(counts) <= {look.glyph for look in COUNTS.values()}
    assert counts.startswith("1111")
    assert "3" in counts, "what two snapshots and the disk share"
    assert owners.startswith("MMM")
    assert {"A", "=", "0"} <= set(owners)
    assert set(owners_of_disk) <= set("A=·")
    assert len(counts_of_disk) == len(owners_of_disk)


def test_colouring_by_finding_shows_the_worst_in_each_cell(drive: Drive, tmp_path: Path) -> None:
    recipe = recipes.load(recipes.HERE / "damaged" / "l2-entry-outside-file.toml")

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await coloured_by(app, pilot, "finding")
        places = {offset // 512 for offset in app.desk.places_of_trouble(Space.HOST).begins.tolist()}
        marked = {number for number, glyph in enumerate(glyphs(app, "#file-map")) if glyph != "·"}
        assert marked >= places
        assert "critical" in screen_text(app)

    drive(recipes.apply(recipe, tmp_path / "image.qcow2"), story, (140, 40))


def test_orphans_are_marked_and_stepped_through(drive: Drive, tmp_path: Path) -> None:
    content = (recipes.HERE / "sound" / "data-512.qcow2").read_bytes()
    image = tmp_path / "image.qcow2"
    image.write_bytes(content + b"x" * 512 + bytes(1 << 17) + b"y" * 512)
    first, second = len(content), len(content) + 512 + (1 << 17)

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press(">")
        for _ in range(2):
            await settled(app, pilot)
        assert app.desk.place == Range(Space.HOST, first, 512)
        await pilot.press("3")
        await settled(app, pilot)
        assert "▒" in glyphs(app, "#file-map")
        await pilot.press(">")
        assert app.desk.place.offset == second
        await pilot.press(">")
        assert app.desk.place.offset == second, "that was the last one"
        await pilot.press("<")
        assert app.desk.place.offset == first

    drive(image, story)


def test_the_other_map_follows_a_step_and_both_zoom(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("3", "g", *"v512", "enter", "m", "right", "left")
        file_map = app.screen.query_one("#file-map", ClusterMap)
        disk_map = app.screen.query_one("#disk-map", ClusterMap)
        assert (file_map.cursor, disk_map.cursor) == (0x1800, 512)
        assert file_map.grid.cell_size == disk_map.grid.cell_size == 512

    drive(SNAPSHOTS, story)
