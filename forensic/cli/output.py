"""What the commands have in common when they write: the report's frame, the progress bar."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TextIO

from msgspec.structs import replace

from forensic.cli.wrapping import wrapped
from forensic.evidence import Evidence
from forensic.exit_status import ExitStatus
from forensic.records.report import ResultRecord
from forensic.records.run import InputRecord
from forensic.report.model import Report
from forensic.report.run import Run, source_record, tool
from forensic.report.to_text import Line, plain
from forensic.untrusted import Json, shown

MIB = 1 << 20
REDRAWN_AFTER = 0.1
"""Seconds between two redraws of the progress bar."""


def start_run(options: Mapping[str, Json] | None = None, images: Sequence[str] = (), image: str = "") -> Run:
    """The record of this call; the report on one of many `images` names only this `image` of them."""
    if len(images) < 2:
        return Run(sys.argv, options or {})
    others = f"({len(images) - 1:,} other images)"
    return Run([*_words_beside(tuple(images)), image, others], options or {})


@cache
def _words_beside(images: tuple[str, ...]) -> list[str]:
    """The words of the command line that name none of the images: ten thousand names in ten thousand reports."""
    named = set(images)
    return [word for word in sys.argv if word not in named]


def make_report(
    evidence: Evidence,
    result: ResultRecord,
    run: Run,
    status: ExitStatus,
) -> Report:
    """The report on one image with its frame: source, run, tool."""
    source = source_record(evidence)
    image = InputRecord(role="image", path=source.path_as_given, size=evidence.size)
    return Report(result, source, run.record(status, (), [image]), tool())


def through_plan(report: Report, path: str | None) -> Report:
    """The report on an image that was read by the recovery plan at a path, if there is one."""
    return report if path is None else replace(report, source=replace(report.source, plan=shown(path)))


def print_lines(lines: Iterable[Line]) -> None:
    """Print lines on standard output, in colour where that is wanted; rich is loaded for colour alone."""
    if wants_colour(sys.stdout):
        from forensic.report.to_terminal import print_in_colour

        print_in_colour(lines, sys.stdout)
    elif sys.stdout.isatty():
        for line in plain(lines).removesuffix("\n").split("\n"):
            print(wrapped(line, len(line) - len(line.lstrip(" ")) + 2))
    else:
        sys.stdout.write(plain(lines))


def wants_colour(stream: TextIO) -> bool:
    """Whether a stream is a terminal whose user has not said no; see no-color.org."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"


@contextmanager
def progress_bar(what: str, then: str = "") -> Iterator[Callable[[int, int], None] | None]:
    """A bar with rate and remaining time on standard error, if that is a terminal; gives the function that moves it.

    A count that begins anew is another pass, which is called `then` and has times of its own.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False, auto_refresh=False)
    with bar:
        task = bar.add_task(what, total=None, rate="")
        redraw, shown = _at_times(bar.refresh), bar.tasks[0]

        def move(done: int, total: int) -> None:
            if then and done < shown.completed:
                bar.reset(task, description=then, total=total, rate="")
            rate = f"{shown.speed / MIB:,.1f} MiB/s" if shown.speed else ""
            bar.update(task, completed=done, total=total, rate=rate)
            redraw()

        yield move


@contextmanager
def image_counter(total: int) -> Iterator[Callable[[], None]]:
    """A bar that counts images on standard error, if that is a terminal and the results go elsewhere."""
    if not sys.stderr.isatty() or sys.stdout.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False, auto_refresh=False)
    with bar:
        task = bar.add_task("images", total=total)
        redraw = _at_times(bar.refresh)

        def advance() -> None:
            bar.advance(task)
            redraw()

        yield advance


def _at_times(redraw: Callable[[], None]) -> Callable[[], None]:
    """A function that redraws a bar, not too often.

    No thread does it: a process that has threads should not fork, and the work may be shared among processes.
    """
    drawn = time.monotonic()

    def redraw_if_it_is_time() -> None:
        nonlocal drawn
        if time.monotonic() - drawn > REDRAWN_AFTER:
            redraw()
            drawn = time.monotonic()

    return redraw_if_it_is_time
