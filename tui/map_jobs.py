"""What fills the maps, in worker threads; a grid that is laid out anew makes the job for the old one stop."""

from __future__ import annotations

import time

from textual.worker import get_current_worker

from forensic import Atlas, Grid, Space, View, sampled_entropy, survey_file, survey_guest
from tui.jobs import FAILURES, PAUSE_BETWEEN_WORDS, Post
from tui.kinds import PENDING, heat
from tui.messages import Heated, JobFailed, Mapped
from tui.widgets.cluster_map import Cell


def fill_grid(post: Post, atlas: Atlas, view: View, grid: Grid) -> None:
    """Sum up a grid and tell about ten times a second how far it is."""
    worker, told = get_current_worker(), 0.0
    try:
        for survey in survey_file(atlas, grid) if view.space == Space.HOST else survey_guest(atlas, grid):
            if worker.is_cancelled:
                return
            if survey.done >= 1 or time.monotonic() - told > PAUSE_BETWEEN_WORDS:
                told = time.monotonic()
                post(Mapped(view.space, survey))
    except FAILURES as error:
        post(JobFailed("map", str(error)))


def heat_up(post: Post, atlas: Atlas, view: View, grid: Grid) -> None:
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
