"""Broken images: all that the screens ask of the library can be asked of every recipe, and the application stays up."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from textual.pilot import Pilot

from forensic import Qcow2Image, open_image
from forensic.explore import (
    DiskView,
    Grid,
    Node,
    RegionIndex,
    build_reverse_map,
    file_space_usage,
    guest_space_usage,
    host_range,
    inspect,
    look_inside,
    spans_between,
    top_nodes,
)
from samples import recipes
from tests.tui.driving import Drive, screen_text, settled
from tui.app import QcowscopeApp
from tui.explaining import owners_at

RECIPES = [
    recipe
    for recipe in recipes.all_recipes()
    if recipe.code != "not-qcow2" and not recipe.base.startswith("version-1")  # those are walked through elsewhere
]
FAMILIES = ("header", "l1", "l2", "refcount", "snapshot", "extension")
ONE_A_FAMILY = [next(recipe for recipe in RECIPES if recipe.code.startswith(family)) for family in FAMILIES]


def opened(recipe: recipes.Recipe, folder: Path) -> Qcow2Image:
    return open_image(recipes.apply(recipe, folder / "image.qcow2"))


def lines_of(nodes: list[Node], depth: int = 0) -> Iterator[Node]:
    for node in nodes[:64]:
        yield node
        if node.children and depth < 5:
            yield from lines_of(node.children(), depth + 1)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_every_byte_of_a_damaged_image_can_be_explained(recipe: recipes.Recipe, tmp_path: Path) -> None:
    with opened(recipe, tmp_path) as image:
        region_index = RegionIndex(image)
        assert next(iter(lines_of(top_nodes(region_index)))).label == "header"
        assert all(node.length >= 0 for node in islice(lines_of(top_nodes(region_index)), 2000))
        for offset in range(0, min(image.evidence.size, 1 << 15), 7):
            assert inspect(region_index, offset).place.length > 0
            spans_between(region_index, offset, offset + 16)
        list(file_space_usage(region_index, Grid(0, max(1, image.evidence.size // 7), 8)))
        if region_index.geometry is not None:
            list(guest_space_usage(region_index, Grid(0, max(1, image.virtual_size // 7), 8)))
            build_reverse_map(image).guest_offset_of(0)
            disk = DiskView(image)
            look_inside(disk.read, disk.size)


@pytest.mark.parametrize("recipe", ONE_A_FAMILY, ids=lambda recipe: recipe.name)
def test_a_damaged_image_is_walked_through(recipe: recipes.Recipe, tmp_path: Path, drive: Drive) -> None:
    opened(recipe, tmp_path).close()

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2", "enter", "p", "end", "right_square_bracket", "enter", "3", "plus", "m", "end", "4", "5")
        await settled(app, pilot)
        assert app.desk.judgement is not None
        assert {finding.rule for finding in app.desk.judgement.findings} >= set(recipe.expect)
        assert "READ-ONLY" in screen_text(app)

    drive(tmp_path / "image.qcow2", story, (80, 24))


@pytest.mark.parametrize(
    ("name", "place", "words"),
    [
        ("l1-table-overwritten", "0xa00", "owner not known: the L1 table of active is overwritten"),
        ("l2-table-overwritten", "0xa00", "owner not known: not all L2 tables of active could be read"),
        ("l2-table-overwritten", "0x0", "more owners not known"),
    ],
)
def test_the_inspector_does_not_say_that_nothing_refers_to_what_lost_tables_may(
    drive: Drive, tmp_path: Path, name: str, place: str, words: str
) -> None:
    recipe = recipes.load(recipes.HERE / "damaged" / f"{name}.toml")
    image = recipes.apply(recipe, tmp_path / "image.qcow2")

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2")
        app.desk.go(host_range(int(place, 0), 1))
        for _ in range(4):
            await pilot.pause(0.3)
            await settled(app, pilot)
        said = " ".join("\n".join(owners_at(app.desk)).split())
        assert words in said
        assert "nothing refers to it" not in said
        assert words[:24] in " ".join(screen_text(app).replace("│", " ").split())

    drive(image, story, (200, 60))
