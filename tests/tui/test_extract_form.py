"""The form has what the command line has, and what it shows as equal does the same."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import struct
from collections.abc import Mapping
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Collapsible, Input, ProgressBar, Select

from forensic.cli import make_parser
from forensic.cli.extraction.reports import EXTRACTION_FORMATS
from forensic.exit_status import ExitStatus
from tests.commands import qcowscope
from tests.images import COPIED, FIRST_DATA, SOUND, tiny
from tests.tui.driving import Drive, screen_text, settled
from tui.app import QcowscopeApp
from tui.extraction_plan import CASE_FIELDS, REPORT_ENDINGS, TICKED, TYPED, ExtractionPlan
from tui.screens.prompts import Question
from tui.session.supplies import NOTHING, Supplies
from tui.widgets.extract_form import ExtractForm
from tui.widgets.fate_strip import FateStrip
from tui.widgets.tick import Tick

IMAGE = SOUND / "data-4k.qcow2"
OVERLAY, BACKING = SOUND / "overlay-qcow2.qcow2", SOUND / "overlay-qcow2.backing.qcow2"


def filled_in(form: ExtractForm, typed: Mapping[str, str], ticked: tuple[str, ...]) -> None:
    for name, text in typed.items():
        form.query_one(f"#{name}", Input).value = text
    for name in ticked:
        form.query_one(f"#tick-{name}", Tick).value = True


def extracted(
    drive: Drive,
    typed: Mapping[str, str],
    ticked: tuple[str, ...] = (),
    image: Path = IMAGE,
    target: int | None = None,
    supplies: Supplies = NOTHING,
) -> tuple[str, str]:
    """What the screen says in the end, and the command line that it calls equal."""
    seen: list[str] = []

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("5")
        form = app.screen.query_one(ExtractForm)
        if supplies != NOTHING:
            app.try_supplies(supplies)
            await settled(app, pilot)
        if target is not None:
            form.query_one("#target", Select).value = target
        filled_in(form, typed, ticked)
        await settled(app, pilot)
        seen.append(form.plan.command())
        await pilot.press("f5")
        await settled(app, pilot)
        if isinstance(app.screen, Question):
            seen.append(screen_text(app))
            await pilot.press("y")
            await settled(app, pilot)
        await pilot.press("escape")
        seen.append(" ".join(screen_text(app).replace("│", " ").split()))

    drive(image, story, (170, 60))
    return " ".join(seen[1:]), seen[0]


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


def with_saved_state(folder: Path) -> Path:
    """An image whose first snapshot says that it holds 700 bytes of the state of a machine."""
    raw = bytearray((SOUND / "snapshots-512.qcow2").read_bytes())
    (table,) = struct.unpack_from(">Q", raw, 64)
    struct.pack_into(">I", raw, table + 32, 700)
    struct.pack_into(">Q", raw, table + 40, 700)  # the extra data, which comes before the field of 32 bits
    image = folder / "state.qcow2"
    image.write_bytes(raw)
    return image


@pytest.mark.parametrize("what", ["bitmap", "vm_state", "ciphertext", "backing_format", "key"])
def test_what_is_read_is_what_the_command_line_reads(drive: Drive, tmp_path: Path, what: str) -> None:
    here, key = tmp_path / "screen", tmp_path / "key"
    here.mkdir()
    key.write_text("open sesame", encoding="utf-8")
    image, typed, ticked, target, supplies = {
        "bitmap": (SOUND / "bitmaps-512.qcow2", {"bitmap": "backup"}, (), None, NOTHING),
        "vm_state": (with_saved_state(tmp_path), {}, ("vm-state",), 0, NOTHING),
        "ciphertext": (SOUND / "luks-4k.qcow2", {}, ("ciphertext",), None, Supplies(key_file=str(key))),
        "backing_format": (OVERLAY, {}, (), None, Supplies((str(BACKING),)).read_as(0, "raw")),
        "key": (SOUND / "luks-4k.qcow2", {}, (), None, Supplies(key_file=str(key), allow_slow_key=True)),
    }[what]
    said, command = extracted(drive, typed | {"output": str(here / "o.raw")}, ticked, image, target, supplies)
    assert ("▲ complete" if what == "vm_state" else "✔ complete") in said, "no table holds that machine state"
    option = {"key": "--allow-slow-key"}.get(what, "--" + what.replace("_", "-"))
    assert option in command
    found = (here / "o.raw").read_bytes()
    (here / "o.raw").unlink()
    (here / "o.raw.report.json").unlink()
    qcowscope(*shlex.split(command)[1:])
    assert (here / "o.raw").read_bytes() == found
    if what in ("vm_state", "ciphertext", "backing_format"):
        qcowscope("extract", image, "-o", here / "other.raw")
        assert (here / "other.raw").read_bytes() != found, "the option changes what is written"


def test_every_option_of_the_command_line_can_be_had_on_the_screen() -> None:
    """What cannot is named here, with the reason."""
    elsewhere = {
        "help", "image", "output", "report", "hash", "no_sparse", "verify", "force", "in_use", "snapshot",
        "backing", "backing_format", "data_file", "key_file", "allow_slow_key", "plan", "image_offset",
    }  # fmt: skip
    without = {
        "format": "an E01 is named like one",
        "key_without_newline": "what is typed has no newline; of a key file both are tried",
    }
    subparsers = next(each for each in make_parser(["extract"])._actions if isinstance(each.choices, dict))
    assert isinstance(subparsers.choices, dict)
    options = {action.dest for action in subparsers.choices["extract"]._actions}
    assert options - {*TYPED, *TICKED, *CASE_FIELDS, *elsewhere, *without} == set()


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
        ({}, ("vm-state",)),
    ],
)
def test_what_the_command_line_refuses_the_screen_refuses_in_the_same_words(
    drive: Drive, tmp_path: Path, typed: dict[str, str], ticked: tuple[str, ...]
) -> None:
    output = tmp_path / typed.get("output", "o.raw")
    said, command = extracted(drive, typed | {"output": str(output)}, ticked)
    refused = qcowscope(*shlex.split(command)[1:])
    assert refused.status == ExitStatus.USAGE
    words = re.split(r"qcowscope(?: extract)?: ", " ".join(refused.err.split()), maxsplit=1)[1].partition(" Usage")[0]
    assert "nothing was extracted" in said
    assert words.removeprefix("argument ")[:40].rstrip() in said, refused.err
    assert contents(tmp_path).keys() <= {"session.json", "session.log"}


@pytest.mark.parametrize("name", ["nothing of this name", "2"])
def test_a_bitmap_that_is_not_there_is_refused_in_the_same_words(drive: Drive, tmp_path: Path, name: str) -> None:
    image = SOUND / "bitmaps-512.qcow2"
    said, command = extracted(drive, {"output": str(tmp_path / "o.raw"), "bitmap": name}, image=image)
    refused = qcowscope(*shlex.split(command)[1:])
    assert "✖ nothing was extracted" in said
    assert "no bitmap" in said
    assert f"no bitmap has the name or index {name}" in refused.err
    assert not (tmp_path / "o.raw").exists()


@pytest.mark.parametrize(("range_", "asked"), [("0:512", False), ("300:1KiB", False), ("", True), ("12KiB:", True)])
def test_what_is_missing_is_reckoned_of_the_range_that_is_wanted(
    drive: Drive, tmp_path: Path, range_: str, asked: bool
) -> None:
    """A disk whose later part lies in a data cluster past the end of the file."""
    image = tmp_path / "image.qcow2"
    there = [COPIED | (FIRST_DATA + number) * 512 for number in range(26)]
    image.write_bytes(tiny([*there, *[COPIED | 1 << 40] * 6], file_clusters=FIRST_DATA + 26))
    said, _ = extracted(drive, {"output": str(tmp_path / "o.raw"), "range": range_}, image=image)
    assert ("Write it nevertheless?" in said) == asked
    if asked:
        assert f" of the {'range' if range_ else 'disk'} cannot be read" in said
        assert f" % of the {'range' if range_ else 'disk'}, filled with zeros" in said


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
