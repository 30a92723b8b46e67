"""The command that `--run` gives: the one program that is ever started, and it is the examiner's own."""

from __future__ import annotations

import os
import signal

from forensic.nbd.listening import Place

SHELL = "/bin/sh"
IGNORED_HERE = (signal.SIGPIPE, signal.SIGXFSZ)
"""Signals that Python ignores, which a program would inherit."""


def start(command: str, place: Place) -> int:
    """Start a shell with the command; `$uri`, `$unixsocket` and `$port` say where the server is. Gives the process."""
    told = {"uri": place.uri, "unixsocket": place.path, "port": "" if place.port is None else str(place.port)}
    return os.posix_spawn(SHELL, [SHELL, "-c", command], {**os.environ, **told}, setsigdef=IGNORED_HERE, setsigmask=[])
