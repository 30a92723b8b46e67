"""Runs two commands in turn and keeps what the kernel says about each run."""

from __future__ import annotations

import os
import shlex
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

Command = Sequence[str]

WATCHED_EVERY = 0.01
"""Seconds between two looks at the memory of a command."""


class CommandFailed(Exception):
    """A measured command did not end as it should, so its time means nothing."""


@dataclass(frozen=True)
class Sample:
    """One run: wall and processor time in seconds, peak memory in MiB of the largest process."""

    wall: float
    cpu: float
    peak_mib: float


@dataclass(frozen=True)
class Pair:
    """All runs of a scenario; run i of ours was followed by run i of the peer's.

    The peaks are in MiB, of all processes of a command together.
    """

    ours: tuple[Sample, ...]
    peer: tuple[Sample, ...]
    ours_peak: float
    peer_peak: float

    @property
    def ratios(self) -> tuple[float, ...]:
        """Wall time ours / peer's, run by run: a machine that slows down slows both."""
        return tuple(ours.wall / peer.wall for ours, peer in zip(self.ours, self.peer, strict=True))

    @property
    def ratio(self) -> float:
        """The median ratio."""
        return statistics.median(self.ratios)


def run(command: Command, watch: Callable[[int], None] | None = None) -> Sample:
    """Run one command to its end, its output thrown away; `watch` is given its number. Raises `CommandFailed`."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    if watch:
        watch(process.pid)
    complaint = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode:
        raise CommandFailed(f"{shlex.join(command)}: {process.returncode}: {complaint.decode(errors='replace')[:500]}")
    return Sample(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def peak_of_all(command: Command) -> float:
    """Run a command, and give the most memory in MiB that all its processes had together. Raises `CommandFailed`.

    What processes share is counted once. It is looked at every hundredth of a second, so this run is not to be timed.
    """
    peak, ended = 0.0, threading.Event()

    def look(process: int) -> None:
        nonlocal peak
        while not ended.wait(WATCHED_EVERY):
            peak = max(peak, sum(map(_proportional_mib, _family(process))))

    watcher: list[threading.Thread] = []

    def watch(process: int) -> None:
        watcher.append(threading.Thread(target=look, args=(process,)))
        watcher[0].start()

    try:
        largest = run(command, watch).peak_mib
    finally:
        ended.set()
        for thread in watcher:
            thread.join()
    return peak or largest  # it may have ended before anyone looked


def _family(process: int) -> Iterator[int]:
    """A process and all below it, as far as they are still there."""
    yield process
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii").split()
    except OSError:
        return
    for child in children:
        yield from _family(int(child))


def _proportional_mib(process: int) -> float:
    """What a process has in memory, its part of what it shares with others."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


LONG_SECONDS = 30.0
"""A command that takes longer is run once where one figure is wanted."""


def best_of(rounds: int, command: Command) -> Sample:
    """The fastest of several runs; of a command that takes long the first, which noise changes little.

    Raises `CommandFailed`.
    """
    fastest = run(command)
    for _ in range(rounds - 1):
        if fastest.wall > LONG_SECONDS:
            break
        fastest = min(fastest, run(command), key=lambda sample: sample.wall)
    return fastest


def in_turn(
    ours: Command, peer: Command, rounds: int, clean: Callable[[], None], compare: Callable[[], None] | None = None
) -> Pair:
    """A B A B …, after one run of each that is not timed, whose memory is, and whose outputs `compare` looks at.

    `clean` removes the output before every run. Raises `CommandFailed`.
    """
    samples: tuple[list[Sample], list[Sample]] = ([], [])
    clean()
    peaks = [peak_of_all(command) for command in (ours, peer)]
    if compare:
        compare()
    for _ in range(rounds):
        for command, kept in zip((ours, peer), samples, strict=True):
            clean()
            kept.append(run(command))
    clean()
    return Pair(tuple(samples[0]), tuple(samples[1]), *peaks)
