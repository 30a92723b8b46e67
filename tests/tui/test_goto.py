"""The grammar of places, and the small modules behind the screens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.app import App
from textual.events import Key
from textual.pilot import Pilot

from forensic import open_image
from forensic.explore import Range, guest_range, host_range
from tests.images import SOUND
from tests.tui.driving import Drive, settled
from tui.app import QcowscopeApp
from tui.clip import FORMS, clipped
from tui.commands import COMMANDS
from tui.config import load
from tui.desk import Desk
from tui.extraction_plan import ExtractionPlan
from tui.goto import CannotGo, place_of
from tui.jumps import Jumps
from tui.session.notes import Notes, session_file
from tui.session.supplies import Supplies
from tui.widgets.hex_layout import HexLayout, fitting


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_image(SOUND / "snapshots-512.qcow2") as image:
        yield Desk(App(), image, Notes(tmp_path / "notes.json"))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("0x600", host_range(0x600, 1)),
        ("1536", host_range(1536, 1)),
        ("4KiB", host_range(4096, 1)),
        ("0x600,16", host_range(0x600, 16)),
        ("c3", host_range(0x600, 1)),
        ("v0x200", guest_range(0x200, 1)),
        ("vc2", guest_range(1024, 1)),
        ("L1[0]", host_range(0x600, 8)),
        ("l1[0].l2[1]", host_range(0x1408, 8)),
        ("snapshot 0 L1[0].L2[0]", host_range(0x800, 8)),
        ("+16", host_range(16, 1)),
        ("header", host_range(0, 1)),
        ("refcounts", host_range(0x200, 1)),
        ("snapshots", host_range(0x1E00, 1)),
        ("64 B", host_range(64, 1)),
        ("4 KiB", host_range(4096, 1)),
        ("600h", host_range(0x600, 1)),
        ("0600H", host_range(0x600, 1)),
        ("v200h", guest_range(0x200, 1)),
        ("c3+16", host_range(0x610, 1)),
        ("c3 - 10h", host_range(0x5F0, 1)),
        ("vc2+1 KiB", guest_range(2048, 1)),
        ("L1[0].L2[1]+4", host_range(0x140C, 1)),
        ("refcounts + 8", host_range(0x208, 1)),
        ("end", host_range(0x21FF, 1)),
    ],
)
def test_places_are_understood(desk: Desk, text: str, place: Range) -> None:
    assert place_of(text, desk) == place


@pytest.mark.parametrize("text", ["", "x", "-1", "0x10000", "v16k", "L1[1]", "L1[0].L2[64]", "snapshot 9 L1[0]", "٣"])
def test_what_is_no_place_is_refused(desk: Desk, text: str) -> None:
    with pytest.raises(CannotGo):
        place_of(text, desk)


def test_an_entry_of_the_table_that_the_cursor_is_in_needs_no_l1_index(desk: Desk) -> None:
    for here, there in (("L1[0].L2[5]", "L1[0].L2[7]"), ("snapshot 0 L1[0].L2[0]", "snapshot 0 L1[0].L2[7]")):
        desk.go(place_of(here, desk))
        assert place_of("L2[7]", desk) == place_of(there, desk)
    desk.go(guest_range(0x400, 1))
    assert place_of("L2[2]", desk) == place_of("L1[0].L2[2]", desk)
    desk.go(host_range(0, 1))
    with pytest.raises(CannotGo, match="say L1"):
        place_of("L2[7]", desk)


def test_what_is_not_there_is_named_as_the_specification_does(desk: Desk) -> None:
    with pytest.raises(CannotGo, match=r"^L1\[99\]\.L2\[1\]: there is no such entry"):
        place_of("l1[99].l2[1]", desk)


def test_bitmaps_are_a_place(tmp_path: Path) -> None:
    with open_image(SOUND / "bitmaps-512.qcow2") as image:
        desk = Desk(App(), image, Notes(tmp_path / "notes.json"))
        assert image.bitmaps is not None
        assert place_of("bitmaps", desk) == host_range(image.bitmaps.bitmaps[0].host_offset, 1)


def test_jumps_go_back_and_forth_and_a_new_jump_forgets_what_was_ahead() -> None:
    jumps = Jumps(host_range(0, 1))
    jumps.jump(host_range(1, 1))
    jumps.step(host_range(2, 1))
    jumps.jump(host_range(3, 1))
    assert [jumps.back(), jumps.back(), jumps.back()] == [host_range(2, 1), host_range(0, 1), None]
    assert jumps.forward() == host_range(2, 1)
    jumps.jump(host_range(9, 1))
    assert jumps.forward() is None


def test_notes_outlive_the_program_and_are_not_beside_the_evidence(tmp_path: Path) -> None:
    file = session_file(tmp_path / "image.qcow2", lambda: tmp_path / "state")
    note = Notes(file).add(guest_range(5, 6), "look here")
    assert Notes(file).notes == [note]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state"]
    (kept,) = json.loads(file.read_text(encoding="utf-8"))["notes"]
    assert (kept["place"], kept["text"]) == ({"space": "guest", "offset": 5, "length": 6}, "look here")


def test_a_session_that_cannot_be_read_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "notes.json").write_text("[broken", encoding="utf-8")
    notes = Notes(tmp_path / "notes.json")
    with pytest.raises(OSError, match="cannot be read"):
        notes.add(host_range(0, 1), "x")
    assert (tmp_path / "notes.json").read_text(encoding="utf-8") == "[broken"


def test_the_forms_of_the_clipboard() -> None:
    data, place, path = b"QFI\xfb", host_range(0, 4), Path("a b.qcow2")
    copied = {form: clipped(form, path, place, data) for form in FORMS}
    assert copied == {
        "hex": "51 46 49 fb",
        "offset": "host 0x0 +4",
        "python": 'bytes.fromhex("514649fb")',
        "c": "{0x51, 0x46, 0x49, 0xfb}",
        "base64": "UUZJ+w==",
        "text": "QFI.",
        "command": "dd if='a b.qcow2' skip=0 count=4 iflag=skip_bytes,count_bytes status=none",
    }


def test_the_command_line_says_what_the_form_says_but_not_the_key() -> None:
    plan = ExtractionPlan(
        Path("i.qcow2"), "o.raw", 1, ("sha256", "md5"), ("json",), supplies=Supplies(("b.raw",), "d", "secret"),
        case={"examiner": "A B", "notes": ""},
    )  # fmt: skip
    assert plan.command() == (
        "qcowscope extract i.qcow2 -o o.raw --snapshot '#1' --hash sha256,md5 --report json:o.raw.report.json "
        "--backing b.raw --data-file d --examiner 'A B'"
    )
    assert "secret" not in repr(plan)


def test_keys_come_from_the_settings_and_wrong_lines_are_named(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('theme = "nord"\n[keys]\n"go.to" = ["f7", "g"]\nnonsense = "x"\n"map.in" = 3\n', encoding="utf-8")
    settings = load(file)
    assert (dict(settings.keys), settings.theme) == ({"go.to": "f7,g"}, "nord")
    assert len(settings.troubles) == 2
    assert load(tmp_path / "absent.toml").troubles == ()
    file.write_text("= broken", encoding="utf-8")
    assert len(load(file).troubles) == 1


def test_every_command_is_documented_and_named_once() -> None:
    assert len({command.id for command in COMMANDS}) == len(COMMANDS)
    assert all(command.title and command.help for command in COMMANDS)


@pytest.mark.parametrize(("width", "count"), [(200, 32), (76, 16), (60, 8), (10, 4)])
def test_the_dump_fits_its_window(width: int, count: int) -> None:
    layout = fitting(width, 1 << 20)
    assert layout.bytes_per_row == count
    columns = [layout.byte_at(x) for x in range(layout.width)]
    assert {column for column in columns if column is not None} == set(range(count))


def test_offsets_of_a_huge_disk_have_room() -> None:
    assert HexLayout(16, 8).offset_text(255) == "000000ff"
    assert fitting(200, 1 << 56).digits == 14


def test_the_order_of_bytes_can_be_typed(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2", "g", *"set endian le", "enter")
        await settled(app, pilot)
        assert str(app.screen.query_one("#host").border_subtitle) == "little-endian"
        await pilot.press("e")
        assert str(app.screen.query_one("#host").border_subtitle) == "big-endian"

    drive(SOUND / "data-4k.qcow2", story)


@pytest.mark.parametrize("screen", "1234")
def test_what_is_pasted_in_one_burst_goes_into_the_prompt_that_it_opens(drive: Drive, screen: str) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press(screen)
        await settled(app, pilot)
        for character in "gL1[0].L2[1]\r":  # as a terminal sends it: nothing waits until the one before is done
            key = {"[": "left_square_bracket", "]": "right_square_bracket", ".": "full_stop", "\r": "enter"}
            app.post_message(Key(key.get(character, character), character))
        for _ in range(20):
            await pilot.pause(0.05)
        assert app.desk.place == host_range(0x1408, 8)

    drive(SOUND / "snapshots-512.qcow2", story)
