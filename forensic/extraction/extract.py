"""The extraction itself: the plan's steps through a small pool of readers, in guest order, into the sinks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from forensic.errors import Interrupted
from forensic.extraction.ledger import Ledger
from forensic.extraction.plan import Hole, Step, bytes_to_read, plan
from forensic.extraction.reading import Filled, fill
from forensic.extraction.sinks import Checkpoint, Hashes, RawFile, Sink
from forensic.qcow2.disk import Disk
from forensic.qcow2.image import Qcow2Image
from forensic.untrusted import Json

WORKERS = 2
IN_FLIGHT = 8
"""Pieces being read or waiting for their turn; each holds up to a mebibyte."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Extraction:
    """What an extraction gave; all numbers are guest bytes.

    `bytes_read` came from the file (stored or decoded), `bytes_zero` are zeros because the image says so, and
    `ledger` lists what is zero because it could not be had.
    """

    target: str
    path: Path
    size: int
    bytes_read: int
    bytes_zero: int
    ledger: Ledger
    hashes: dict[str, str]
    checkpoints: tuple[Checkpoint, ...]

    @property
    def complete(self) -> bool:
        """Whether every byte of the disk was had."""
        return not self.ledger.bytes_missing

    def as_json(self) -> dict[str, Json]:
        """The object `result.extraction` holds."""
        return {
            "target": self.target,
            "virtual_range": {"offset": 0, "length": self.size},
            "status": "complete" if self.complete else "complete_with_unreadable",
            "bytes_expected": self.size,
            "bytes_read": self.bytes_read,
            "bytes_zero": self.bytes_zero,
            "bytes_filled": self.ledger.bytes_missing,
            "fill": {"pattern_hex": "00", "reason_counts": dict(sorted(self.ledger.bytes_by_reason.items()))},
            "unreadable": self.ledger.as_json(),
            "unreadable_not_listed": self.ledger.ranges_not_listed,
            "hashes": self.hashes,
            "checkpoints": [{"length": point.length, "sha256": point.sha256} for point in self.checkpoints],
        }


def extract(
    source: Disk | Qcow2Image,
    output: Path,
    hashes: Sequence[str] = ("sha256",),
    sparse: bool = True,
    force: bool = False,
    keep_partial: bool = False,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Extraction:
    """Write a disk, or the active disk of an image of which nothing else was supplied, to a raw file.

    `progress` is called with the guest bytes done and the size of the disk. Raises `OutputFailed` (nothing that looks
    complete is left behind), `Unsupported` if the header gives no geometry, `Interrupted` once `cancelled` says so.
    """
    disk = source if isinstance(source, Disk) else source.disk()
    digests = Hashes(hashes, disk.size)
    raw = RawFile(output, disk.size, bytes_to_read(plan(disk)), sparse, force, disk.evidences)
    ledger, bytes_read = Ledger(), 0
    try:
        for step in _in_guest_order(disk):
            if cancelled and cancelled():
                raise Interrupted(f"extraction stopped at guest offset {step.guest_offset:#x}")
            length = _pour(step, (digests, raw))
            for entry in step.missing:
                ledger.add(entry)
            bytes_read += step.bytes_read if isinstance(step, Filled) else 0
            if progress:
                progress(step.guest_offset + length, disk.size)
        raw.complete()
    except BaseException:
        raw.abandon(keep_partial)
        raise
    bytes_zero = disk.size - bytes_read - ledger.bytes_missing
    checkpoints = tuple(digests.checkpoints)
    return Extraction(disk.target, output, disk.size, bytes_read, bytes_zero, ledger, digests.hexdigests(), checkpoints)


def _pour(step: Filled | Hole, sinks: tuple[Sink, ...]) -> int:
    """Give a step to every sink; the number of guest bytes in it."""
    for sink in sinks:
        if isinstance(step, Filled):
            sink.data(step.guest_offset, step.data)
        else:
            sink.zeros(step.guest_offset, step.length)
    return len(step.data) if isinstance(step, Filled) else step.length


def _in_guest_order(disk: Disk) -> Iterator[Filled | Hole]:
    """The plan's steps with their bytes.

    At most `IN_FLIGHT` steps are under way, and the oldest is always waited for first, so that nothing can wait for a
    place that only its successor could free. What a worker raises is raised here.
    """
    under_way: deque[Future[Filled] | Hole] = deque()
    with ThreadPoolExecutor(WORKERS, "reader") as pool:
        try:
            for step in plan(disk):
                under_way.append(_begun(pool, disk, step))
                if len(under_way) >= IN_FLIGHT:
                    yield _ended(under_way.popleft())
            while under_way:
                yield _ended(under_way.popleft())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _begun(pool: ThreadPoolExecutor, disk: Disk, step: Step) -> Future[Filled] | Hole:
    return step if isinstance(step, Hole) else pool.submit(fill, disk, step)


def _ended(step: Future[Filled] | Hole) -> Filled | Hole:
    return step if isinstance(step, Hole) else step.result()
