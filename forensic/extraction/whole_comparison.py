"""The whole of an output compared with a second reading of the disk, some parts of it at a time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from forensic.errors import Interrupted, WorkerFailed
from forensic.extraction.crew import crew_size
from forensic.extraction.output_bytes import FileBytes
from forensic.extraction.second_opinion import Comparison, Method, Unread, compare_range, second_reader_of
from forensic.qcow2.disk import Disk
from forensic.second_reader.reader import SecondReader

PART_BYTES = 4 << 20
PARTS = 4096
"""A large disk is cut into so many parts, since it is mostly empty; others into parts of `PART_BYTES`."""

AHEAD = 2
"""Parts that wait for each thread."""


def compare_whole(
    disk: Disk,
    output: FileBytes,
    start: int,
    end: int,
    unread: Unread,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Comparison:
    """Compare guest offsets `start` to `end`; `progress` gets the bytes done and in all.

    Raises `Unsupported`, `ReadFailed` if the output cannot be read, `Interrupted`, `WorkerFailed`.
    """
    found = Comparison(Method.WHOLE)
    # An empty disk is one part all the same, so that a header that cannot be read a second time is noticed.
    second_reader_of(disk)
    step = max(PART_BYTES, -(-(end - start) // PARTS))
    step += -step % PART_BYTES
    work = _Work(disk, output, unread)
    waiting: deque[tuple[int, Future[Comparison]]] = deque()

    def take() -> None:
        done, future = waiting.popleft()
        try:
            found.include(future.result())
        except (AssertionError, LookupError, TypeError, ValueError, AttributeError) as error:
            raise WorkerFailed("second reader", f"{type(error).__name__}: {error}") from error
        if progress:
            progress(done, end - start)

    with ThreadPoolExecutor(crew_size(), "second reader") as pool:
        try:
            for position in range(start, end, step):
                stop = min(end, position + step)
                waiting.append((stop - start, pool.submit(work.compare, position, stop)))
                if len(waiting) > crew_size() * (1 + AHEAD):
                    take()
                if cancelled and cancelled():
                    raise Interrupted("comparison with a second reading")
            while waiting:
                take()
        except BaseException:
            work.stopping = True
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    found.places = 1
    return found


class _Stopped(Exception):
    """Nobody wants the comparison any more."""


class _Work:
    """Compares parts, with a reader for each thread."""

    def __init__(self, disk: Disk, output: FileBytes, unread: Unread) -> None:
        self.stopping = False
        self._disk, self._output, self._unread = disk, output, unread
        self._thread = threading.local()

    def compare(self, start: int, end: int) -> Comparison:
        """Compare one part."""
        if not hasattr(self._thread, "reader"):
            self._thread.reader = second_reader_of(self._disk)
        reader: SecondReader = self._thread.reader
        found = Comparison(Method.WHOLE)
        compare_range(reader, self._output, start, end, self._unread, found, self._passed)
        return found

    def _passed(self, _: int) -> None:
        if self.stopping:
            raise _Stopped
