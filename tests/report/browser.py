"""A browser without a window: what it says on its console, what it asks for, and what it draws."""

import json
import os
import re
import shutil
import struct
import subprocess
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CONSOLE = re.compile(r"CONSOLE(?:[:(]\d+\)?)?\]? (.*)")
DEADLINE = 120
DRAWN_ROWS = 300
"""Rows of a picture that are looked at."""

STARTED = (
    str(CHROMIUM), "--headless", "--no-sandbox", "--hide-scrollbars", "--disable-gpu", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip
"""The browser asks its maker for updates of its own accord; here it finds nobody."""


@dataclass
class Visit:
    """A page that was opened: lines of its console, addresses it asked for, and the first rows of the picture."""

    console: list[str]
    requests: list[str]
    rows: list[bytes]
    channels: int

    @property
    def colours(self) -> Counter[bytes]:
        """How many pixels there are of each colour."""
        width = self.channels
        return Counter(row[at : at + width] for row in self.rows for at in range(0, len(row), width))

    @property
    def blank(self) -> float:
        """The share of the pixels that have the commonest colour."""
        colours = self.colours
        return max(colours.values()) / colours.total()


def visit(page: Path, folder: Path, dark: bool = False) -> Visit:
    """Open a page, with a profile of its own below `folder`."""
    picture, log = folder / "page.png", folder / "net.json"
    words = [
        *STARTED, "--enable-logging=stderr", "--v=0", f"--log-net-log={log}", f"--user-data-dir={folder / 'profile'}",
        f"--blink-settings=preferredColorScheme={0 if dark else 1}", "--window-size=800,1200",
        f"--screenshot={picture}", page.as_uri(),
    ]  # fmt: skip
    home = {**os.environ, "HOME": str(folder)}
    done = subprocess.run(words, capture_output=True, timeout=DEADLINE, check=False, env=home)
    said = done.stderr.decode("utf-8", "replace")
    assert done.returncode == 0, said
    console = [match[1] for match in map(CONSOLE.search, said.splitlines()) if match]
    return Visit(console, _requests(json.loads(log.read_text(encoding="utf-8"))), *_rows(picture.read_bytes()))


def print_page(page: Path, folder: Path) -> bytes:
    """The page on paper, as PDF."""
    paper = folder / "page.pdf"
    words = [*STARTED, "--no-pdf-header-footer", f"--print-to-pdf={paper}"]
    words += [f"--user-data-dir={folder / 'profile'}", page.as_uri()]
    subprocess.run(words, capture_output=True, timeout=DEADLINE, check=True)
    return paper.read_bytes()


def _requests(log: dict[str, object]) -> list[str]:
    """Every address for which a page began a request; those of the browser itself come from no page."""
    events = log["events"]
    assert isinstance(events, list)
    begun = [event["params"] for event in events if "initiator" in event.get("params", {})]
    return [each["url"] for each in begun if each["initiator"] != "not an origin"]


def _rows(png: bytes) -> tuple[list[bytes], int]:
    """The first rows of a PNG of 8 bits a channel, and how many channels there are; enough for what browsers write."""
    at, data, width, channels = 8, b"", 0, 0
    while at < len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        if kind == b"IHDR":
            width, _, depth, colour = struct.unpack_from(">IIBB", png, at + 8)
            channels = {2: 3, 6: 4}[colour]
            assert depth == 8
        elif kind == b"IDAT":
            data += png[at + 8 : at + 8 + length]
        at += 12 + length
    raw = zlib.decompressobj().decompress(data, DRAWN_ROWS * (width * channels + 1))
    return _unfiltered(raw, width * channels, channels), channels


def _unfiltered(data: bytes, width: int, channels: int) -> list[bytes]:
    rows, before = [], bytearray(width)
    for start in range(0, len(data), width + 1):
        row = bytearray(data[start + 1 : start + 1 + width])
        for at in range(width):
            left = row[at - channels] if at >= channels else 0
            corner = before[at - channels] if at >= channels else 0
            row[at] = (row[at] + _predicted(data[start], left, before[at], corner)) & 0xFF
        rows.append(bytes(row))
        before = row
    return rows


def _predicted(kind: int, left: int, above: int, corner: int) -> int:
    if kind < 4:
        return (0, left, above, (left + above) // 2)[kind]
    guess = left + above - corner
    return min((left, above, corner), key=lambda value: abs(guess - value))
