"""Maps of the image file and of the disk in it: which kind each part is of, in few enough cells to be drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

MAX_CELLS = 1536
"""Cells of a map: 64 in each of 24 rows."""

DATA_KINDS = ("data", "compressed", "snapshot data", "snapshot compressed", "zeroed")
"""Kinds that fill an image; any other kind is rare and therefore shown even where it fills little of a cell."""

UNOWNED = "unowned"
"""What no structure that was read leads to."""


class CellMap(Struct, frozen=True):
    """The file or a disk in cells of `cell_size` bytes, the last one shorter; `bytes_by_kind` counts exactly.

    Bytes of the file that several owners claim are counted for each of them. Of a disk that is read by a recovery
    plan, `textures` says how sure the least sure bytes of each cell are, `bytes_by_texture` of all bytes. `note` says
    what the map leaves out.
    """

    size: int
    cell_size: int
    cells: tuple[str, ...]
    bytes_by_kind: Mapping[str, int]
    textures: tuple[str, ...] = ()
    bytes_by_texture: Mapping[str, int] = {}
    note: str = ""

    def cell_at(self, offset: int) -> int:
        """The number of the cell that an offset lies in."""
        return offset // self.cell_size


class StateStrip(Struct, frozen=True):
    """A state of the disk beside the one before: in equal parts what is most telling of each, and sums in bytes.

    A part is `new`, `shared` with the state before, `gone`, or `nothing`; `taken` is empty for the active disk.
    """

    name: str
    taken: str
    cells: tuple[str, ...]
    new: int
    shared: int
    gone: int


def cell_size_for(size: int, granularity: int) -> int:
    """The smallest multiple of a size of clusters of which few enough cover everything."""
    units = max(1, -(-size // granularity))
    return granularity * -(-units // MAX_CELLS)


def file_map(file_size: int, ranges: Iterable[tuple[int, int, str]], granularity: int = 512) -> CellMap:
    """Sum up ranges (host offset, length, kind), in any order, into a map.

    A cell is a multiple of `granularity` (the cluster size), so that a small image shows cluster by cluster. Ranges
    are cut at the end of the file.
    """
    cell_size = cell_size_for(file_size, granularity)
    filled: list[dict[str, int]] = [{} for _ in range(-(-file_size // cell_size))]
    bytes_by_kind: dict[str, int] = {}
    for host_offset, length, kind in ranges:
        end = min(host_offset + length, file_size)
        if end <= host_offset:
            continue
        bytes_by_kind[kind] = bytes_by_kind.get(kind, 0) + end - host_offset
        for cell in range(host_offset // cell_size, -(-end // cell_size)):
            share = min(end, (cell + 1) * cell_size) - max(host_offset, cell * cell_size)
            filled[cell][kind] = filled[cell].get(kind, 0) + share
    return CellMap(file_size, cell_size, tuple(_shown_kind(shares, bytes_by_kind) for shares in filled), bytes_by_kind)


def _shown_kind(shares: Mapping[str, int], bytes_by_kind: Mapping[str, int]) -> str:
    """The kind that stands for a cell: the header; of others that are no data the rarest in the file; the largest."""
    if "header" in shares:
        return "header"
    rare = [kind for kind in shares if kind not in DATA_KINDS]
    if rare:
        return min(rare, key=lambda kind: bytes_by_kind[kind])
    return max(shares, key=lambda kind: shares[kind], default=UNOWNED)
