"""The command that `--run` gives: the one program that is ever started, and it is the examiner's own."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Collection, Sequence
from pathlib import Path

from forensic.nbd.listening import Place

SHELL = "/bin/sh"
IGNORED_HERE = (signal.SIGPIPE, signal.SIGXFSZ)
"""Signals that Python ignores, which a program would inherit."""


def start(command: str, place: Place) -> int:
    """Start a shell with the command; `$uri`, `$unixsocket` and `$port` say where the server is. Gives the process.

    What the command leaves behind when it ends becomes a child of this process, so that `pass_on` finds it.
    """
    _adopt_orphans()
    told = {"uri": place.uri, "unixsocket": place.path, "port": "" if place.port is None else str(place.port)}
    return os.posix_spawn(SHELL, [SHELL, "-c", command], {**os.environ, **told}, setsigdef=IGNORED_HERE, setsigmask=[])


PR_SET_CHILD_SUBREAPER = 36


def _adopt_orphans() -> None:
    """Become the parent of every process whose parent ends, of those that come of this one (prctl(2)).

    A terminal sends Ctrl-C to the shell as well as to us: it has often ended before we look for what it has started.
    """
    import ctypes  # only here

    with contextlib.suppress(OSError, AttributeError):  # another system than Linux
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def pass_on(process: int, signal_number: int, not_its_own: Collection[int] = ()) -> None:
    """Send a signal to the command and end all that it has started, so that nothing of it goes on without the server.

    A shell that is ended leaves what it waits for running, and what it started in the background ignores SIGINT. A
    process group of its own would take the terminal from the command. Of the children of this process those that are
    `not_its_own` are left alone.
    """
    found: list[int] = []
    while new := [one for one in (process, *_started_by(os.getpid(), not_its_own)) if one not in found]:
        found += new
        _send(new, signal.SIGSTOP)  # or it could start more than was seen, and leave that when it ends
    _send([process], signal_number)
    _send(found[1:], signal.SIGTERM)
    _send(found, signal.SIGCONT)


def _send(processes: Sequence[int], signal_number: int) -> None:
    for process in processes:
        with contextlib.suppress(OSError):  # it has ended
            os.kill(process, signal_number)


def _started_by(process: int, leave_out: Collection[int]) -> list[int]:
    """The children of a process but for some, their children and so on; none where the system does not say."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            after_name = path.read_bytes().rpartition(b")")[2].split()  # the name may hold anything
            children.setdefault(int(after_name[1]), []).append(int(path.parent.name))
    found = [process]
    for one in found:
        found += [child for child in children.pop(one, []) if child not in leave_out]
    return found[1:]
