"""Many images in one call: which files are meant, one after the other or shared among processes, one exit status."""

from __future__ import annotations

import argparse
import os
import signal
import stat
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from msgspec import Struct, field

from forensic.cli.output import image_counter, print_lines
from forensic.cli.parser import UsageError
from forensic.cli.standard_streams import complain
from forensic.errors import ForensicError
from forensic.evidence import Evidence, ReadFailed
from forensic.exit_status import ExitStatus, status_of_all
from forensic.qcow2.header import MAGIC
from forensic.qcow2.identify import has_tables_after_header
from forensic.records.report import SCHEMA, ErrorRecord, FailureRecord
from forensic.records.run import SourceRecord
from forensic.report.json_text import one_line
from forensic.report.to_text import Line
from forensic.untrusted import shown, without_query

if TYPE_CHECKING:
    from concurrent.futures import Future

SUFFIXES = (".qcow2", ".qcow", ".qc2")
"""Files that are named like this should be images."""

IMAGES_OF_A_PROCESS = 32
"""So few images are looked at in one process; further ones are not started for less."""

IMAGES_AHEAD = 32
"""Images for each process that wait or were looked at before those that precede them; what they gave takes memory."""


class Outcome(Struct, frozen=True):
    """What one image gave: an exit status, what to print, and a line for standard error for all that has to be said."""

    status: ExitStatus
    output: str | Sequence[Line] = ""
    complaint: str = ""


Look = Callable[[str, argparse.Namespace], Outcome]
"""Looks at one image; raises `ForensicError` if it cannot be read."""

LineOfFailure = Callable[[str, str, ExitStatus], str]
"""What is printed in place of the line of an image that could not be looked at: its path, why, and the status."""


class Search(Struct):
    """The files that are meant, and what a directory held besides images."""

    paths: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)


def is_many(paths: Sequence[str]) -> bool:
    """Whether several files are meant, so that each gets a line."""
    return len(paths) > 1 or os.path.isdir(paths[0])


def look_at_one(path: str, options: argparse.Namespace, look: Look) -> int:
    """Print what one image gives; the exit status. Raises `ForensicError`."""
    outcome = look(path, options)
    _print(outcome)
    return outcome.status


def look_at_many(options: argparse.Namespace, look: Look, failure_line: LineOfFailure | None) -> int:
    """Print what each image gives, as it comes; the exit status that stands for all.

    An image that cannot be read is reported and does not stop the rest; with `failure_line` it has its line as well.
    """
    if options.image_offset:
        raise UsageError("--image-offset takes one image")
    search = find_images(options.images)
    statuses = [ExitStatus.NOT_COMPLETED] * len(search.failed)
    for path, reason in search.failed.items():
        _print(_failure(path, f"{shown(path)}: {reason}", ExitStatus.NOT_COMPLETED, failure_line))
    with image_counter(len(search.paths)) as count:
        for outcome in _outcomes(search.paths, options, look, failure_line):
            _print(outcome, separate=not failure_line and bool(statuses))
            statuses.append(outcome.status)
            count()
    _print_left_out(search)
    if not statuses:
        print("qcowscope: no qcow2 image was found", file=sys.stderr)
        return ExitStatus.NOT_AN_IMAGE
    return status_of_all(statuses)


def find_images(paths: Sequence[str]) -> Search:
    """The files that were named, and the images inside directories, names sorted.

    Inside a directory only regular files count that begin like a qcow2 image, have the tables of one further on, or are
    named like one, so that an image whose beginning was lost is not passed over; and no symbolic link is followed.
    """
    search = Search()
    for path in paths:
        if not os.path.isdir(path):
            search.paths.append(path)
            continue
        for folder, folders, names in os.walk(path, onerror=lambda error: _note_failure(search, error)):
            folders.sort()
            search.left_out["symbolic links"] += sum(os.path.islink(os.path.join(folder, name)) for name in folders)
            for name in sorted(names):
                _consider(search, os.path.join(folder, name))
    return search


def _note_failure(search: Search, error: OSError) -> None:
    search.failed[os.fsdecode(error.filename)] = (error.strerror or "cannot be read").lower()


def _consider(search: Search, path: str) -> None:
    try:
        mode = os.lstat(path).st_mode
        if stat.S_ISLNK(mode):
            search.left_out["symbolic links"] += 1
        elif not stat.S_ISREG(mode):
            search.left_out["special files"] += 1
        elif path.lower().endswith(SUFFIXES) or _is_like_an_image(path):
            search.paths.append(path)
        else:
            search.left_out["other files"] += 1
    except OSError as error:
        _note_failure(search, error)
    except ForensicError:
        search.paths.append(path)  # looking at it again gives the reason its place in the output


def _is_like_an_image(path: str) -> bool:
    """Whether a file begins like an image, or has the tables of one after a first cluster that was overwritten."""
    with Evidence(path) as evidence:
        try:
            return evidence.read_at(0, len(MAGIC)) == MAGIC or has_tables_after_header(evidence)
        except ReadFailed:
            return True


def _outcomes(
    paths: list[str], options: argparse.Namespace, look: Look, failure_line: LineOfFailure | None
) -> Iterator[Outcome]:
    """What each image gives, in the order of the paths."""
    jobs: int = options.jobs or _worthwhile_jobs(len(paths))
    if jobs > 1:
        yield from _shared(jobs, paths, options, look, failure_line)
        return
    for path in paths:
        yield _guarded(path, options, look, failure_line)


def _worthwhile_jobs(images: int) -> int:
    """A process of its own costs as much as the look at some twenty small images."""
    return max(1, min(os.cpu_count() or 1, images // IMAGES_OF_A_PROCESS))


def _shared(
    jobs: int, paths: list[str], options: argparse.Namespace, look: Look, failure_line: LineOfFailure | None
) -> Iterator[Outcome]:
    """The same by several processes. One that is killed takes the others with it; what they were at is tried again.

    An image at which a process is killed when it is alone is reported, and the rest goes on.
    """
    rest, suspects = paths, 0
    while rest:
        # A suspect is alone, so that it is known who was to blame; there are as many as were under way together.
        count = 1 if suspects else jobs
        done = 0
        for outcome in _in_a_pool(count, rest[:1] if suspects else rest, options, look, failure_line):
            if outcome is None:
                break
            yield outcome
            done += 1
        if suspects:
            if not done:
                message = f"{shown(rest[0])}: not examined: the process that did so was killed"
                yield _failure(rest[0], message, ExitStatus.NOT_COMPLETED, failure_line)
            rest, suspects = rest[1:], suspects - 1
        else:
            rest = rest[done:]
            suspects = min(len(rest), 2 * jobs + 1)


def _in_a_pool(
    jobs: int, paths: list[str], options: argparse.Namespace, look: Look, failure_line: LineOfFailure | None
) -> Iterator[Outcome | None]:
    """What each image gives, in the order of the paths; None, and no more, if a process was killed."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    pool = ProcessPoolExecutor(jobs, initializer=_leave_ending_to_the_parent)
    left = iter(paths)
    under_way: deque[Future[Outcome]] = deque()
    try:
        while True:
            try:
                for path in islice(left, jobs * IMAGES_AHEAD - len(under_way)):
                    under_way.append(pool.submit(_guarded, path, options, look, failure_line))
                if not under_way:
                    break
                outcome = under_way.popleft().result()
            except BrokenProcessPool:
                yield None
                return
            yield outcome
        pool.shutdown()
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():  # they only read
            process.kill()
        raise


def _leave_ending_to_the_parent() -> None:
    """Ctrl-C and the end of a terminal reach all its processes; what is to be said of it is said by one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _guarded(path: str, options: argparse.Namespace, look: Look, failure_line: LineOfFailure | None) -> Outcome:
    try:
        return look(path, options)
    except ForensicError as error:
        return _failure(path, str(error), error.exit_status, failure_line)
    except Exception as error:  # noqa: BLE001 - one image must not keep the examiner from the others
        message = f"{shown(without_query(path))}: internal error: {type(error).__name__}: {shown(str(error))}"
        return _failure(path, message, ExitStatus.NOT_COMPLETED, failure_line)


def _failure(path: str, message: str, status: ExitStatus, failure_line: LineOfFailure | None) -> Outcome:
    line = failure_line(without_query(path), message, status) if failure_line else ""
    return Outcome(status, line, message)


def json_of_failure(path: str, message: str, status: ExitStatus) -> str:
    """The line of an image of which there is no report."""
    line = FailureRecord(
        schema=SCHEMA,
        result=None,
        source=SourceRecord(path_as_given=shown(path)),
        error=ErrorRecord(message=message, exit_code=status),
    )
    return one_line(line)


def _print(outcome: Outcome, separate: bool = False) -> None:
    if separate and outcome.output:
        print()
    if isinstance(outcome.output, str):
        sys.stdout.write(outcome.output)
    else:
        print_lines(outcome.output)
    if outcome.complaint:
        sys.stdout.flush()
        for line in outcome.complaint.splitlines():
            complain(f"qcowscope: {line}")


def _print_left_out(search: Search) -> None:
    left_out = [f"{count:,} {kind}" for kind, count in search.left_out.items() if count]
    if left_out:
        print(f"qcowscope: left out: {', '.join(left_out)}", file=sys.stderr)
