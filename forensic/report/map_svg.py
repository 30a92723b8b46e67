"""Maps and strips as inline SVG: one path a kind, so that a thousand cells stay a few kilobytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from msgspec import Struct

from forensic.numbers import counted
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

LIKE = {
    "not allocated": UNOWNED,
    "not looked at": UNOWNED,
    "not asked for": UNOWNED,
    "from a backing file": "snapshot data",
}
"""Kinds of a disk that look like one of a file."""

HATCHED = {"cannot be read": "lost", "inferred": "inferred", "unknown": "unknown"}
"""Kinds and textures that are drawn as lines, so that they are told apart without colour, and on paper."""

NOT_SUPPLIED, ABSENT = "supplied", "kind-absent"
"""What lies in a file or under a key that was not supplied; hatched as well, in grey."""

STRIP_HEIGHT = 18


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

    def lines(self, cell: int, crossed: bool = False) -> str:
        """Two slanting lines through a cell; `crossed` by two of the other slant."""
        x = GUTTER + cell % self.columns * self.cell_width + GAP / 2
        y = cell // self.columns * self.cell_height + GAP / 2
        width, height = self.cell_width - GAP, self.cell_height - GAP
        half, across = width / 2, f"{width / 2:.6g} {-height:.6g}"
        lines = f"M{x:.6g} {y + height:.6g}l{across}M{x + half:.6g} {y + height:.6g}l{across}"
        if crossed:
            back = f"{width / 2:.6g} {height:.6g}"
            lines += f"M{x:.6g} {y:.6g}l{back}M{x + half:.6g} {y:.6g}l{back}"
        return lines


def map_svg(cell_map: CellMap, marks: Iterable[tuple[int, int]] = (), of: str = "file") -> Html:
    """The drawing; `marks` are ranges (offset, length) that findings are about."""
    grid = _grid(len(cell_map.cells))
    shapes = [_kind_path(cell_map, grid, kind) for kind in dict.fromkeys(cell_map.cells)]
    shapes += [shape for kind in dict.fromkeys(cell_map.cells) for shape in _hatching(cell_map.cells, grid, kind)]
    shapes += [shape for word in ("inferred", "unknown") for shape in _hatching(cell_map.textures, grid, word)]
    marked = sorted({cell for mark in marks for cell in _cells_of(mark, cell_map)})
    if marked:
        shapes.append(element("path", class_="mark", d="".join(grid.outline(cell, 1.5) for cell in marked)))
    height = grid.rows * grid.cell_height
    label = f"Map of the {of}: {counted(len(cell_map.cells), 'cell')} of {size(cell_map.cell_size)}"
    return element(
        "svg",
        *(_row_label(cell_map, grid, row) for row in range(grid.rows)),
        *shapes,
        viewBox=f"0 0 {WIDTH} {height:.6g}",
        role="img",
        aria_label=label,
        xmlns="http://www.w3.org/2000/svg",
    )


def legend(cell_map: CellMap) -> Html:
    """The kinds that occur, with their colours and their bytes."""
    kinds = (*KINDS, *sorted(set(cell_map.bytes_by_kind) - set(KINDS)))
    present = [kind for kind in kinds if kind in cell_map.bytes_by_kind or kind in cell_map.cells]
    return element("ul", together(*(_legend_entry(kind, cell_map.bytes_by_kind) for kind in present)), class_="legend")


def legend_of_textures(cell_map: CellMap) -> Html:
    """How sure a recovery plan is of the bytes of the disk; nothing where there is no plan."""
    sums = cell_map.bytes_by_texture
    said = [_legend_entry(word, sums) for word in ("certain", *HATCHED) if word in sums]
    return element("ul", together(*said), class_="legend") if said else Html("")


def strip_svg(cells: Sequence[str], label: str, classes: str) -> Html:
    """Parts of a disk side by side, each in the colour of its word; neighbours of one word are one shape."""
    shapes, start = [], 0
    for word, run in groupby(cells):
        length = sum(1 for _ in run)
        path = f"M{start} 0h{length}v{STRIP_HEIGHT}h{-length}z"
        shapes.append(element("path", class_=f"{classes}-{word}", d=path))
        start += length
    return element(
        "svg",
        *shapes,
        viewBox=f"0 0 {max(start, 1)} {STRIP_HEIGHT}",
        preserveAspectRatio="none",
        class_="strip",
        role="img",
        aria_label=label,
        xmlns="http://www.w3.org/2000/svg",
    )


def _legend_entry(kind: str, sums: Mapping[str, int]) -> Html:
    length = sums.get(kind)
    amount = element("span", size(length), class_="quiet") if length is not None else Html("")
    return element("li", element("span", class_=f"swatch {_colour(kind)}"), element("span", kind), amount)


def _kind_path(cell_map: CellMap, grid: _Grid, kind: str) -> Html:
    cells = (cell for cell, owner in enumerate(cell_map.cells) if owner == kind)
    return element("path", class_=_colour(kind), d="".join(map(grid.outline, cells)))


def _hatching(words: Sequence[str], grid: _Grid, word: str) -> Iterator[Html]:
    """Lines over all cells of a word, if it is one that is drawn so."""
    cells = [cell for cell, said in enumerate(words) if said == word]
    look = HATCHED.get(word, "absent" if word.endswith(NOT_SUPPLIED) else "")
    if look and cells:
        lines = "".join(grid.lines(cell, crossed=look == "unknown") for cell in cells)
        yield element("path", class_=f"hatch hatch-{look}", d=lines)


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
    if kind.endswith(NOT_SUPPLIED):
        return ABSENT
    kind = LIKE.get(kind, kind)
    if kind in HATCHED or kind == "certain":
        return f"kind-{HATCHED.get(kind, kind)}"
    return f"kind-{KINDS.index(kind)}" if kind in KINDS else "kind-other"
