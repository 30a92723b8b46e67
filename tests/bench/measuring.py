"""Runs two commands in turn and keeps what the kernel says about each run."""

from __future__ import annotations

import os
import shlex
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Command = Sequence[str]


class CommandFailed(Exception):
    """A measured command did not end as it should, so its time means nothing."""


@dataclass(frozen=True)
class Sample:
    """One run: wall and processor time in seconds, peak memory in MiB (of the largest process)."""

    wall: float
    cpu: float
    peak_mib: float


@dataclass(frozen=True)
class Pair:
    """All runs of a scenario; run i of ours was followed by run i of the peer's."""

    ours: tuple[Sample, ...]
    peer: tuple[Sample, ...]

    @property
    def ratios(self) -> tuple[float, ...]:
        """Wall time ours / peer's, run by run: a machine that slows down slows both."""
        return tuple(ours.wall / peer.wall for ours, peer in zip(self.ours, self.peer, strict=True))

    @property
    def ratio(self) -> float:
        """The median ratio."""
        return statistics.median(self.ratios)


def run(command: Command, accepted: tuple[int, ...] = (0,)) -> Sample:
    """Run one command to its end, its output thrown away. Raises `CommandFailed`."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    complaint = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode not in accepted:
        raise CommandFailed(f"{shlex.join(command)}: {process.returncode}: {complaint.decode(errors='replace')[:500]}")
    return Sample(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def best_of(rounds: int, command: Command) -> Sample:
    """The fastest of several runs. Raises `CommandFailed`."""
    return min((run(command) for _ in range(rounds)), key=lambda sample: sample.wall)


def in_turn(
    ours: Command, peer: Command, rounds: int, clean: Callable[[], None], compare: Callable[[], None] | None = None
) -> Pair:
    """A B A B …, after one run of each that is not counted, and whose outputs `compare` looks at.

    `clean` removes the output before every run. Raises `CommandFailed`.
    """
    samples: tuple[list[Sample], list[Sample]] = ([], [])
    clean()
    for command in (ours, peer):
        run(command)
    if compare:
        compare()
    for _ in range(rounds):
        for command, kept in zip((ours, peer), samples, strict=True):
            clean()
            kept.append(run(command))
    clean()
    return Pair(tuple(samples[0]), tuple(samples[1]))
