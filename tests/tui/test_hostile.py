"""The real program on a real terminal, with an image whose every name attacks: nothing of it arrives as such."""

from __future__ import annotations

import os
import pty
import re
import select
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from samples import recipes

EVIL = (
    b"[@click=app.leave]HIT[/]"  # markup that runs an action
    b"\x1b]52;c;SEVJTA==\x07"  # writes the clipboard
    b"\x1b]0;TITLE\x07\x9b6n\xc2\x9b5n"  # window title, eight-bit control sequences
    b"[bold]B[/]a[/]b"  # markup, and markup that does not close
    b"\xe2\x80\xaetxt.exe\xe2\x80\x8b\x00\x08\x7f\xff"  # bidi override, zero width, NUL, backspace, not UTF-8
)
ROWS, COLUMNS = 34, 120
Maker = Callable[[Path], Path]
SCREEN_SECONDS = 1.5


def evil_image(folder: Path) -> Path:
    """Backing file, backing format, data file, feature name and unknown extension, all with the same name."""
    image = folder / f"{EVIL.replace(b'/', b'').partition(b'bold')[0].decode('latin-1')}.qcow2"
    content = bytearray((recipes.HERE / "sound" / "data-4k.qcow2").read_bytes())
    area = b""
    for kind, data in (
        (0xE2792ACA, EVIL),
        (0x44415441, EVIL),
        (0x6803F857, b"\0\x3e" + EVIL[:46].ljust(46, b"\0")),
        (0xDEADBEEF, EVIL),
    ):
        area += struct.pack(">II", kind, len(data)) + data + bytes(-len(data) % 8)
    area += bytes(8)
    start = struct.unpack_from(">I", content, 100)[0]
    content[start : start + len(area)] = area
    name_at = start + len(area)
    content[name_at : name_at + len(EVIL)] = EVIL
    struct.pack_into(">QI", content, 8, name_at, len(EVIL))
    content[72] = 0x40  # an unknown incompatible feature, bit 62, which the image itself names
    image.write_bytes(content)
    return image


def evil_snapshots(folder: Path) -> Path:
    """Snapshots whose ids and names attack."""
    content = bytearray((recipes.HERE / "sound" / "snapshots-512.qcow2").read_bytes())
    at = struct.unpack_from(">Q", content, 64)[0]
    count = struct.unpack_from(">I", content, 60)[0]
    l1_offset, l1_size = struct.unpack_from(">QI", content, at)
    table = b""
    for _ in range(count):
        entry = struct.pack(">QIHHIIQIIQQQ", l1_offset, l1_size, 40, len(EVIL), 1, 0, 0, 0, 24, 0, 16384, 0)
        entry += EVIL[:40] + EVIL
        table += entry + bytes(-len(entry) % 8)
    content += bytes(-len(content) % 512)
    struct.pack_into(">Q", content, 64, len(content))
    image = folder / "snapshots.qcow2"
    image.write_bytes(bytes(content) + table.ljust(1024, b"\0"))
    return image


class Terminal:
    """The program in a terminal of its own; `seen` is every byte that it sent there."""

    def __init__(self, image: Path, home: Path) -> None:
        self.seen = b""
        pid, self._fd = pty.fork()
        if pid == 0:
            os.environ |= {"TERM": "xterm-256color", "HOME": str(home), "COLUMNS": str(COLUMNS), "LINES": str(ROWS)}
            os.environ |= {"XDG_STATE_HOME": str(home), "TEXTUAL_ANIMATIONS": "none"}
            os.execv(sys.executable, [sys.executable, "-m", "forensic.cli", "tui", str(image)])
        self.pid = pid

    def read_until(self, words: bytes, seconds: float = 20.0) -> None:
        """Take what comes until the words have come; fails after so many seconds."""
        end = time.monotonic() + seconds
        start = len(self.seen)
        while words not in self.seen[start:]:
            if time.monotonic() > end or not self._read(0.2):
                assert time.monotonic() <= end, f"{words!r} did not come: {self.seen[-2000:]!r}"

    def read_for(self, seconds: float) -> None:
        """Take what comes within so many seconds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._read(0.1)

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._fd, keys)

    def click(self, column: int, row: int) -> None:
        """Press and release the left button, as SGR mouse reports."""
        for sign in (b"M", b"m"):
            os.write(self._fd, b"\x1b[<0;%d;%d%s" % (column, row, sign))

    def wait(self, seconds: float = 20.0) -> int:
        """The exit status of the program."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._read(0.1)
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)
        pytest.fail("the program did not end")

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._fd], [], [], seconds)
        if not ready:
            return False
        try:
            self.seen += os.read(self._fd, 1 << 16)
        except OSError:
            return False
        return True


# What Textual itself sends: cursor, colours, modes, mouse, queries of its own. Nothing else may begin with an escape.
OWN = re.compile(
    rb"\x1b\[[0-9;]*[mHJKhlABCDu]|\x1b\[\?[0-9;$]*[hlpu]|\x1b\[[<>=][0-9;]*[umqc]|\x1b\[\?[0-9;]*u|\x1b[78=>]"
    rb"|\x1b\]22;[a-z-]*\x07|\x1b\[[0-9;]*[nct]|\x1bP[^\x1b]*\x1b\\\\|\x1b\][0-9]+;[?]\x1b\\\\|\x1b_Gi=[^\x1b]*\x1b\\\\"
)


def forbidden(seen: bytes) -> list[bytes]:
    """Control bytes that are not part of what Textual sends on its own, and characters that hide or turn text."""
    rest = OWN.sub(b"", seen)
    text = rest.decode("utf-8", "replace")
    hidden = [character.encode() for character in text if "\x80" <= character <= "\x9f" or character in "\u202e\u200b"]
    controls = [rest[max(0, at - 20) : at + 30] for at, byte in enumerate(rest) if byte < 0x20 and byte not in b"\r\n"]
    return hidden + controls + [rest[at.start() : at.end()] for at in re.finditer(rb"\x7f|SEVJTA==\x07", rest)]


@pytest.mark.parametrize("make", [evil_image, evil_snapshots], ids=["header", "snapshots"])
def test_names_that_attack_arrive_harmless_and_clicking_runs_nothing(make: Maker, tmp_path: Path) -> None:
    image = make(tmp_path)
    terminal = Terminal(image, tmp_path)
    terminal.read_until(b"READ-ONLY")
    terminal.read_for(SCREEN_SECONDS)
    for row in range(3, ROWS - 2, 3):
        for column in range(4, COLUMNS, 16):
            terminal.click(column, row)
    for key in (b"2", b"4", b"5", b"1"):
        terminal.type(key)
        terminal.read_for(SCREEN_SECONDS / 2)
    assert os.waitpid(terminal.pid, os.WNOHANG) == (0, 0), "something that was clicked made the program leave"
    terminal.type(b"q")
    assert terminal.wait() == 0
    assert b"HIT" in terminal.seen, "the name was never shown, so nothing was tested"
    assert forbidden(terminal.seen) == []


def test_the_detector_sees_what_it_is_to_see() -> None:
    assert forbidden(b"\x1b[1mbold\x1b[0m") == []
    assert forbidden(b"abc" + EVIL) != []
    assert forbidden("\u202e".encode()) != []
