"""Jobs that fill the maps, in worker threads; laying out a grid again stops the job for the old one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from textual.worker import get_current_worker

from forensic.explore import (
    ClusterCodes,
    Grid,
    Qcow1RegionIndex,
    RegionIndex,
    Space,
    SpaceUsage,
    View,
    count_refcounts,
    file_space_usage,
    find_orphans,
    find_tenants,
    guest_space_usage,
    sampled_entropy,
    sum_up_file,
    sum_up_guest,
)
from tui.colourings import OWNER, REFCOUNT
from tui.jobs import FAILURES, PAUSE_BETWEEN_WORDS, Post, Teller, run_job
from tui.kinds import PENDING, heat
from tui.looks import Cell
from tui.messages import Counted, Heated, JobFailed, Mapped, Orphaned

PAUSE_BETWEEN_COUNTS = 0.4
"""Seconds between two messages about a count of cluster codes: each is summed up for both maps."""

TAKERS: dict[str, Callable[[RegionIndex | Qcow1RegionIndex], Iterator[ClusterCodes]]] = {
    REFCOUNT: count_refcounts,
    OWNER: find_tenants,
}


def fill_grid(post: Post, region_index: RegionIndex | Qcow1RegionIndex, view: View, grid: Grid, colour: str) -> None:
    """Sum up a grid by kind or state."""
    _tell(
        post,
        view.space,
        colour,
        lambda: (file_space_usage if view.space == Space.HOST else guest_space_usage)(region_index, grid),
    )


def fill_from(
    post: Post,
    region_index: RegionIndex | Qcow1RegionIndex,
    view: View,
    grid: Grid,
    colour: str,
    cluster_codes: ClusterCodes,
) -> None:
    """Sum up a grid by a count of cluster codes."""
    if view.space == Space.HOST:
        _tell(post, view.space, colour, lambda: iter([sum_up_file(cluster_codes, grid)]))
    else:
        _tell(post, view.space, colour, lambda: sum_up_guest(region_index, cluster_codes, grid))


def _tell(post: Post, space: Space, colour: str, usages: Callable[[], Iterator[SpaceUsage]]) -> None:
    """Report the progress of a grid about ten times a second."""
    worker, told = get_current_worker(), 0.0
    last: SpaceUsage | None = None
    try:
        for usage in usages():
            if worker.is_cancelled:
                return
            last = usage
            if time.monotonic() - told > PAUSE_BETWEEN_WORDS:
                told, last = time.monotonic(), None
                post(Mapped(space, usage, colour))
    except FAILURES as error:
        post(JobFailed("map", str(error)))
    if last is not None:
        post(Mapped(space, last, colour))


def take_cluster_codes(post: Post, region_index: RegionIndex | Qcow1RegionIndex, colour: str) -> None:
    """What every host cluster is coloured by; reported as it grows."""

    def work(teller: Teller) -> None:
        told, taken = 0.0, False
        for cluster_codes in TAKERS[colour](region_index):
            teller.say(f"{colour} {cluster_codes.done:.0%}")
            taken = True
            if cluster_codes.done >= 1 or time.monotonic() - told > PAUSE_BETWEEN_COUNTS:
                told = time.monotonic()
                post(Counted(colour, cluster_codes))
        if not taken:
            post(Counted(colour, None))

    run_job(post, "cluster_codes", work)


def seek_orphans(post: Post, region_index: RegionIndex | Qcow1RegionIndex) -> None:
    """Which ranges nothing reads, though they are counted or hold something."""

    def work(teller: Teller) -> None:
        teller.say("orphans")
        orphans = find_orphans(region_index.image, lambda: teller.cancelled)
        if not teller.cancelled:
            post(Orphaned(orphans))

    run_job(post, "orphans", work)


def heat_up(post: Post, view: View, grid: Grid) -> None:
    """The entropy of each cell."""
    worker, told = get_current_worker(), time.monotonic()
    cells: list[Cell] = []
    values: list[float | None] = []
    offsets = [grid.offset_of(number) for number in range(grid.cells)]
    for entropy in sampled_entropy(view.read, offsets, grid.cell_size):
        if worker.is_cancelled:
            return
        cells.append(heat(entropy))
        values.append(entropy)
        if time.monotonic() - told > PAUSE_BETWEEN_WORDS:
            told = time.monotonic()
            so_far = [*cells, *[PENDING.cell] * (grid.cells - len(cells))]
            post(Heated(view.space, grid, so_far, tuple(values)))
    post(Heated(view.space, grid, cells, values))
