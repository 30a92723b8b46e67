"""What rules about the use of host clusters have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from forensic.finding import Problem, Problems, host
from forensic.qcow2.claims import in_words
from forensic.qcow2.usage import ClusterUsage

NAMED = 16
"""Clusters of one stretch whose owners are named; naming them costs one more walk over the tables."""


def at_clusters(usage: ClusterUsage, hits: npt.NDArray[np.bool_], say: Callable[[int], str]) -> Problems:
    """One problem for each host cluster that `hits` selects; `say` words it; the first ones name their owners."""
    rows = np.flatnonzero(hits)

    def described() -> Iterator[Problem]:
        claims = usage.claims.on_clusters(usage.clusters[rows[:NAMED]].tolist())
        size = usage.geometry.cluster_size
        for row in rows.tolist():
            cluster = int(usage.clusters[row])
            owners = claims.get(cluster, [])
            named = f": {in_words(owners)}" if owners else ""
            yield Problem(
                f"the host cluster at {cluster * size:#x} {say(row)}{named}",
                (host(cluster * size, size),),
                owners[0].path if owners else "",
                {
                    "refcount_stored": int(usage.stored[row]),
                    "references_counted": int(usage.counted[row]),
                    "owners": [claim.as_json() for claim in owners],
                },
            )

    return Problems(len(rows), described)
