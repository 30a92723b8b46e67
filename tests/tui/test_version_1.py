"""Images of version 1: every screen shows them, and says what version 1 does not have."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from forensic import Qcow1Image, open_any
from forensic.explore import Qcow1RegionIndex, Range, Space, file_space_usage, inspect, spans_between, top_nodes
from forensic.explore.space_usage import Fill, Grid
from samples import recipes
from tests.images import COMMITTED
from tests.tui.driving import Drive, screen_text, settled, told
from tui.app import QcowscopeApp
from tui.widgets.cluster_map import ClusterMap

SOUND = recipes.HERE / "sound"
VERSION_1 = [kind.name for kind in COMMITTED if kind.format == "qcow"]
DAMAGED = [recipe for recipe in recipes.all_recipes() if recipe.code.startswith("version-1")]


def atlas_of(image: object) -> Qcow1RegionIndex:
    assert isinstance(image, Qcow1Image)
    return Qcow1RegionIndex(image)


def test_there_are_samples() -> None:
    assert VERSION_1
    assert DAMAGED


@pytest.mark.parametrize("name", VERSION_1)
def test_what_an_entry_points_to_is_where_the_disk_finds_it(name: str) -> None:
    with open_any(SOUND / f"{name}.qcow") as image:
        region_index = atlas_of(image)
        size = region_index.cluster_size
        assert size is not None
        for extent in image.extents():
            if extent.host_offset is None:
                continue
            coverage = region_index.image.header.l1_coverage
            place = region_index.entry_place(extent.guest_offset // coverage, extent.guest_offset % coverage // size)
            assert place is not None
            explained = inspect(region_index, place.offset + 3)
            assert (explained.title, explained.place) == ("L2 entry", place)
            assert explained.target is not None
            assert explained.target.offset == extent.host_offset
            assert explained.guest_offset == extent.guest_offset // size * size
            assert not inspect(region_index, extent.host_offset).known


@pytest.mark.parametrize("name", VERSION_1)
def test_tree_colours_and_sums_know_the_tables(name: str) -> None:
    with open_any(SOUND / f"{name}.qcow") as image:
        region_index = atlas_of(image)
        tree = {node.label: node for node in top_nodes(region_index)}
        assert {"header", "L1 table"} <= set(tree)
        assert tree["L1 table"].children is not None
        for entry in tree["L1 table"].children():
            assert entry.children is not None
            assert entry.children()
        (first, *_) = spans_between(region_index, tree["L1 table"].host_offset, tree["L1 table"].host_offset + 8)
        assert first.place.length == 8
        *_, usage = file_space_usage(region_index, Grid(0, image.evidence.size, 1))
        assert usage.sums[Fill.L2, 0] and usage.sums[Fill.HEADER, 0]
        stored = sum(
            extent.stored_length or extent.length for extent in image.extents() if extent.host_offset is not None
        )
        assert usage.sums[[Fill.DATA, Fill.COMPRESSED], 0].sum() == stored


def test_fields_of_the_header_have_their_own_words() -> None:
    with open_any(SOUND / f"{VERSION_1[0]}.qcow") as image:
        explained = inspect(atlas_of(image), 33)
    assert explained.rows[0].name == "l2_bits"
    assert explained.words.text


@pytest.mark.parametrize("recipe", DAMAGED, ids=lambda recipe: recipe.name)
def test_every_byte_of_a_damaged_image_can_be_explained(recipe: recipes.Recipe, tmp_path: Path) -> None:
    with open_any(recipes.apply(recipe, tmp_path / "image.qcow")) as image:
        region_index = atlas_of(image)
        top_nodes(region_index)
        for offset in range(0, min(image.evidence.size, 1 << 13), 7):
            assert inspect(region_index, offset).place.length > 0
            spans_between(region_index, offset, offset + 16)
        list(file_space_usage(region_index, Grid(0, max(1, image.evidence.size // 7), 8)))


@pytest.mark.parametrize("size", [(80, 24), (140, 40)], ids=str)
def test_every_screen_shows_it(drive: Drive, size: tuple[int, int]) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        assert "qcow version 1" in screen_text(app)
        await pilot.press("2", "g", *"L1[0]", "enter", "enter")
        await settled(app, pilot)
        assert "L1[0].L2[0]" in screen_text(app)
        await pilot.press("3")
        await settled(app, pilot)
        assert "H" in "".join(cell.glyph for cell in app.screen.query_one("#file-map", ClusterMap).cells)
        await pilot.press("c")
        await settled(app, pilot)
        assert "cannot colour by refcount" in "\n".join(entry.words for entry in app.desk.log.entries)
        await settled(app, pilot)
        assert "colour: finding" in screen_text(app), "the next colour that there is"
        await pilot.press(">")
        await settled(app, pilot)
        assert "version 1 has no refcounts" in told(app)
        await pilot.press("4")
        await settled(app, pilot)
        assert "version-1-image" in screen_text(app)

    drive(SOUND / f"{VERSION_1[0]}.qcow", story, size)


@pytest.mark.parametrize("recipe", DAMAGED[:4], ids=lambda recipe: recipe.name)
def test_a_damaged_one_is_walked_through(recipe: recipes.Recipe, tmp_path: Path, drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2", "enter", "p", "end", "]", "3", "plus", "m", "end", "4", "5")
        await settled(app, pilot)
        assert {finding.rule for finding in app.desk.findings} >= set(recipe.expect)

    drive(recipes.apply(recipe, tmp_path / "image.qcow"), story, (100, 30))


def test_it_is_extracted(drive: Drive, tmp_path: Path) -> None:
    name = VERSION_1[0]

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("5")
        app.screen.query_one("#output", Input).value = str(tmp_path / "out.raw")
        await pilot.press("f5")
        await settled(app, pilot)
        assert "EXTRACTION LOG" in screen_text(app)
        assert app.desk.place == Range(Space.HOST, 0, 1)

    drive(SOUND / f"{name}.qcow", story)
    described = json.loads((SOUND / f"{name}.json").read_text(encoding="utf-8"))
    assert hashlib.sha256((tmp_path / "out.raw").read_bytes()).hexdigest() == described["raw_sha256"]
