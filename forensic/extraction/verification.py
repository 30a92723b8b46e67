"""What a comparison of a raw file with its report gave, and where the two differ."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from msgspec import Struct, field

from forensic.errors import BadReport
from forensic.output.chunk import Chunk
from forensic.output.hashes import Checkpoint, PieceHash, update_repeatedly
from forensic.output.piecewise import ALGORITHM, Manifest, Piecewise
from forensic.output.worker_thread import Worker

LISTED_WINDOWS = 1000
"""Runs of windows that differ which are listed; the windows beyond are counted."""


class Differences(Struct):
    """Windows that differ, as (start, end) in bytes of the disk; neighbours are one."""

    ranges: list[tuple[int, int]] = field(default_factory=list)
    not_listed: int = 0

    def add(self, start: int, end: int, count: int = 1) -> None:
        """Enter the next windows, so many."""
        if self.ranges and self.ranges[-1][1] == start:
            self.ranges[-1] = (self.ranges[-1][0], end)
        elif len(self.ranges) < LISTED_WINDOWS:
            self.ranges.append((start, end))
        else:
            self.not_listed += count


class Verification(Struct, frozen=True):
    """What the comparison gave; sizes and offsets in bytes.

    `differs_between` is the range in which the first difference lies, as far as the report's checkpoints tell;
    `windows` are all that differ by the manifest, if one was given. `segments` are the numbers of those that differ,
    `segment_sizes` number, size found and size expected of those that are too long or too short: what comes after such
    a one lies at another place, and differs for that alone. `reservations` are sentences for which the report itself
    does not confirm the output, whatever agrees; with `readings_differed` one of them is that two readings differed.
    `faults` are sentences on a container that is damaged, or says other things of the disk than the report does.
    """

    size_expected: int
    size_found: int
    expected: dict[str, str]
    found: dict[str, str]
    differs_between: tuple[int, int] | None
    segments: tuple[int, ...] = ()
    windows: Differences | None = None
    segment_sizes: tuple[tuple[int, int, int], ...] = ()
    reservations: tuple[str, ...] = ()
    readings_differed: bool = False
    faults: tuple[str, ...] = ()

    @property
    def matches(self) -> bool:
        """Whether size, every hash and every window agree."""
        same = self.size_expected == self.size_found and self.expected == self.found and not self.faults
        return same and not self.segments and not self.segment_sizes and not (self.windows and self.windows.ranges)


def first_difference(
    expected: Sequence[Checkpoint], found: Sequence[Checkpoint], size_expected: int, size_found: int
) -> tuple[int, int]:
    """The range in which two disks that are not the same begin to differ."""
    digests = {checkpoint.length: checkpoint.digest for checkpoint in found}
    agreed = 0
    for checkpoint in expected:
        if digests.get(checkpoint.length) != checkpoint.digest:
            return agreed, checkpoint.length
        agreed = checkpoint.length
    return agreed, max(size_expected, size_found)


class WindowComparison:
    """Compares a disk window by window with a manifest, in a thread of its own."""

    def __init__(self, manifest: Manifest, piecewise: Piecewise | None) -> None:
        """Start the thread; `stop` must be called in the end."""
        self._manifest = manifest
        self._piecewise = piecewise
        self._expected: Iterator[tuple[bytes, int]] = manifest.runs()
        self._run: tuple[bytes, int] = (b"", 0)  # what is left of the run that was read last
        self._list = hashlib.sha256()
        self._position = 0
        self._differences = Differences()
        self._pieces = PieceHash(ALGORITHM, manifest.window, self._compare)
        self._worker: Worker[Chunk] = Worker("window hash thread", self._pieces.take)
        self._pieces.stopped = lambda: self._worker.stopping

    def take(self, chunk: Chunk) -> None:
        """Pass a range on. Raises what ended the thread."""
        self._worker.give(chunk)

    def finish(self) -> Differences:
        """Wait for the end. Raises `BadReport` if the manifest is damaged, or not the one that the report knows."""
        self._worker.finish()
        self._pieces.finish()
        if self._position < self._manifest.size:  # a manifest may claim any number of windows past the end of the disk
            self._differences.add(self._position, self._manifest.size)
            return self._differences
        left = self._run[1]
        for _, count in self._expected:  # none, but that the last line of the manifest is looked at as well
            left += count
        if left:
            self._differences.add(self._position, self._position + left * self._manifest.window, left)
        if self._piecewise and self._piecewise.digest_of_list != self._list.hexdigest():
            raise BadReport(self._manifest.path, "is not the manifest of this report")
        return self._differences

    def stop(self) -> None:
        """End the thread, finished or not."""
        self._worker.stop()

    def _compare(self, digest: bytes, count: int) -> None:
        """So many windows with this digest come next; the manifest has runs as well, and none is taken one by one."""
        while count:
            if not self._run[1]:
                self._run = next(self._expected, (b"", count))
            expected, left = self._run
            together = min(count, left)
            self._enter(expected, digest, together)
            self._run, count = (expected, left - together), count - together

    def _enter(self, expected: bytes, found: bytes, count: int) -> None:
        end = self._position + count * self._manifest.window
        if expected:
            if self._piecewise:
                update_repeatedly(self._list, expected, count, self._pieces.stopped)
            end = min(end, self._manifest.size)
        if expected != found:
            self._differences.add(self._position, end, count)
        self._position = end
