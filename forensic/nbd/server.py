"""The server: one process a connection, so that no client can slow down, crash or outlive another's."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Collection
from types import FrameType, TracebackType
from typing import NoReturn, Self

from msgspec import Struct

from forensic.nbd.connection import ClientGone, Connection
from forensic.nbd.exports import Exports
from forensic.nbd.handshake import Agreed, Handshake
from forensic.nbd.kept import MOST_CRASHES, Kept, Session
from forensic.nbd.transmission import Tally, Transmission
from forensic.numbers import counted
from forensic.processes.forked_process import begin_life, is_crash, signals_held_back

MAX_CONNECTIONS = 16
"""Clients that are served at a time; others wait until one has gone."""

PATIENCE = 0.3
"""Seconds that a process has to end by itself, before it is told to, and before it is killed."""

Say = Callable[[str], None]
"""Takes a sentence about a connection."""


class _Connected(Struct):
    """A connection: its number, the socket, and what its process keeps for another to go on."""

    number: int
    peer: socket.socket
    kept: Kept

    def close(self) -> None:
        """Let go of it in this process."""
        self.peer.close()
        self.kept.close()


class Served(Struct):
    """What became of the connections so far."""

    connections: int = 0
    failed_reads: bool = False
    """Whether any read was answered with EIO, or not at all since its process crashed."""


class Server:
    """Accepts connections on a listening socket; use it as a context manager, which ends what it has started."""

    def __init__(self, listener: socket.socket, exports: Exports, say: Say) -> None:
        """`say` is called in the process of a connection as well."""
        self._listener, self._exports, self._say = listener, exports, say
        self._children: dict[int, _Connected] = {}  # by process
        self._failures, self._failed = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._woken, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._before = (signal.set_wakeup_fd(self._wake), signal.signal(signal.SIGCHLD, _noted))
        self._closing = False
        self.served = Served()

    def serve_while(self, process: int | None = None) -> int | None:
        """Serve until this process, a child, has ended; its exit status as a shell gives it. Without one, for ever."""
        waiting = select.poll()
        waiting.register(self._woken, select.POLLIN)
        while True:
            if process is not None and (status := _ended(process)) is not None:
                return status if status >= 0 else 128 - status
            self._reap()
            if process is not None:
                self._forget_adopted(process)
            if len(self._children) < MAX_CONNECTIONS:
                waiting.register(self._listener, select.POLLIN)
            else:
                with contextlib.suppress(KeyError):
                    waiting.unregister(self._listener)
            ready = [descriptor for descriptor, _ in waiting.poll()]
            if self._woken in ready:
                _emptied(self._woken)
            if self._listener.fileno() in ready:
                self._accept()

    def _accept(self) -> None:
        try:
            peer, _ = self._listener.accept()
        except OSError:  # it has gone already
            return
        self.served.connections += 1
        self._start(_Connected(self.served.connections, peer, Kept()))

    def _start(self, connected: _Connected) -> None:
        """Give a connection a process."""
        try:
            with signals_held_back():
                server = os.getpid()
                process = os.fork()
                if not process:
                    self._live(connected, server)
        except OSError as error:
            self._say(f"connection {connected.number}: cannot be served: {error.strerror}")
            connected.close()
            return
        self._children[process] = connected

    def _live(self, connected: _Connected, server: int) -> NoReturn:
        """The whole life of the process of a connection."""
        status, number = 1, connected.number
        try:
            begin_life()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for ending in (signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(ending) != signal.SIG_IGN:
                    signal.signal(ending, _leave)
            self._listener.close()
            for other in self._children.values():  # whose clients would not see the end as long as we live
                other.close()
            self._say(f"connection {number}: {self._serve(Connection(connected.peer, server), connected.kept)}")
            status = 0
        except Exception as error:  # noqa: BLE001 - an error of ours ends one connection, and is said
            self._say(f"connection {number}: internal error: {type(error).__name__}: {error}")
        finally:
            os._exit(status)

    def _serve(self, connection: Connection, kept: Kept) -> str:
        """Serve one client, or go on with it after a crash; what to say of it in the end."""
        name, tally, how = "no export", Tally(), ""
        try:
            agreed = self._agreed_before(kept) or self._agree(connection, kept)
            connection.end_handshake()
            name = agreed.export.name
            transmission = Transmission(connection, agreed, self._exports.zeros, self._note_failure, kept)
            tally = transmission.tally
            if kept.interrupted:
                transmission.answer_interrupted()
            transmission.serve()
        except ClientGone as gone:
            how = f"; the client {gone}" if str(gone) else ""
        for ending in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(ending, signal.SIG_IGN)  # all that is left is to say what became of it
        read = f"{name}, {counted(tally.reads, 'read')}, {counted(tally.bytes, 'byte')}"
        if tally.unread:
            read += f"; {tally.unread:,} answered with EIO, the first: {tally.first_unread}"
        return read + how

    def _agree(self, connection: Connection, kept: Kept) -> Agreed:
        agreed = Handshake(connection, self._exports).agree()
        kept.keep(Session(agreed.export.name, agreed.structured, agreed.contexts))
        return agreed

    def _agreed_before(self, kept: Kept) -> Agreed | None:
        session = kept.session
        export = self._exports.find(session.export) if session else None
        return Agreed(export, session.structured, session.contexts) if session and export else None

    def _note_failure(self) -> None:
        with contextlib.suppress(OSError):  # a full pipe says the same
            os.write(self._failed, b"!")

    def _reap(self) -> None:
        for process, connected in list(self._children.items()):
            status = _ended(process)
            if status is None:
                continue
            del self._children[process]
            if status:
                self.served.failed_reads = True
                how = f"by signal {-status}" if status < 0 else "by an error of ours"
                goes_on = self._may_go_on(status, connected.kept)
                said = "; the read is answered with EIO, and it goes on" if goes_on else ""
                self._say(f"connection {connected.number}: its process ended {how}{said}")
                if goes_on:
                    self._start(connected)
                    continue
            connected.close()
        if _emptied(self._failures):
            self.served.failed_reads = True

    def _may_go_on(self, status: int, kept: Kept) -> bool:
        """Whether a decoder has ended a process, of which there may be so many for one connection."""
        session = kept.session
        if self._closing or not is_crash(status) or not kept.interrupted or session is None:
            return False
        session.crashes += 1
        kept.keep(session)
        return session.crashes <= MOST_CRASHES

    @property
    def processes(self) -> Collection[int]:
        """Those of the connections."""
        return self._children.keys()

    def _forget_adopted(self, process: int) -> None:
        """Let go of what the command had left behind, and what has ended since."""
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and (
                ended.si_pid != process and ended.si_pid not in self._children
            ):
                os.waitpid(ended.si_pid, os.WNOHANG)

    def close(self) -> None:
        """End all connections: those whose clients have gone by themselves, then the others."""
        self._closing = True
        for ending in (0, signal.SIGTERM, signal.SIGKILL):
            for process in self._children:
                with contextlib.suppress(OSError):
                    os.kill(process, ending)  # 0 is no signal, and only asks
            give_up = time.monotonic() + PATIENCE
            while self._children and time.monotonic() < give_up:
                self._reap()
                time.sleep(0.01)
        self._reap()
        wakeup, handler = self._before
        signal.set_wakeup_fd(wakeup)
        signal.signal(signal.SIGCHLD, handler)
        for end in (self._failures, self._failed, self._woken, self._wake):
            os.close(end)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _noted(signal_number: int, frame: FrameType | None) -> None:
    """A child has ended: the byte that wakes us has been written by now."""


def _leave(signal_number: int, frame: FrameType | None) -> None:
    raise ClientGone("was left, since the server ends")


def _ended(process: int) -> int | None:
    """The exit status of a child, negative for a signal; None while it lives."""
    try:
        found, status = os.waitpid(process, os.WNOHANG)
    except ChildProcessError:
        return 0
    return os.waitstatus_to_exitcode(status) if found else None


def _emptied(descriptor: int) -> bool:
    """Whether there was anything in a pipe, of which nothing is left."""
    found = False
    with contextlib.suppress(BlockingIOError):
        while os.read(descriptor, 4096):
            found = True
    return found
