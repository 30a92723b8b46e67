"""The hashes of the files that are extracted from, computed beside the extraction."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from forensic.evidence import Evidence, ReadFailed


class _Stopped(Exception):
    """Nobody wants the hash any more."""


class InputHashes:
    """SHA-256 of every input as it stands, one after the other in a thread of its own."""

    def __init__(self, evidences: Sequence[Evidence]) -> None:
        """Start the thread; `stop` must be called in the end."""
        self._stopping = False
        self._pool = ThreadPoolExecutor(1, "input hash")
        self._found: dict[Evidence, Future[str]] = {
            evidence: self._pool.submit(evidence.sha256, self._progress) for evidence in evidences
        }

    def of(self, evidence: Evidence) -> str | None:
        """The hash of one of the files, waiting for it; None if it cannot be read to its end."""
        try:
            return self._found[evidence].result()
        except ReadFailed:
            return None

    def stop(self) -> None:
        """End the thread, finished or not."""
        self._stopping = True
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _progress(self, done: int) -> None:
        if self._stopping:
            raise _Stopped
