"""The extraction in a worker thread: pause, stop, and the report at its end."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from textual.message import Message

from forensic import (
    Extraction,
    ForensicError,
    Interrupted,
    Json,
    OutputFailed,
    Qcow2Image,
    Report,
    Run,
    check,
    describe,
    extract,
    shown,
    to_json,
    tool,
)
from tui.extraction_plan import ExtractionPlan
from tui.jobs import PAUSE_BETWEEN_WORDS, Post

INCOMPLETE = 5


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

    def __init__(self, extraction: Extraction | None, reason: str, report: str = "") -> None:
        super().__init__()
        self.extraction = extraction
        self.reason = reason
        self.report = report


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
    """Extract, then write the report; every outcome is a message."""
    told = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal told
        if time.monotonic() - told > PAUSE_BETWEEN_WORDS or done == total:
            told = time.monotonic()
            post(Extracting(done, total))

    run = Run(plan.words(), {"hash": list(plan.hashes), "sparse": plan.sparse, "force": plan.force})
    output = Path(plan.output).expanduser()
    report = Path(plan.report).expanduser() if plan.report else None
    try:
        if report and not plan.force and os.path.lexists(report):
            raise OutputFailed(report, "exists already")
        extraction = extract(
            image, output, plan.hashes, plan.sparse, plan.force, progress=progress, cancelled=control.cancelled
        )
        if report:
            _write_report(report, image, extraction, run, plan, notes)
    except Interrupted:
        post(Extracted(None, "stopped; the partial file was removed"))
    except (ForensicError, OSError, MemoryError) as error:
        post(Extracted(None, str(error)))
    else:
        post(Extracted(extraction, "", str(report) if report else ""))


def _write_report(
    path: Path, image: Qcow2Image, extraction: Extraction, run: Run, plan: ExtractionPlan, notes: list[Json]
) -> None:
    result: dict[str, Json] = describe(image) | check(image).as_json()
    result["extraction"] = extraction.as_json()
    result["hashes"] = {
        "container": {"acquired": {"sha256": image.evidence.sha256()}},
        "virtual_disk": {"acquired": extraction.hashes},
    }
    artifact: Json = {"role": "raw", "name": shown(extraction.path), "size": extraction.size}
    record = run.as_json(0 if extraction.complete else INCOMPLETE, [artifact])
    case: dict[str, Json] = {**plan.case, "annotations": notes}
    text = to_json(Report(result, image.evidence.as_json(), record, tool(), case))
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise OutputFailed(path, (error.strerror or "cannot be written").lower()) from error
