"""Whether the terminal is still there: one that is closed without a signal would leave the program running on."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

SECONDS = 1.0
AFTER_A_HANGUP = 128 + signal.SIGHUP


class TerminalWatch:
    """A thread that asks each second: the main thread may be waiting to write to what is gone."""

    def __init__(self, descriptor: int, before: Callable[[], object]) -> None:
        """Begin with `start`; `before` is called when the terminal is gone, before the program is ended."""
        self._descriptor = descriptor
        self._before = before
        self._over = threading.Event()

    def start(self) -> None:
        """Watch until `stop`, if there is a terminal at all."""
        if os.isatty(self._descriptor):
            threading.Thread(target=self._run, name="terminal watch", daemon=True).start()

    def stop(self) -> None:
        """Watch no more."""
        self._over.set()

    def _run(self) -> None:
        while not self._over.wait(SECONDS):
            if not os.isatty(self._descriptor):
                self._before()
                end_as_by_a_hangup()


def end_as_by_a_hangup() -> None:
    """End as a process ends whose terminal hung up, also where that signal is ignored."""
    os.kill(os.getpid(), signal.SIGHUP)
    threading.Event().wait(SECONDS)
    os._exit(AFTER_A_HANGUP)
