"""The map of the file as inline SVG: one path a kind, so that a thousand cells stay a few kilobytes."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from forensic.report.file_map import UNOWNED, CellMap
from forensic.report.markup import Html, element, together
from forensic.report.values import size

WIDTH, GUTTER, GAP, MAX_CELL_HEIGHT = 1080, 116, 1.5, 26.0
KINDS = (
    "header",
    "refcounts",
    "L1 table",
    "L2 table",
    "snapshot table",
    "bitmaps",
    "LUKS header",
    "data",
    "compressed",
    "zeroed",
    UNOWNED,
    "snapshot data",
    "snapshot compressed",
)
"""The kinds that have a colour of their own, in the order of the style sheet; any other kind shares one."""


class _Grid(Struct, frozen=True):
    """Where each cell is drawn; all in units of the drawing."""

    columns: int
    rows: int
    cell_width: float
    cell_height: float

    def outline(self, cell: int, inset: float = GAP / 2) -> str:
        """The rectangle of a cell as path commands."""
        x = GUTTER + cell % self.columns * self.cell_width + inset
        y = cell // self.columns * self.cell_height + inset
        width, height = self.cell_width - 2 * inset, self.cell_height - 2 * inset
        return f"M{x:.6g} {y:.6g}h{width:.6g}v{height:.6g}h{-width:.6g}z"


def map_svg(file_map: CellMap, marks: Iterable[tuple[int, int]] = ()) -> Html:
    """The drawing; `marks` are host ranges (offset, length) that findings are about."""
    grid = _grid(len(file_map.cells))
    shapes = [_kind_path(file_map, grid, kind) for kind in dict.fromkeys(file_map.cells)]
    marked = sorted({cell for mark in marks for cell in _cells_of(mark, file_map)})
    if marked:
        shapes.append(element("path", class_="mark", d="".join(grid.outline(cell, 1.5) for cell in marked)))
    height = grid.rows * grid.cell_height
    label = f"Map of the file: {len(file_map.cells)} cells of {size(file_map.cell_size)}"
    return element(
        "svg",
        *(_row_label(file_map, grid, row) for row in range(grid.rows)),
        *shapes,
        viewBox=f"0 0 {WIDTH} {height:.6g}",
        role="img",
        aria_label=label,
        xmlns="http://www.w3.org/2000/svg",
    )


def legend(file_map: CellMap) -> Html:
    """The kinds that occur, with their colours and their bytes."""
    kinds = (*KINDS, *sorted(set(file_map.bytes_by_kind) - set(KINDS)))
    present = [kind for kind in kinds if kind in file_map.bytes_by_kind or kind in file_map.cells]
    return element("ul", together(*(_legend_entry(file_map, kind) for kind in present)), class_="legend")


def _legend_entry(file_map: CellMap, kind: str) -> Html:
    length = file_map.bytes_by_kind.get(kind)
    amount = element("span", size(length), class_="quiet") if length is not None else Html("")
    return element("li", element("span", class_=f"swatch {_colour(kind)}"), element("span", kind), amount)


def _kind_path(file_map: CellMap, grid: _Grid, kind: str) -> Html:
    cells = (cell for cell, owner in enumerate(file_map.cells) if owner == kind)
    return element("path", class_=_colour(kind), d="".join(map(grid.outline, cells)))


def _row_label(file_map: CellMap, grid: _Grid, row: int) -> Html:
    y = (row + 0.5) * grid.cell_height
    offset = row * grid.columns * file_map.cell_size
    return element("text", f"{offset:#x}", x=f"{GUTTER - 10}", y=f"{y:.6g}", dy=".35em", text_anchor="end")


def _cells_of(mark: tuple[int, int], file_map: CellMap) -> range:
    """The cells that a range touches; one past the end of the file touches none."""
    host_offset, length = mark
    first, last = file_map.cell_at(host_offset), file_map.cell_at(host_offset + max(length, 1) - 1)
    return range(min(first, len(file_map.cells)), min(last + 1, len(file_map.cells)))


def _grid(cell_count: int) -> _Grid:
    columns = 64 if cell_count > 256 else 32 if cell_count > 32 else max(cell_count, 8)
    width = (WIDTH - GUTTER) / columns
    return _Grid(columns, max(1, -(-cell_count // columns)), width, min(width, MAX_CELL_HEIGHT))


def _colour(kind: str) -> str:
    return f"kind-{KINDS.index(kind)}" if kind in KINDS else "kind-other"
