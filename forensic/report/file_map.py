"""A map of the image file: which kind of owner each part of it has, in few enough cells to be drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

MAX_CELLS = 1536
"""Cells of a map: 64 in each of 24 rows."""

DATA_KINDS = ("data", "compressed", "snapshot data", "snapshot compressed", "zeroed")
"""Kinds that fill an image; any other kind is rare and therefore shown even where it fills little of a cell."""

UNOWNED = "unowned"
"""What no structure that was read leads to."""


class FileMap(Struct, frozen=True):
    """The file in cells of `cell_size` bytes, the last one shorter; `bytes_by_kind` counts exactly.

    Bytes that several owners claim are counted for each of them.
    """

    file_size: int
    cell_size: int
    cells: tuple[str, ...]
    bytes_by_kind: Mapping[str, int]

    def cell_at(self, host_offset: int) -> int:
        """The number of the cell that a host offset lies in."""
        return host_offset // self.cell_size


def file_map(file_size: int, ranges: Iterable[tuple[int, int, str]], granularity: int = 512) -> FileMap:
    """Sum up ranges (host offset, length, kind), in any order, into a map.

    A cell is a multiple of `granularity` (the cluster size), so that a small image shows cluster by cluster. Ranges
    are cut at the end of the file.
    """
    units = max(1, -(-file_size // granularity))
    cell_size = granularity * -(-units // MAX_CELLS)
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
    return FileMap(file_size, cell_size, tuple(_shown_kind(shares, bytes_by_kind) for shares in filled), bytes_by_kind)


def _shown_kind(shares: Mapping[str, int], bytes_by_kind: Mapping[str, int]) -> str:
    """The kind that stands for a cell: the header; of others that are no data the rarest in the file; the largest."""
    if "header" in shares:
        return "header"
    rare = [kind for kind in shares if kind not in DATA_KINDS]
    if rare:
        return min(rare, key=lambda kind: bytes_by_kind[kind])
    return max(shares, key=lambda kind: shares[kind], default=UNOWNED)
