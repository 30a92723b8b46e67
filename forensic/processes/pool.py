"""Processes that work beside this one, of which each may crash.

Decoders are native code, and the bytes they are given are hostile: one that crashes must end one process and lose one
cluster. So the parent finds out, with throw-away processes, which part of the message is to blame, and starts another
process in its place. That forks a process that may have threads by then; what is done in the child takes no lock that
another thread could have held.

A crash is an end by a signal. An exception is an error of ours: no input is to blame, and it is raised here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from forensic.processes.forked_process import ForkedProcess, Salvage, Work

HASHING_THREADS = ("hash thread", "window hash thread", "input hash")
"""Threads that only hash hold no lock that a process forked meanwhile could wait for."""


def may_fork() -> bool:
    """Whether a fork of this process can do anything, since no other thread may hold a lock that it needs."""
    others = [thread for thread in threading.enumerate() if thread is not threading.current_thread()]
    return all(thread.name.startswith(HASHING_THREADS) for thread in others)


Promise = Callable[[], bytes]
"""Waits for an answer. Raises `WorkerFailed` if its process is gone, or has met an error of ours."""


class Processes:
    """Workers that are forks of this process: they have its files, and share with it what lies in shared memory.

    Leaving the context ends them, after the messages that they were given; at once if an exception leaves it.
    """

    def __init__(self, name: str, work: Work, salvage: Salvage, count: int) -> None:
        """Start so many. Raises `OSError` if the system does not allow it."""
        self._members: list[ForkedProcess] = []
        try:
            for _ in range(count):
                self._members.append(ForkedProcess(name, work, salvage))
        except OSError:
            self._end(at_once=True)
            raise

    def submit(self, message: bytes) -> Promise:
        """Send a message; the least busy worker gets it.

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
