"""A thread that takes items in order, and whose failure reaches the thread that gives them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from queue import Empty, Full, Queue
from threading import Thread
from typing import Generic, TypeVar

from forensic.errors import ForensicError, WorkerFailed

QUEUED_ITEMS = 4
"""Items that may wait; each is at most a mebibyte."""

PATIENCE_SECONDS = 1.0
"""Seconds after which a caller that waits for room checks whether the thread is still alive."""

Item = TypeVar("Item")


class Worker(Generic[Item]):
    """Calls `take` with every item given, in a thread of its own.

    The thread starts with the first item. `give` never waits for a thread that has ended: what ended it is raised by
    the next `give` or by `finish`. `stop` must be called in the end, whatever happened; an item that takes long over an
    item asks `stopping`.
    """

    def __init__(self, name: str, take: Callable[[Item], None]) -> None:
        self._name = name
        self._take = take
        self._queue: Queue[Item | None] = Queue(QUEUED_ITEMS)
        self.stopping = False
        self._thread: Thread | None = None
        self._failure: BaseException | None = None

    def give(self, item: Item) -> None:
        """Hand over an item; waits while `QUEUED_ITEMS` items wait. Raises what ended the thread."""
        self._put(item)

    def finish(self) -> None:
        """Wait until everything given was taken. Raises what ended the thread."""
        self._put(None)
        self._raise_failure()

    def catch_up(self, seconds: float) -> None:
        """Wait until everything given was taken, but no longer than this. Raises what ended the thread."""
        self._put(None)
        self._raise_failure(seconds)

    def stop(self) -> None:
        """End the thread, without the items that still wait; does nothing after `finish`."""
        self.stopping = True
        while self._thread and self._thread.is_alive():
            with suppress(Empty):
                while True:  # what waits is not taken any more, and there has to be room for the message to end
                    self._queue.get_nowait()
            try:
                self._queue.put(None, timeout=PATIENCE_SECONDS)
                break
            except Full:
                continue
        if self._thread:
            self._thread.join()

    def _put(self, item: Item | None) -> None:
        if self._thread is None:
            thread = Thread(target=self._run, name=self._name)
            thread.start()
            self._thread = thread
        while self._thread.is_alive():
            try:
                self._queue.put(item, timeout=PATIENCE_SECONDS)
                return
            except Full:
                continue
        self._raise_failure()

    def _raise_failure(self, seconds: float | None = None) -> None:
        if self._thread:
            self._thread.join(seconds)
        error = self._failure
        if isinstance(error, ForensicError):
            raise error
        if error is not None:
            raise WorkerFailed(self._name, f"{type(error).__name__}: {error}") from error

    def _run(self) -> None:
        try:
            while (item := self._queue.get()) is not None and not self.stopping:
                self._take(item)
        except BaseException as error:  # noqa: BLE001 - raised by whoever gives the next item, or waits for the end
            self._failure = error
