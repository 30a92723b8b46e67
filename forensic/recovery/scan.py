"""What was seen of each sector of a file: what it looks like by itself, and where known structures seem to begin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from msgspec import Struct, field

from forensic.qcow2.arrays import I64, Bools, NDArray
from forensic.recovery.kinds import PAGE, Bytes, Kinds, Sector
from forensic.recovery.sectors import Signature

SECTORS_AT_ONCE = 1 << 20

Counts = NDArray[np.int16]
"""Numbers of sectors of clusters, which have 4,096 at most."""


class Places(Struct, frozen=True):
    """Sectors, by number, that begin with one signature; `more` were not remembered."""

    sectors: I64
    more: int = 0


class Scan(Struct, frozen=True):
    """What each sector of the file looks like, and where known structures seem to begin.

    From host offset `stopped_at` on only structures that something leads to were looked at; None if all was. What was
    found by it, and takes long to find, is `remembered` by name.
    """

    sectors: Kinds
    signatures: dict[Signature, Places]
    file_size: int
    stopped_at: int | None = None
    remembered: dict[str, Any] = field(default_factory=dict)

    def without(self, owned: Callable[[I64], Bools]) -> Scan:
        """The same with the sectors that are `owned` as if they were zeros: they belong to something else."""
        kinds = Kinds(len(self.sectors), self.sectors.unread_from)
        for pages, rows in self.sectors.stretches():
            numbers = pages[:, np.newaxis] * PAGE + np.arange(PAGE)
            rows[owned(np.minimum(numbers, len(self.sectors) - 1))] = Sector.ZERO
            kinds.put_pages(pages, rows)
        kept = {kind: Places(one.sectors[~owned(one.sectors)], one.more) for kind, one in self.signatures.items()}
        return Scan(kinds, kept, self.file_size, self.stopped_at)

    def used_clusters(self, cluster_bits: int, also_unread: bool = False) -> Iterator[I64]:
        """The clusters that hold something other than zeros, in rising order, some at a time.

        `also_unread` counts in those that could not be read, but not what a search that was stopped did not come to.
        """
        kinds = tuple(one for one in Sector if one != Sector.ZERO and (also_unread or one != Sector.UNREAD))
        for clusters, _, (used,) in self.counts(cluster_bits, kinds):
            yield clusters[used > 0]

    def zero_among(self, clusters: I64, cluster_bits: int) -> Bools:
        """Which of some clusters hold nothing but zeros, or cannot be read; there may be many others in the file."""
        per_cluster = 1 << (cluster_bits - 9)
        found = np.zeros(len(clusters), dtype=np.bool_)
        step = max(1, SECTORS_AT_ONCE // per_cluster // 8)
        for at in range(0, len(clusters), step):
            places = clusters[at : at + step, np.newaxis] * per_cluster + np.arange(per_cluster)
            past = places >= len(self.sectors)
            places[past] = len(self.sectors) - 1
            zero = is_one_of(self.sectors.at(places), (Sector.ZERO, Sector.UNREAD)) | past
            found[at : at + step] = zero.all(axis=1)
        return found

    def counts(self, cluster_bits: int, *kinds: tuple[Sector, ...]) -> Iterator[tuple[I64, Counts, list[Counts]]]:
        """Some clusters at a time, how many sectors each has, and how many of some kinds, in rising order.

        Clusters that lie in holes are left out, and of those that lie partly in holes these sectors: none of the kinds
        may be `ZERO`. Only the last cluster of the file may be a short one.
        """
        per_cluster = 1 << (cluster_bits - 9)
        for pages, rows in self.sectors.stretches(max(1, per_cluster // PAGE)):
            length = min(per_cluster, PAGE)
            numbers = (pages[:, np.newaxis] * PAGE + np.arange(0, PAGE, length)).reshape(-1) // per_cluster
            sums = [is_one_of(rows, one).reshape(-1, length).sum(axis=1, dtype=np.int16) for one in kinds]
            if per_cluster > PAGE:
                first = np.flatnonzero(np.append(True, numbers[1:] != numbers[:-1]))
                numbers, sums = numbers[first], [np.add.reduceat(one, first) for one in sums]
            inside = numbers * per_cluster < len(self.sectors)
            numbers = numbers[inside]
            sectors = np.minimum(len(self.sectors) - numbers * per_cluster, per_cluster).astype(np.int16)
            yield numbers, sectors, [one[inside] for one in sums]

    def where(self, kinds: tuple[Sector, ...], most: int) -> I64:
        """The sectors of some kinds, up to so many; no kind may be `ZERO`."""
        found: list[I64] = []
        left = most
        for pages, rows in self.sectors.stretches():
            if left <= 0:
                break
            row, column = (one[:left] for one in np.nonzero(is_one_of(rows, kinds)))
            found.append(pages[row] * PAGE + column)
            left -= len(row)
        return np.concatenate([np.zeros(0, np.int64), *found])

    def totals(self) -> list[int]:
        """How many sectors of each kind were seen; those of holes are in none."""
        sums = np.zeros(len(Sector), dtype=np.int64)
        for _, rows in self.sectors.stretches():
            sums += np.bincount(rows.reshape(-1), minlength=len(Sector))
        return [int(one) for one in sums]

    def table_like(self, first_sectors: I64, per_cluster: int, kinds: tuple[Sector, ...]) -> Bools:
        """Which sectors of the clusters that begin with these are of some kinds; past the end of the file none is."""
        places = first_sectors[:, np.newaxis] + np.arange(per_cluster)
        inside = places < len(self.sectors)
        found: Bools = is_one_of(self.sectors.at(np.minimum(places, len(self.sectors) - 1)), kinds) & inside
        return found


def is_one_of(sectors: Bytes, kinds: tuple[Sector, ...]) -> Bools:
    """Which sectors are of any of these kinds."""
    table = np.zeros(256, dtype=np.bool_)
    table[list(kinds)] = True
    found: Bools = table[sectors]
    return found
