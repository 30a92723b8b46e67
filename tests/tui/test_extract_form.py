"""The form has what the command line has, and what it shows as equal does the same."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Mapping
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Collapsible, Input, ProgressBar

from forensic.cli.extraction.reports import EXTRACTION_FORMATS
from forensic.exit_status import ExitStatus
from tests.commands import qcowscope
from tests.images import SOUND
from tests.tui.driving import Drive, screen_text, settled
from tui.app import QcowscopeApp
from tui.extraction_plan import REPORT_ENDINGS, ExtractionPlan
from tui.widgets.extract_form import ExtractForm
from tui.widgets.fate_strip import FateStrip
from tui.widgets.tick import Tick

IMAGE = SOUND / "data-4k.qcow2"


def filled_in(form: ExtractForm, typed: Mapping[str, str], ticked: tuple[str, ...]) -> None:
    for name, text in typed.items():
        form.query_one(f"#{name}", Input).value = text
    for name in ticked:
        form.query_one(f"#tick-{name}", Tick).value = True


def extracted(drive: Drive, typed: Mapping[str, str], ticked: tuple[str, ...] = ()) -> tuple[str, str]:
    """What the screen says in the end, and the command line that it calls equal."""
    seen: list[str] = []

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("5")
        form = app.screen.query_one(ExtractForm)
        filled_in(form, typed, ticked)
        await settled(app, pilot)
        seen.append(form.plan.command())
        await pilot.press("f5")
        await settled(app, pilot)
        await pilot.press("escape")
        seen.append(" ".join(screen_text(app).replace("│", " ").split()))

    drive(IMAGE, story, (170, 60))
    return seen[1], seen[0]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def without_times(name: str, data: bytes) -> object:
    """Of a report its result; of a list of ranges all of it."""
    return json.loads(data)["result"] if name.endswith("report.json") else data


def test_the_screen_writes_what_its_command_line_writes(
    drive: Drive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "screen"
    here.mkdir()
    typed = {"output": str(here / "o.raw"), "range": "512:10KiB", "split": "4KiB", "hash_window": "2KiB"}
    said, command = extracted(drive, typed, ("sidecars", "ledger", "map", "manifest", "strict"))
    assert "✔ complete" in said
    found = contents(here)
    assert {"o.raw.001", "o.raw.003", "o.raw.sha256", "o.raw.report.ledger.jsonl", "o.raw.report.map"} <= found.keys()
    for path in here.iterdir():
        path.unlink()
    qcowscope(*shlex.split(command)[1:])
    again = contents(here)
    assert again.keys() == found.keys()
    for name, data in found.items():
        assert without_times(name, again[name]) == without_times(name, data), name


def test_an_output_named_like_a_container_is_one(drive: Drive, tmp_path: Path) -> None:
    said, command = extracted(drive, {"output": str(tmp_path / "o.E01"), "level": "6", "examiner": "A. N. Other"})
    assert (tmp_path / "o.E01").read_bytes().startswith(b"EVF\x09\x0d\x0a\xff\x00")
    assert "--level 6" in command
    assert "--no-sparse" not in command, "a container has no holes anyway"
    assert "✔ complete" in said


@pytest.mark.parametrize(
    ("typed", "ticked"),
    [
        ({"range": "1TiB:512"}, ()),
        ({"range": "somewhere"}, ()),
        ({"split": "100"}, ()),
        ({"hash_window": "8 parsecs"}, ()),
        ({"level": "11", "output": "o.E01"}, ()),
        ({"level": "3"}, ()),
        ({}, ("manifest",)),
        ({"output": "o.E01"}, ("sidecars",)),
    ],
)
def test_what_the_command_line_refuses_the_screen_refuses_in_the_same_words(
    drive: Drive, tmp_path: Path, typed: dict[str, str], ticked: tuple[str, ...]
) -> None:
    output = tmp_path / typed.get("output", "o.raw")
    said, command = extracted(drive, typed | {"output": str(output)}, ticked)
    refused = qcowscope(*shlex.split(command)[1:])
    assert refused.status == ExitStatus.USAGE
    words = " ".join(refused.err.split()).partition("qcowscope extract: ")[2].partition(" Usage")[0]
    assert "nothing was extracted" in said
    assert words.removeprefix("argument ")[:40].rstrip() in said, refused.err
    assert contents(tmp_path).keys() <= {"session.json", "session.log"}


def test_every_report_of_the_command_line_can_be_had() -> None:
    assert set(REPORT_ENDINGS) == set(EXTRACTION_FORMATS)


def test_a_range_that_counts_from_the_end_is_no_option_of_its_own(tmp_path: Path) -> None:
    words = ExtractionPlan(IMAGE, str(tmp_path / "o.raw"), typed={"range": "-512:"}).words()
    parser = argparse.ArgumentParser()
    parser.add_argument("--range")
    assert parser.parse_known_args(words[2:])[0].range == "-512:"


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_the_rarer_fields_are_folded_away_and_open_by_keys(drive: Drive, size: tuple[int, int]) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("5")
        fold = app.screen.query_one("#rarer", Collapsible)
        assert fold.collapsed
        fold.query_one("CollapsibleTitle").focus()
        await pilot.press("enter")
        await settled(app, pilot)
        assert not fold.collapsed
        app.screen.query_one("#split", Input).focus()
        await settled(app, pilot)
        text = screen_text(app)
        assert "size of a piece, such as" in text
        assert "hash window" in text

    drive(IMAGE, story, size)


def test_a_refused_start_shows_nothing_of_the_run_before_it(
    drive: Drive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a short path, so that the sentence is not broken

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("5")
        form = app.screen.query_one(ExtractForm)
        filled_in(form, {"output": "o.raw"}, ("markdown",))
        await pilot.press("f5")
        await settled(app, pilot)
        await pilot.press("escape")
        bar = app.screen.query_one(ProgressBar)
        assert bar.percentage == 1
        assert "markdown o.raw" in screen_text(app)
        assert "reports follow" not in screen_text(app), "they are written"
        assert "16 KiB in 00:00:0" in screen_text(app)
        app.screen.query_one("#start").focus()
        await pilot.press("f5")
        await settled(app, pilot)
        assert "nothing was extracted" in screen_text(app)
        assert bar.percentage == 0
        assert app.screen.query_one(FateStrip).size.height == 0
        assert "all written" not in screen_text(app)

    drive(IMAGE, story, (170, 60))
