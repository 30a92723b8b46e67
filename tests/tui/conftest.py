"""The application, opened on an image."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from forensic import Evidence
from forensic.disk.decoders_apart import decoders_apart
from forensic.explore import open_to_look_at
from tests.tui.driving import Drive, Story, settled
from tui.app import QcowscopeApp
from tui.config import Preferences
from tui.session.notes import Notes


@pytest.fixture
def drive(tmp_path: Path) -> Drive:
    """Open an image and tell a story with it; what goes wrong inside the application fails the test."""

    def run(
        image_path: Path, story: Story, size: tuple[int, int] = (120, 34), settings: Preferences | None = None
    ) -> None:
        async def play() -> None:
            with decoders_apart(), open_to_look_at(Evidence(image_path)) as image:
                app = QcowscopeApp(image, settings, Notes(tmp_path / "session.json"))
                async with app.run_test(size=size) as pilot:
                    await settled(app, pilot)
                    await story(app, pilot)

        asyncio.run(play())

    return run
