"""The evidence is looked at every second: a change is seen and stays seen, and no hash takes the place of another."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from forensic import Evidence
from tests.images import SOUND
from tests.tui.driving import Drive, screen_text, settled
from tui.app import QcowscopeApp
from tui.messages import Looked
from tui.session.evidence_clock import EvidenceClock, EvidenceState
from tui.widgets.chrome import TopBar

CONTENT = (SOUND / "data-4k.qcow2").read_bytes()


def write_bytes(image: Path) -> None:
    with image.open("r+b") as stream:
        stream.seek(600)
        stream.write(b"TAMPERED")


def write_and_put_the_times_back(image: Path) -> None:
    status = image.stat()
    write_bytes(image)
    os.utime(image, ns=(status.st_atime_ns, status.st_mtime_ns))


def cut(image: Path) -> None:
    with image.open("r+b") as stream:
        stream.truncate(1000)


def replace(image: Path) -> None:
    other = image.with_name("other")
    other.write_bytes(CONTENT)
    other.replace(image)


CHANGES: list[Callable[[Path], None]] = [write_bytes, write_and_put_the_times_back, cut, replace, Path.unlink]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    file = tmp_path / "image.qcow2"
    file.write_bytes(CONTENT)
    return file


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_every_change_is_seen_and_stays_seen(change: Callable[[Path], None], image: Path) -> None:
    with Evidence(image) as evidence:
        clock = EvidenceClock(evidence, lambda state: None)
        assert clock.look().unchanged
        change(image)
        seen = clock.look().changes
        assert seen
        if change is Path.unlink:
            image.write_bytes(CONTENT)
            assert clock.look().changes[: len(seen)] == seen, "another file of its name does not undo it"
        assert clock.look().changes[0] == seen[0]


def test_the_thread_tells_each_second_and_stops(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.session.evidence_clock.SECONDS", 0.01)
    told: list[EvidenceState] = []
    with Evidence(image) as evidence:
        clock = EvidenceClock(evidence, told.append)
        clock.start()
        end = time.monotonic() + 10
        while len(told) < 3 and time.monotonic() < end:
            time.sleep(0.01)
        clock.stop()
        time.sleep(0.1)
        count = len(told)
        time.sleep(0.1)
        assert (count >= 3, len(told)) == (True, count)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=str)
def test_the_bar_and_the_overview_say_so_on_every_screen(drive: Drive, image: Path, size: tuple[int, int]) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        app.clock.stop()  # looked at by hand here
        first = hashlib.sha256(CONTENT).hexdigest()
        for key in "12345":
            await pilot.press(key)
            await settled(app, pilot)
            head = screen_text(app).splitlines()[0]
            assert "● unchanged" in head or (size[0] == 80 and "● same" in head)
            assert not app.screen.query_one(TopBar).has_class("-changed")
        write_bytes(image)
        app.post_message(Looked(app.clock.look()))
        await settled(app, pilot)
        for key in "54321":
            await pilot.press(key)
            await settled(app, pilot)
            assert "CHANGED" in screen_text(app).splitlines()[0]
            assert app.screen.query_one(TopBar).has_class("-changed")
        words = str(app.screen.query_one("#checks").render())
        assert "CHANGED SINCE IT WAS OPENED" in words
        await pilot.press("H")
        await settled(app, pilot)
        words = str(app.screen.query_one("#checks").render())
        second = hashlib.sha256(image.read_bytes()).hexdigest()
        assert first in words
        assert second in words
        assert "DIFFERS FROM THE FIRST" in words
        assert "hashed after the file had changed" in words
        await pilot.press("H")
        await settled(app, pilot)
        assert [record.value for record in app.desk.hashes] == [first, second, second]

    drive(image, story, size)
