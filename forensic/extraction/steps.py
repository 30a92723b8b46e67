"""The plan's steps with their bytes: a small pool reads, decodes and writes ahead, the result comes in guest order.

Bytes are read and written, never copied by the kernel from file to file: on XFS and btrfs `copy_file_range` lets both
files share extents, which marks the inode of the evidence as shared, and on ext4 it is no faster.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor

from forensic.extraction.plan import Hole, Piece, plan
from forensic.extraction.reading import Filled, fill
from forensic.qcow2.disk import Disk

WORKERS = 2
IN_FLIGHT = 4
"""Pieces being read or waiting for their turn, each up to a mebibyte; more of them would not fit the cache."""


def filled_steps(
    disk: Disk, guest_start: int, guest_end: int, write: Callable[[Filled], None] | None = None
) -> Generator[Filled | Hole]:
    """The steps that give a guest range, in guest order; each was given to `write` before, in no order.

    At most `IN_FLIGHT` steps are under way, and the oldest is always waited for first, so that nothing can wait for a
    place that only its successor could free. What a worker raises is raised here. Close the iterator to end early.
    """

    def work(piece: Piece) -> Filled:
        filled = fill(disk, piece)
        if write:
            write(filled)
        return filled

    under_way: deque[Future[Filled] | Hole] = deque()
    with ThreadPoolExecutor(WORKERS, "reader") as pool:
        try:
            for step in plan(disk, guest_start, guest_end):
                under_way.append(step if isinstance(step, Hole) else pool.submit(work, step))
                if len(under_way) >= IN_FLIGHT:
                    yield _ended(under_way.popleft())
            while under_way:
                yield _ended(under_way.popleft())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _ended(step: Future[Filled] | Hole) -> Filled | Hole:
    return step if isinstance(step, Hole) else step.result()
