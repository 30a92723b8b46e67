"""Processes that work beside this one, each watched by one that outlives what ends it.

Decoders are native code, and the bytes they are given are hostile: one that crashes must end one process and lose one
cluster. So a member of the crew is two processes, a worker and its watcher. The watcher does nothing but wait. When
its worker crashes it finds out, with throw-away processes, which part of the message the worker was at is to blame,
answers in its place, and starts another worker. It has no threads, whatever its parent has, and so may always fork.
"""

from __future__ import annotations

import mmap
import os
import select
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from types import TracebackType
from typing import NoReturn, Self

from forensic.errors import WorkerFailed

Work = Callable[[bytes], bytes]
"""Answers a message."""

Attempt = Callable[[bytes], bytes | None]
"""Answers a message in a throw-away process; None if that process crashes."""

Salvage = Callable[[bytes, Attempt], bytes]
"""Answers a message at which a worker crashed."""

Promise = Callable[[], bytes]
"""Waits for an answer. Raises `WorkerFailed` if whoever should give it is gone."""

MOST_CRASHES = 4096
"""Crashes of one member after which it gives up: each costs a few milliseconds."""

LONGEST_IN_HAND = 8 << 20
"""Bytes of a message that the watcher can see; it takes up memory only as far as messages are that long."""

_HEAD = 4
_READ_AT_ONCE = 1 << 16
_ENDED_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Processes:
    """Members who are forks of this process: they have its files, and share with it what lies in shared memory.

    Leaving the context ends them, after the messages that they were given; at once if an exception leaves it.
    """

    def __init__(self, name: str, work: Work, salvage: Salvage, count: int) -> None:
        """Start so many. Raises `OSError` if the system does not allow it."""
        self._members: list[_Member] = []
        try:
            for _ in range(count):
                self._members.append(_Member(name, work, salvage, self._members))
        except OSError:
            self._end(at_once=True)
            raise

    def submit(self, message: bytes) -> Promise:
        """Send a message; the member who has least to do gets it.

        The promises must be asked in the order in which they were made.
        """
        member = min(self._members, key=lambda one: one.messages)
        member.give(message)
        return member.answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(at_once=kind is not None)

    def _end(self, at_once: bool) -> None:
        for member in self._members:
            member.dismiss(at_once)
        for member in self._members:
            member.wait()


class _Member:
    """Messages go to it through one pipe, its answers come back through another."""

    def __init__(self, name: str, work: Work, salvage: Salvage, others: Sequence[_Member]) -> None:
        self.messages = 0  # that it has been given and that nobody has asked for yet
        self._name = name
        with ExitStack() as undo, _signals_held_back():
            messages, self._messages = _pipe(undo)
            self._answers, answers = _pipe(undo)
            self._process = os.fork()
            if not self._process:
                # As long as anyone holds the other end of its pipe, a member would wait for messages after our death.
                ours = [end for one in (self, *others) for end in (one._messages, one._answers)]
                _watch(_Post(messages, answers), work, salvage, ours)
            undo.pop_all()
        os.close(messages)
        os.close(answers)
        os.set_blocking(self._messages, False)
        self._waiting = select.poll()
        self._waiting.register(self._messages, select.POLLOUT)
        self._waiting.register(self._answers, select.POLLIN)
        self._received = bytearray()

    def give(self, message: bytes) -> None:
        """Send a message; answers are taken meanwhile, since two who both only send would wait for each other."""
        self.messages += 1
        rest = memoryview(_framed(message))
        while rest:
            try:
                rest = rest[os.write(self._messages, rest) :]
            except BlockingIOError:
                if (self._answers, select.POLLIN) in self._waiting.poll():
                    self._receive()
            except BrokenPipeError:
                raise self._gone() from None

    def answer(self) -> bytes:
        """The answer to the oldest message that was given and not asked for."""
        while len(self._received) < _HEAD:
            self._receive()
        end = _HEAD + int.from_bytes(self._received[:_HEAD], "little")
        while len(self._received) < end:
            self._receive()
        answer = bytes(self._received[_HEAD:end])
        del self._received[:end]
        self.messages -= 1
        return answer

    def dismiss(self, at_once: bool) -> None:
        """There are no more messages; `at_once` ends it whatever it is at."""
        if at_once:
            with suppress(OSError):
                os.kill(self._process, signal.SIGTERM)
        os.close(self._messages)
        os.close(self._answers)

    def wait(self) -> None:
        """Wait until it has ended."""
        os.waitpid(self._process, 0)

    def _receive(self) -> None:
        received = os.read(self._answers, _READ_AT_ONCE)
        if not received:
            raise self._gone()
        self._received += received

    def _gone(self) -> WorkerFailed:
        return WorkerFailed(self._name, "the process is gone")


class _Post:
    """Where a member's messages come from and its answers go, and the message that it has in hand."""

    def __init__(self, messages: int, answers: int) -> None:
        self._messages, self._answers = messages, answers
        self._hand = mmap.mmap(-1, LONGEST_IN_HAND)  # memory that a fork shares; no file is mapped

    def next_message(self) -> bytes:
        """The next message, which is in hand from now on; nothing if nobody is left who could send one."""
        head = _read(self._messages, _HEAD)
        message = _read(self._messages, int.from_bytes(head, "little")) if head else b""
        in_hand = _framed(message if len(message) <= LONGEST_IN_HAND - _HEAD else b"")
        self._hand[: len(in_hand)] = in_hand
        return message

    def in_hand(self) -> bytes:
        """The message at which the worker was; nothing if it was at none."""
        length = int.from_bytes(self._hand[:_HEAD], "little")
        return bytes(self._hand[_HEAD : _HEAD + length])

    def answer(self, answer: bytes) -> None:
        """Send the answer to the message in hand."""
        self._hand[:_HEAD] = bytes(_HEAD)
        rest = memoryview(_framed(answer))
        while rest:
            rest = rest[os.write(self._answers, rest) :]


def _pipe(undo: ExitStack) -> tuple[int, int]:
    """The ends to read from and to write to."""
    ends = os.pipe()
    for end in ends:
        undo.callback(os.close, end)
    return ends


ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """Let no signal end a member in the midst of its birth, as if it were its parent."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _watch(post: _Post, work: Work, salvage: Salvage, not_ours: Sequence[int]) -> NoReturn:
    """The life of a watcher; it ends with its worker, when nobody is left who could send a message."""
    try:
        for descriptor in not_ours:
            os.close(descriptor)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent decides
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _leave_no_core()
        for _ in range(MOST_CRASHES):
            try:
                worker = _started(lambda: _serve(post, work))
            except OSError:  # the system may let us have no more processes: better unwatched than none
                signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING_SIGNALS)
                _serve(post, work)
                break
            if not _crashed(worker):
                break
            message = post.in_hand()
            if not message:
                break
            post.answer(salvage(message, lambda part: _attempted(work, part)))
    finally:
        os._exit(0)


def _started(act: Callable[[], None]) -> int:
    """A process that does this and ends; SIGTERM to this one ends both. Raises `OSError` if there can be none."""
    process = os.fork()
    if not process:
        status = 1
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING_SIGNALS)
            act()
            status = 0
        finally:
            os._exit(status)
    signal.signal(signal.SIGTERM, lambda number, frame: _end_with(process))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING_SIGNALS)
    return process


def _end_with(process: int) -> NoReturn:
    try:
        os.kill(process, signal.SIGKILL)
    finally:
        os._exit(0)


def _crashed(process: int) -> bool:
    """Wait for a process; whether it ended neither as it should nor because somebody ended it."""
    _, status = os.waitpid(process, 0)
    code = os.waitstatus_to_exitcode(status)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return bool(code) and -code not in _ENDED_FROM_OUTSIDE


def _serve(post: _Post, work: Work) -> None:
    while message := post.next_message():
        post.answer(work(message))


def _attempted(work: Work, message: bytes) -> bytes | None:
    """The answer of a process that does nothing else; None if it crashes."""
    with ExitStack() as undo:
        source, sink = _pipe(undo)
        process = _started(lambda: _send(sink, work(message)))
        os.close(sink)
        undo.pop_all()
        answer = bytearray()
        while part := os.read(source, _READ_AT_ONCE):
            answer += part
        os.close(source)
        return None if _crashed(process) or not answer else bytes(answer)


def _send(descriptor: int, answer: bytes) -> None:
    rest = memoryview(answer)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _leave_no_core() -> None:
    """A crash must not leave evidence in a core file."""
    import resource

    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


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
