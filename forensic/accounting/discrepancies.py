"""Discrepancies: host clusters whose references and refcount do not agree, and what else comparing them gives."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from forensic.accounting.cluster_counts import Use
from forensic.accounting.owners import ClusterOwners
from forensic.qcow2.arrays import I64, U64, Bools, NDArray
from forensic.qcow2.geometry import Geometry
from forensic.qcow2.refcounts import Counts


class ClusterUsage(Struct, frozen=True):
    """Host clusters whose use is not in order, one a row: number, stored and counted refcount, uses, its block's state.

    Every cluster with a refcount that is not its number of references is here, and every one that is used for two
    things or has a wrong copied bit; leaks are in `LeakedClusters`.
    """

    geometry: Geometry
    clusters: U64
    stored: U64
    counted: U64
    use: NDArray[np.uint8]
    block: NDArray[np.uint8]
    cluster_owners: ClusterOwners

    def uses(self, use: Use) -> Bools:
        """Which rows have any of these uses."""
        found: Bools = (self.use & np.uint8(use)) != 0
        return found


class LeakedClusters(ClusterUsage, frozen=True):
    """Host clusters with a higher refcount than references. Only there if every table could be read."""


class FreeClusters(Struct, frozen=True):
    """Host ranges inside the file that nothing refers to, `begins` and `ends` in bytes.

    `last_used_end` is the end of the last cluster in use that is known so far.
    """

    begins: I64
    ends: I64
    last_used_end: int


class RefcountsBeyondFile(Struct, frozen=True):
    """Refcounts that are set for host clusters past the end of the file: of one block, the first cluster and all."""

    geometry: Geometry
    table_index: int
    block_host_offset: int
    first_cluster: int
    counts: Counts


class Totals(Struct, frozen=True):
    """What the active disk's tables add up to."""

    geometry: Geometry
    file_size: int
    data_clusters: int
    compressed_clusters: int
    l1_tables: int
