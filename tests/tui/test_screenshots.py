"""The pictures for the README can be made, and show what they are called."""

import asyncio
from pathlib import Path

import pytest

from tests.images import SOUND
from tui.screenshots import WALK, main, photograph


def test_every_screen_is_photographed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pictures = asyncio.run(photograph(SOUND / "snapshots-512.qcow2", tmp_path))
    assert [picture.stem for picture in pictures] == list(WALK)
    for picture, words in zip(pictures, ("verdict", "inspector", "legend", "explanation", "live", "step"), strict=True):
        assert words in picture.read_text(encoding="utf-8")


def test_usage_is_said() -> None:
    assert main([]) == 2
