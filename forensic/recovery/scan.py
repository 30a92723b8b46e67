"""What was seen of each sector of a file: what it looks like by itself, and where known structures seem to begin."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from forensic.qcow2.arrays import I64, Bools
from forensic.recovery.sectors import Bytes, Kinds, Sector, Signature

SECTORS_AT_ONCE = 1 << 20

NO_SECTOR = 255

Counts = npt.NDArray[np.int16]
"""Numbers of sectors of clusters, which have 4,096 at most."""


class Places(Struct, frozen=True):
    """Sectors, by number, that begin with one signature; `more` were not remembered."""

    sectors: I64
    more: int = 0


class Scan(Struct, frozen=True):
    """What each sector of the file looks like, and where known structures seem to begin.

    From host offset `stopped_at` on only structures that something leads to were looked at; None if all was.
    """

    sectors: Kinds
    signatures: dict[Signature, Places]
    file_size: int
    stopped_at: int | None = None

    def without(self, sectors: Bools) -> Scan:
        """The same with these sectors as if they were zeros: they belong to something else."""
        kinds = Kinds(len(self.sectors))
        for first in range(0, len(self.sectors), SECTORS_AT_ONCE):
            part = self.sectors.part(first, first + SECTORS_AT_ONCE)
            part[sectors[first : first + len(part)]] = Sector.ZERO
            kinds.put(first + np.arange(len(part)), part)
        kept = {kind: Places(one.sectors[~sectors[one.sectors]], one.more) for kind, one in self.signatures.items()}
        return Scan(kinds, kept, self.file_size, self.stopped_at)

    def zero_clusters(self, cluster_bits: int, also_unread: bool = True) -> Bools:
        """Which clusters hold nothing but zeros, or cannot be read."""
        kinds = (Sector.ZERO, Sector.UNREAD) if also_unread else (Sector.ZERO,)
        found: Bools = np.zeros(-(-len(self.sectors) // (1 << (cluster_bits - 9))), dtype=np.bool_)
        for first, sectors, (zero,) in self.counts(cluster_bits, kinds):
            found[first : first + len(zero)] = zero == sectors
        return found

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

    def counts(self, cluster_bits: int, *kinds: tuple[Sector, ...]) -> Iterator[tuple[int, Counts, list[Counts]]]:
        """How many sectors some clusters have at a time, and how many of some kinds: the first cluster, and the counts.

        There may be tens of millions of clusters, so it is done in parts. Only the last cluster may be a short one.
        """
        per_cluster = 1 << (cluster_bits - 9)
        clusters = -(-len(self.sectors) // per_cluster)
        step = max(1, SECTORS_AT_ONCE // per_cluster)
        for first in range(0, clusters, step):
            part = self.sectors.part(first * per_cluster, (first + step) * per_cluster)
            count = np.full(-(-len(part) // per_cluster), per_cluster, dtype=np.int16)
            if short := len(part) % per_cluster:
                count[-1] = short
                part = np.append(part, np.full(per_cluster - short, NO_SECTOR, dtype=np.uint8))
            rows = part.reshape(-1, per_cluster)
            yield first, count, [is_one_of(rows, one).sum(axis=1, dtype=np.int16) for one in kinds]

    def where(self, kinds: tuple[Sector, ...], most: int) -> I64:
        """The sectors of some kinds, up to so many."""
        found: list[I64] = []
        left = most
        for first in range(0, len(self.sectors), SECTORS_AT_ONCE):
            if left <= 0:
                break
            places = np.flatnonzero(is_one_of(self.sectors.part(first, first + SECTORS_AT_ONCE), kinds))[:left]
            found.append(places + first)
            left -= len(places)
        return np.concatenate([np.zeros(0, np.int64), *found])

    def totals(self) -> list[int]:
        """How many sectors of each kind there are."""
        sums = np.zeros(len(Sector), dtype=np.int64)
        for first in range(0, len(self.sectors), SECTORS_AT_ONCE):
            sums += np.bincount(self.sectors.part(first, first + SECTORS_AT_ONCE), minlength=len(Sector))
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
