"""An output compared with a second reading of the disk: in some places, or the whole of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from forensic.disk.disk import Disk
from forensic.errors import EvidenceUnreadable, stop_if
from forensic.evidence import ReadFailed
from forensic.extraction.comparers import Comparer, Comparers, Promise, Range, start_comparers
from forensic.extraction.second_reading import (
    Comparison,
    Method,
    OutputBytes,
    Unread,
    second_reader_of,
    sources_of,
)
from forensic.extraction.worker_processes import worker_count
from forensic.output.read_back import FileBytes

PART_BYTES = 4 << 20
PARTS = 4096
"""A large disk is cut into so many parts, since it is mostly empty; others into parts of `PART_BYTES`."""

PLACES_AT_ONCE = 64
"""Places that are compared together at most. Neighbours have tables in common, which are read once where they are."""

PARTS_AHEAD = 2
"""Parts that wait for each comparer."""

Progress = Callable[[int, int], None]
Cancelled = Callable[[], bool]


def compare(
    disk: Disk,
    output: OutputBytes | Sequence[Path],
    places: Sequence[tuple[int, int]],
    extent: tuple[int, int],
    whole: bool,
    unread: Unread,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> Comparison:
    """Compare the files of an output, or its bytes as they were kept or lie in a container, with a second reading.

    `extent` is the guest range of the output, `places` are those that are compared unless the `whole` is asked for.
    Raises `EvidenceUnreadable` if the output cannot be read, and what `compare_whole` raises.
    """
    with ExitStack() as opened:
        there = output
        if isinstance(there, Sequence):
            there = opened.enter_context(FileBytes(there, extent[0]))
        try:
            if whole:
                return compare_whole(disk, there, *extent, unread, progress, cancelled)
            return compare_places(disk, there, places, unread)
        except ReadFailed as error:
            raise EvidenceUnreadable(output[0] if isinstance(output, Sequence) else "-", str(error)) from error


def compare_places(disk: Disk, output: OutputBytes, places: Sequence[Range], unread: Unread) -> Comparison:
    """Compare some guest ranges. Raises what `compare_whole` raises."""
    step = max(1, min(PLACES_AT_ONCE, -(-len(places) // worker_count())))
    parts = [places[first : first + step] for first in range(0, len(places), step)]
    return _compare_parts(disk, output, parts, unread, Method.PLACES)


def compare_whole(
    disk: Disk,
    output: OutputBytes,
    start: int,
    end: int,
    unread: Unread,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> Comparison:
    """Compare guest offsets `start` to `end`; `progress` gets the bytes done and in all.

    Raises `Unsupported`, `ReadFailed` if the output cannot be read, `Interrupted`, `WorkerFailed`.
    """
    step = max(PART_BYTES, -(-(end - start) // PARTS))
    step += -step % PART_BYTES
    parts = [[(position, min(end, position + step))] for position in range(start, end, step)]
    found = _compare_parts(disk, output, parts, unread, Method.WHOLE, progress, cancelled)
    found.places = 1
    return found


def _compare_parts(
    disk: Disk,
    output: OutputBytes,
    parts: Sequence[Sequence[Range]],
    unread: Unread,
    method: Method,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> Comparison:
    """Compare all of the parts, each some ranges, in order."""
    found = Comparison(method)
    sources = sources_of(disk)
    # Even if there is nothing to compare, so that a header that cannot be read a second time is noticed.
    second_reader_of(disk, sources)
    count = min(worker_count(), len(parts))
    if not count:
        return found
    done, total = 0, sum(_length(part) for part in parts)
    with start_comparers(Comparer(disk, sources, output, unread, method), count) as comparers:
        for length, comparison in _in_order(comparers, parts, count * (1 + PARTS_AHEAD)):
            stop_if(cancelled, "comparison with a second reading")
            found.include(comparison)
            done += length
            if progress:
                progress(done, total)
    return found


def _in_order(comparers: Comparers, parts: Iterable[Sequence[Range]], most: int) -> Iterator[tuple[int, Comparison]]:
    """Bytes and comparison of each part; at most so many are under way at a time."""
    waiting: deque[tuple[int, Promise]] = deque()
    for part in parts:
        waiting.append((_length(part), comparers.submit(part)))
        if len(waiting) > most:
            length, promise = waiting.popleft()
            yield length, promise()
    for length, promise in waiting:
        yield length, promise()


def _length(ranges: Iterable[Range]) -> int:
    return sum(end - start for start, end in ranges)
