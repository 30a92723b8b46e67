"""An image beneath another: what lay in a file or on a device before an image was created or converted over it.

Tables of the older image are those that the one of now does not own; what they lead to is the older disk's, as far as
the one of now has not taken it. The two are never mixed, and of the older one nothing is certain.
"""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace

from forensic.qcow2.arrays import Bools
from forensic.qcow2.entries import SECTOR_SIZE
from forensic.recovery.layout import Knowledge, Layout, layout_by_content
from forensic.recovery.placement.slots import orphans_of, without_nested
from forensic.recovery.understanding import accounts_of, kept
from forensic.recovery.work import Work


def beneath(work: Work, knowledge: Knowledge) -> Work | None:
    """What is known of the image beneath; None if no tables are left of one.

    Its refcounts are not looked for: those that are found are mostly of the image of now.
    """
    if not work.accounts.possible:
        return None
    owned = _owned_sectors(work)
    found = work.found.without(owned)
    by_content = layout_by_content(work.evidence, found, replace(knowledge, l1_offset=None, header=None))
    if by_content is None:
        return None
    geometry = replace(by_content.geometry, refcount_table_offset=0, refcount_table_clusters=0)
    layout: Layout = replace(by_content, geometry=geometry, doubtful=True)
    layout.taken = _in_clusters(owned, geometry.cluster_bits)
    entries, broken = kept(work.evidence, found, layout)
    accounts = accounts_of(work.evidence, found, layout, entries)
    orphans = without_nested(orphans_of(layout.candidates, accounts), accounts)
    return Work(work.evidence, found, layout, accounts, entries, broken, orphans, [], True)


def _owned_sectors(work: Work) -> Bools:
    """The sectors of every cluster that the image of now claims."""
    per_cluster = work.geometry.cluster_size // SECTOR_SIZE
    found: Bools = np.repeat(work.accounts.claimed, per_cluster)[: len(work.found.sectors)]
    return found


def _in_clusters(sectors: Bools, cluster_bits: int) -> Bools:
    """Which clusters of another size hold any of these sectors."""
    per_cluster = (1 << cluster_bits) // SECTOR_SIZE
    padded = np.append(sectors, np.zeros(-len(sectors) % per_cluster, dtype=np.bool_))
    found: Bools = np.asarray(padded.reshape(-1, per_cluster).any(axis=1))
    return found
