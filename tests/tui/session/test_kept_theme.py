"""A theme that was chosen is there in the next session, unless the settings name one."""

from __future__ import annotations

from pathlib import Path

from textual.pilot import Pilot

from tests.images import SOUND
from tests.tui.driving import Drive, settled
from tui.app import QcowscopeApp
from tui.config import Preferences
from tui.session.kept_theme import kept_theme
from tui.theme import DEFAULT_THEME


def test_the_chosen_theme_is_kept(drive: Drive, tmp_path: Path) -> None:
    async def choose(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        assert app.theme == DEFAULT_THEME
        app.theme = "nord"
        await settled(app, pilot)

    async def again(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        assert app.theme == "nord"

    async def by_settings(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        assert app.theme == "gruvbox"

    drive(SOUND / "data-4k.qcow2", choose)
    drive(SOUND / "data-4k.qcow2", again)
    drive(SOUND / "data-4k.qcow2", by_settings, settings=Preferences(theme="gruvbox"))


def test_a_name_that_cannot_be_read_or_is_no_theme_costs_nothing(drive: Drive, tmp_path: Path) -> None:
    assert kept_theme(tmp_path / "nowhere") == ""
    (tmp_path / "theme").write_bytes(b"\xff\xfe" * 5000)
    assert kept_theme(tmp_path) == ""
    (tmp_path / "theme").write_text("no such theme")

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        assert app.theme == DEFAULT_THEME

    drive(SOUND / "data-4k.qcow2", story)
