"""Orphans: ranges of the file that no disk reads, but that count as in use or hold data.

These are the clusters with a higher refcount than references, and what is not zero in clusters that nothing refers to.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from msgspec import Struct

from forensic.accounting.discrepancies import LeakedClusters
from forensic.image import Identified
from forensic.qcow2.arrays import I64
from forensic.qcow2.intervals import merged
from forensic.residue.search import FreeResidue
from forensic.walk import structures

MAX_ORPHANS = 1 << 20
"""Ranges that are remembered; neighbours are one."""


class Orphans(Struct, frozen=True):
    """Ranges in the order of the file, `begins` and `ends` in bytes; not `complete` if there are more."""

    begins: I64
    ends: I64
    complete: bool

    def next(self, host_offset: int, backwards: bool = False) -> tuple[int, int] | None:
        """Host offset and length of the next range that begins after (or before) this byte; None if there is none."""
        if backwards:
            number = int(np.searchsorted(self.begins, host_offset)) - 1
        else:
            number = int(np.searchsorted(self.begins, host_offset, side="right"))
        if not 0 <= number < len(self.begins):
            return None
        begin = int(self.begins[number])
        return begin, int(self.ends[number]) - begin


def find_orphans(image: Identified, cancelled: Callable[[], bool] = lambda: False) -> Orphans:
    """Walk all tables once; where they could not be read in full, what is unused is not known and nothing is given."""
    found = [np.zeros((0, 2), dtype=np.int64)]
    count = 0
    for structure in structures(image, with_streams=False):
        if cancelled():
            return _in_order(found, False)
        if isinstance(structure, LeakedClusters):
            size = structure.geometry.cluster_size
            begins = structure.clusters.astype(np.int64) * size
            areas = np.stack([begins, begins + size], axis=1)
        elif isinstance(structure, FreeResidue):
            areas = structure.areas
        else:
            continue
        found.append(areas)
        count += len(areas)
        if count > MAX_ORPHANS:
            return _in_order(found, False)
    return _in_order(found, True)


def _in_order(found: list[I64], complete: bool) -> Orphans:
    areas = np.concatenate(found)
    ranges = merged(areas[np.argsort(areas[:, 0], kind="stable")])
    return Orphans(ranges[:, 0], ranges[:, 1], complete)
