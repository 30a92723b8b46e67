"""The plan's steps with their bytes: workers read, decode and write ahead, the results come in guest order.

Bytes are read and written, never copied by the kernel from file to file: on XFS and btrfs `copy_file_range` lets both
files share extents, which marks the inode of the evidence as shared, and on ext4 it is no faster.
"""

from __future__ import annotations

import mmap
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from forensic.disk.codecs import slow_decodes
from forensic.disk.disk import Disk
from forensic.extraction.piece_reader import Filled, Missing, Written, fill
from forensic.extraction.plan import LARGEST_PIECE, Hole, Piece, Step, plan
from forensic.extraction.worker_processes import Promise, Workers, start_workers, worker_count
from forensic.mapping.extents import Run
from forensic.output.worker_thread import QUEUED_ITEMS

PIECES_OF_A_MEMBER = 3
"""Pieces being filled or waiting for their turn, each up to a mebibyte; many more would not fit the cache."""

Done = Filled | Written | Hole
"""A step that is done."""

PIECES_HELD = QUEUED_ITEMS + 2
"""Steps whose bytes stay good after they were given: as many as may wait for a hash, and the one that it is at."""


class _Private(threading.local):
    """A buffer for each worker: what is used over and over stays in the processor's cache."""

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(LARGEST_PIECE))


class FastDecodes:
    """Whether the fast codecs were enough for all that was decoded; workers that are forks share it."""

    def __init__(self) -> None:
        """So far they were."""
        self._others = mmap.mmap(-1, 1)

    def watch(self, decode: Callable[[], Filled]) -> Filled:
        """Let something be decoded."""
        before = slow_decodes()
        filled = decode()
        if slow_decodes() != before:
            self._others[0] = 1
        return filled

    @property
    def enough(self) -> bool:
        """Whether it is still so."""
        return not self._others[0]


@contextmanager
def filled_steps(
    disk: Disk,
    guest_start: int,
    guest_end: int,
    write: Callable[[Filled], None] | None = None,
    kept: bool = True,
    known: Iterable[list[Run]] | None = None,
    fast: FastDecodes | None = None,
) -> Iterator[Iterator[Done]]:
    """The steps that give a guest range, in guest order; each was given to `write` before, in no order.

    If the bytes are not looked at afterwards they need not be `kept`. `known` are the runs of the range, if they are
    known already; `fast` watches the codecs. The bytes of a step are good until `PIECES_HELD` more steps were taken;
    then others take their place. What a worker raises is raised here. The workers are there as soon as the context is
    entered: start threads after that.
    """
    size = worker_count()
    in_flight = size * PIECES_OF_A_MEMBER
    # Anonymous memory, which a fork shares; no file is mapped.
    memory = memoryview(mmap.mmap(-1, (in_flight + PIECES_HELD) * LARGEST_PIECE))
    buffers = [memory[start : start + LARGEST_PIECE] for start in range(0, len(memory), LARGEST_PIECE)]

    private, watched = _Private(), fast or FastDecodes()

    def work(buffer: int, piece: Piece) -> Sequence[Missing]:
        place = buffers[buffer] if kept else private.buffer
        filled = watched.watch(lambda: fill(disk, piece, place[: piece.length]))
        if write:
            write(filled)
        if kept:
            filled.clear_blank()
        return filled.faults

    with start_workers(work, size) as members:
        steps = _in_order(plan(disk, guest_start, guest_end, known), members, buffers, in_flight)
        yield steps if kept else map(_without_bytes, steps)


def _without_bytes(step: Done) -> Done:
    return Written(step.guest_offset, len(step.data), step.faults) if isinstance(step, Filled) else step


def _in_order(
    steps: Iterator[Step], members: Workers, buffers: Sequence[memoryview], in_flight: int
) -> Iterator[Filled | Hole]:
    """At most `in_flight` steps are under way, and the oldest is always waited for first.

    So nothing can wait for a buffer that only its successor could free.
    """
    free = list(range(len(buffers)))
    under_way: deque[Hole | tuple[Piece, int, Promise]] = deque()
    held: deque[int | None] = deque([None] * PIECES_HELD)

    def ended() -> Filled | Hole:
        if (buffer := held.popleft()) is not None:
            free.append(buffer)
        oldest = under_way.popleft()
        if isinstance(oldest, Hole):
            held.append(None)
            return oldest
        piece, buffer, promise = oldest
        held.append(buffer)
        faults = promise()
        return Filled(piece.guest_offset, buffers[buffer][: piece.length], tuple(faults))

    for step in steps:
        if isinstance(step, Hole):
            under_way.append(step)
        else:
            buffer = free.pop()
            under_way.append((step, buffer, members.submit(buffer, step)))
        if len(under_way) >= in_flight:
            yield ended()
    while under_way:
        yield ended()
