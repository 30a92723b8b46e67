"""Notes are made, changed, labelled, drawn and taken back; the case log keeps what was said."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Checkbox, Input

from forensic.explore import Range, Space, host_range
from tests.images import SOUND
from tests.tui.driving import Drive, screen_text, settled
from tui.app import QcowscopeApp
from tui.session.case_log import CaseLog
from tui.session.notes import LABELS, Notes
from tui.widgets.cluster_map import ClusterMap
from tui.widgets.hex_view import HexView

SNAPSHOTS = SOUND / "snapshots-512.qcow2"


def test_a_note_is_edited_labelled_and_deleted_and_the_file_says_so(drive: Drive, tmp_path: Path) -> None:
    def kept() -> list[tuple[str, str]]:
        notes = json.loads((tmp_path / "session.json").read_text(encoding="utf-8"))["notes"]
        return [(note["text"], note["label"]) for note in notes]

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2", "g", *"0x600", "enter", "semicolon", *"first", "enter")
        await pilot.press("g", *"0x1400", "enter", "semicolon", *"second", "enter", "apostrophe")
        await settled(app, pilot)
        assert "e edit" in screen_text(app)
        await pilot.press("down", "e")
        await settled(app, pilot)
        app.screen.query_one(Input).value = "other words"
        await pilot.press("enter")
        await settled(app, pilot)
        assert kept() == [("first", ""), ("other words", "")]
        await pilot.press("l")
        await settled(app, pilot)
        assert kept() == [("first", ""), ("other words", LABELS[1])]
        await pilot.press("up", "d")
        await settled(app, pilot)
        assert kept() == [("other words", LABELS[1])]
        await pilot.press("enter")
        await settled(app, pilot)
        assert app.desk.place.offset == 0x1400

    drive(SNAPSHOTS, story, (140, 40))


def test_a_note_is_drawn_in_the_dump_and_on_the_map_until_it_is_deleted(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        def background(offset: int) -> str:
            view = app.screen.query_one("#host", HexView)
            y = next(at for at, line in enumerate(view._lines()) if line.row == offset // view._layout.bytes_per_row)
            styles = [segment.style for segment in view.render_line(y) for _ in segment.text]
            column = view._layout.digits + 1 + 3 * (offset % view._layout.bytes_per_row)
            style = styles[column]
            return str(style.bgcolor if style else "")

        await pilot.press("2", "g", *"0x1480", "enter")
        await settled(app, pilot)
        plain = background(0x1484)
        app.desk.notes.add(host_range(0x1484, 4), "here", label="evidence")
        app.desk.learn("notes")
        await settled(app, pilot)
        assert background(0x1484) == background(0x1487) != plain
        assert background(0x1483) == plain
        await pilot.press("3")
        await settled(app, pilot)
        glyphs = [cell.glyph for cell in app.screen.query_one("#file-map", ClusterMap).cells]
        assert glyphs.index("✎") == 0x1484 // 512
        app.desk.notes.remove(app.desk.notes.notes[0])
        app.desk.learn("notes")
        await settled(app, pilot)
        assert "✎" not in [cell.glyph for cell in app.screen.query_one("#file-map", ClusterMap).cells]

    drive(SNAPSHOTS, story, (140, 40))


def test_the_same_note_is_not_made_twice(tmp_path: Path) -> None:
    notes = Notes(tmp_path / "notes.json")
    first = notes.add(host_range(5, 1), "bookmark", label="bookmark")
    assert notes.add(host_range(5, 1), "bookmark", label="bookmark") is first
    notes.add(host_range(5, 2), "bookmark", label="bookmark")
    notes.add(Range(Space.GUEST, 5, 1), "bookmark", label="bookmark")
    assert [note.place.length for note in Notes(tmp_path / "notes.json").notes] == [1, 2, 1]


def test_notes_of_an_older_version_are_read(tmp_path: Path) -> None:
    file = tmp_path / "notes.json"
    old = {"place": {"space": "host", "offset": 7, "length": 2}, "text": "old", "created_at": "t", "author": "a"}
    file.write_text(json.dumps({"notes": [old]}), encoding="utf-8")
    notes = Notes(file)
    assert (notes.trouble, notes.notes[0].text, notes.notes[0].label) == ("", "old", "")


def test_a_change_that_cannot_be_kept_is_not_shown_as_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    notes = Notes(tmp_path / "file" / "notes.json")
    with pytest.raises(OSError, match=r"notes\.json|Not a directory|File exists"):
        notes.add(host_range(0, 1), "lost")
    assert notes.notes == []


def test_what_was_done_and_said_is_in_the_case_log_and_in_the_report(drive: Drive, tmp_path: Path) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        digest = hashlib.sha256(SNAPSHOTS.read_bytes()).hexdigest()
        await pilot.press("2", "g", *"0x600", "enter", "slash", *"NOTHERE", "enter")
        await settled(app, pilot)
        await pilot.press("x", *str(tmp_path / "bytes.bin"), "enter", "semicolon", *"remark", "enter", "L")
        await settled(app, pilot)
        text = screen_text(app)
        for words in (digest, "nothing found", "bytes written, sha256", "note: remark", "host 0x600"):
            assert words in text
        await pilot.press("escape", "5")
        await settled(app, pilot)
        app.screen.query_one("#output", Input).value = str(tmp_path / "out.raw")
        app.screen.query_one("#tick-log", Checkbox).value = True
        await pilot.press("escape", "f5")
        await settled(app, pilot)

    drive(SNAPSHOTS, story, (200, 60))
    written = (tmp_path / "session.log").read_text(encoding="utf-8")
    audit = json.loads((tmp_path / "out.raw.report.json").read_text(encoding="utf-8"))["audit"]
    for words in ("note: remark", "search for “NOTHERE” in the file", "extraction begun"):
        assert words in written
        assert [each for each in audit if words in each["words"]]
    assert "note: remark" in (tmp_path / "out.raw.report.log").read_text(encoding="utf-8")
    assert "extraction done" in written


def test_a_log_that_cannot_be_kept_says_so_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    log = CaseLog(tmp_path / "file" / "case.log", lambda: "host 0x0")
    log.add("one")
    log.add("two")
    assert log.entries[0].words == "one"
    assert sum("is not kept" in entry.words for entry in log.entries) == 1
    assert log.entries[-1].words == "two"


def test_messages_do_not_pile_up(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("3", *["plus"] * 12)
        await settled(app, pilot)
        assert len(app._notifications) <= 1
        assert len(app.screen.query("Toast")) <= 1

    drive(SNAPSHOTS, story)


def test_a_picture_fetches_nothing_and_says_of_what_it_is(drive: Drive, tmp_path: Path) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2", "ctrl+e")
        await settled(app, pilot)

    drive(SNAPSHOTS, story)
    drawn = (tmp_path / "session" / "exhibit-001.svg").read_text(encoding="utf-8").replace("&#160;", " ")
    outside = [
        words for words in ("cdnjs", "@import", "url(http", "@font-face", "<image", "xlink:href") if words in drawn
    ]
    assert outside == []
    assert SNAPSHOTS.name in drawn
    assert hashlib.sha256(SNAPSHOTS.read_bytes()).hexdigest() in drawn
    assert "unchanged" in drawn
