"""An output compared with a second reading of the disk: in some places, or the whole of it in several threads."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from forensic.disk.disk import Disk
from forensic.errors import EvidenceUnreadable, Interrupted, WorkerFailed
from forensic.evidence import ReadFailed
from forensic.extraction.second_reading import (
    Comparison,
    Method,
    OutputBytes,
    Unread,
    compare_places,
    compare_range,
    second_reader_of,
    sources_of,
)
from forensic.extraction.worker_processes import worker_count
from forensic.output.read_back import FileBytes, KeptBytes
from forensic.second_reader.reader import SecondReader
from forensic.second_reader.source import Source

if TYPE_CHECKING:  # slow to load, and the places are compared without it
    from concurrent.futures import Future

PART_BYTES = 4 << 20
PARTS = 4096
"""A large disk is cut into so many parts, since it is mostly empty; others into parts of `PART_BYTES`."""

AHEAD = 2
"""Parts that wait for each thread."""


def compare(
    disk: Disk,
    output: KeptBytes | Sequence[Path],
    places: Sequence[tuple[int, int]],
    extent: tuple[int, int],
    whole: bool,
    unread: Unread,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Comparison:
    """Compare the files of an output, or what was kept of one, with a second reading.

    `extent` is the guest range of the output, `places` are those that are compared unless the `whole` is asked for.
    Raises `EvidenceUnreadable` if the output cannot be read, and what `compare_whole` raises.
    """
    if isinstance(output, KeptBytes):
        return compare_places(disk, output, places, unread)
    with FileBytes(output, extent[0]) as files:
        try:
            if whole:
                return compare_whole(disk, files, *extent, unread, progress, cancelled)
            return compare_places(disk, files, places, unread)
        except ReadFailed as error:
            raise EvidenceUnreadable(output[0], str(error)) from error


def compare_whole(
    disk: Disk,
    output: OutputBytes,
    start: int,
    end: int,
    unread: Unread,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Comparison:
    """Compare guest offsets `start` to `end`; `progress` gets the bytes done and in all.

    Raises `Unsupported`, `ReadFailed` if the output cannot be read, `Interrupted`, `WorkerFailed`.
    """
    from concurrent.futures import ThreadPoolExecutor

    found = Comparison(Method.WHOLE)
    # An empty disk is one part all the same, so that a header that cannot be read a second time is noticed.
    sources = sources_of(disk)
    second_reader_of(disk, sources)
    step = max(PART_BYTES, -(-(end - start) // PARTS))
    step += -step % PART_BYTES
    work = _Work(disk, sources, output, unread)
    done = 0
    waiting: deque[tuple[int, Future[Comparison]]] = deque()

    def take() -> None:
        nonlocal done
        length, future = waiting.popleft()
        try:
            found.include(future.result())
        except (AssertionError, LookupError, TypeError, ValueError, AttributeError) as error:
            raise WorkerFailed("second reader", f"{type(error).__name__}: {error}") from error
        done += length
        if progress:
            progress(done, end - start)

    with ThreadPoolExecutor(worker_count(), "second reader") as pool:
        try:
            for position in range(start, end, step):
                stop = min(end, position + step)
                waiting.append((stop - start, pool.submit(work.compare, position, stop)))
                if len(waiting) > worker_count() * (1 + AHEAD):
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

    def __init__(self, disk: Disk, sources: Sequence[Source], output: OutputBytes, unread: Unread) -> None:
        self.stopping = False
        self._disk, self._sources, self._output, self._unread = disk, sources, output, unread
        self._thread = threading.local()

    def compare(self, start: int, end: int) -> Comparison:
        """Compare one part."""
        if not hasattr(self._thread, "reader"):
            self._thread.reader = second_reader_of(self._disk, self._sources)
        reader: SecondReader = self._thread.reader
        found = Comparison(Method.WHOLE)
        compare_range(reader, self._output, start, end, self._unread, found, self._passed)
        return found

    def _passed(self, _: int) -> None:
        if self.stopping:
            raise _Stopped
