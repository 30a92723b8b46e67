"""Block status: what each range of a disk is, in three ways to say it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby
from operator import itemgetter

from forensic.disk.disk import Disk
from forensic.mapping.extents import Reason, Run, State
from forensic.nbd.protocol import Allocation

MAX_DESCRIPTORS = 4096
"""Ranges in one answer; a client asks again from where it ends."""

MAX_RUNS = 16 * MAX_DESCRIPTORS
"""Runs that are looked at for one answer: neighbours that are the same to a context become one range."""

BASE_ALLOCATION = "base:allocation"
ALLOCATION_DEPTH = "qemu:allocation-depth"
FATE = "qcowscope:fate"

EMPTY = int(Allocation.HOLE | Allocation.ZERO)
READS_AS_ZEROS = frozenset({int(State.UNALLOCATED), int(State.ZERO), int(State.ZERO_ALLOCATED)})


def _base_allocation(run: Run) -> int:
    """Zeros that are recorded are a hole, and what cannot be read is data: a hole would be written as zeros."""
    return EMPTY if run[4] in READS_AS_ZEROS else 0


def _allocation_depth(run: Run) -> int:
    """The level that holds the range, counted from 1; 0 where none does."""
    _, _, _, _, state, reason, depth, _ = run
    if state == State.UNALLOCATED:
        return 0
    return depth + 2 if reason == Reason.BACKING_NOT_SUPPLIED else depth + 1


def _fate(run: Run) -> int:
    """State, and above its eight bits the reason why a range cannot be read; see `forensic.mapping.extents`."""
    return run[4] | run[5] << 8


CONTEXTS: tuple[tuple[str, Callable[[Run], int]], ...] = (
    (BASE_ALLOCATION, _base_allocation),
    (ALLOCATION_DEPTH, _allocation_depth),
    (FATE, _fate),
)
"""Name and meaning; the number by which answers refer to a context is its place here, from 1."""


def context_id(name: str) -> int | None:
    """The number of a context; None if there is none of that name."""
    return next((number for number, (known, _) in enumerate(CONTEXTS, 1) if known == name), None)


def matching(query: str, wildcards: bool) -> list[int]:
    """The numbers of the contexts that a query names; with `wildcards` one that ends in a colon names several."""
    return [
        number
        for number, (name, _) in enumerate(CONTEXTS, 1)
        if name == query or (wildcards and query.endswith(":") and name.startswith(query))
    ]


def block_status(disk: Disk, context: int, guest_offset: int, length: int, one: bool) -> list[tuple[int, int]]:
    """Length and status of ranges from `guest_offset` on: as many as there are, and as fit into one answer.

    At least one, or just that if `one`; the last may end before `length` does.
    """
    meaning = CONTEXTS[context - 1][1]
    told = ((meaning(run), run[1]) for run in _few(disk.readable_runs(guest_offset, guest_offset + length)))
    found: list[tuple[int, int]] = []
    for status, ranges in groupby(told, key=itemgetter(0)):
        if len(found) == (1 if one else MAX_DESCRIPTORS):
            break
        found.append((sum(size for _, size in ranges), status))
    return found


def _few(batches: Iterator[list[Run]]) -> Iterator[Run]:
    left = MAX_RUNS
    for batch in batches:
        yield from batch[:left]
        left -= min(left, len(batch))
        if not left:
            return
