"""Looks at the evidence every second, for as long as the program runs: a change is seen when it happens."""

from __future__ import annotations

import threading
from collections.abc import Callable

from msgspec import Struct

from forensic import Evidence
from tui.session.times import now

SECONDS = 1.0


class EvidenceState(Struct, frozen=True):
    """What was seen of the evidence at a moment (UTC); `changes` says how it differs from what was opened."""

    at: str
    changes: tuple[str, ...] = ()

    @property
    def unchanged(self) -> bool:
        """Whether nothing differs."""
        return not self.changes


class HashRecord(Struct, frozen=True):
    """A hash of the image file, when it was done, and how the file differed then from what was opened."""

    algorithm: str
    value: str
    at: str
    changes: tuple[str, ...] = ()


class EvidenceClock:
    """A thread that asks the file system each second, so that one that hangs does not stop the screen."""

    def __init__(self, evidence: Evidence, tell: Callable[[EvidenceState], object]) -> None:
        """Begin with `start`; `tell` is called in the thread."""
        self._evidence = evidence
        self._tell = tell
        self._over = threading.Event()
        self._seen: tuple[str, ...] = ()

    def start(self) -> None:
        """Look every second until `stop`."""
        threading.Thread(target=self._run, name="evidence clock", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._over.set()

    def look(self) -> EvidenceState:
        """How the evidence is now; what was once seen to have changed stays so, whatever is put in its place."""
        changes = self._evidence.changes()
        self._seen = (*self._seen, *(change for change in changes if change not in self._seen))
        return EvidenceState(now(), self._seen)

    def _run(self) -> None:
        while not self._over.wait(SECONDS):
            self._tell(self.look())
