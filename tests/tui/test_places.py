"""The map and the keys `[` and `]` know every place of a rule, not only those that its finding lists."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot

from forensic.checking import LISTED_PROBLEMS
from forensic.explore import Range, Space
from tests.images import FIRST_DATA, tiny
from tests.tui.driving import Drive, screen_text, settled, told
from tui.app import QcowscopeApp
from tui.colourings import COLOURS, TROUBLE
from tui.widgets.cluster_map import ClusterMap
from tui.widgets.hex_view import HexView

CLUSTERS = FIRST_DATA + 200


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Every cluster has a refcount that is too low, which is far more than a finding lists."""
    path = tmp_path / "image.qcow2"
    path.write_bytes(tiny([number << 9 for number in range(FIRST_DATA, FIRST_DATA + 64)], file_clusters=CLUSTERS))
    return path


def test_every_place_is_marked_and_stepped_through(drive: Drive, image: Path) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        finding = max(app.desk.findings, key=lambda each: each.count)
        assert finding.count > LISTED_PROBLEMS
        places = app.desk.places_of_trouble(Space.HOST)
        expected = sorted({*places.begins.tolist()})
        assert len(app.desk.finding_places.of(finding.rule, Space.HOST)) == finding.count
        await pilot.press("3", *"c" * COLOURS.index(TROUBLE))
        for _ in range(3):
            await settled(app, pilot)
        map_ = app.screen.query_one("#file-map", ClusterMap)
        marked = {number for number, cell in enumerate(map_.cells) if cell.glyph != "·"}
        assert marked >= {map_.grid.cell_of(begin) for begin in expected}
        app.desk.go(Range(Space.HOST, expected[0], 1))
        stepped = [expected[0]]
        for _ in expected:
            app.action_finding(1)
            stepped.append(app.desk.place.offset)
        assert list(dict.fromkeys(stepped)) == expected
        await settled(app, pilot)
        assert "that was the last one" in told(app)
        for _ in expected:
            app.action_finding(-1)
        assert app.desk.place.offset == expected[0]

    drive(image, story, (140, 40))


def test_the_bytes_of_a_place_that_is_not_listed_are_marked_and_explained(drive: Drive, image: Path) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        finding = max(app.desk.findings, key=lambda each: each.count)
        listed = {place.offset for place in finding.places}
        kept = app.desk.finding_places.of(finding.rule, Space.HOST).begins.tolist()
        unlisted = next(begin for begin in kept if begin not in listed)
        await pilot.press("2", "g", *hex(unlisted), "enter")
        await settled(app, pilot)
        view = app.screen.query_one("#host", HexView)
        assert view.marks is not None
        assert view.marks.overlapping(unlisted, unlisted + 1)
        assert finding.rule in screen_text(app)

    drive(image, story, (140, 40))
