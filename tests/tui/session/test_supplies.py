"""What is supplied is tried when it is given, serves everything, and can be taken back or replaced."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Checkbox, Input

from forensic.explore import Space
from tests.images import SOUND
from tests.tui.driving import Drive, screen_text, settled, told
from tui.app import QcowscopeApp
from tui.extract_job import Control, Extracted, run_extraction
from tui.extraction_plan import ExtractionPlan
from tui.session.supplies import NOTHING, Supplies
from tui.widgets.extract_form import ExtractForm

OVERLAY, BACKING = SOUND / "overlay-qcow2.qcow2", SOUND / "overlay-qcow2.backing.qcow2"
LUKS, PASSPHRASE = SOUND / "luks-4k.qcow2", "open sesame"


def raw_sha256(name: str) -> str:
    return str(json.loads((SOUND / f"{name}.json").read_text(encoding="utf-8"))["raw_sha256"])


async def given(app: QcowscopeApp, pilot: Pilot[int], what: str, value: str) -> None:
    """Answer yes where there is a question, and type the value."""
    app.supply(what)
    await pilot.pause()
    if not what.startswith("key"):
        await pilot.press("y")
        await pilot.pause()
    app.screen.query_one(Input).value = value
    await pilot.press("enter")
    await settled(app, pilot)


def whole_disk(app: QcowscopeApp) -> bytes | str:
    return app.desk.disk_view.read(0, app.desk.disk_view.size)


@pytest.mark.parametrize(
    ("image", "what", "wrong", "right"),
    [
        (OVERLAY, "backing", "/nonexist/base.qcow2", str(BACKING)),
        (LUKS, "key", "wrong", PASSPHRASE),
        (LUKS, "key_file", "/nonexist/key", "KEY FILE"),
        (SOUND / "data-file.qcow2", "data_file", "/nonexist/data", str(SOUND / "data-file.data.raw")),
    ],
    ids=["backing", "key", "key_file", "data_file"],
)
def test_what_is_wrong_is_refused_when_it_is_given_and_what_is_right_serves_everything(
    drive: Drive, image: Path, what: str, wrong: str, right: str, tmp_path: Path
) -> None:
    if right == "KEY FILE":
        (tmp_path / "key").write_text(PASSPHRASE, encoding="utf-8")
        right = str(tmp_path / "key")

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2", "p", "p")
        await settled(app, pilot)
        assert "S enters the key" in screen_text(app) or "S supplies" in screen_text(app)
        before = whole_disk(app)
        await given(app, pilot, what, wrong)
        assert "not taken" in told(app)
        assert app.desk.supplies == NOTHING
        assert whole_disk(app) == before
        await given(app, pilot, what, right)
        assert len(app.desk.supplies.listed()) == 1
        data = whole_disk(app)
        assert isinstance(data, bytes)
        assert hashlib.sha256(data).hexdigest() == raw_sha256(image.stem)
        assert "not_supplied" not in screen_text(app), "the dump is drawn again with what was supplied"
        needle = next(data[at : at + 8] for at in range(0, len(data), 512) if any(data[at : at + 8]))
        app._begin_search(f"hex:{needle.hex()}", Space.GUEST)
        await settled(app, pilot)
        assert app.desk.matches
        assert app.desk.contents is not None
        assert not app.desk.contents.missing
        await pilot.press("5")
        await settled(app, pilot)
        app.screen.query_one("#output", Input).value = str(tmp_path / "out.raw")
        await pilot.press("escape", "f5")
        await settled(app, pilot)
        assert PASSPHRASE not in screen_text(app)

    drive(image, story, (170, 50))
    assert hashlib.sha256((tmp_path / "out.raw").read_bytes()).hexdigest() == raw_sha256(image.stem)


def test_a_supply_is_taken_back_and_replaced(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("5")
        await settled(app, pilot)
        await given(app, pilot, "backing", str(BACKING))
        form = app.screen.query_one(ExtractForm)
        assert form.plan.supplies.backing == (str(BACKING),)
        assert form.plan.command().count("--backing") == 1
        app.screen.query_one("#supply-backing", Button).press()
        await pilot.pause()
        assert "take back" in screen_text(app)
        await pilot.press("enter")
        await settled(app, pilot)
        assert app.desk.supplies == NOTHING
        assert "--backing" not in form.plan.command()
        data = whole_disk(app)
        assert data == "backing_not_supplied"
        await given(app, pilot, "backing", str(BACKING))
        assert isinstance(whole_disk(app), bytes)

    drive(OVERLAY, story, (170, 50))


@pytest.mark.parametrize("yes", [False, True])
def test_a_key_that_takes_long_is_derived_after_a_question(
    drive: Drive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, yes: bool
) -> None:
    monkeypatch.setattr("forensic.disk.luks_keys.SLOW_ROUNDS", 1)

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await given(app, pilot, "key", PASSPHRASE)
        asked = " ".join(screen_text(app).replace("│", " ").split())
        assert "Derive the key nevertheless?" in asked
        assert "iterations of key derivation" in asked
        assert "--allow-slow-key" not in asked
        await pilot.press("y" if yes else "enter")  # No has the focus
        await settled(app, pilot)
        assert app.desk.supplies == (Supplies(passphrase=PASSPHRASE, allow_slow_key=True) if yes else NOTHING)
        assert isinstance(whole_disk(app), bytes) == yes

    drive(LUKS, story, (120, 40))


def test_a_backing_file_is_read_as_what_the_examiner_says(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await given(app, pilot, "backing", str(BACKING))
        declared = whole_disk(app)
        for format_, same in (("raw", False), ("as the image declares", True)):
            await pilot.press("S")
            await settled(app, pilot)
            app.screen.query_one(Input).value = "read as"
            await pilot.press("enter")
            await settled(app, pilot)
            app.screen.query_one(Input).value = format_
            await settled(app, pilot)
            await pilot.press("enter")
            await settled(app, pilot)
            assert (whole_disk(app) == declared) == same, told(app)
        assert app.desk.supplies.chain == [(str(BACKING), "")]

    drive(OVERLAY, story, (120, 40))


def test_formats_stay_with_their_files_and_paths_are_given_to_a_shell_as_they_are_read() -> None:
    supplies = Supplies(("~/a", "b", "c")).read_as(0, "qcow2").read_as(2, "raw")
    assert supplies.without("backing", 1).chain == [("~/a", "qcow2"), ("c", "raw")]
    assert supplies.without("backing", 0).chain == [("b", ""), ("c", "raw")]
    words = ExtractionPlan(Path("i.qcow2"), "~/o.raw", supplies=supplies).words()
    assert "~" not in "".join(words), "a shell opens no quoted tilde"
    assert words.index("--backing-format") == words.index("--backing") + 2


@pytest.mark.parametrize("yes", [False, True])
def test_what_would_be_zeros_for_a_good_part_is_asked_for_first(drive: Drive, yes: bool, tmp_path: Path) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("5")
        await settled(app, pilot)
        app.screen.query_one("#output", Input).value = str(tmp_path / "out.raw")
        app.screen.query_one("#tick-json", Checkbox).value = False
        await pilot.press("escape", "f5")
        await settled(app, pilot)
        asked = screen_text(app)
        assert "Write it nevertheless?" in asked
        assert " % of the disk cannot be read" in asked
        assert "the backing file was not supplied" in asked
        assert not (tmp_path / "out.raw").exists()
        await pilot.press("y" if yes else "escape")
        await settled(app, pilot)
        assert (tmp_path / "out.raw").exists() == yes
        assert ("% of the disk, filled with zeros" in screen_text(app)) == yes
        assert ("not started" in screen_text(app)) != yes

    drive(OVERLAY, story, (170, 50))


@pytest.mark.parametrize("role", ["image", "plan", "key_file", "backing"])
def test_nothing_that_is_read_is_written_over_even_if_asked_to(role: str, tmp_path: Path) -> None:
    from forensic import open_image

    source = OVERLAY if role == "backing" else LUKS
    image, other = tmp_path / "image.qcow2", tmp_path / "other"
    image.write_bytes(source.read_bytes())
    other.write_bytes(BACKING.read_bytes() if role == "backing" else PASSPHRASE.encode())
    supplies = Supplies(backing=(str(other),)) if role == "backing" else Supplies(key_file=str(other))
    if role in ("image", "plan"):
        supplies = Supplies(passphrase=PASSPHRASE)
    target = image if role == "image" else other
    plan = ExtractionPlan(
        image, str(target), force=True, supplies=supplies, plan_file=str(other) if role == "plan" else ""
    )
    said: list[object] = []

    def post(message: object) -> bool:
        said.append(message)
        return True

    before = target.read_bytes()
    with open_image(image) as opened:
        run_extraction(post, opened, plan, [], [], Control())
    assert isinstance(said[-1], Extracted)
    assert "is an input" in said[-1].reason
    assert target.read_bytes() == before


def test_the_command_names_the_plan_by_which_the_image_is_read() -> None:
    plan = ExtractionPlan(
        Path("i.qcow2"), "o.raw", plan_file="p.json", image_offset=512, supplies=Supplies(key_file="k")
    )
    assert "--plan p.json" in plan.command()
    assert "--image-offset 512" in plan.command()
    assert "--key-file k" in plan.command()
