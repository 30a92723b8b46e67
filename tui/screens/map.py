"""Screen 3: the file and the disk as two grids that move together, from everything down to single clusters."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import ClassVar

from rich.text import Text
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Static

from forensic.explore import Grid, Range, Space
from tui import map_jobs
from tui.colourings import BY_CLUSTER_CODE, COLOURS, ENTROPY, KIND, cells_of, legend_of, looks_of
from tui.commands import MAP, bindings
from tui.desk import Desk
from tui.kinds import words_of_entropy
from tui.looks import Look
from tui.messages import Counted, Heated, Mapped
from tui.screens.base import ImageScreen
from tui.text import line, lines, plain, size, wrapped
from tui.widgets.beam import Beam
from tui.widgets.cluster_map import ClusterMap

ZOOM_BITS = 2
MAX_ZOOM = 24


class MapScreen(ImageScreen):
    """The maps of the file and of the disk."""

    NAME = "map"
    BINDINGS: ClassVar[list[BindingType]] = bindings(MAP)
    AUTO_FOCUS = "#file-map"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._zoom = 0
        self._colour = ENTROPY if desk.headless else KIND  # without a header nothing is of any kind
        self._usages: dict[Space, Mapped] = {}
        self._heats: dict[Space, Heated] = {}

    def body(self) -> Iterable[Widget]:
        """Two maps, the legend, a line about the cell under the cursor."""
        file_map, disk_map = ClusterMap(Space.HOST, id="file-map"), ClusterMap(Space.GUEST, id="disk-map")
        legend = Static("", markup=False, id="legend")
        legend.border_title = "legend"
        yield Horizontal(Vertical(file_map, Beam(id="beam"), disk_map, id="maps"), legend, id="map-panes")
        yield Static("", markup=False, id="cell")

    def on_moved(self, place: Range) -> None:
        """Move both cursors; a grid that no longer holds its cursor is laid out again."""
        self._map(place.space).cursor = place.offset
        other = self.desk.other_side()
        if other:
            self._map(other.space).cursor = other.offset
        for space in Space:
            if not self._holds_cursor(space):
                self._show_usage(space)
        self._show_cell()
        self._show_beam()

    def on_learned(self, what: str) -> None:
        """Findings and orphans are marked; the index lets the other map follow."""
        if what in ("findings", "orphans", "notes", "matches"):
            self._paint_all()
        elif what == "theme":
            self._show_titles()
            self._show_cell()
        elif what == "references" and self.is_current:
            self.on_moved(self.desk.place)

    def on_cluster_map_resized(self, event: ClusterMap.Resized) -> None:
        """Another number of cells fits."""
        self._show_usage(event.map.space)

    def on_cluster_map_moved(self, event: ClusterMap.Moved) -> None:
        """A step by hand; in the file, to the first run that begins in the cell, so that the disk can follow."""
        event.stop()
        self.desk.go(Range(event.map.space, event.offset, 1), jump=False)
        references = self.desk.references
        if event.map.space == Space.HOST and references and self.desk.other_side() is None:
            run = references.next_run(event.offset)
            if run is not None and run < event.offset + event.map.grid.cell_size:
                guest_offset = references.guest_offset_of(run)
                if guest_offset is not None:
                    self._map(Space.GUEST).cursor = guest_offset
                    if not self._holds_cursor(Space.GUEST):
                        self._show_usage(Space.GUEST)

    def on_cluster_map_opened(self, event: ClusterMap.Opened) -> None:
        """A double click."""
        self.action_open()

    def on_mount(self) -> None:
        """Have the orphans looked for; they are marked on the map. A file without a header has no disk to show."""
        self.set_class(bool(self.desk.headless), "-headless")
        self.call_later(self.app.run_action, "seek_orphans")

    def on_counted(self, event: Counted) -> None:
        """A count of cluster codes, so far, from which both maps are filled."""
        if event.cluster_codes is None:
            self.notify(f"cannot colour by {event.colour} here: there is nothing to show, or too much", markup=False)
            if event.colour == self._colour:
                self.action_colour()
        else:
            self.desk.cluster_codes[event.colour] = event.cluster_codes
            if event.colour == self._colour:
                self._fill_both()

    def on_mapped(self, event: Mapped) -> None:
        """A summary, so far."""
        if event.usage.grid == self._map(event.space).grid and event.colour == self._colour:
            self._usages[event.space] = event
            self._paint(event.space)

    def on_heated(self, event: Heated) -> None:
        """Entropies, so far."""
        map_ = self._map(event.space)
        if event.grid == map_.grid and self._colour == ENTROPY:
            map_.show(event.grid, map_.space_size, event.cells)
            self._heats[event.space] = event
            self._show_cell()

    def action_zoom(self, step: int) -> None:
        """Let a cell stand for a quarter, or for four times as much."""
        wanted = max(0, min(self._zoom + step, MAX_ZOOM))
        if step > 0 and all(self._cell_size(space, self._zoom) <= self._unit for space in Space):
            self.notify("a cell already stands for one cluster", markup=False, timeout=2)
            return
        self._zoom = wanted
        self._show_both_usages()

    def on_cluster_map_wheeled(self, event: ClusterMap.Wheeled) -> None:
        """Zoom by the wheel."""
        event.stop()
        self.action_zoom(event.step)

    def action_whole(self) -> None:
        """Everything."""
        self._zoom = 0
        self._show_both_usages()

    def action_swap(self) -> None:
        """To the other map."""
        other = self._map(Space.GUEST if self._active.space == Space.HOST else Space.HOST)
        if other.display:
            other.focus()
        else:
            self.notify("without a header that can be used there is no disk", markup=False)

    def action_colour(self) -> None:
        """By kind, refcount, owner, finding, entropy."""
        self._colour = COLOURS[(COLOURS.index(self._colour) + 1) % len(COLOURS)]
        self._usages.clear()
        for space in Space:
            self._map(space).show(self._map(space).grid, self._map(space).space_size, [])
        if self._colour in BY_CLUSTER_CODE and self._colour not in self.desk.cluster_codes:
            work = partial(map_jobs.take_cluster_codes, self.post_message, self.desk.region_index, self._colour)
            self.run_worker(work, thread=True, group="cluster_codes", exclusive=True)
        self._show_titles()
        self._fill_both()

    def action_open(self) -> None:
        """Look at the bytes."""
        self.show_bytes(Range(self._active.space, self._active.cursor, 1))

    @property
    def _active(self) -> ClusterMap:
        return self._map(Space.GUEST if self._map(Space.GUEST).has_focus else Space.HOST)

    @property
    def _unit(self) -> int:
        return self.desk.region_index.cluster_size or 512

    def _map(self, space: Space) -> ClusterMap:
        return self.query_one("#file-map" if space == Space.HOST else "#disk-map", ClusterMap)

    def _holds_cursor(self, space: Space) -> bool:
        map_ = self._map(space)
        return map_.grid.start <= map_.cursor < map_.grid.end

    def _cell_size(self, space: Space, zoom: int) -> int:
        """Bytes of a cell: whole clusters, so many that everything fits at zoom 0."""
        units = -(-self.desk.view_of(space).size // self._unit)
        whole = -(-units // self._map(space).capacity)
        return max(1, whole >> zoom * ZOOM_BITS) * self._unit

    def _show_both_usages(self) -> None:
        for space in Space:
            self._show_usage(space)

    def _show_usage(self, space: Space) -> None:
        """Lay the grid out around the cursor and have it filled in the background."""
        map_, total = self._map(space), self.desk.view_of(space).size
        cell_size = self._cell_size(space, self._zoom)
        cells = max(1, min(map_.capacity, -(-total // cell_size)))
        row = cell_size * map_.columns
        start = max(0, min(map_.cursor - cells * cell_size // 2, total - cells * cell_size) // row * row)
        if start + cells * cell_size < total and start + cells * cell_size <= map_.cursor:
            start += row
        grid = Grid(start, cell_size, cells)
        map_.show(grid, total, [] if map_.grid != grid else map_.cells)
        self._show_beam()
        self._show_titles()
        self._fill(space)

    def _fill_both(self) -> None:
        for space in Space:
            self._fill(space)

    def _fill(self, space: Space) -> None:
        """Have the grid summed up in the background, in the colour there is."""
        post, region_index, grid = self.post_message, self.desk.region_index, self._map(space).grid
        view, cluster_codes = self.desk.view_of(space), self.desk.cluster_codes.get(self._colour)
        if self._colour == ENTROPY:
            work = partial(map_jobs.heat_up, post, view, grid)
        elif cluster_codes is not None:
            work = partial(map_jobs.fill_from, post, region_index, view, grid, self._colour, cluster_codes)
        elif self._colour in BY_CLUSTER_CODE:
            return
        else:
            work = partial(map_jobs.fill_grid, post, region_index, view, grid, self._colour)
        self.run_worker(work, thread=True, group=f"map {space.value}", exclusive=True)

    def _paint_all(self) -> None:
        for space in Space:
            self._paint(space)

    def _paint(self, space: Space) -> None:
        mapped, desk, map_ = self._usages.get(space), self.desk, self._map(space)
        if mapped is not None:
            usage = mapped.usage
            cells = cells_of(self._colour, space, usage, desk)
            map_.show(usage.grid, map_.space_size, cells)
            self._show_cell()
            if self.has_class("-narrow"):
                self.query_one("#legend", Static).update(self._legend())

    def _show_titles(self) -> None:
        for space, name in ((Space.HOST, "file"), (Space.GUEST, "disk")):
            map_ = self._map(space)
            clusters = map_.grid.cell_size // self._unit
            unit = "cluster" if clusters == 1 else "clusters"
            seen = ""
            if map_.grid.start or map_.grid.end < map_.space_size:
                end = min(map_.grid.end, map_.space_size)
                share = (end - map_.grid.start) * 100 / max(1, map_.space_size)
                seen = f" · [{map_.grid.start:#x} – {end:#x}] {share:.2g} %"
            map_.border_title = plain(f"{name} · {size(map_.space_size)}{seen}")
            map_.border_subtitle = f"1 cell = {clusters:,} {unit} = {size(map_.grid.cell_size)}"
        self.query_one("#legend", Static).update(self._legend())

    def _show_cell(self) -> None:
        map_ = self._active
        number = map_.grid.cell_of(map_.cursor)
        start = map_.grid.offset_of(number)
        mapped = self._usages.get(map_.space)
        end = min(start + map_.grid.cell_size, map_.space_size) - 1
        words = line((f" {map_.space.value} ", "bold"), f"{start:#x} – {end:#x}  cluster {start // self._unit:,}   ")
        heated = self._heats.get(map_.space)
        if self._colour == ENTROPY:
            if heated and heated.grid == map_.grid and 0 <= number < len(heated.values):
                words.append_text(plain(words_of_entropy(heated.values[number])))
        elif mapped and mapped.usage.grid == map_.grid and 0 <= number < map_.grid.cells:
            words.append_text(self._contents(map_.space, mapped.usage.sums[:, number].tolist()))
        self.query_one("#cell", Static).update(words)

    def _show_beam(self) -> None:
        """Join the cells of the two cursors, where both are the same byte."""
        desk, file_map, disk_map = self.desk, self._map(Space.HOST), self._map(Space.GUEST)
        joined = desk.other_side() is not None and self._holds_cursor(Space.HOST) and self._holds_cursor(Space.GUEST)
        above, below = file_map.column_of(file_map.cursor), disk_map.column_of(disk_map.cursor)
        inset = 2  # the border and the padding of the maps
        self.query_one(Beam).show(inset + above, inset + below if joined else None)

    def _contents(self, space: Space, sums: list[int]) -> Text:
        words = Text()
        for key, look in looks_of(self._colour, space, self.desk.region_index).items():
            if sums[key]:
                words.append(f"{look.glyph} ", self._colour_of(look)).append(f"{look.name} {size(sums[key])}   ")
        return words if words else plain("not in use", "dim")

    def _legend(self) -> Text:
        names: dict[str, Look] = {}
        narrow = self.has_class("-narrow")
        seen = {cell.glyph for space in Space for cell in self._map(space).cells}
        for look in legend_of(self._colour, self.desk.region_index):
            if not narrow or look.glyph in seen:  # where there is little room, only what there is
                names.setdefault(look.glyph, look)
        head = line(("colour: ", "dim"), (self._colour, "bold"))
        entries = [line((f"{look.glyph} ", self._colour_of(look)), look.name) for look in names.values()]
        return wrapped([head, *entries], self.size.width - 4) if narrow else lines([head, *entries])

    def _colour_of(self, look: Look) -> str:
        style = self._map(Space.HOST).get_component_rich_style(f"map--{look.kind}", partial=True)
        return style.color.name if style.color else ""
