"""The extraction: what is asked before, what comes out, how it is stopped."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from rich.text import Text
from textual.message import Message
from textual.pilot import Pilot
from textual.widgets import Button, Checkbox, Input, Select

from forensic import extract, open_image
from samples import recipes
from tests.cli.test_in_use import WRITER, held
from tests.commands import damaged, qcowscope
from tests.tui.driving import Drive, screen_text, settled
from tui.app import QcowscopeApp
from tui.extract_job import Control, Extracted, run_extraction
from tui.extraction_plan import ExtractionPlan
from tui.screens.reading import Reading
from tui.widgets.extract_form import ExtractForm
from tui.widgets.fate_strip import FateStrip

SOUND = recipes.HERE / "sound"
SNAPSHOTS = SOUND / "snapshots-512.qcow2"


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def raw_sha256_of(name: str) -> str:
    return str(json.loads((SOUND / f"{name}.json").read_text(encoding="utf-8"))["raw_sha256"])


def test_a_backing_file_is_read_only_after_the_examiner_names_it(drive: Drive, tmp_path: Path) -> None:
    backing = str(SOUND / "overlay-qcow2.backing.qcow2")

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("5")
        app.screen.query_one("#output", Input).value = str(tmp_path / "out.raw")
        app.screen.query_one("#supply-backing", Button).press()
        await settled(app, pilot)
        assert "is not opened" in " ".join(screen_text(app).replace("│", " ").split())
        await pilot.press("enter")  # the default is No
        assert app.screen.query_one(ExtractForm).supplies.backing == ()
        app.screen.query_one("#supply-backing", Button).press()
        await settled(app, pilot)
        await pilot.press("y")
        await pilot.pause()
        app.screen.query_one(Input).value = backing
        await pilot.press("enter")
        await settled(app, pilot)
        assert "--backing" in app.screen.query_one(ExtractForm).plan.command()
        await pilot.press("f5")
        await settled(app, pilot)
        assert "EXTRACTION LOG" in screen_text(app)
        await pilot.press("escape")
        assert "✔ complete" in screen_text(app)

    drive(SOUND / "overlay-qcow2.qcow2", story, (170, 50))
    assert sha256_of(tmp_path / "out.raw") == raw_sha256_of("overlay-qcow2")


def test_without_the_backing_file_what_is_missing_is_listed(drive: Drive, tmp_path: Path) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("5")
        app.screen.query_one("#output", Input).value = str(tmp_path / "out.raw")
        await pilot.press("f5")
        await settled(app, pilot)
        await pilot.press("y")
        await settled(app, pilot)
        await pilot.press("escape")
        text = screen_text(app)
        assert "some ranges could not be read" in text
        assert "backing_not_supplied" in text

    drive(SOUND / "overlay-qcow2.qcow2", story, (170, 50))


def test_a_key_opens_the_disk_and_is_shown_nowhere(drive: Drive, tmp_path: Path) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("5")
        app.screen.query_one("#output", Input).value = str(tmp_path / "out.raw")
        app.screen.query_one("#supply-key", Button).press()
        await pilot.pause()
        await pilot.press(*"open", "space", *"sesame")
        assert "sesame" not in screen_text(app)
        await pilot.press("enter")
        await settled(app, pilot)
        await pilot.press("f5")
        await settled(app, pilot)
        assert "sesame" not in screen_text(app)
        await pilot.press("escape")
        assert "✔ complete" in screen_text(app)
        assert "sesame" not in screen_text(app)

    drive(SOUND / "luks-4k.qcow2", story, (170, 50))
    assert sha256_of(tmp_path / "out.raw") == raw_sha256_of("luks-4k")
    assert "sesame" not in (tmp_path / "out.raw.report.json").read_text(encoding="utf-8")


def test_the_report_is_read_and_its_path_copied(drive: Drive, tmp_path: Path) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("5", "f7")
        assert not isinstance(app.screen, Reading), "there is none yet"
        app.screen.query_one("#output", Input).value = str(tmp_path / "out.raw")
        await pilot.press("f5")
        await settled(app, pilot)
        assert isinstance(app.screen, Reading)
        await pilot.press("y")
        assert app.clipboard == str(tmp_path / "out.raw.report.json")
        await pilot.press("G")
        await settled(app, pilot)
        assert "EXTRACTION LOG" not in screen_text(app)
        await pilot.press("q", "f7")
        assert isinstance(app.screen, Reading)

    drive(SNAPSHOTS, story)


def test_the_strip_shows_what_was_read_and_what_was_not(drive: Drive, tmp_path: Path) -> None:
    recipe = recipes.load(recipes.HERE / "damaged" / "compressed-stream-broken.toml")
    image = recipes.apply(recipe, tmp_path / "image.qcow2")

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("5")
        app.screen.query_one("#output", Input).value = str(tmp_path / "out.raw")
        app.screen.query_one("#tick-json", Checkbox).value = False
        await pilot.press("f5")
        await settled(app, pilot)
        shown = app.screen.query_one(FateStrip).render()
        assert isinstance(shown, Text)
        cells = shown.plain.partition("■ read")[0].replace("\n", "")
        with open_image(image) as opened, opened.disk() as disk:
            missing = extract(disk, tmp_path / "other.raw").ledger.unreadable().ranges
            assert missing
            for entry in missing:
                assert cells[entry.guest_offset * len(cells) // disk.size] == "✗"
        assert set(cells) <= set("■·✗")
        assert "■" in cells

    drive(image, story, (170, 50))


def test_a_snapshot_is_extracted(drive: Drive, tmp_path: Path) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("5")
        app.screen.query_one("#output", Input).value = str(tmp_path / "out.raw")
        app.screen.query_one("#target", Select).value = 0
        await pilot.press("f5")
        await settled(app, pilot)
        assert "EXTRACTION LOG" in screen_text(app)
        await pilot.press("escape")
        assert "✔ complete" in screen_text(app)

    drive(SNAPSHOTS, story)
    report = json.loads((tmp_path / "out.raw.report.json").read_text(encoding="utf-8"))
    assert report["result"]["extraction"]["target"] == "snapshot:0"
    assert sha256_of(tmp_path / "out.raw") != raw_sha256_of("snapshots-512")


def test_an_extraction_is_stopped_and_leaves_nothing(tmp_path: Path) -> None:
    outcomes: list[Message] = []

    def post(message: Message) -> bool:
        outcomes.append(message)
        return True

    control = Control()
    control.stop()
    plan = ExtractionPlan(SNAPSHOTS, str(tmp_path / "out.raw"), reports=("json",))
    with open_image(SNAPSHOTS) as image:
        run_extraction(post, image, plan, [], [], control)
    assert [type(outcome) for outcome in outcomes] == [Extracted]
    assert list(tmp_path.iterdir()) == []


def test_a_pause_holds_the_thread_until_it_goes_on() -> None:
    control = Control()
    control.pause()
    asked = threading.Thread(target=control.cancelled)
    asked.start()
    assert asked.is_alive()
    control.pause()
    asked.join(10)
    assert (asked.is_alive(), control.cancelled()) == (False, False)


def run_plan(plan: ExtractionPlan) -> Extracted:
    """The last message of an extraction."""
    outcomes: list[Message] = []

    def post(message: Message) -> bool:
        outcomes.append(message)
        return True

    with open_image(plan.image) as image:
        run_extraction(post, image, replace(plan, confirmed=True), [], [], Control())
    assert isinstance(outcomes[-1], Extracted)
    return outcomes[-1]


@pytest.mark.parametrize(
    ("recipe", "status"), [(None, 0), ("compressed-stream-broken", 5), ("l1-entry-outside-file", 5)]
)
def test_the_report_has_the_exit_status_that_the_command_gives(recipe: str | None, status: int, tmp_path: Path) -> None:
    image = damaged(recipe, tmp_path) if recipe else SNAPSHOTS
    run_plan(ExtractionPlan(image, str(tmp_path / "out.raw"), reports=("json",)))
    done = qcowscope("extract", image, "-o", tmp_path / "other.raw")
    report = json.loads((tmp_path / "out.raw.report.json").read_text(encoding="utf-8"))
    assert (done.status, report["run"]["exit_code"]) == (status, status)


def test_an_image_that_is_in_use_is_extracted_once_the_box_is_ticked(drive: Drive, tmp_path: Path) -> None:
    image = tmp_path / "image.qcow2"
    image.write_bytes(SNAPSHOTS.read_bytes())

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("5")
        app.screen.query_one("#output", Input).value = str(tmp_path / "out.raw")
        await pilot.press("f5")
        await settled(app, pilot)
        said = " ".join(screen_text(app).replace("│", " ").split())
        assert "nothing was extracted" in said
        assert "tick “in-use” to extract anyway" in said
        assert not (tmp_path / "out.raw").exists()
        app.screen.query_one("#tick-in-use", Checkbox).value = True
        assert "--in-use" in app.screen.query_one(ExtractForm).plan.command()
        await pilot.press("f5")
        await settled(app, pilot)
        assert "EXTRACTION LOG" in screen_text(app)

    with held(image, WRITER):
        drive(image, story, (170, 50))
    assert sha256_of(tmp_path / "out.raw") == raw_sha256_of("snapshots-512")


def test_the_report_of_an_image_that_changed_meanwhile_says_1(tmp_path: Path) -> None:
    image = tmp_path / "image.qcow2"
    image.write_bytes(SNAPSHOTS.read_bytes())

    def post(message: Message) -> bool:
        image.touch()
        return True

    with open_image(image) as opened:
        plan = ExtractionPlan(image, str(tmp_path / "out.raw"), reports=("json",))
        run_extraction(post, opened, plan, [], [], Control())
    report = json.loads((tmp_path / "out.raw.report.json").read_text(encoding="utf-8"))
    assert report["run"]["exit_code"] == 1
