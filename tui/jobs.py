"""The library's long calls, run in worker threads; their results come back as messages."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from msgspec.structs import replace
from textual.message import Message
from textual.worker import get_current_worker

from forensic import Finding, ForensicError, Qcow1Image, Qcow2Image, check
from forensic.explore import (
    DiskView,
    FindingPlaces,
    Grid,
    GuestLens,
    HeadlessImage,
    Pattern,
    Progress,
    Qcow1RegionIndex,
    Range,
    ReadFailed,
    RegionIndex,
    Space,
    SpaceUsage,
    Strip,
    View,
    build_reverse_map,
    file_space_usage,
    guest_space_usage,
    look_inside,
    ownership,
    search,
    strips_of,
)
from tui.messages import (
    Compared,
    Found,
    Hashed,
    Indexed,
    JobFailed,
    JobProgress,
    Judged,
    LensMade,
    LookedInside,
    Noticed,
    Owned,
    UsageFound,
)
from tui.searching import MAX_MATCHES, Outcome, SearchState, round_from
from tui.session.evidence_clock import HashRecord
from tui.session.times import now

Post = Callable[[Message], bool]

PAUSE_BETWEEN_WORDS = 0.1
"""Seconds between two progress messages: more often is unreadable."""

STRIP_CELLS = 240
"""Parts of the disk that are told apart in its states; as many as the widest screen has columns."""

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


def examine(post: Post, image: Image, region_index: RegionIndex | Qcow1RegionIndex, places: FindingPlaces) -> None:
    """All that is found out in the background after the first paint: contents, findings, the reverse map.

    `places` gets where every problem lies.
    """
    usable = region_index.cluster_size is not None

    def judge(teller: Teller) -> None:
        so_far = SoFar(post)

        def progress(structure: str) -> None:
            teller.say(f"check: {structure}")
            so_far.tell()

        judged = image.foreign if isinstance(image, HeadlessImage) else image
        post(Judged(check(judged, progress, found=so_far.found, placed=places.add)))

    def index(teller: Teller) -> None:
        teller.say("what refers to what")
        post(Indexed(build_reverse_map(image, lambda: teller.cancelled)))

    def usage(teller: Teller) -> None:
        _show_usage(teller, post, Space.GUEST, guest_space_usage(region_index, Grid(0, max(1, image.virtual_size), 1)))
        _show_usage(teller, post, Space.HOST, file_space_usage(region_index, Grid(0, max(1, image.evidence.size), 1)))

    def compare(teller: Teller) -> None:
        found: list[Strip] = []
        for strip in strips_of(image, STRIP_CELLS, lambda: teller.cancelled):
            found.append(strip)
            teller.say(f"time line: {len(found):,} states")
            post(Compared(tuple(found)))

    if usable:
        look(post, DiskView(image))
    run_job(post, "check", judge)
    if usable:
        run_job(post, "space", usage)
        run_job(post, "index", index)
        run_job(post, "time line", compare)


def look(post: Post, disk: DiskView) -> None:
    """Which partitions and file systems are on the disk, and where their structures lie."""

    def work(teller: Teller) -> None:
        teller.say("partitions")
        post(LookedInside(look_inside(disk.read, disk.size)))
        post(LensMade(GuestLens(disk.read, disk.size)))

    run_job(post, "look", work)


def _show_usage(teller: Teller, post: Post, space: Space, usages: Iterator[SpaceUsage]) -> None:
    for usage in usages:
        teller.say(f"use of space {usage.done:.0%}")
        post(UsageFound(space, usage))


def hash_file(post: Post, image: Image) -> None:
    """SHA-256 of the image file."""

    def work(teller: Teller) -> None:
        size = max(1, image.evidence.size)
        value = image.evidence.sha256(lambda done: teller.say(f"hash {done * 100 // size} %"))
        post(Hashed(HashRecord("sha256", value, now(), tuple(image.evidence.changes()))))

    run_job(post, "hash", work)


def own(post: Post, image: Qcow2Image, host_offset: int) -> None:
    """What owns the cluster around a byte; a job that posts no messages, since it is done again at every step."""
    try:
        post(Owned(ownership(image, host_offset)))
    except FAILURES as error:
        post(JobFailed("owners", str(error)))


def find(post: Post, view: View, pattern: Pattern, wanted: SearchState, start: int) -> None:
    """Search a space from a place on, and then from its beginning; matches come in as they are found.

    However it ends, the last message says how.
    """
    searching = _Searching(post, view, pattern, wanted, start)

    def work(teller: Teller) -> None:
        try:
            searching.run(teller)
        except Cancelled:
            searching.tell(Outcome.CANCELLED)
            raise
        except FAILURES as error:
            searching.tell(Outcome.FAILED, str(error))
            raise

    run_job(post, "search", work)


class _Searching:
    """A search under way."""

    def __init__(self, post: Post, view: View, pattern: Pattern, wanted: SearchState, start: int) -> None:
        self._post, self._view, self._pattern = post, view, pattern
        self._state, self._start = wanted, start
        self._begun = self._told = time.monotonic()
        self._fresh: list[Range] = []
        self._found, self._looked_at, self._unread = 0, 0, 0

    def run(self, teller: Teller) -> None:
        """Go round once."""
        parts = round_from(self._view.stretches(), self._start, self._pattern.overlap)
        second = False
        for event in search(self._view.read, self._view.space, parts, self._pattern):
            if isinstance(event, Progress):
                second = second or event.offset <= self._start
                before = self._view.size - self._start if second else -self._start
                self._looked_at, self._unread = min(self._view.size, before + event.offset), event.unread
                share = self._looked_at * 100 // max(1, self._view.size)
                teller.say(f"search {share} %: {self._found:,} found")
            elif not second or event.offset < self._start:
                self._fresh.append(event)
                self._found += 1
            if self._found >= MAX_MATCHES:
                self.tell(Outcome.CAPPED)
                return
            if self._fresh and time.monotonic() - self._told > PAUSE_BETWEEN_WORDS:
                self.tell(Outcome.RUNNING)
        self._looked_at = self._view.size
        self.tell(Outcome.DONE)

    def tell(self, outcome: Outcome, reason: str = "") -> None:
        """Report what was found since the last time, and how the search stands."""
        self._told = time.monotonic()
        state = replace(
            self._state,
            outcome=outcome,
            found=self._found,
            looked_at=self._looked_at,
            unread=self._unread,
            seconds=self._told - self._begun,
            reason=reason,
        )
        self._post(Found(self._fresh, state))
        self._fresh = []
