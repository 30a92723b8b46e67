"""A process that sends what it finds, within limits, to a parent that believes nothing of it.

For libraries that parse hostile bytes in native code: one that crashes, hangs or asks for all memory ends its own
process. The parent gets what was sent before that, and why there is no more.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from typing import NoReturn

from msgspec import Struct

from forensic.processes.forked_process import begin_life, signals_held_back

Send = Callable[[bytes], None]
"""Takes one message."""

_HEAD = 4
_READ_BYTES = 1 << 18
_DONE, _MESSAGE, _ERROR = range(3)


class Bounds(Struct, frozen=True):
    """What a process may use: seconds in all and between two messages, bytes beyond those it has, and of a message.

    `file` is how long a file may get by what it writes: it has none to write, but for the blocks of evidence on a
    server, which all processes keep in one unnamed file.
    """

    seconds: float = 3600
    silence: float = 120
    memory: int = 1 << 30
    message: int = 4 << 20
    file: int = 0


class ProcessFailed(Exception):
    """A process ended before it was done: `signal_number` ended it (0 for none), `reason` says it in words."""

    def __init__(self, reason: str, signal_number: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.signal_number = signal_number


class CannotWork(Exception):
    """What `work` raises where it cannot do what it is for; the reason is a sentence of its own."""


def messages_from(work: Callable[[Send], None], bounds: Bounds) -> Generator[bytes, None, None]:
    """What `work` sends from a fork of this process. Raises `ProcessFailed`; closing the iterator ends the process."""
    with signals_held_back():
        source, sink = os.pipe()
        try:
            process = os.fork()
            if not process:
                _act(work, source, sink, bounds)
        except OSError as error:
            os.close(source)
            raise ProcessFailed(f"it could not be started: {error.strerror}") from error
        finally:
            os.close(sink)
    try:
        yield from _received(source, bounds)
    except _Gone:
        raise _how_it_ended(_wait(process)) from None
    except BaseException:
        with suppress(OSError):
            os.kill(process, signal.SIGKILL)
        _wait(process)
        raise
    else:
        _wait(process)
    finally:
        os.close(source)


def _how_it_ended(exit_code: int) -> ProcessFailed:
    if exit_code >= 0:
        return ProcessFailed(f"it ended with status {exit_code} before it was done")
    number = -exit_code
    if number == signal.SIGXCPU:
        return ProcessFailed("it took more processor time than it may", number)
    return ProcessFailed(f"it was ended by signal {number} ({signal.strsignal(number) or 'unknown'})", number)


def _received(source: int, bounds: Bounds) -> Iterator[bytes]:
    stream = _Stream(source, bounds)
    while True:
        head = stream.take(_HEAD)
        kind, length = head[0], int.from_bytes(head[1:], "little")
        if kind == _DONE:
            return
        if length > bounds.message or kind not in (_MESSAGE, _ERROR):
            raise ProcessFailed("it sent what it cannot have meant")
        message = stream.take(length)
        if kind == _ERROR:
            raise ProcessFailed(message.decode(errors="replace"))
        yield message


class _Stream:
    """What comes through a pipe, until the bounds of time."""

    def __init__(self, source: int, bounds: Bounds) -> None:
        self._source, self._bounds = source, bounds
        self._end = time.monotonic() + bounds.seconds
        self._poll = select.poll()
        self._poll.register(source, select.POLLIN)
        self._received = bytearray()

    def take(self, length: int) -> bytes:
        while len(self._received) < length:
            left = min(self._bounds.silence, self._end - time.monotonic())
            if left <= 0 or not self._poll.poll(left * 1000):
                raise ProcessFailed("it took longer than it may" if left < self._bounds.silence else "it hangs")
            part = os.read(self._source, _READ_BYTES)
            if not part:
                raise _Gone
            self._received += part
        found = bytes(self._received[:length])
        del self._received[:length]
        return found


class _Gone(Exception):
    """The process has ended without a word."""


def _wait(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _act(work: Callable[[Send], None], source: int, sink: int, bounds: Bounds) -> NoReturn:
    status = 1
    try:
        begin_life()
        os.close(source)
        _limit(bounds)
        work(lambda message: _send(sink, _MESSAGE, message))
        _send(sink, _DONE, b"")
        status = 0
    except BrokenPipeError:
        pass
    except MemoryError:
        _complain(sink, "it needs more memory than it may have")
    except CannotWork as error:
        _complain(sink, str(error))
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent says it
        _complain(sink, f"{type(error).__name__}: {error}")
    finally:
        os._exit(status)


def _complain(sink: int, text: str) -> None:
    with suppress(OSError):
        _send(sink, _ERROR, text.encode(errors="replace")[:4096])


def _send(sink: int, kind: int, message: bytes) -> None:
    rest = memoryview(bytes([kind]) + len(message).to_bytes(_HEAD - 1, "little") + message)
    while rest:
        rest = rest[os.write(sink, rest) :]


def _limit(bounds: Bounds) -> None:
    """The system ends what goes beyond its limits, or gives it no more."""
    import resource

    seconds = int(bounds.seconds) + 1
    memory = _own_size() + bounds.memory
    for what, soft, hard in (
        (resource.RLIMIT_CPU, seconds, seconds + 1),  # SIGXCPU first, which says why
        (resource.RLIMIT_FSIZE, bounds.file, bounds.file),
        (resource.RLIMIT_AS, memory, memory),
    ):
        with suppress(OSError, ValueError):
            resource.setrlimit(what, (soft, hard))


def _own_size() -> int:
    """Bytes of address space that this process has."""
    try:
        with open("/proc/self/statm", "rb") as stream:
            return int(stream.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):  # another system than Linux
        return 4 << 30
