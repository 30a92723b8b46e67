"""The library's long calls, run in worker threads; their results come back as messages."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from textual.message import Message
from textual.worker import get_current_worker

from forensic import Finding, ForensicError, Qcow1Image, Qcow2Image, check
from forensic.explore import (
    DiskView,
    Grid,
    Pattern,
    Progress,
    Qcow1RegionIndex,
    Range,
    ReadFailed,
    RegionIndex,
    Space,
    SpaceUsage,
    View,
    build_reverse_map,
    file_space_usage,
    guest_space_usage,
    look_inside,
    ownership,
    search,
)
from tui.messages import (
    Found,
    Hashed,
    Indexed,
    JobFailed,
    JobProgress,
    Judged,
    LookedInside,
    Noticed,
    Owned,
    UsageFound,
)

Post = Callable[[Message], bool]

MAX_MATCHES = 10_000
PAUSE_BETWEEN_WORDS = 0.1
"""Seconds between two progress messages: more often is unreadable."""

PAUSE_BETWEEN_FINDINGS = 0.3
"""Seconds between two messages of findings: each is drawn on several screens."""

FAILURES = (ForensicError, ReadFailed, OSError, MemoryError)
"""What a job may end with through no fault of ours: the file, the medium, the machine."""


class Cancelled(Exception):
    """The worker was told to stop; caught where the job began."""


class Teller:
    """Reports how far a job is, not too often, and stops it when the worker is cancelled."""

    def __init__(self, post: Post, name: str) -> None:
        self._post = post
        self.name = name
        self._worker = get_current_worker()
        self._told = 0.0

    @property
    def cancelled(self) -> bool:
        """Whether the job was asked to end."""
        return self._worker.is_cancelled

    def say(self, text: str) -> None:
        """Report, and raise `Cancelled` if the job is to end."""
        if self.cancelled:
            raise Cancelled
        now = time.monotonic()
        if now - self._told >= PAUSE_BETWEEN_WORDS:
            self._told = now
            self._post(JobProgress(self.name, text))


class SoFar:
    """The findings of a check while it goes on, reported not too often."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._findings: dict[str, Finding] = {}
        self._fresh, self._told = False, 0.0

    def found(self, finding: Finding) -> None:
        """A finding, or one that has grown."""
        self._findings[finding.rule] = finding
        self._fresh = True
        self.tell()

    def tell(self) -> None:
        """Report what is new, unless something was reported just now."""
        now = time.monotonic()
        if self._fresh and now - self._told >= PAUSE_BETWEEN_FINDINGS:
            self._fresh, self._told = False, now
            self._post(Noticed(tuple(self._findings.values())))


def run_job(post: Post, name: str, work: Callable[[Teller], None]) -> None:
    """Do the work of a job; a failure of ours or of the file becomes a message."""
    teller = Teller(post, name)
    try:
        work(teller)
    except Cancelled:
        pass
    except FAILURES as error:
        post(JobFailed(name, str(error)))
    finally:
        post(JobProgress(name, ""))


Image = Qcow2Image | Qcow1Image


def examine(post: Post, image: Image, region_index: RegionIndex | Qcow1RegionIndex) -> None:
    """All that is found out in the background after the first paint: contents, findings, the reverse map."""
    usable = region_index.cluster_size is not None

    def look(teller: Teller) -> None:
        teller.say("partitions")
        disk = DiskView(image)
        post(LookedInside(look_inside(disk.read, disk.size)))

    def judge(teller: Teller) -> None:
        so_far = SoFar(post)

        def progress(structure: str) -> None:
            teller.say(f"check: {structure}")
            so_far.tell()

        post(Judged(check(image, progress, found=so_far.found)))

    def index(teller: Teller) -> None:
        teller.say("index")
        post(Indexed(build_reverse_map(image, lambda: teller.cancelled)))

    def usage(teller: Teller) -> None:
        _show_usage(teller, post, Space.GUEST, guest_space_usage(region_index, Grid(0, max(1, image.virtual_size), 1)))
        _show_usage(teller, post, Space.HOST, file_space_usage(region_index, Grid(0, max(1, image.evidence.size), 1)))

    run_job(post, "look", look if usable else lambda teller: None)
    run_job(post, "check", judge)
    if usable:
        run_job(post, "space", usage)
        run_job(post, "index", index)


def _show_usage(teller: Teller, post: Post, space: Space, usages: Iterator[SpaceUsage]) -> None:
    for usage in usages:
        teller.say(f"space {usage.done:.0%}")
        post(UsageFound(space, usage))


def hash_file(post: Post, image: Image) -> None:
    """SHA-256 of the image file."""

    def work(teller: Teller) -> None:
        size = max(1, image.evidence.size)
        post(Hashed("sha256", image.evidence.sha256(lambda done: teller.say(f"hash {done * 100 // size} %"))))

    run_job(post, "hash", work)


def own(post: Post, image: Qcow2Image, host_offset: int) -> None:
    """What owns the cluster around a byte; a job that posts no messages, since it is done again at every step."""
    try:
        post(Owned(ownership(image, host_offset)))
    except FAILURES as error:
        post(JobFailed("owners", str(error)))


def find(post: Post, view: View, pattern: Pattern) -> None:
    """Search a space from its beginning; matches come in as they are found."""

    def work(teller: Teller) -> None:
        fresh: list[Range] = []
        count, told = 0, time.monotonic()
        for event in search(view.read, view.space, view.stretches(), pattern):
            if isinstance(event, Progress):
                teller.say(f"search {event.offset * 100 // max(1, view.size)} %: {count:,} found")
            else:
                fresh.append(event)
                count += 1
            if fresh and (time.monotonic() - told > PAUSE_BETWEEN_WORDS or count >= MAX_MATCHES):
                post(Found(fresh))
                fresh, told = [], time.monotonic()
            if count >= MAX_MATCHES:
                break
        post(Found(fresh))

    run_job(post, "search", work)
