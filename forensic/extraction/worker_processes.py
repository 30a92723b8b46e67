"""Workers that read ahead: processes where that is safe, threads elsewhere.

Threads that make many short calls wait for each other at the interpreter's lock; processes have a lock each. But a
process that has threads should not fork, since a lock that another thread holds stays locked in the child for ever.
"""

from __future__ import annotations

import marshal
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Protocol, Self

from forensic.errors import ForensicError, OutputFailed, WorkerFailed
from forensic.extraction.piece_reader import Missing
from forensic.extraction.plan import Part, Piece
from forensic.mapping.extents import Reason
from forensic.processes.forked_process import Attempt
from forensic.processes.pool import Processes as WatchedProcesses
from forensic.processes.pool import may_fork

Work = Callable[[int, Piece], Sequence[Missing]]
"""Fills the buffer of that number with the bytes of a piece, and says what could not be read."""

Promise = Callable[[], Sequence[Missing]]
"""Waits for a piece. Raises what ended the work on it: `OutputFailed`, or `WorkerFailed` for an error of ours."""

MAX_WORKERS = 8
"""More workers would wait for the planner, or for the medium."""

NAME = "reader"


class Workers(Protocol):
    """Workers that run side by side; leaving the context ends them."""

    def submit(self, buffer: int, piece: Piece) -> Promise:
        """Let a worker fill a buffer. The promises must be asked in the order in which they were made."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def worker_count() -> int:
    """As many workers as there are processors that we may use."""
    return min(MAX_WORKERS, len(os.sched_getaffinity(0)))


def start_workers(work: Work, count: int) -> Workers:
    """So many workers; their buffers must lie in memory that a fork shares."""
    if may_fork():
        with suppress(OSError):  # the system may let us have no more processes
            return Processes(work, count)
    return Threads(work, count)


class Threads:
    """Workers that are threads of this process."""

    def __init__(self, work: Work, count: int) -> None:
        """Start them."""
        from concurrent.futures import ThreadPoolExecutor

        self._work = work
        self._pool = ThreadPoolExecutor(count, NAME)

    def submit(self, buffer: int, piece: Piece) -> Promise:
        """See `Workers`."""
        future = self._pool.submit(self._work, buffer, piece)

        def promise() -> Sequence[Missing]:
            try:
                return future.result()
            except ForensicError:
                raise
            except Exception as error:
                raise _failure(f"{type(error).__name__}: {error}") from error

        return promise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


class Processes:
    """Workers that are forks of this process: they have its files, and share with it what lies in shared memory.

    A compressed cluster that crashes the decoder is a fault like others; see `forensic.processes`.
    """

    def __init__(self, work: Work, count: int) -> None:
        """Start them. Raises `OSError` if the system does not allow it."""
        self._members = WatchedProcesses(NAME, lambda message: _answer(work, message), _salvaged, count)

    def submit(self, buffer: int, piece: Piece) -> Promise:
        """See `Workers`; the least busy worker gets it."""
        answer = self._members.submit(_message(buffer, piece))
        return lambda: _understood(answer())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._members.__exit__(kind, error, trace)


def _message(buffer: int, piece: Piece) -> bytes:
    return marshal.dumps((buffer, piece.guest_offset, piece.length, piece.parts))


_FAULTS, _OUTPUT, _ERROR = range(3)


def _answer(work: Work, message: bytes) -> bytes:
    """What became of a piece: what could not be read, or why it ended in an error."""
    buffer, *piece = marshal.loads(message)
    try:
        faults = work(buffer, Piece(*piece))
    except OutputFailed as error:
        return marshal.dumps((_OUTPUT, os.fspath(error.path), error.reason))
    except Exception as error:  # noqa: BLE001 - told to the one who planned, who raises it
        return marshal.dumps((_ERROR, f"{type(error).__name__}: {error}"))
    return _of_faults(faults)


def _of_faults(faults: Sequence[Missing]) -> bytes:
    plain = [(one.guest_offset, one.length, int(one.reason), one.host_offset, one.stored_length) for one in faults]
    return marshal.dumps((_FAULTS, plain))


def _understood(answer: bytes) -> Sequence[Missing]:
    kind, *told = marshal.loads(answer)
    if kind == _OUTPUT:
        raise OutputFailed(*told)
    if kind == _ERROR:
        raise _failure(*told)
    return [
        Missing(guest_offset, length, Reason(reason), host_offset, stored_length)
        for guest_offset, length, reason, host_offset, stored_length in told[0]
    ]


def _salvaged(message: bytes, attempt: Attempt) -> bytes:
    """The answer for a piece at which a worker crashed: the compressed clusters that do it are left out, as faults."""
    buffer, *rest = marshal.loads(message)
    piece = Piece(*rest)
    plain = [part for part in piece.parts if not part[3]]
    compressed = [part for part in piece.parts if part[3]]

    def survives(parts: Sequence[Part]) -> bool:
        return attempt(_message(buffer, Piece(piece.guest_offset, piece.length, list(parts)))) is not None

    guilty = set(_guilty(compressed, survives))
    innocent = sorted([*plain, *(part for part in compressed if part not in guilty)])
    # What is written last is the piece as it is to be: the attempts have left out more than that.
    answer = attempt(_message(buffer, Piece(piece.guest_offset, piece.length, innocent)))
    if answer is None or not guilty:
        return marshal.dumps((_ERROR, "the process crashed, but not while decoding"))
    if marshal.loads(answer)[0] != _FAULTS:
        return answer
    failed = [
        Missing(piece.guest_offset + start, length, Reason.DECODER_FAILED, host_offset, stored_length)
        for start, length, host_offset, stored_length, _, _ in guilty
    ]
    return _of_faults(sorted([*_understood(answer), *failed], key=lambda one: one.guest_offset))


def _guilty(parts: Sequence[Part], survives: Callable[[Sequence[Part]], bool]) -> Sequence[Part]:
    """The parts that crash a process by themselves."""
    if not parts or survives(parts):
        return ()
    if len(parts) == 1:
        return parts
    middle = len(parts) // 2
    return [*_guilty(parts[:middle], survives), *_guilty(parts[middle:], survives)]


def _failure(reason: str) -> WorkerFailed:
    return WorkerFailed(NAME, reason)
