"""Screen 7: what a search for lost tables proposes is refused and accepted, written, read by and taken back."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from textual.pilot import Pilot

from forensic import open_any, open_planned
from forensic.evidence import Evidence
from tests.commands import damaged
from tests.images import SOUND
from tests.tui.driving import Drive, screen_text, settled, told
from tui.app import QcowscopeApp
from tui.recovering.choice import Proposal
from tui.widgets.row_list import RowList

SOUND_IMAGE = SOUND / "snapshots-512.qcow2"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An image whose active L1 table is all zeros; the tables of its disk are still in the file."""
    raw = bytearray(SOUND_IMAGE.read_bytes())
    (l1,), (count,) = struct.unpack_from(">Q", raw, 40), struct.unpack_from(">I", raw, 36)
    raw[l1 : l1 + 8 * count] = bytes(8 * count)
    path = tmp_path / "damaged.qcow2"
    path.write_bytes(raw)
    return path


def proposal(app: QcowscopeApp) -> Proposal:
    found = app.desk.proposals.current
    assert found is not None
    return found


async def searched(app: QcowscopeApp, pilot: Pilot[int]) -> Proposal:
    """The screen, after the search."""
    await pilot.press("7", "r")
    await settled(app, pilot)
    return proposal(app)


async def answered(app: QcowscopeApp, pilot: Pilot[int], path: Path) -> None:
    """Type a path in place of what is proposed."""
    await pilot.press("ctrl+u", *str(path), "enter")
    await settled(app, pilot)


def test_what_was_found_is_listed_with_class_confidence_method_and_sums(image: Path, drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        found = await searched(app, pilot)
        assert app.screen.query_one(RowList).count == len(found.plan.decisions)
        text = screen_text(app)
        for name, decision in list(found.plan.decisions.items())[:3]:
            assert name in text
            assert f"{decision.confidence:.2f}" in text
        for words in ("damaged", "inferred", "certain", "not read", "what the plan gives"):
            assert words in text

    drive(image, story, (160, 44))


def test_what_was_not_looked_at_is_not_called_sound(drive: Drive, tmp_path: Path) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await searched(app, pilot)
        judgement = app.desk.judgement
        assert judgement is not None
        assert judgement.verdict() == "corrupt"
        text = " ".join(screen_text(app).split())
        assert "check says" in text
        assert "not damaged" not in text

    drive(damaged("compressed-stream-broken", tmp_path), story, (160, 44))


def test_what_is_refused_is_left_out_of_the_plan_and_the_plan_names_who_did_it(
    image: Path, drive: Drive, tmp_path: Path
) -> None:
    target = tmp_path / "plan.json"

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        found = await searched(app, pilot)
        await pilot.press("space")
        await settled(app, pilot)
        assert found.refused == {next(iter(found.plan.decisions))}
        assert "[ ]" in screen_text(app)
        await pilot.press("w")
        await answered(app, pilot, target)
        written = json.loads(target.read_text())
        assert set(written["decisions"]) == set(found.plan.decisions) - found.refused
        assert written["examiner"]
        await pilot.press("space")
        assert found.refused == set()
        assert found.written == "", "a plan that was changed is not the one that was written"

    drive(image, story)


def test_the_size_of_the_disk_is_not_refused(image: Path, drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        found = await searched(app, pilot)
        app.screen.query_one(RowList).cursor = list(found.plan.decisions).index(found.plan.geometry.decision)
        await pilot.press("space")
        assert found.refused == set()
        assert "cannot be refused" in told(app)

    drive(image, story)


def test_a_plan_is_applied_to_all_screens_and_taken_back(image: Path, drive: Drive, tmp_path: Path) -> None:
    target = tmp_path / "plan.json"
    with open_any(SOUND_IMAGE) as sound:
        buffer = bytearray(512)
        sound.reader(fill_missing=True).readinto(buffer)

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        assert app.desk.disk_view.read(0, 512) == bytes(512)
        await pilot.press("semicolon", *"seen before", "enter")
        await searched(app, pilot)
        await pilot.press("a")
        await answered(app, pilot, target)
        for _ in range(100):
            if app.desk.plan_file:
                break
            await pilot.pause(0.05)
        await settled(app, pilot)
        assert app.desk.plan_file == str(target)
        assert app.current_mode == "recovery"
        assert app.desk.disk_view.read(0, 512) == bytes(buffer)
        assert app.desk.judgement is not None
        assert [note.text for note in app.desk.notes.notes] == ["seen before"]
        assert len(app.desk.hashes) == 1, "the file is the same, and is not hashed again"
        await pilot.press("5")
        await settled(app, pilot)
        assert "--plan" in screen_text(app)
        with Evidence(image) as evidence:
            assert open_planned(evidence, str(target)).planned is not None
        await pilot.press("7", "t")
        for _ in range(100):
            if not app.desk.plan_file:
                break
            await pilot.pause(0.05)
        await settled(app, pilot)
        assert app.desk.plan_file == ""
        assert app.desk.disk_view.read(0, 512) == bytes(512)
        assert app.desk.proposals.current is not None, "what was found is still there"

    drive(image, story, (160, 44))


def test_the_plan_is_taken_back_where_other_supplies_are(image: Path, drive: Drive, tmp_path: Path) -> None:
    target = tmp_path / "plan.json"

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await searched(app, pilot)
        await pilot.press("a")
        await answered(app, pilot, target)
        for _ in range(100):
            if app.desk.plan_file:
                break
            await pilot.pause(0.05)
        await settled(app, pilot)
        await pilot.press("S")
        await settled(app, pilot)
        assert "recovery plan" in screen_text(app)
        await pilot.press("enter")
        for _ in range(100):
            if not app.desk.plan_file:
                break
            await pilot.pause(0.05)
        assert app.desk.plan_file == ""

    drive(image, story)


def test_a_plan_is_written_over_nothing(image: Path, drive: Drive) -> None:
    before = image.read_bytes()

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await searched(app, pilot)
        await pilot.press("w")
        await answered(app, pilot, image)
        assert "evidence is never written to" in told(app)
        assert proposal(app).written == ""

    drive(image, story)
    assert image.read_bytes() == before


def test_enter_goes_to_the_table_of_a_step(image: Path, drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        found = await searched(app, pilot)
        await pilot.press("enter")
        await settled(app, pilot)
        assert app.current_mode == "structure"
        assert app.desk.place.offset in {slot.l2_offset for slot in found.plan.l1}

    drive(image, story)


def test_what_cannot_be_searched_is_said_on_the_screen(
    drive: Drive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encrypted = bytearray((SOUND / "version-1.qcow").read_bytes())
    encrypted[36:40] = (1).to_bytes(4, "big")
    (tmp_path / "aes.qcow").write_bytes(encrypted)
    monkeypatch.chdir(tmp_path)  # a short path, so that the sentence is not broken

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("7", "r")
        await settled(app, pilot)
        assert "its clusters are encrypted" in screen_text(app)

    drive(Path("aes.qcow"), story, (160, 40))
