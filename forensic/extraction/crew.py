"""Those who fill pieces ahead of their turn: processes where that is safe, threads elsewhere.

Threads that make many short calls wait for each other at the interpreter's lock; processes have a lock each. But a
process that has threads had better not fork, since a lock that another thread holds stays locked in the child for ever.
"""

from __future__ import annotations

import marshal
import os
import select
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from types import TracebackType
from typing import NoReturn, Protocol, Self

from forensic.errors import ForensicError, OutputFailed, WorkerFailed
from forensic.extraction.plan import Piece
from forensic.extraction.reading import Missing
from forensic.qcow2.states import Reason

Work = Callable[[int, Piece], Sequence[Missing]]
"""Fills the buffer of that number with the bytes of a piece, and says what could not be had."""

Promise = Callable[[], Sequence[Missing]]
"""Waits for a piece. Raises what ended the work on it: `OutputFailed`, or `WorkerFailed` for an error of ours."""

MOST = 8
"""More members would wait for the one who plans, or for the medium."""

NAME = "reader"
_HEAD = 4
_READ_AT_ONCE = 1 << 16


class Crew(Protocol):
    """Members who work side by side; leaving the context ends them, after the pieces that they are at."""

    def submit(self, buffer: int, piece: Piece) -> Promise:
        """Let a member fill a buffer. The promises must be asked in the order in which they were made."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def crew_size() -> int:
    """As many members as there are processors that we may use."""
    return min(MOST, len(os.sched_getaffinity(0)))


def crew(work: Work, count: int) -> Crew:
    """So many members; their buffers must lie in memory that a fork shares."""
    if threading.active_count() == 1:
        with suppress(OSError):  # the system may let us have no more processes
            return Processes(work, count)
    return Threads(work, count)


class Threads:
    """Members in this process."""

    def __init__(self, work: Work, count: int) -> None:
        """Start them."""
        from concurrent.futures import ThreadPoolExecutor

        self._work = work
        self._pool = ThreadPoolExecutor(count, NAME)

    def submit(self, buffer: int, piece: Piece) -> Promise:
        """See `Crew`."""
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
    """Members that are forks of this process: they have its files, and share with it what lies in shared memory."""

    def __init__(self, work: Work, count: int) -> None:
        """Start them. Raises `OSError` if the system does not allow it."""
        self._members: list[_Member] = []
        try:
            for _ in range(count):
                self._members.append(_Member(work, self._members))
        except OSError:
            self._end()
            raise

    def submit(self, buffer: int, piece: Piece) -> Promise:
        """See `Crew`; the member who has least to do gets it."""
        member = min(self._members, key=lambda one: one.pieces)
        member.give(marshal.dumps((buffer, piece.guest_offset, piece.length, piece.parts)))
        return member.answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        for member in self._members:
            member.dismiss()
        for member in self._members:
            member.wait()


class _Member:
    """One process: pieces go to it through one pipe, what became of them comes back through another."""

    def __init__(self, work: Work, others: Sequence[_Member]) -> None:
        self.pieces = 0  # that it has been given and that nobody has asked for yet
        with ExitStack() as undo, _signals_held_back():
            pieces, self._pieces = _pipe(undo)
            self._answers, answers = _pipe(undo)
            self._process = os.fork()
            if not self._process:
                # As long as anyone holds the other end of its pipe, a member would wait for pieces after our death.
                ours = [end for one in (self, *others) for end in (one._pieces, one._answers)]
                _serve(work, pieces, answers, ours)
            undo.pop_all()
        os.close(pieces)
        os.close(answers)
        os.set_blocking(self._pieces, False)
        self._waiting = select.poll()
        self._waiting.register(self._pieces, select.POLLOUT)
        self._waiting.register(self._answers, select.POLLIN)
        self._received = bytearray()

    def give(self, piece: bytes) -> None:
        """Send a piece; answers are taken meanwhile, since two who both only send would wait for each other."""
        self.pieces += 1
        rest = memoryview(_framed(piece))
        while rest:
            try:
                rest = rest[os.write(self._pieces, rest) :]
            except BlockingIOError:
                if (self._answers, select.POLLIN) in self._waiting.poll():
                    self._receive()
            except BrokenPipeError:
                raise _failure("the process is gone") from None

    def answer(self) -> Sequence[Missing]:
        """What became of the oldest piece that was given and not asked for."""
        while len(self._received) < _HEAD:
            self._receive()
        end = _HEAD + int.from_bytes(self._received[:_HEAD], "little")
        while len(self._received) < end:
            self._receive()
        answer = bytes(self._received[_HEAD:end])
        del self._received[:end]
        self.pieces -= 1
        return _understood(answer)

    def dismiss(self) -> None:
        """There are no more pieces."""
        os.close(self._pieces)
        os.close(self._answers)

    def wait(self) -> None:
        """Wait until it has ended."""
        os.waitpid(self._process, 0)

    def _receive(self) -> None:
        received = os.read(self._answers, _READ_AT_ONCE)
        if not received:
            raise _failure("the process is gone")
        self._received += received


def _pipe(undo: ExitStack) -> tuple[int, int]:
    """The ends to read from and to write to."""
    ends = os.pipe()
    for end in ends:
        undo.callback(os.close, end)
    return ends


ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """Let no signal end a member in the midst of its birth, as if it were the one who planned."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(work: Work, pieces: int, answers: int, not_ours: Sequence[int]) -> NoReturn:
    """The life of a member; it ends when nobody is left who could send a piece."""
    try:
        for descriptor in not_ours:
            os.close(descriptor)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the one who planned decides
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING_SIGNALS)
        while (head := _read(pieces, _HEAD)) and (piece := _read(pieces, int.from_bytes(head, "little"))):
            rest = memoryview(_framed(_answer(work, piece)))
            while rest:
                rest = rest[os.write(answers, rest) :]
    finally:
        os._exit(0)


def _read(descriptor: int, length: int) -> bytes:
    """So many bytes; nothing if they end before."""
    found = b""
    while len(found) < length:
        part = os.read(descriptor, length - len(found))
        if not part:
            return b""
        found += part
    return found


def _framed(message: bytes) -> bytes:
    return len(message).to_bytes(_HEAD, "little") + message


_FAULTS, _OUTPUT, _ERROR = range(3)


def _answer(work: Work, message: bytes) -> bytes:
    """What became of a piece: what could not be had, or why it ended in an error."""
    buffer, *piece = marshal.loads(message)
    try:
        faults = work(buffer, Piece(*piece))
    except OutputFailed as error:
        return marshal.dumps((_OUTPUT, os.fspath(error.path), error.reason))
    except Exception as error:  # noqa: BLE001 - told to the one who planned, who raises it
        return marshal.dumps((_ERROR, f"{type(error).__name__}: {error}"))
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


def _failure(reason: str) -> WorkerFailed:
    return WorkerFailed(NAME, reason)
