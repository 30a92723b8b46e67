"""What fills the maps, in worker threads; a grid that is laid out anew makes the job for the old one stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from textual.worker import get_current_worker

from forensic.explore import (
    Atlas,
    Census,
    Grid,
    Qcow1Atlas,
    Space,
    Survey,
    View,
    count_refcounts,
    find_orphans,
    find_tenants,
    sampled_entropy,
    sum_up_file,
    sum_up_guest,
    survey_file,
    survey_guest,
)
from tui.colourings import OWNER, REFCOUNT
from tui.jobs import FAILURES, PAUSE_BETWEEN_WORDS, Post, Teller, run_job
from tui.kinds import PENDING, heat
from tui.looks import Cell
from tui.messages import Counted, Heated, JobFailed, Mapped, Orphaned

PAUSE_BETWEEN_COUNTS = 0.4
"""Seconds between two words about a census: each is summed up for both maps."""

TAKERS: dict[str, Callable[[Atlas | Qcow1Atlas], Iterator[Census]]] = {REFCOUNT: count_refcounts, OWNER: find_tenants}


def fill_grid(post: Post, atlas: Atlas | Qcow1Atlas, view: View, grid: Grid, colour: str) -> None:
    """Sum up a grid by kind or state."""
    _tell(post, view.space, colour, lambda: (survey_file if view.space == Space.HOST else survey_guest)(atlas, grid))


def fill_from(post: Post, atlas: Atlas | Qcow1Atlas, view: View, grid: Grid, colour: str, census: Census) -> None:
    """Sum up a grid by a census."""
    if view.space == Space.HOST:
        _tell(post, view.space, colour, lambda: iter([sum_up_file(census, grid)]))
    else:
        _tell(post, view.space, colour, lambda: sum_up_guest(atlas, census, grid))


def _tell(post: Post, space: Space, colour: str, surveys: Callable[[], Iterator[Survey]]) -> None:
    """Tell about ten times a second how far a grid is."""
    worker, told = get_current_worker(), 0.0
    last: Survey | None = None
    try:
        for survey in surveys():
            if worker.is_cancelled:
                return
            last = survey
            if time.monotonic() - told > PAUSE_BETWEEN_WORDS:
                told, last = time.monotonic(), None
                post(Mapped(space, survey, colour))
    except FAILURES as error:
        post(JobFailed("map", str(error)))
    if last is not None:
        post(Mapped(space, last, colour))


def take_census(post: Post, atlas: Atlas | Qcow1Atlas, colour: str) -> None:
    """What every host cluster is coloured by; told as it grows."""

    def work(teller: Teller) -> None:
        told, taken = 0.0, False
        for census in TAKERS[colour](atlas):
            teller.say(f"{colour} {census.done:.0%}")
            taken = True
            if census.done >= 1 or time.monotonic() - told > PAUSE_BETWEEN_COUNTS:
                told = time.monotonic()
                post(Counted(colour, census))
        if not taken:
            post(Counted(colour, None))

    run_job(post, "census", work)


def seek_orphans(post: Post, atlas: Atlas | Qcow1Atlas) -> None:
    """Which ranges nothing reads, though they are counted or hold something."""

    def work(teller: Teller) -> None:
        teller.say("orphans")
        orphans = find_orphans(atlas.image, lambda: teller.cancelled)
        if not teller.cancelled:
            post(Orphaned(orphans))

    run_job(post, "orphans", work)


def heat_up(post: Post, view: View, grid: Grid) -> None:
    """The entropy of each cell."""
    worker, told = get_current_worker(), time.monotonic()
    cells: list[Cell] = []
    offsets = [grid.offset_of(number) for number in range(grid.cells)]
    for entropy in sampled_entropy(view.read, offsets, grid.cell_size):
        if worker.is_cancelled:
            return
        cells.append(heat(entropy))
        if time.monotonic() - told > PAUSE_BETWEEN_WORDS:
            told = time.monotonic()
            post(Heated(view.space, grid, [*cells, *[PENDING.cell] * (grid.cells - len(cells))]))
    post(Heated(view.space, grid, cells))
