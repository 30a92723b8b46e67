"""Findings are judged by the examiner; that is kept, filtered by, logged and reported as notes are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot
from textual.widgets import Checkbox, DataTable, Input

from forensic.explore import TRIAGE
from samples import recipes
from tests.tui.driving import Drive, screen_text, settled
from tui.app import QcowscopeApp
from tui.finding_list import BadFilter, matching
from tui.session.notes import Notes
from tui.session.triage import STATES, TRIAGE_MARKS, Triage, Triaged

FORMATS = ("json", "html", "text", "markdown", "log")


def damaged(folder: Path) -> Path:
    recipe = recipes.load(recipes.HERE / "damaged" / "l2-entry-outside-file.toml")
    return recipes.apply(recipe, folder / "image.qcow2")


def kept(folder: Path) -> list[tuple[str, str]]:
    file = folder / "session.json"
    notes = json.loads(file.read_text(encoding="utf-8"))["notes"] if file.exists() else []
    return [(note["text"], note["label"]) for note in notes]


def test_a_key_steps_through_the_states_and_the_session_keeps_each(drive: Drive, tmp_path: Path) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("4")
        await settled(app, pilot)
        table = app.screen.query_one("#list", DataTable)
        rule, (place, *_) = str(table.get_row_at(0)[2]), app.screen._listed[0].problems[0].ranges  # type: ignore[attr-defined]
        for state in (*STATES[1:], *STATES):
            await pilot.press("t")
            await settled(app, pilot)
            assert kept(tmp_path) == ([] if state == "none" else [(f"finding {rule}: {state}", TRIAGE)])
            assert str(table.get_row_at(0)[3]) == TRIAGE_MARKS[state]
            assert (f"{TRIAGE_MARKS[state]} {state}" in screen_text(app)) == (state != "none")
            assert [note.place for note in app.desk.notes.notes] == ([] if state == "none" else [place])
        await pilot.press("T", *"as made", "enter")
        await settled(app, pilot)
        assert kept(tmp_path) == [(f"finding {rule}: rejected: as made", TRIAGE)], "the reason stays with it"
        assert "rejected: as made" in screen_text(app)
        await pilot.press("t", "t")
        await settled(app, pilot)
        assert kept(tmp_path) == [(f"finding {rule}: seen: as made", TRIAGE)], "nor is it lost when it is taken back"

    drive(damaged(tmp_path), story)
    log = (tmp_path / "session.log").read_text(encoding="utf-8")
    assert [words in log for words in (": explained\n", ": rejected: as made\n", ": none\n")] == [True] * 3


def six(app: QcowscopeApp) -> None:
    """Six findings that differ in their codes."""
    app.desk.findings = tuple(replace(app.desk.findings[0], rule=f"r{number}") for number in range(6))
    app.desk.learn("findings")


def test_what_was_judged_is_filtered_by_and_there_again_next_time(drive: Drive, tmp_path: Path) -> None:
    image = damaged(tmp_path)

    async def judge(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        six(app)
        await pilot.press("4", "T", *"why", "enter", "down", "t")
        await settled(app, pilot)
        assert "2 triaged" in screen_text(app)

    async def look(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        six(app)
        await pilot.press("4")
        await settled(app, pilot)
        table = app.screen.query_one("#list", DataTable)
        count, marks = table.row_count, [str(table.get_row_at(row)[3]) for row in range(table.row_count)]
        assert marks[:3] == [TRIAGE_MARKS["explained"], TRIAGE_MARKS["seen"], TRIAGE_MARKS["none"]]
        for words, expected in (("triage:seen", 1), ("triage:expl,seen", 2), ("triage:none", count - 2)):
            await pilot.press("f")
            app.screen.query_one("#filter", Input).value = words
            await settled(app, pilot)
            assert table.row_count == expected, words
        await pilot.press("enter", "down", "t")
        await settled(app, pilot)
        assert (table.row_count, table.cursor_row) == (count - 3, 1), "the next one takes its place under the cursor"
        app.desk.notes.remove(app.desk.notes.notes[0])
        app.desk.learn("notes")
        await settled(app, pilot)
        assert table.row_count == count - 2, "a note that is deleted judges nothing any more"

    drive(image, judge)
    drive(image, look)


def test_it_stands_in_every_form_of_the_report(drive: Drive, tmp_path: Path) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("4", "T", *"cut by the copy", "enter", "5")
        await settled(app, pilot)
        app.screen.query_one("#output", Input).value = str(tmp_path / "out.raw")
        for name in FORMATS:
            app.screen.query_one(f"#tick-{name}", Checkbox).value = True
        await pilot.press("escape", "f5")
        await settled(app, pilot)

    drive(damaged(tmp_path), story)
    reports = sorted(tmp_path.glob("out.raw.report*"))
    assert len(reports) == len(FORMATS)
    ((text, _),) = kept(tmp_path)
    for file in reports:
        words = file.read_text(encoding="utf-8").replace("\\", "")
        assert text in words, file.name
        assert "triage" in words, file.name


def test_an_unknown_state_is_refused_and_words_of_another_label_judge_nothing(tmp_path: Path, drive: Drive) -> None:
    with pytest.raises(BadFilter, match="foo: expected one of none, seen"):
        matching([], "triage:foo", {})

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        finding = app.desk.findings[0]
        app.desk.notes.add(finding.problems[0].ranges[0], f"finding {finding.rule}: seen")
        triage = Triage(Notes(tmp_path / "session.json"), app._held)
        assert triage.of(finding) == Triaged()
        await pilot.press("apostrophe")

    drive(damaged(tmp_path), story)
