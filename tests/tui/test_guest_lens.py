"""The dump of the disk and the inspector know what the guest keeps there, from the side of the file as well."""

from __future__ import annotations

from pathlib import Path

from textual.pilot import Pilot
from textual.strip import Strip

from forensic.explore import guest_range, host_range
from tests.filesystems.disks import PLAIN, ext4, gpt, make_tree
from tests.tui.driving import Drive, screen_text, settled
from tui.app import QcowscopeApp
from tui.widgets.hex_view import HexView
from tui.widgets.inspector import Inspector


def test_fields_of_the_guest_are_named_and_coloured(drive: Drive, tmp_path: Path) -> None:
    disk = gpt(tmp_path / "disk", ext4(tmp_path / "ext4", make_tree(tmp_path / "tree", PLAIN)))
    magic = disk.starts[0] * 512 + 1024 + 0x38

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2", "p", "p")
        app.desk.go(guest_range(magic, 1))
        await settled(app, pilot)
        words = app.screen.query_one(Inspector).words
        assert "volume 1 · superblock · magic" in words
        assert "0xef53" in words
        assert "no table or header" in words, "what the file's side says stands below"
        assert "as numbers" not in words
        view = app.screen.query_one("#guest", HexView)
        assert view.field == guest_range(magic, 2)
        assert "s_magic" in screen_text(app)
        row = next(strip for strip in _strips(view) if "53 ef" in strip.text)
        backgrounds = {segment.style.bgcolor for segment in row if segment.style}
        assert len(backgrounds) >= 4, "two colours of fields, the one under the cursor, and the ground"

        host = app.desk.host_offset()
        assert host is not None
        app.desk.go(host_range(host, 1))
        await settled(app, pilot)
        assert "superblock · magic" in app.screen.query_one(Inspector).words
        app.desk.go(host_range(0, 1))
        await settled(app, pilot)
        assert "superblock" not in app.screen.query_one(Inspector).words

    drive(disk.image(), story, (140, 40))


def _strips(view: HexView) -> list[Strip]:
    return [view.render_line(y) for y in range(view.size.height)]
