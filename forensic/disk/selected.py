"""A disk of which only some ranges are wanted: the others are absent, and nothing is read for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from forensic.disk.disk import Disk
from forensic.mapping.extents import Reason, Run

if TYPE_CHECKING:  # numpy is loaded where arrays are needed
    from forensic.mapping.rows import Rows
    from forensic.qcow2.arrays import U64


class Selection(Struct, frozen=True, eq=False):
    """Guest ranges that are wanted, by their `edges`: where the first begins, where it ends, where the second begins …

    They are in order, do not touch, and hold no two equal numbers.
    """

    edges: U64

    def parts(self, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
        """A guest range in parts that are wanted or not: start, end, and which."""
        import numpy as np

        at = int(np.searchsorted(self.edges, start, side="right"))
        while start < end:
            stop = min(end, int(self.edges[at])) if at < len(self.edges) else end
            yield start, stop, at % 2 == 1
            start, at = stop, at + 1

    def marked(self, rows: Rows) -> Rows:
        """The rows with those absent that are not wanted, cut where a wanted range begins or ends."""
        import numpy as np

        from forensic.disk.chain import pieces_at
        from forensic.mapping.rows import coalesced, mark_absent
        from forensic.qcow2.arrays import distinct

        if not len(rows):
            return rows
        begin, end = int(rows["guest_offset"][0]), int(rows["guest_offset"][-1]) + int(rows["length"][-1])
        first, stop = np.searchsorted(self.edges, [begin, end])
        starts = distinct(np.concatenate([rows["guest_offset"], self.edges[first:stop]]))
        pieces = pieces_at(rows, starts, end)
        inside = np.searchsorted(self.edges, pieces["guest_offset"], side="right") % 2 == 1
        mark_absent(pieces, ~inside, Reason.NOT_MARKED)
        pieces["host_offset"][~inside] = 0
        pieces["stored_length"][~inside] = 0
        return coalesced(pieces)


class SelectedDisk(Disk, frozen=True, kw_only=True):
    """A disk with the ranges of it that are wanted."""

    selection: Selection

    @classmethod
    def of(cls, disk: Disk, selection: Selection, caveat: str) -> SelectedDisk:
        """The wanted ranges of a disk, with what has to be said of how they were chosen."""
        return cls(
            disk.target,
            disk.size,
            disk.layers,
            disk.inputs,
            (*disk.caveats, caveat),
            disk.contradictions,
            selection=selection,
        )

    def readable_batches(self, guest_start: int = 0, guest_end: int | None = None) -> Iterator[Rows]:
        """As of any disk, with every range absent that is not wanted."""
        for rows in super().readable_batches(guest_start, guest_end):
            yield self.selection.marked(rows)

    def readable_runs(self, guest_start: int = 0, guest_end: int | None = None) -> Iterator[list[Run]]:
        """The rows of `readable_batches` as plain numbers."""
        for rows in self.readable_batches(guest_start, guest_end):
            yield rows.tolist()
