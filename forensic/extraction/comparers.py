"""Comparers of an output with a second reading, side by side: processes where that is safe, threads elsewhere.

The second reader parses one entry at a time, so threads would wait for each other at the interpreter's lock. And it
decodes hostile streams: a decoder that crashes ends one process, and the ranges at which it did are not judged.
"""

from __future__ import annotations

import marshal
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Protocol, Self

from msgspec import Struct, convert, to_builtins

from forensic.disk.disk import Disk
from forensic.errors import ForensicError, WorkerFailed
from forensic.evidence import ReadFailed
from forensic.extraction.second_reading import Comparison, Method, OutputBytes, Unread, compare_range, second_reader_of
from forensic.processes.forked_process import Attempt
from forensic.processes.pool import Processes, may_fork
from forensic.second_reader.reader import SecondReader
from forensic.second_reader.source import Source

Range = tuple[int, int]
"""Start and end, as guest offsets."""

Promise = Callable[[], Comparison]
"""Waits for a comparison. Raises `ReadFailed` if the output cannot be read, or `WorkerFailed` for an error of ours."""

NAME = "second reader"

SMALLEST_BYTES = 1 << 16
"""A range at which a decoder crashes is divided down to this, to find the part that is to blame."""


class Comparer:
    """Compares ranges with one reader a thread; a process that is forked has one thread."""

    def __init__(
        self, disk: Disk, sources: Sequence[Source], output: OutputBytes, unread: Unread, method: Method
    ) -> None:
        """Compare `output` with what `sources` say; `unread` is what the first reader could not read."""
        self.disk, self.method, self.stopping = disk, method, False
        self._sources, self._output, self._unread = sources, output, unread
        self._thread = threading.local()

    def compare(self, ranges: Sequence[Range]) -> Comparison:
        """Compare these guest ranges. Raises `ReadFailed` if the output cannot be read."""
        if not hasattr(self._thread, "reader"):
            self._thread.reader = second_reader_of(self.disk, self._sources)
        reader: SecondReader = self._thread.reader
        found = Comparison(self.method)
        for start, end in ranges:
            compare_range(reader, self._output, start, end, self._unread, found, self._passed)
            found.places += 1
        return found

    def _passed(self, _: int) -> None:
        if self.stopping:
            raise _Stopped


class _Stopped(Exception):
    """The comparison is not wanted any more."""


class Comparers(Protocol):
    """Comparers who work side by side; leaving the context ends them."""

    def submit(self, ranges: Sequence[Range]) -> Promise:
        """Let one of them compare these ranges. The promises must be asked in the order in which they were made."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def start_comparers(comparer: Comparer, count: int) -> Comparers:
    """So many of them. What `comparer` reads must be open, and its key known."""
    if may_fork():
        with suppress(OSError):  # the system may let us have no more processes
            return InProcesses(comparer, count)
    return InThreads(comparer, count)


class InThreads:
    """Comparers in this process."""

    def __init__(self, comparer: Comparer, count: int) -> None:
        """Start them."""
        from concurrent.futures import ThreadPoolExecutor  # slow to load

        self._comparer = comparer
        self._pool = ThreadPoolExecutor(count, NAME)

    def submit(self, ranges: Sequence[Range]) -> Promise:
        """See `Comparers`."""
        future = self._pool.submit(self._comparer.compare, ranges)

        def promise() -> Comparison:
            try:
                return future.result()
            except (ForensicError, ReadFailed):
                raise
            except Exception as error:
                raise WorkerFailed(NAME, f"{type(error).__name__}: {error}") from error

        return promise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._comparer.stopping = kind is not None
        self._pool.shutdown(wait=kind is None, cancel_futures=True)


class _Answer(Struct):
    """What a process tells: the comparison, or what of the output cannot be read; and what of the evidence."""

    comparison: Comparison
    output_unread: tuple[int, int, str] | None = None
    unread: list[tuple[int, int, int, str]] = []
    """Number of the file among those of the disk, host offset, length, reason."""


class InProcesses:
    """Comparers that are forks of this process."""

    def __init__(self, comparer: Comparer, count: int) -> None:
        """Start them. Raises `OSError` if the system does not allow it."""
        self._comparer = comparer
        self._evidences = comparer.disk.evidences
        self._processes = Processes(NAME, self._answer, self._salvaged, count)

    def submit(self, ranges: Sequence[Range]) -> Promise:
        """See `Comparers`."""
        answer = self._processes.submit(_message(ranges))
        return lambda: self._understood(answer())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._processes.__exit__(kind, error, trace)

    def _answer(self, message: bytes) -> bytes:
        answer = _Answer(Comparison(self._comparer.method))
        try:
            answer.comparison = self._comparer.compare(_ranges_in(message))
        except ReadFailed as error:
            answer.output_unread = (error.host_offset, error.length, error.reason)
        answer.unread = [
            (number, one.host_offset, one.length, one.reason)
            for number, evidence in enumerate(self._evidences)
            for one in evidence.unread
        ]
        return _message(answer)

    def _understood(self, message: bytes) -> Comparison:
        answer = _answer_in(message)
        for number, host_offset, length, reason in answer.unread:
            self._evidences[number].note_unread(host_offset, length, reason)
        if answer.output_unread:
            raise ReadFailed(*answer.output_unread)
        return answer.comparison

    def _salvaged(self, message: bytes, attempt: Attempt) -> bytes:
        """The answer for ranges at which a process crashed: the smallest parts that do it are not judged."""
        found = _Answer(Comparison(self._comparer.method))
        waiting = [part for start, end in reversed(_ranges_in(message)) for part in _halves(start, end)]
        while waiting:
            start, end = waiting.pop()
            answer = attempt(_message([(start, end)]))
            if answer is not None:
                part = _answer_in(answer)
                found.comparison.include(part.comparison)
                found.unread += part.unread
                found.output_unread = found.output_unread or part.output_unread
            elif end - start > SMALLEST_BYTES:
                waiting += _halves(start, end)
            else:
                found.comparison.bytes_not_judged += end - start
        found.comparison.places = len(_ranges_in(message))
        return _message(found)


def _message(content: Sequence[Range] | _Answer) -> bytes:
    return marshal.dumps(to_builtins(content))


def _ranges_in(message: bytes) -> list[Range]:
    return convert(marshal.loads(message), list[Range])


def _answer_in(message: bytes) -> _Answer:
    return convert(marshal.loads(message), _Answer)


def _halves(start: int, end: int) -> list[Range]:
    """A range in two parts, the second first; one that is short as a whole."""
    middle = (start + end) // 2 // SMALLEST_BYTES * SMALLEST_BYTES
    return [(middle, end), (start, middle)] if start < middle else [(start, end)]
