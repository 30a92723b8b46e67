"""The hashes of the files that are extracted from, computed beside the extraction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from forensic.errors import Interrupted
from forensic.evidence import Evidence, ReadFailed


class _Stopped(Exception):
    """The hash is no longer wanted."""


class InputHashes:
    """SHA-256 of every input as it stands, one after the other in a thread of its own; and again, if that is wanted."""

    def __init__(self, evidences: Sequence[Evidence], cancelled: Callable[[], bool] | None = None) -> None:
        """Start the thread; `stop` must be called in the end. It stops by itself once `cancelled` says so."""
        self._stopping = False
        self._cancelled = cancelled
        self._pool = ThreadPoolExecutor(1, "input hash")
        self._found: dict[Evidence, Future[str]] = {
            evidence: self._pool.submit(evidence.sha256, self._progress) for evidence in evidences
        }
        self._again: dict[Evidence, str | None] = {}

    def of(self, evidence: Evidence) -> str | None:
        """The hash of one of the files, waiting for it; None if it cannot be read to its end. Raises `Interrupted`."""
        try:
            return self._found[evidence].result()
        except ReadFailed:
            return None
        except _Stopped:
            raise Interrupted("the files that were read were not hashed") from None

    def verify(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Read every file once more, from the medium as far as the system lets us."""
        total, done = sum(evidence.size for evidence in self._found), 0
        for evidence, first in self._found.items():
            wait([first])

            def told(position: int, before: int = done) -> None:
                if progress:
                    progress(before + position, total)

            evidence.leave_cache()
            try:
                self._again[evidence] = evidence.sha256(told)
            except ReadFailed:
                self._again[evidence] = None
            done += evidence.size

    def again(self, evidence: Evidence) -> str | None:
        """The hash by `verify`; None if the file was not read again, or could not be read to its end."""
        return self._again.get(evidence)

    @property
    def differing(self) -> list[Evidence]:
        """The files that read differently the second time."""
        return [evidence for evidence, again in self._again.items() if again and again != self.of(evidence)]

    @property
    def unverified(self) -> list[Evidence]:
        """The files that were to be read again and could not be read to their end."""
        return [evidence for evidence, again in self._again.items() if again is None]

    def stop(self) -> None:
        """End the thread, finished or not."""
        self._stopping = True
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _progress(self, done: int) -> None:
        if self._stopping or (self._cancelled and self._cancelled()):
            raise _Stopped
