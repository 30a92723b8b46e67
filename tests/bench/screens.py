"""`python -m tests.bench.screens`: how soon the terminal interface shows something, and how long one step takes.

There is no peer to be held against, so the goals are absolute; a busy machine shows in the wall times.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import pty
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from forensic import open_image
from tests.bench import keys
from tests.bench.images import Images
from tests.bench.scaling import LARGE, preallocated
from tests.bench.scenarios import QCOWSCOPE
from tui.app import QcowscopeApp
from tui.session.notes import Notes

SIZE = (120, 34)
DATA = 64 << 20
"""Bytes of guest data of the image on which keys are pressed."""

SIZES = ((120, 40), (80, 24))
STEPS = 12
PAINTED = b"READ-ONLY"
HOPS = 12
"""Rounds of messages, enough for a key to come through prompt, screen and widgets to the last line it moves."""

READ_ON = 5.0
"""Seconds that the program is left alone after the first paint, to see what its jobs take."""


@dataclass(frozen=True)
class Figure:
    """What was measured, in which unit, and the most it should be."""

    work: str
    value: float
    unit: str
    goal: float

    @property
    def line(self) -> str:
        """A row of the table."""
        mark = "" if self.value <= self.goal else " ✗"
        return f"| {self.work} | **{self.value:.3g} {self.unit}**{mark} | ≤ {self.goal:g} {self.unit} |"


HEADER = "| terminal interface | measured | goal |\n|---|---|---|"


def figures(images: Images, rounds: int) -> list[Figure]:
    """All figures, on images with every table and on one with none."""
    found = figures_of("1 TiB preallocated", images.preallocated("1T"), images.folder, rounds)
    found += figures_of("16 TiB sparse", images.empty("16T"), images.folder, rounds)
    for size in LARGE:
        image = preallocated(images, size)
        try:
            found += figures_of(f"{size.removesuffix('T')} TiB preallocated", image, images.folder, rounds)
        finally:
            shutil.rmtree(image.parent)
    return [*found, *figures_of_keys(images)]


def figures_of(name: str, image: Path, home: Path, rounds: int) -> list[Figure]:
    """How soon an image is shown, and how long one step takes while its jobs run."""
    paints = [first_paint(image, home) for _ in range(rounds)]
    return [
        Figure(f"{name}: first paint", statistics.median(wall for wall, _, _ in paints), "s", 1.0),
        Figure(f"{name}: memory then", max(peak for _, peak, _ in paints), "MiB", 150),
        Figure(f"{name}: memory with its jobs", first_paint(image, home, READ_ON)[2], "MiB", 400),
        *(Figure(f"{name}: {work}", seconds, "s", 0.1) for work, seconds in steps(image, home)),
    ]


def figures_of_keys(images: Images) -> list[Figure]:
    """What one key sends to a terminal and what it takes of a processor, on a disk with data, at two sizes."""
    found: list[Figure] = []
    for size in SIZES:
        for work, costs in keys.costs(
            Images(images.folder, DATA, keep=True).converted("keys"), images.folder, size
        ).items():
            _, _, most_bytes, most_cpu = keys.WALKS[work]
            row = f"{work}, {size[0]}×{size[1]}"
            found.append(
                Figure(f"{row}: sent", statistics.median(cost.sent for cost in costs) / 1000, "kB", most_bytes / 1000)
            )
            found.append(
                Figure(f"{row}: CPU", statistics.median(cost.cpu for cost in costs) * 1000, "ms", most_cpu * 1000)
            )
    return found


def first_paint(image: Path, home: Path, read_on: float = 0.0) -> tuple[float, float, float]:
    """Seconds from the start to the first screen on a terminal; peak memory in MiB then and `read_on` seconds later."""
    started = time.perf_counter()
    process, terminal = pty.fork()
    if process == 0:
        os.environ |= {"TERM": "xterm-256color", "HOME": str(home), "XDG_STATE_HOME": str(home)}
        os.environ |= {"COLUMNS": str(SIZE[0]), "LINES": str(SIZE[1])}
        command = (*QCOWSCOPE, "tui", str(image))
        os.execv(command[0], command)
    seen = b""
    try:
        while PAINTED not in seen:
            seen += os.read(terminal, 1 << 16)
        wall, peak = time.perf_counter() - started, _peak(process)
        os.set_blocking(terminal, False)
        end = time.monotonic() + read_on
        while time.monotonic() < end:
            time.sleep(0.05)
            try:
                os.read(terminal, 1 << 20)
            except BlockingIOError:
                continue
        return wall, peak, _peak(process)
    finally:
        os.kill(process, 9)
        os.waitpid(process, 0)
        os.close(terminal)


def _peak(process: int) -> float:
    """The most memory that a process has had so far, in MiB."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


WALKS: dict[str, tuple[Sequence[str], Sequence[str], str]] = {
    "one page of bytes": (("2",), (), "pagedown"),
    "one page of the disk": (("2", "p", "p"), (), "pagedown"),
    "one jump in the disk": (("2", "p"), ("g", *"+1111111111"), "enter"),
    "one step on the map": (("3",), (), "right"),
    "one zoom step": (("3",), (), "plus"),
}
"""What is measured: the keys that lead there, those that come before each step, and the one that is timed."""


def steps(image: Path, home: Path) -> list[tuple[str, float]]:
    """The median time of each step until the screen is drawn, while the jobs of the start go on."""
    return [(work, statistics.median(asyncio.run(_walked(image, home, *keys)))) for work, keys in WALKS.items()]


async def _walked(image_path: Path, home: Path, there: Sequence[str], before: Sequence[str], timed: str) -> list[float]:
    times: list[float] = []
    with open_image(image_path) as image:
        app = QcowscopeApp(image, notes=Notes(home / "notes.json"))
        async with app.run_test(size=SIZE) as pilot:
            await pilot.press(*there)
            for _ in range(STEPS):
                for key in before:
                    await _pressed(app, key)
                times.append(await _pressed(app, timed))
            app.workers.cancel_all()
    return times


async def _pressed(app: QcowscopeApp, key: str) -> float:
    """Seconds from a key to when all that it moved is drawn; the pilot would wait for the jobs as well."""
    started = time.perf_counter()
    app.simulate_key(key)
    for _ in range(HOPS):
        drawn = asyncio.Event()
        app.screen.call_after_refresh(drawn.set)
        await drawn.wait()
    return time.perf_counter() - started


def main() -> int:
    """Measure, print the table with the goals that were missed marked, and write it if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where images are built and kept (a temporary folder, removed)")
    parser.add_argument("--rounds", type=int, default=5, help="starts of the program")
    parser.add_argument("--markdown", type=Path, help="write the table to this file")
    options = parser.parse_args()
    if shutil.which("qemu-img") is None:
        print("bench: needs qemu-img", file=sys.stderr)
        return 1
    folder = options.folder or Path(tempfile.mkdtemp(prefix="qcowscope-screens-"))
    folder.mkdir(parents=True, exist_ok=True)
    found = figures(Images(folder, 0, keep=True), options.rounds)
    if options.folder is None:
        shutil.rmtree(folder)
    table = "\n".join([HEADER, *(figure.line for figure in found)]) + "\n"
    print(table)
    if options.markdown:
        options.markdown.parent.mkdir(parents=True, exist_ok=True)
        options.markdown.write_text(table, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
