"""One forked process that answers messages, and outlives neither its parent nor a decoder that crashes."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import NoReturn

from forensic.errors import WorkerFailed

Work = Callable[[bytes], bytes]
"""Answers a message."""

Attempt = Callable[[bytes], bytes | None]
"""Answers a message in a throw-away process; None if that process crashes."""

Salvage = Callable[[bytes, Attempt], bytes]
"""Answers a message at which a process crashed."""

_HEAD = 4

_ERROR = 1 << 31
"""In the head of an answer: it is the text of an exception."""

_READ_BYTES = 1 << 16

_ENDED_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

MOST_CRASHES = 4096
"""Crashes of one member after which it is given up: each costs some milliseconds."""


_forking = threading.RLock()
"""Held while pipes are made for a process that is forked: one forked meanwhile would keep their ends open."""

_our_ends: set[int] = set()
"""Our ends of the pipes of all processes; as long as another one holds them, none of both sees that we are gone."""


class _Gone(Exception):
    """The process has ended."""


class ForkedProcess:
    """Messages go to it through one pipe, its answers come back through another."""

    def __init__(self, name: str, work: Work, salvage: Salvage) -> None:
        self._name, self._work, self._salvage = name, work, salvage
        self._given: deque[bytes] = deque()  # messages whose answers have not been asked for
        self._answered: deque[bytes] = deque()  # answers to the first of them
        self._received = bytearray()
        self._crashes = 0
        self._process = self._messages = self._answers = -1
        self._start()

    @property
    def messages(self) -> int:
        """How many messages were given whose answers have not been asked for."""
        return len(self._given)

    def give(self, message: bytes) -> None:
        """Send a message."""
        self._given.append(message)
        try:
            self._send(message)
        except _Gone:
            self._recover()

    def answer(self) -> bytes:
        """The answer to the oldest message that was given and not asked about."""
        while not self._answered:
            try:
                self._receive()
            except _Gone:
                self._recover()
        self._given.popleft()
        return self._answered.popleft()

    def dismiss(self, at_once: bool) -> None:
        """There are no more messages; `at_once` ends it whatever it is at."""
        if at_once and self._process >= 0:
            with suppress(OSError):
                os.kill(self._process, signal.SIGKILL)
        with _forking:
            for end in {self._messages, self._answers} & _our_ends:
                _our_ends.remove(end)
                os.close(end)
        self._messages = self._answers = -1

    def wait(self) -> int:
        """Wait until it has ended; its exit code."""
        process, self._process = self._process, -1
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) if process >= 0 else 0

    def _start(self) -> None:
        ends: list[int] = []
        with signals_held_back():
            try:
                parent = os.getpid()
                ends += os.pipe()
                ends += os.pipe()
                process = os.fork()
                if not process:
                    _serve(self._work, ends[0], ends[3], [ends[1], ends[2], *_our_ends], parent)
            except OSError:
                for end in ends:
                    os.close(end)
                raise
            os.close(ends[0])
            os.close(ends[3])
            _our_ends.update(ends[1:3])
        self._process = process
        self._messages, self._answers = ends[1], ends[2]
        os.set_blocking(self._messages, False)
        self._waiting = select.poll()
        self._waiting.register(self._messages, select.POLLOUT)
        self._waiting.register(self._answers, select.POLLIN)
        self._received.clear()

    def _send(self, message: bytes) -> None:
        """Answers are taken meanwhile, since two who both only send would wait for each other."""
        rest = memoryview(_framed(message))
        while rest:
            try:
                rest = rest[os.write(self._messages, rest) :]
            except BlockingIOError:
                if (self._answers, select.POLLIN) in self._waiting.poll():
                    self._receive()
            except BrokenPipeError:
                raise _Gone from None

    def _receive(self) -> None:
        received = os.read(self._answers, _READ_BYTES)
        if not received:
            raise _Gone
        self._received += received
        while len(self._received) >= _HEAD:
            head = int.from_bytes(self._received[:_HEAD], "little")
            end = _HEAD + head % _ERROR
            if len(self._received) < end:
                break
            answer = bytes(self._received[_HEAD:end])
            if head & _ERROR:
                raise WorkerFailed(self._name, answer.decode(errors="replace"))
            self._answered.append(answer)
            del self._received[:end]

    def _recover(self) -> None:
        """After a crash: answer in the process's place, start another, and send it what comes after."""
        while True:
            with suppress(_Gone):
                while True:  # what was answered before the crash may still be in the pipe
                    self._receive()
            self.dismiss(at_once=False)
            self._crashes += 1
            if not is_crash(self.wait()) or len(self._given) == len(self._answered) or self._crashes > MOST_CRASHES:
                raise WorkerFailed(self._name, "the process is gone")
            try:
                self._answered.append(self._salvage(self._given[len(self._answered)], self._attempt))
                self._start()
                for message in list(self._given)[len(self._answered) :]:
                    self._send(message)
            except OSError as error:
                raise WorkerFailed(self._name, f"the process is gone, and there can be no other: {error}") from error
            except _Gone:
                continue
            return

    def _attempt(self, message: bytes) -> bytes | None:
        with signals_held_back():
            source, sink = os.pipe()
            process = os.fork()
            if not process:
                _act(lambda: _write(sink, _answer_to(message, self._work)))
            os.close(sink)
        answer = bytearray()
        try:
            while part := os.read(source, _READ_BYTES):
                answer += part
        except BaseException:
            os.kill(process, signal.SIGKILL)
            raise
        finally:
            os.close(source)
            code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        if is_crash(code):
            return None
        if code or int.from_bytes(answer[:_HEAD], "little") & _ERROR:
            raise WorkerFailed(self._name, answer[_HEAD:].decode(errors="replace") or f"it ended with {code}")
        return bytes(answer[_HEAD:])


def is_crash(exit_code: int) -> bool:
    """Whether a process ended by a signal that was not sent from outside."""
    return exit_code < 0 and -exit_code not in _ENDED_FROM_OUTSIDE


def _answer_to(message: bytes, work: Work) -> bytes:
    """The answer with its head, or the exception that there was instead."""
    try:
        return _framed(work(message))
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent raises it
        return _framed(f"{type(error).__name__}: {error}".encode(errors="replace"), _ERROR)


ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def signals_held_back() -> Iterator[None]:
    """Block signals while a process is being forked, so that a signal cannot run the parent's handler in the child.

    Other threads that would fork wait meanwhile.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
    try:
        with _forking:
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin_life() -> None:
    """What a forked process does before anything else."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)  # an event loop of the parent must not hear of signals that are ours
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING_SIGNALS)
    import resource

    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash must not leave evidence in a core file


@cache
def fall_silent() -> None:
    """In a process of a program that draws on a terminal: the last words of the C library would go into the screen."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _act(act: Callable[[], None]) -> NoReturn:
    status = 1
    try:
        begin_life()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the end of a terminal reaches the parent as well
        act()
        status = 0
    finally:
        os._exit(status)


def _serve(work: Work, messages: int, answers: int, not_ours: list[int], parent: int) -> NoReturn:
    """What a process does until no sender of messages, or no receiver of answers, is left."""

    def serve() -> None:
        for descriptor in not_ours:
            os.close(descriptor)
        while (
            os.getppid() == parent
            and (head := _read(messages, _HEAD))
            and (message := _read(messages, int.from_bytes(head, "little")))
        ):
            answer = _answer_to(message, work)
            try:
                _write(answers, answer)
            except BrokenPipeError:
                return

    _act(serve)


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _read(descriptor: int, length: int) -> bytes:
    """So many bytes; nothing if they end before."""
    found = b""
    while len(found) < length:
        part = os.read(descriptor, length - len(found))
        if not part:
            return b""
        found += part
    return found


def _framed(message: bytes, flag: int = 0) -> bytes:
    return (len(message) | flag).to_bytes(_HEAD, "little") + message
