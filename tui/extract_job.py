"""The extraction in a worker thread: pause, stop, and the reports at its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from textual.message import Message

from forensic import (
    EvidenceInUse,
    Extraction,
    Interrupted,
    Qcow1Image,
    Qcow2Image,
    Report,
    extract,
)
from forensic.explore import (
    LOG,
    ExtractionCells,
    Fate,
    Json,
    ReportRequest,
    Run,
    open_asked,
    render,
    shown,
    sidecar_paths,
    write_extraction_reports,
    write_sidecars,
)
from tui.extraction_plan import ExtractionPlan
from tui.jobs import FAILURES, PAUSE_BETWEEN_WORDS, Post

STRIP_CELLS = 256
"""Parts of the disk whose fate is shown while it is extracted."""

WHOLE_DISK, OF_RANGE = "disk", "range"
"""What is extracted, where a share of it is told."""

MUCH = 10
"""If one byte in so many would be missing, the examiner is asked first."""


class Extracting(Message):
    """Guest bytes done and in all, and what became of each cell of the strip so far."""

    def __init__(self, done: int, total: int, fates: list[Fate], cells: int) -> None:
        super().__init__()
        self.done = done
        self.total = total
        self.fates = fates
        self.cells = cells

    def can_replace(self, message: Message) -> bool:
        """Only the newest matters."""
        return isinstance(message, Extracting)


class Extracted(Message):
    """The extraction is over: its result and the report as text, or why there is none."""

    def __init__(self, extraction: Extraction | None, reason: str, report: list[str] | None = None) -> None:
        super().__init__()
        self.extraction = extraction
        self.reason = reason
        self.report = report or []


class Doubtful(Message):
    """Nothing was written: so many bytes of what is wanted would be missing, most of them for this reason."""

    def __init__(self, missing: int, total: int, reason: str, whole: str) -> None:
        """`whole` is what `total` bytes are: the disk, or a range of it."""
        super().__init__()
        self.whole = whole
        self.missing = missing
        self.total = total
        self.reason = reason


class Control:
    """Lets the screen pause and stop the thread."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._running = threading.Event()
        self._running.set()
        self.ended = threading.Event()

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

    def stop_and_wait(self, seconds: float) -> None:
        """Give up, and wait until nothing is left that looks complete."""
        self.stop()
        self.ended.wait(seconds)

    def cancelled(self) -> bool:
        """What the library asks between two pieces; waits here while paused."""
        self._running.wait()
        return self._stopped.is_set()


def run_extraction(
    post: Post,
    image: Qcow2Image | Qcow1Image,
    plan: ExtractionPlan,
    notes: list[Json],
    audit: list[Json],
    control: Control,
) -> None:
    """Extract, then write the reports; every outcome is a message."""
    try:
        _run_extraction(post, image, plan, notes, audit, control)
    finally:
        control.ended.set()


def _run_extraction(
    post: Post,
    image: Qcow2Image | Qcow1Image,
    plan: ExtractionPlan,
    notes: list[Json],
    audit: list[Json],
    control: Control,
) -> None:
    read = (*plan.supplies.files, *([plan.plan_file] if plan.plan_file else []))
    request = ReportRequest(plan.report_paths(), dict(plan.case), notes, plan.force, read, audit)
    run = Run(plan.words())
    extraction: Extraction | None = None
    try:
        with open_asked(image, plan.asked_disk(), plan.supplied) as disk:
            settings = plan.settings(disk.size)
            sums = sidecar_paths(plan.output_path, settings.hashes) if "sidecars" in plan.ticked else {}
            request.refuse([plan.output_path, *sums.values()], disk)
            run.options = settings.in_effect()
            start, length = settings.guest_range or (0, disk.size)
            strip = ExtractionCells(disk, STRIP_CELLS, start, start + length)
            missing = sum(strip.bytes_by_reason.values())
            if missing and not plan.confirmed and missing * MUCH >= length:
                whole = WHOLE_DISK if length == disk.size else OF_RANGE
                post(Doubtful(missing, length, strip.bytes_by_reason.most_common(1)[0][0], whole))
                return
            progress = _progress(post, strip)
            lists = plan.report_paths()
            extraction = extract(disk, plan.output_path, settings, progress, control.cancelled, strip.missed, lists)
            write_sidecars(extraction, tuple(sums), settings.force)
            report = write_extraction_reports(request, image, disk, extraction, run, control.cancelled)
    except Interrupted:
        done = (
            "the disk was extracted, but its reports were not written" if extraction else "the partial file was removed"
        )
        post(Extracted(None, f"stopped; {done}"))
    except EvidenceInUse as error:
        held = f"{shown(error.path)} is held by another process, which {error.what}"
        post(Extracted(None, f"{held}; tick “in-use” to extract anyway"))
    except (*FAILURES, ValueError) as error:
        post(Extracted(None, str(error)))
    else:
        post(Extracted(extraction, "", _lines(report) if report else None))


def _progress(post: Post, strip: ExtractionCells) -> Callable[[int, int], None]:
    """Reports how far it is, not too often."""
    told = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal told
        if time.monotonic() - told > PAUSE_BETWEEN_WORDS or done == total:
            told = time.monotonic()
            post(Extracting(done, total, strip.fates(done), STRIP_CELLS))

    return progress


def _lines(report: Report) -> list[str]:
    """The report to read on the screen: the log, then what the check says."""
    return [*render(LOG, report).splitlines(), "", *render("text", report).splitlines()]
