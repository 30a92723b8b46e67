"""Every screen, driven by keys as an examiner would."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import DataTable, Input

from forensic.explore import Range, Space
from samples import recipes
from tests.tui.driving import Drive, screen_text, settled
from tui.app import QcowscopeApp
from tui.colourings import COLOURS, ENTROPY
from tui.config import Preferences
from tui.widgets.cluster_map import ClusterMap
from tui.widgets.hex_view import HexView
from tui.widgets.inspector import Inspector

SOUND = recipes.HERE / "sound"
SNAPSHOTS = SOUND / "snapshots-512.qcow2"
SIZES = [(80, 24), (170, 50)]


def host(offset: int, length: int = 1) -> Range:
    return Range(Space.HOST, offset, length)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_overview_says_what_the_image_is(drive: Drive, size: tuple[int, int]) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        text = screen_text(app)
        for words in ("READ-ONLY", "qcow2 version 3", "16 KiB", "CLEAN"):
            assert words in text
        assert "first, second" in text or size[1] < 30, "a low terminal scrolls"

    drive(SNAPSHOTS, story, size)


def test_a_screen_hears_once_of_what_is_known_and_of_where_the_cursor_is(
    drive: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Textual calls the `on_mount` of every class of a screen; one that calls its parent's subscribes twice."""
    heard: list[tuple[str, object]] = []

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        for key in "12345":
            await pilot.press(key)
            await settled(app, pilot)
            kind = type(app.screen)
            monkeypatch.setattr(kind, "on_learned", lambda screen, what: heard.append((type(screen).__name__, what)))
            monkeypatch.setattr(kind, "on_moved", lambda screen, place: heard.append((type(screen).__name__, place)))
            app.desk.learned.publish("nothing new")
            app.desk.moved.publish(host(0x200))
            await pilot.pause()
            found = [what for name, what in heard if name == kind.__name__]
            assert (found.count("nothing new"), found.count(host(0x200))) == (1, 1), kind.__name__

    drive(SNAPSHOTS, story, (170, 50))


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_number_keys_show_the_screens_and_q_leaves(drive: Drive, size: tuple[int, int]) -> None:
    seen: list[str] = []

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        for key in "23451":
            await pilot.press(key)
            await settled(app, pilot)
            seen.append(app.current_mode)
        await pilot.press("5")
        await pilot.pause()
        await pilot.press("q")
        assert app.return_value == 0

    drive(SNAPSHOTS, story, size)
    assert seen == ["structure", "map", "findings", "extract", "overview"]


def test_a_pointer_is_followed_and_the_way_back_is_remembered(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2", "g", *"L1[0]", "enter")
        assert app.desk.place == host(0x600, 8)
        assert "0x1400" in screen_text(app)
        await pilot.press("enter")
        assert app.desk.place.offset == 0x1400
        assert "L1[0].L2[0]" in screen_text(app)
        await pilot.press("enter")
        assert app.desk.place == host(0xA00, 512)
        await pilot.press("backspace", "backspace")
        assert app.desk.place == host(0x600, 8)
        await pilot.press("U")
        assert app.desk.place.offset == 0x1400

    drive(SNAPSHOTS, story)


def test_the_inspector_explains_the_field_under_the_cursor(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2", "down", "right", "right", "right", "right")
        text = screen_text(app)
        assert "cluster_bits" in text
        assert "Binary logarithm of the cluster size" in app.screen.query_one(Inspector).words
        assert app.screen.query_one("#host", HexView).field == host(20, 4)

    drive(SNAPSHOTS, story)


def test_tree_lines_move_the_bytes(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2")
        app.screen.query_one("#tree").focus()
        await pilot.press("down", "down", "down")
        assert app.desk.place.offset == 0x200
        await pilot.press("enter", "down", "enter", "down")
        assert app.desk.place == host(0x400, 512)

    drive(SNAPSHOTS, story)


def test_the_disk_stands_beside_the_file(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2", "p", "g", *"0xc00", "enter")
        assert app.desk.guest_offset() is None  # a snapshot's cluster
        await pilot.press("g", *"0x1800", "enter")
        assert app.screen.query_one("#guest", HexView).cursor == 512
        await pilot.press("O")
        assert app.desk.place == Range(Space.GUEST, 512, 1)

    drive(SNAPSHOTS, story)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_map_moves_both_cursors_and_zooms(drive: Drive, size: tuple[int, int]) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("3")
        await settled(app, pilot)
        file_map, disk_map = (
            app.screen.query_one("#file-map", ClusterMap),
            app.screen.query_one("#disk-map", ClusterMap),
        )
        assert [cell.glyph for cell in file_map.cells][:4] == ["H", "R", "R", "L"]
        assert [cell.glyph for cell in disk_map.cells][:5] == ["■", "■", "■", "■", "·"]
        await pilot.press("g", *"0x1800", "enter")
        assert (file_map.cursor, disk_map.cursor) == (0x1800, 512)
        await pilot.press("m", "right")
        assert (file_map.cursor, disk_map.cursor) == (0x2000, 1024)
        await pilot.press(*"c" * COLOURS.index(ENTROPY))
        await settled(app, pilot)
        assert {cell.kind[:4] for cell in file_map.cells} == {"heat"}
        assert "bits a byte" in screen_text(app), "the figure of the cell under the cursor"
        await pilot.press("enter")
        await settled(app, pilot)
        assert (app.current_mode, app.desk.place.offset) == ("structure", 1024)

    drive(SNAPSHOTS, story, size)


def test_zooming_ends_at_single_clusters(drive: Drive, tmp_path: Path) -> None:
    image = recipes.apply(recipes.load(recipes.HERE / "damaged" / "header-unknown-fields.toml"), tmp_path / "x.qcow2")
    with image.open("r+b") as stream:  # a disk of 1 TiB needs zooming
        stream.seek(24)
        stream.write((1 << 40).to_bytes(8, "big"))

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("3", "m")
        await settled(app, pilot)
        disk_map = app.screen.query_one("#disk-map", ClusterMap)
        whole = disk_map.grid.cell_size
        for _ in range(30):
            await pilot.press("+")
        await settled(app, pilot)
        assert disk_map.grid.cell_size == 512 < whole
        await pilot.press("end")
        await settled(app, pilot)
        assert disk_map.cursor == (1 << 40) - 1
        assert disk_map.grid.start <= disk_map.cursor < disk_map.grid.end
        await pilot.press("0")
        assert disk_map.grid.cell_size == whole

    drive(image, story)


def test_a_finding_is_explained_and_enter_goes_to_its_bytes(drive: Drive, tmp_path: Path) -> None:
    recipe = recipes.load(recipes.HERE / "damaged" / "l2-entry-outside-file.toml")
    image = recipes.apply(recipe, tmp_path / "image.qcow2")

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("4")
        await settled(app, pilot)
        text = screen_text(app)
        assert "l2-entry-outside-file" in text
        assert "Why" in text
        await pilot.press("enter")
        await settled(app, pilot)
        assert (app.current_mode, app.desk.place) == ("structure", host(0x800, 8))
        assert "▲ critical" in screen_text(app) or "▲ high" in screen_text(app)

    drive(image, story)


def test_findings_are_filtered_and_sorted(drive: Drive, tmp_path: Path) -> None:
    recipe = recipes.load(recipes.HERE / "damaged" / "l2-entry-outside-file.toml")
    image = recipes.apply(recipe, tmp_path / "image.qcow2")

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("4", "f", *"sev>=low rule:l2")
        assert app.screen.query_one("#list", DataTable).row_count == 1
        await pilot.press("enter", "s", "s", "r")
        assert "by class ↑" in screen_text(app)
        await pilot.press("f", *"zzz")
        assert app.screen.query_one("#list", DataTable).row_count == 0
        await pilot.press("escape")
        assert app.screen.query_one("#list", DataTable).row_count >= 1

    drive(image, story)


def test_an_extraction_gives_the_right_bytes_and_a_report(drive: Drive, tmp_path: Path) -> None:
    described = json.loads((SOUND / "snapshots-512.json").read_text(encoding="utf-8"))

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("5")
        app.screen.query_one("#output", Input).value = str(tmp_path / "out.raw")
        app.screen.query_one("#examiner", Input).value = "A. B."
        await pilot.press("f5")
        await settled(app, pilot)
        await pilot.press("escape")
        assert "✔ complete" in screen_text(app)
        await pilot.press("f5")
        await settled(app, pilot)
        assert "exists already" in screen_text(app)

    drive(SNAPSHOTS, story)
    assert hashlib.sha256((tmp_path / "out.raw").read_bytes()).hexdigest() == described["raw_sha256"]
    report = json.loads((tmp_path / "out.raw.report.json").read_text(encoding="utf-8"))
    assert report["result"]["extraction"]["hashes"] == {"sha256": described["raw_sha256"]}
    assert report["case"]["examiner"] == "A. B."
    assert report["run"]["command_line"][:2] == ["qcowscope", "extract"]


def test_notes_are_kept_in_the_session_and_lead_back(drive: Drive, tmp_path: Path) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2", "g", *"0x1400", "enter", "semicolon", *"odd", "enter", "g", *"0", "enter")
        await pilot.press("apostrophe", "enter")
        await settled(app, pilot)
        assert app.desk.place.offset == 0x1400

    drive(SNAPSHOTS, story)
    kept = json.loads((tmp_path / "session.json").read_text(encoding="utf-8"))["notes"]
    assert [(note["text"], note["place"]["offset"]) for note in kept] == [("odd", 0x1400)]


def test_a_search_finds_and_steps_through_the_places(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2", "slash", *"hex:51 46 49 fb", "enter")
        await settled(app, pilot)
        assert app.desk.matches == [host(0, 4)]
        await pilot.press("slash", *"first", "enter")
        await settled(app, pilot)
        assert app.desk.place == host(0x1E41, 5)
        await pilot.press("slash", *"re:[", "enter")
        assert "not a regular expression" in screen_text(app)

    drive(SNAPSHOTS, story)


def test_a_selection_is_copied_and_exported_with_its_hash(drive: Drive, tmp_path: Path) -> None:
    target = tmp_path / "bytes.bin"

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2", "v", "right", "right", "right", "v", "y")
        assert app.clipboard == "51 46 49 fb"
        await pilot.press("x", *str(target), "enter")
        await settled(app, pilot)

    drive(SNAPSHOTS, story)
    assert target.read_bytes() == b"QFI\xfb"
    digest = hashlib.sha256(b"QFI\xfb").hexdigest()
    assert (tmp_path / "bytes.bin.sha256").read_text(encoding="utf-8") == f"{digest}  bytes.bin\n"


def test_help_lists_every_command_and_runs_one(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("question_mark")
        await pilot.press(*"findings", "enter")
        await settled(app, pilot)
        assert app.current_mode == "findings"

    drive(SNAPSHOTS, story)


def test_keys_can_be_remapped(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("f12")
        await settled(app, pilot)
        assert app.current_mode == "map"

    drive(SNAPSHOTS, story, settings=Preferences({"screen.map": "f12"}))


def test_a_place_that_is_not_there_is_refused(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        for words, complaint in (("0xffffff", "outside"), ("L1[9]", "no such entry"), ("nonsense", "not a place")):
            await pilot.press("g", *words, "enter")
            assert complaint in screen_text(app)
            await pilot.press("escape")
        assert app.desk.place == host(0)

    drive(SNAPSHOTS, story)


def test_a_file_that_shrinks_while_it_is_open_says_so(drive: Drive, tmp_path: Path) -> None:
    image = tmp_path / "image.qcow2"
    image.write_bytes(SNAPSHOTS.read_bytes())

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        with image.open("r+b") as stream:
            stream.truncate(0x700)
        await pilot.press("2", "g", *"0x1400", "enter")
        assert "shorter than when it was opened" in screen_text(app)
        await pilot.press("1")
        app.action_hash_file()
        await settled(app, pilot)
        image.unlink()
        await pilot.press("3", "4", "5", "2")
        await settled(app, pilot)

    drive(image, story)


def test_terminals_may_be_resized(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        for key in "12345":
            await pilot.press(key)
            for size in ((20, 5), (200, 50)):
                await pilot.resize_terminal(*size)
            await settled(app, pilot)
        assert app.current_mode == "extract"

    drive(SNAPSHOTS, story)
