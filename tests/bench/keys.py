"""What one key costs: bytes that go to the terminal, processor time, and how long until nothing moves any more."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.bench.scenarios import QCOWSCOPE

QUIET = 0.35
"""Seconds without a byte after which a key is done; the clock of the evidence writes once a second."""

TICK_BYTES = 400
"""What the clock of the evidence sends at most: it is no part of what a key costs, but may come between."""


@dataclass(frozen=True)
class Cost:
    """What a key cost: bytes, seconds of processor time, and seconds until its last byte."""

    sent: int
    cpu: float
    settled: float


class OnATerminal:
    """The program on a terminal of its own, with so many columns and rows."""

    def __init__(
        self, image: Path, home: Path, size: tuple[int, int], deaf_to_hangups: bool = False, **environment: str
    ) -> None:
        """`deaf_to_hangups` starts it as `nohup` does."""
        self._process, self._terminal = pty.fork()
        if self._process == 0:
            if deaf_to_hangups:
                signal.signal(signal.SIGHUP, signal.SIG_IGN)
            os.environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "TEXTUAL_ANIMATIONS": "none"}
            os.environ |= {"HOME": str(home), "XDG_STATE_HOME": str(home), "XDG_CONFIG_HOME": str(home), **environment}
            os.environ.pop("COLUMNS", None)
            os.environ.pop("LINES", None)
            time.sleep(0.2)  # until the terminal has its size
            os.execv(QCOWSCOPE[0], [*QCOWSCOPE, "tui", str(image)])
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        self.seen = b""

    @property
    def process(self) -> int:
        """Its number."""
        return self._process

    def wait_for(self, words: bytes, seconds: float = 60.0) -> None:
        """Read until the words have come."""
        end = time.monotonic() + seconds
        while words not in self.seen:
            if time.monotonic() > end:
                raise TimeoutError(f"{words!r} did not come: {self.seen[-500:]!r}")
            self._read(0.2)

    def rest(self, seconds: float = 60.0) -> None:
        """Read until no more than the clock's ticks come for two seconds: the jobs of the start are over."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            before, since = len(self.seen), time.monotonic()
            while time.monotonic() - since < 2:
                self._read(0.2)
            if len(self.seen) - before <= 3 * TICK_BYTES:
                return

    def press(self, keys: bytes) -> Cost:
        """Send keys, and read what they bring until there is quiet."""
        cpu, started = self._cpu(), time.monotonic()
        os.write(self._terminal, keys)
        sent, last = 0, started
        while time.monotonic() - max(last, started) < QUIET:
            got = self._read(0.05)
            if got:
                sent += got
                last = last if sent and got <= TICK_BYTES and time.monotonic() - last > 0.2 else time.monotonic()
            if time.monotonic() - started > 20:
                break
        return Cost(sent, self._cpu() - cpu, last - started)

    def hang_up(self, seconds: float) -> bool:
        """Close our end of the terminal; whether the program ended within so many seconds."""
        os.close(self._terminal)
        self._terminal = -1
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if os.waitid(os.P_PID, self._process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                return True
            time.sleep(0.05)
        os.kill(self._process, signal.SIGKILL)
        return False

    def _cpu(self) -> float:
        fields = Path(f"/proc/{self._process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _read(self, seconds: float) -> int:
        if not select.select([self._terminal], [], [], seconds)[0]:
            return 0
        data = os.read(self._terminal, 1 << 16)
        self.seen += data
        return len(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._terminal >= 0:
            os.kill(self._process, 9)
        os.waitpid(self._process, 0)
        if self._terminal >= 0:
            os.close(self._terminal)


WALKS: dict[str, tuple[bytes, Sequence[bytes], float, float]] = {
    "cursor right in the dump": (b"2", [b"\x1b[C"], 8_000, 0.025),
    "cursor down in the dump": (b"2", [b"\x1b[B"], 8_000, 0.025),
    "page down in the dump": (b"2", [b"\x1b[6~"], 40_000, 0.1),
    "step on the map": (b"3", [b"\x1b[C"], 8_000, 0.025),
    "screen 2 to 3": (b"2", [b"3", b"2"], 40_000, 0.2),
}
"""For each row of the table: the keys that lead there, those that are pressed by turns, the goals in bytes and CPU."""


def costs(image: Path, home: Path, size: tuple[int, int], presses: int = 10) -> dict[str, list[Cost]]:
    """What each key costs, pressed so often."""
    found: dict[str, list[Cost]] = {}
    for work, (there, keys, _, _) in WALKS.items():
        with OnATerminal(image, home, size) as program:
            program.wait_for(b"READ-ONLY")
            program.press(there)
            program.rest()
            for key in keys:
                program.press(key)  # the first time, screens are made
            found[work] = [program.press(keys[number % len(keys)]) for number in range(presses)]
    return found
