"""The states of the disk as strips, and what differs between two of them as a list that leads to the bytes."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import numpy as np
import pytest
from textual.pilot import Pilot

from forensic import open_any, open_disk, open_image
from forensic.explore import Since, differences, regions, strips_of, time_line
from forensic.explore.time_line import _bytes_by_cell
from forensic.mapping.rows import ROW
from samples import oracle
from tests.images import SOUND
from tests.oracles import require
from tests.tui.driving import Drive, screen_text, settled, told
from tui.app import QcowscopeApp
from tui.screens.rows import RowChoice
from tui.widgets.time_line import TimeLine

KIB = 1 << 10
SIZE = 1 << 20


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """64 KiB at 0, a snapshot, 64 KiB at 512 KiB, a snapshot, and the first ones taken away."""
    require("qemu-img", "qemu-io")
    path = tmp_path / "image.qcow2"

    def write(*commands: str) -> None:
        oracle.run(["qemu-io", *(word for each in commands for word in ("-c", each)), path.name], tmp_path)

    oracle.run(["qemu-img", "create", "-q", "-f", "qcow2", path.name, str(SIZE)], tmp_path)
    write("write -P 1 0 64k")
    oracle.run(["qemu-img", "snapshot", "-c", "first", path.name], tmp_path)
    write("write -P 2 512k 64k")
    oracle.run(["qemu-img", "snapshot", "-c", "second", path.name], tmp_path)
    write("write -z -u 0 64k")
    return path


def test_each_state_says_what_is_new_shared_and_gone(image: Path) -> None:
    with open_any(image) as opened:
        strips = list(strips_of(opened, 16, lambda: False))
    assert [strip.snapshot.name.text if strip.snapshot else "active" for strip in strips] == [
        "first", "second", "active",
    ]  # fmt: skip
    nothing, shared, new, gone = Since
    expected = [{0: new}, {0: shared, 8: new}, {0: gone, 8: shared}]
    for strip, cells in zip(strips, expected, strict=True):
        assert list(strip.cells) == [cells.get(number, nothing) for number in range(16)]
        for since in (shared, new, gone):
            assert strip.sums[since] == 64 * KIB * list(cells.values()).count(since)


@pytest.mark.parametrize("name", ["snapshots-512", "data-512"])
def test_what_is_called_shared_does_not_differ(name: str) -> None:
    with open_any(SOUND / f"{name}.qcow2") as opened:
        strips = list(strips_of(opened, 64, lambda: False))
        assert bool(strips) == ("snapshots" in name)
        for before, after in itertools.pairwise(strips):
            with open_disk(opened, before.snapshot) as first, open_disk(opened, after.snapshot) as second:
                unlike = [(one.guest_offset, one.guest_offset + one.length) for one in differences(first, second)]
                size = second.size
            for number, cell in enumerate(after.cells):
                start, end = size * number // 64, size * (number + 1) // 64
                if cell in (Since.SHARED, Since.NOTHING):
                    assert not any(begin < end and stop > start for begin, stop in unlike)


def test_bytes_fall_into_the_cells_they_lie_in() -> None:
    dice = random.Random(7)
    for _ in range(200):
        size = dice.randrange(1, 200)
        covered = [dice.random() < 0.5 for _ in range(size)]
        runs, at = [], 0
        while at < size:
            end = at
            while end < size and covered[end] and end - at < 17:
                end += 1
            runs += [(at, end - at)] if end > at else []
            at = max(end, at + 1)
        rows = np.zeros(len(runs), dtype=ROW)
        rows["guest_offset"], rows["length"] = [run[0] for run in runs], [run[1] for run in runs]
        cells = dice.randrange(1, 12)
        edges = np.array([size * number // cells for number in range(cells + 1)], dtype=np.int64)
        found = _bytes_by_cell(rows, edges).tolist()
        assert found == [sum(covered[a:b]) for a, b in zip(edges.tolist(), edges.tolist()[1:], strict=False)]


def test_the_overview_shows_a_strip_for_each_state_and_what_differs(image: Path, drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        line = app.screen.query_one(TimeLine)
        assert line.count == 3
        text = screen_text(app)
        for words in ("first", "second", "active disk", "█", "▒", "▁"):
            assert words in text
        await pilot.press("d")
        await settled(app, pilot)
        choice = app.screen
        assert isinstance(choice, RowChoice)
        assert [choice._cells(number)[0].plain for number in range(choice._count)] == ["0x0"]
        await pilot.press("enter")
        await settled(app, pilot)
        assert (app.desk.place.space.value, app.desk.place.offset) == ("guest", 0)
        await pilot.press("1")
        await settled(app, pilot)
        app.screen.query_one(TimeLine).cursor = 1
        await pilot.press("d")
        await settled(app, pilot)
        assert isinstance(app.screen, RowChoice)
        await pilot.press("enter")
        await settled(app, pilot)
        assert app.desk.file_view.read(app.desk.place.offset, 16) == b"\x02" * 16, "of a snapshot, in the image file"
        await pilot.press("1")
        app.screen.query_one(TimeLine).cursor = 0
        await pilot.press("d")
        assert "first state" in told(app)

    drive(image, story, (120, 44))


def test_an_image_without_snapshots_has_no_time_line(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        assert not app.screen.query_one(TimeLine).display
        await pilot.press("d")
        assert "no snapshot" in told(app)

    drive(SOUND / "data-512.qcow2", story)


def test_states_and_snapshots_that_are_left_out_are_counted(
    image: Path, drive: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_line, "MAX_STRIPS", 2)
    monkeypatch.setattr(regions, "MAX_SNAPSHOT_TABLES", 1)
    with open_image(image) as opened:
        states = len(opened.snapshots.snapshots) + 1

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        text = screen_text(app)
        assert f"2 of {states} states" in text
        assert f"what only the last {states - 2} snapshots use is among" in text

    drive(image, story, (120, 40))


def test_nothing_is_said_where_nothing_is_left_out(image: Path, drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        text = screen_text(app)
        assert "states" not in text
        assert "what only the last" not in text

    drive(image, story, (120, 40))
