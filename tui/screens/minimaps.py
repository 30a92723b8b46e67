"""The pictures of both spaces beside their bytes."""

from __future__ import annotations

from functools import partial

from forensic.explore import Grid, Space
from tui import map_jobs
from tui.colourings import KIND, cells_of
from tui.desk import Desk
from tui.messages import Mapped
from tui.screens.base import ImageScreen
from tui.widgets.cluster_map import ClusterMap, Minimap


class WithMinimaps(ImageScreen):
    """A screen with a picture of each space (`#host-minimap`, `#guest-minimap`), filled in the background."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._mapped: dict[Space, Mapped] = {}

    def on_cluster_map_resized(self, event: ClusterMap.Resized) -> None:
        """Lay the picture of the whole space out beside its bytes, and have it filled."""
        event.stop()
        map_, view = event.map, self.desk.view_of(event.map.space)
        cells = max(1, map_.capacity)
        grid = Grid(0, max(1, -(-view.size // cells)), cells)
        map_.show(grid, max(1, view.size), [])
        work = partial(map_jobs.fill_grid, self.post_message, self.desk.region_index, view, grid, KIND)
        self.run_worker(work, thread=True, group=f"minimap {view.space.value}", exclusive=True)

    def on_mapped(self, event: Mapped) -> None:
        """What fills the space, so far."""
        self._mapped[event.space] = event
        self.paint_minimap(event.space)

    def paint_minimap(self, space: Space) -> None:
        """Draw the picture of a space with what is known now."""
        mapped, desk, map_ = self._mapped.get(space), self.desk, self.minimap(space)
        if mapped and mapped.usage.grid == map_.grid:
            cells = cells_of(KIND, space, mapped.usage, desk)
            map_.show(map_.grid, map_.space_size, cells)

    def minimap(self, space: Space) -> Minimap:
        """The picture of a space."""
        return self.query_one("#host-minimap" if space == Space.HOST else "#guest-minimap", Minimap)
