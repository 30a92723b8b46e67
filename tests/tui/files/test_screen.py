"""Screen 6: from a volume to a folder, a file, its bytes and where they lie; what changed; what cannot be read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.text import Text
from textual.pilot import Pilot

from forensic.explore import Entry
from forensic.filesystems import systems
from forensic.filesystems.entries import Kind
from samples.bench import noise
from tests.filesystems import disks
from tests.tui.driving import Drive, screen_text, settled, told
from tui.app import QcowscopeApp
from tui.files.preview import BeginningPane, is_text, lines_of
from tui.files.rows import file_cells
from tui.screens.rows import RowChoice
from tui.widgets.row_list import RowList

PICTURE = noise(300_000)
CHANGED = b"changed behind the file system"
AT = 131_072
FILES = {
    "notes.txt": "first line\nGrüße\n".encode(),
    "picture.bin": PICTURE,
    "evil\x1b]52;c;x\x07.txt": b"\x1b[2Jgone\n",
    "folder/inner.txt": b"inner\n",
}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A partition with ext4; after a snapshot one file was changed in its middle."""
    folder = tmp_path_factory.mktemp("files")
    tree = disks.make_tree(folder / "tree", FILES)
    raw = disks.gpt(folder / "disk.raw", disks.ext4(folder / "ext4.raw", tree)).path
    made = disks.to_qcow2(raw)
    disks.snapshot(made, "before")
    place = raw.read_bytes().index(PICTURE[AT : AT + 4096])
    with raw.open("r+b") as stream:
        stream.seek(place)
        stream.write(CHANGED)
    disks.write_changes(raw, made)
    yield made


async def in_root(app: QcowscopeApp, pilot: Pilot[int]) -> RowList:
    """The list, with the root of the only volume in it."""
    await pilot.press("6")
    await settled(app, pilot)
    await pilot.press("enter")
    await settled(app, pilot)
    return app.screen.query_one("#files", RowList)


async def at_file(app: QcowscopeApp, pilot: Pilot[int], name: str) -> None:
    """Put the cursor on a name, and wait for how that file begins."""
    list_ = await in_root(app, pilot)
    names = [list_._cells(number)[0].plain for number in range(list_.count)]
    list_.cursor = next(number for number, found in enumerate(names) if name in found)
    pane = app.screen.query_one(BeginningPane)
    for _ in range(100):
        await pilot.pause(0.1)
        await settled(app, pilot)
        if pane._data or pane._instead:
            return
    raise AssertionError(f"nothing is known of {name}")


def test_a_folder_is_entered_and_left_and_the_cursor_is_where_it_was(image: Path, drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await at_file(app, pilot, "folder")
        before = app.screen.query_one("#files", RowList).cursor
        await pilot.press("enter")
        await settled(app, pilot)
        assert "inner.txt" in screen_text(app)
        assert "/folder" in screen_text(app)
        await pilot.press("left")
        await settled(app, pilot)
        assert "picture.bin" in screen_text(app)
        assert app.screen.query_one("#files", RowList).cursor == before

    drive(image, story)


def test_a_file_has_its_metadata_and_its_text_or_bytes(image: Path, drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await at_file(app, pilot, "notes.txt")
        text = screen_text(app)
        for words in (
            "notes.txt",
            "19 bytes",
            "inode",
            "-rw-",
            "first line",
            "Grüße",
            "all of 19 bytes",
            hashlib.sha256(FILES["notes.txt"]).hexdigest()[:16],
        ):
            assert words in text, text
        await pilot.press("t")
        assert "66 69 72 73 74" in screen_text(app)
        await pilot.press("t")
        assert "66 69 72 73 74" not in screen_text(app)

    drive(image, story, (140, 40))


def test_where_leads_to_the_bytes_of_the_file_on_the_disk(image: Path, drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await at_file(app, pilot, "picture.bin")
        await pilot.press("w")
        await settled(app, pilot)
        assert isinstance(app.screen, RowChoice)
        await pilot.press("enter")
        await settled(app, pilot)
        assert app.current_mode == "structure"
        place = app.desk.place
        assert place.space.value == "guest"
        assert app.desk.disk_view.read(place.offset, 512) == PICTURE[:512]

    drive(image, story)


def test_enter_on_a_byte_of_the_beginning_leads_to_it(image: Path, drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await at_file(app, pilot, "picture.bin")
        app.screen.query_one("#preview").focus()
        await pilot.press("down", "right", "right", "enter")
        await settled(app, pilot)
        step = app.desk.disk_view.read(app.desk.place.offset, 16)
        assert isinstance(step, bytes)
        assert PICTURE.index(step) % 8 == 2
        assert PICTURE.index(step) > 2

    drive(image, story)


def test_the_places_of_a_snapshots_file_are_looked_at_in_the_image_file(image: Path, drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("6")
        await settled(app, pilot)
        await pilot.press("s", "down", "enter")
        await settled(app, pilot)
        assert "snapshot 0 “before”" in screen_text(app)
        list_ = app.screen.query_one("#files", RowList)
        await pilot.press("enter")
        await settled(app, pilot)
        names = [list_._cells(number)[0].plain for number in range(list_.count)]
        assert any("picture" in found for found in names), screen_text(app)
        list_.cursor = next(number for number, found in enumerate(names) if "picture" in found)
        await pilot.press("w")
        await settled(app, pilot)
        choice = app.screen
        assert isinstance(choice, RowChoice)
        await pilot.press("enter")
        await settled(app, pilot)
        assert app.desk.place.space.value == "host"
        assert app.desk.file_view.read(app.desk.place.offset, len(PICTURE)) == PICTURE, "as it was, not as it is"

    drive(image, story)


def test_changed_files_are_those_with_other_bytes_and_lead_to_them(image: Path, drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await in_root(app, pilot)
        await pilot.press("c", "enter")
        await settled(app, pilot)
        choice = app.screen
        assert isinstance(choice, RowChoice)
        assert [choice._cells(number)[1].plain for number in range(choice._count)] == ["1:/picture.bin"]
        assert choice._cells(0)[0].plain == "content"
        await pilot.press("enter")
        await settled(app, pilot)
        await pilot.press("enter")
        await settled(app, pilot)
        assert app.current_mode == "structure"

    drive(image, story)


def test_nothing_that_a_volume_says_reaches_the_terminal_as_it_is(image: Path, drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await at_file(app, pilot, "evil")
        text = screen_text(app)
        assert "\x1b" not in text
        assert "\x07" not in text
        assert "evil\\x1b]52;c;x\\x07.txt" in text
        assert "\\x1b[2Jgone" in text

    drive(image, story, (160, 40))


def test_a_file_is_written_with_its_hash_and_over_nothing(image: Path, drive: Drive, tmp_path: Path) -> None:
    target = tmp_path / "picture.bin"
    after = PICTURE[:AT] + CHANGED + PICTURE[AT + len(CHANGED) :]

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await at_file(app, pilot, "picture.bin")
        for expected in ("300,000 bytes written", "exists already"):
            await pilot.press("x", *str(target), "enter")
            await settled(app, pilot)
            assert expected in told(app)
        await pilot.press("x", *str(image), "enter")
        await settled(app, pilot)
        assert "evidence is never written to" in told(app)

    drive(image, story)
    assert target.read_bytes() == after
    said = target.with_name("picture.bin.sha256").read_text()
    assert said.split()[0] == hashlib.sha256(after).hexdigest()


def test_without_the_library_the_screen_says_what_is_missing(
    image: Path, drive: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systems, "find_spec", lambda _: None)

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await in_root(app, pilot)
        assert "qcowscope[fs]" in screen_text(app)

    drive(image, story, (140, 40))


def test_a_deleted_entry_is_marked_without_colour_as_well() -> None:
    entry = Entry(b"a/gone.txt", 7, Kind.FILE, 10, deleted=True)
    cells = file_cells(entry, {})
    assert [isinstance(cell, Text) for cell in cells] == [True] * 5
    assert cells[0].plain == "✗ gone.txt"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"plain\n", True),
        ("Grüße\n".encode(), True),
        ("\ufeffwide".encode("utf-16-le"), True),
        (b"\x00\x01\x02", False),
        (b"text then \x00", False),
        (b"", False),
        (bytes(range(1, 32)), False),
    ],
)
def test_what_reads_as_text(data: bytes, text: bool) -> None:
    assert is_text(data) is text


def test_lines_keep_every_byte_that_is_no_text() -> None:
    assert lines_of(b"a\tb\r\n\xff\n") == ["a       b", "\udcff", ""]
    assert lines_of("\ufeffwide".encode("utf-16-le")) == ["wide"]
