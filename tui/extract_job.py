"""The extraction in a worker thread: pause, stop, and the reports at its end."""

from __future__ import annotations

import os
import threading
import time

from textual.message import Message

from forensic import (
    BackingFile,
    Extraction,
    Interrupted,
    Json,
    Qcow2Image,
    ReportRequest,
    Run,
    Settings,
    Snapshot,
    Supplied,
    extract,
    open_disk,
    write_extraction_reports,
)
from tui.extraction_plan import ExtractionPlan
from tui.jobs import FAILURES, PAUSE_BETWEEN_WORDS, Post


class Extracting(Message):
    """Guest bytes done and in all."""

    def __init__(self, done: int, total: int) -> None:
        super().__init__()
        self.done = done
        self.total = total

    def can_replace(self, message: Message) -> bool:
        """Only the newest matters."""
        return isinstance(message, Extracting)


class Extracted(Message):
    """It is over: what came of it, or why nothing did."""

    def __init__(self, extraction: Extraction | None, reason: str) -> None:
        super().__init__()
        self.extraction = extraction
        self.reason = reason


class Control:
    """Lets the screen pause and stop the thread."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._running = threading.Event()
        self._running.set()

    @property
    def paused(self) -> bool:
        """Whether it waits."""
        return not self._running.is_set()

    def pause(self) -> None:
        """Wait, or go on."""
        if self.paused:
            self._running.set()
        else:
            self._running.clear()

    def stop(self) -> None:
        """Give up."""
        self._stopped.set()
        self._running.set()

    def cancelled(self) -> bool:
        """What the library asks between two pieces; waits here while paused."""
        self._running.wait()
        return self._stopped.is_set()


def run_extraction(post: Post, image: Qcow2Image, plan: ExtractionPlan, notes: list[Json], control: Control) -> None:
    """Extract, then write the reports; every outcome is a message."""
    told = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal told
        if time.monotonic() - told > PAUSE_BETWEEN_WORDS or done == total:
            told = time.monotonic()
            post(Extracting(done, total))

    settings = Settings(hashes=plan.hashes, sparse=plan.sparse, verify=plan.verify, force=plan.force)
    request = ReportRequest(plan.report_paths(), dict(plan.case), notes, plan.force)
    run = Run(plan.words())
    try:
        with open_disk(image, _target(image, plan), _supplied(plan)) as disk:
            request.refuse([plan.output_path], disk)
            extraction = extract(disk, plan.output_path, settings, progress, control.cancelled)
            write_extraction_reports(request, image, disk, extraction, run)
    except Interrupted:
        post(Extracted(None, "stopped; the partial file was removed"))
    except (*FAILURES, ValueError) as error:
        post(Extracted(None, str(error)))
    else:
        post(Extracted(extraction, ""))


def _target(image: Qcow2Image, plan: ExtractionPlan) -> Snapshot | None:
    return None if plan.snapshot is None else image.snapshots.snapshots[plan.snapshot]


def _supplied(plan: ExtractionPlan) -> Supplied:
    supplies = plan.supplies
    backing = tuple(BackingFile(os.path.expanduser(path)) for path in supplies.backing)
    data_file = os.path.expanduser(supplies.data_file) if supplies.data_file else None
    passphrase = os.fsencode(supplies.passphrase) if supplies.passphrase else None
    return Supplied(backing, data_file, passphrase)
