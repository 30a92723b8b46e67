"""One walk through the program in tmux, as at a desk: open, look, follow, go to a finding, extract, quit."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from samples import recipes

SECONDS = 30.0
RECIPE = recipes.load(recipes.HERE / "damaged" / "refcount-entry-reserved-bits.toml")


class Tmux:
    """A terminal of 120 by 34 with the program in it."""

    def __init__(self, folder: Path, image: Path) -> None:
        self._socket = f"qcowscope-{uuid.uuid4().hex[:12]}"
        home = shlex.quote(str(folder))
        words = f"{shlex.quote(sys.executable)} -m forensic.cli {shlex.quote(str(image))}; echo status $?; sleep 60"
        folders = f"HOME={home} XDG_STATE_HOME={home} XDG_CONFIG_HOME={home}"
        command = f"env -u COLUMNS -u LINES {folders} sh -c {shlex.quote(words)}"
        size = ("-x", "120", "-y", "34", "-c", str(folder))
        self._run("-f", os.devnull, "new-session", "-d", "-s", "walk", *size, command)

    def keys(self, *keys: str) -> None:
        """Press keys by their names in tmux; a text is typed as it is."""
        self._run("send-keys", "-t", "walk", *keys)

    def text(self) -> str:
        """What is on the screen."""
        return self._run("capture-pane", "-p", "-t", "walk")

    def wait_for(self, words: str) -> str:
        """The screen once it shows these words; fails if it does not."""
        end = time.monotonic() + SECONDS
        while words not in (text := self.text()):
            assert time.monotonic() < end, f"{words!r} did not come:\n{text}"
            time.sleep(0.1)
        return text

    def close(self) -> None:
        """End this server, and no other."""
        self._run("kill-server")

    def _run(self, *words: str) -> str:
        done = subprocess.run(["tmux", "-L", self._socket, *words], capture_output=True, text=True, check=True)
        return done.stdout


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Tmux]:
    if not shutil.which("tmux"):
        if os.environ.get("CI"):
            pytest.fail("CI must have tmux")
        pytest.skip("needs tmux")
    terminal = Tmux(tmp_path, recipes.apply(RECIPE, tmp_path / "image.qcow2"))
    yield terminal
    terminal.close()


def assert_nothing_is_left_over(walk: Tmux) -> None:
    """Only differences are sent: a screen that is sent as a whole has to look the same, but for the clock."""
    time.sleep(1)
    before = walk.text().splitlines()[1:]
    walk.keys("C-l")
    time.sleep(1)
    assert walk.text().splitlines()[1:] == before


def test_a_walk_from_opening_to_the_extracted_file(walk: Tmux, tmp_path: Path) -> None:
    walk.wait_for("refcounts")
    walk.wait_for("CORRUPT")
    walk.keys("2")
    walk.wait_for("big-endian")
    walk.keys("g")
    walk.wait_for("c3+16")
    walk.keys("l1", "Enter")
    walk.wait_for("L1 entry")
    walk.keys("Enter")
    walk.wait_for("L2 entry")
    walk.keys("4")
    walk.wait_for("explanation")
    walk.keys("Enter")
    walk.wait_for("host 0x200")
    assert_nothing_is_left_over(walk)
    walk.keys("5")
    walk.wait_for("equivalent command line")
    walk.keys("F5")
    walk.wait_for("EXTRACTION LOG")
    walk.keys("Escape")
    walk.wait_for("✔ complete")
    walk.keys("q")
    walk.wait_for("status 0")
    described = json.loads(RECIPE.base_image.with_suffix(".json").read_text(encoding="utf-8"))
    assert hashlib.sha256((tmp_path / "image.raw").read_bytes()).hexdigest() == described["raw_sha256"]
    assert (tmp_path / "image.raw.report.json").is_file()
