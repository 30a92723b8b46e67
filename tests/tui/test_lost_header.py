"""A file whose header is lost: its bytes are looked at and searched, and a plan gives it back its disk."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from textual.pilot import Pilot

from forensic import Evidence, NotAnImage, Qcow2Image, open_image
from forensic.exit_status import ExitStatus
from forensic.explore import DiskView, HeadlessImage, open_to_look_at
from tests.commands import qcowscope
from tests.images import SOUND
from tests.tui.driving import Drive, screen_text, settled, told
from tui.app import QcowscopeApp
from tui.recovering.choice import Proposals
from tui.widgets.cluster_map import ClusterMap

SOUND_IMAGE = SOUND / "snapshots-512.qcow2"
OVERWRITTEN = {
    "zeros": bytes(512),
    "magic alone": bytes(4),
    "0xff": b"\xff" * 512,
    "text": b"[@click=app.quit]all your base\x1b]52;c;eA==\x07".ljust(512, b"."),
    "a boot sector": bytes(510) + b"\x55\xaa",
}


def headless(folder: Path, start: bytes) -> Path:
    raw = bytearray(SOUND_IMAGE.read_bytes())
    raw[: len(start)] = start
    path = folder / "lost.qcow2"
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize("start", OVERWRITTEN.values(), ids=OVERWRITTEN)
def test_every_screen_opens_and_says_what_is_missing(drive: Drive, tmp_path: Path, start: bytes) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        assert isinstance(app.desk.image, HeadlessImage)
        text = " ".join(screen_text(app).split())
        assert "no qcow2 header" in text
        assert "7 Recovery" in text
        assert "there is no disk" in text
        assert "% read" not in text
        for screen in "234567":
            await pilot.press(screen)
            await settled(app, pilot)
            assert "READ-ONLY" in screen_text(app)
        await pilot.press("5", "f5")
        await settled(app, pilot)
        assert "nothing was extracted" in screen_text(app)

    drive(headless(tmp_path, start), story)


def test_the_map_shows_what_the_bytes_look_like_and_no_disk(drive: Drive, tmp_path: Path) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("3")
        await settled(app, pilot)
        assert "colour: entropy" in screen_text(app)
        assert "bits" in screen_text(app)
        assert "disk ·" not in screen_text(app)
        assert len({cell.kind for cell in app.screen.query_one("#file-map", ClusterMap).cells}) > 1
        await pilot.press("tab")
        await settled(app, pilot)
        assert "there is no disk" in told(app)
        await pilot.press("plus", "minus", "c", "enter")
        await settled(app, pilot)
        assert app.current_mode == "structure"

    drive(headless(tmp_path, bytes(512)), story, (120, 40))


def test_bytes_are_searched_without_a_header(drive: Drive, tmp_path: Path) -> None:
    path = headless(tmp_path, bytes(512))
    needle = path.read_bytes()[-8:]

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2", "slash", *f"hex:{needle.hex()}", "enter")
        await settled(app, pilot)
        assert [match.offset for match in app.desk.matches][-1] == path.stat().st_size - 8

    drive(path, story)


def test_a_plan_gives_the_disk_back_and_can_be_taken_back(drive: Drive, tmp_path: Path) -> None:
    path, plan = headless(tmp_path, bytes(512)), tmp_path / "plan.json"
    with open_image(SOUND_IMAGE) as sound:
        expected = DiskView(sound).read(0, 2560)

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("7", "r")
        await settled(app, pilot)
        assert isinstance(app.desk.proposals, Proposals)
        assert app.desk.proposals.current is not None
        await pilot.press("a")
        await pilot.press("ctrl+u", *str(plan), "enter")
        await settled(app, pilot)
        assert plan.exists()
        assert not app.desk.headless
        assert app.desk.disk_view.read(0, 2560) == expected
        await pilot.press("1")
        await settled(app, pilot)
        text = " ".join(screen_text(app).split())
        assert "no qcow2 header" not in text
        assert "data 2.5 KiB" in text  # how the space is divided was known before this screen was made
        assert "% read" not in text
        await pilot.press("7", "t")
        await settled(app, pilot)
        assert app.desk.headless

    drive(path, story)


@pytest.mark.parametrize("start", [b"", b"PK\x03\x04".ljust(4096, b"x"), b"conectix".ljust(4096)])
def test_what_is_known_to_be_something_else_is_refused(tmp_path: Path, start: bytes) -> None:
    path = tmp_path / "other"
    path.write_bytes(start)
    with Evidence(path) as evidence, pytest.raises(NotAnImage):
        open_to_look_at(evidence)


@pytest.mark.parametrize(
    "content",
    [
        b"hello\nworld\n" * 999,
        b"a text of as many bytes as clusters have....\r\n".ljust(64, b".") * 64,
        "Übung, перевод, 翻訳\n".encode() * 500,
        bytes(1000),
        bytes(range(1, 255)) * 9,
        b"x" * (3 << 20) + b"\n",
    ],
    ids=["text", "text of whole sectors", "UTF-8", "zeros", "bytes", "a long line"],
)
def test_a_file_in_which_nothing_of_an_image_is_to_be_seen_is_refused_as_on_the_command_line(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with Evidence(path) as evidence, pytest.raises(NotAnImage) as refused:
        open_to_look_at(evidence)
    said = qcowscope("check", path)
    assert str(refused.value) in said.err
    assert said.status == ExitStatus.NOT_AN_IMAGE


@pytest.mark.parametrize("lost", [1, 3, 6, 9])
@pytest.mark.parametrize("cut", [0, 100])
@pytest.mark.parametrize("name", ["snapshots-512", "two-l2-512", "deflate-512", "zstd-512", "patterns-v2-512"])
def test_an_image_that_lost_its_first_clusters_is_looked_at_even_if_it_was_cut(
    tmp_path: Path, name: str, lost: int, cut: int
) -> None:
    """A table that is left is seen; without any, whole sectors that are not text will do."""
    raw = (SOUND / f"{name}.qcow2").read_bytes()
    path = tmp_path / "file"
    path.write_bytes((b"overwritten " * 512)[: 512 * lost] + raw[512 * lost : len(raw) - cut])
    with open_image(SOUND / f"{name}.qcow2") as sound:
        tables = [int(offset) for offset in _tables_of(sound) if offset >= 512 * lost]
    evidence = Evidence(path)
    if tables or (not cut and b"\0" in raw[512 * lost :]):
        with open_to_look_at(evidence) as image:
            assert isinstance(image, HeadlessImage)


def _tables_of(image: Qcow2Image) -> list[int]:
    """The host offsets of tables with more entries than chance gives."""
    l2_tables = {entry & 0x00FF_FFFF_FFFF_FE00 for entry in image.l1.entries.tolist()} - {0}
    return [
        offset
        for offset in l2_tables
        if sum(bool(entry) for entry in struct.unpack_from(">64Q", image.evidence.read_at(offset, 512))) >= 4
        and not any(entry >> 62 == 1 for entry in struct.unpack_from(">64Q", image.evidence.read_at(offset, 512)))
    ]


def test_a_sound_image_is_no_headless_one() -> None:
    with open_to_look_at(Evidence(SOUND_IMAGE)) as image:
        assert type(image) is Qcow2Image
