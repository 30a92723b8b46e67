"""An image beneath another: what lay in a file or on a device before an image was created or converted over it.

Tables of the older image are those that the one of now does not own; what they lead to is the older disk's, as far as
the one of now has not taken it. The two are never mixed, and of the older one nothing is certain.
"""

from __future__ import annotations

from msgspec.structs import replace

from forensic.qcow2.arrays import distinct
from forensic.recovery.accounts import Accounts
from forensic.recovery.layout import Knowledge, Layout, layout_by_content
from forensic.recovery.placement.slots import orphans_of, without_nested
from forensic.recovery.tally import Tally
from forensic.recovery.understanding import accounts_of, kept
from forensic.recovery.work import Work


def beneath(work: Work, knowledge: Knowledge) -> Work | None:
    """What is known of the image beneath; None if no tables are left of one.

    Its refcounts are not looked for: those that are found are mostly of the image of now.
    """
    if not work.accounts.possible:
        return None
    bits = work.geometry.cluster_bits
    found = work.found.without(lambda sectors: work.accounts.are_claimed(sectors >> (bits - 9)))
    by_content = layout_by_content(work.evidence, found, replace(knowledge, l1_offset=None, header=None))
    if by_content is None:
        return None
    geometry = replace(by_content.geometry, refcount_table_offset=0, refcount_table_clusters=0)
    layout: Layout = replace(by_content, geometry=geometry, doubtful=True)
    layout.taken = _taken(work.accounts, geometry.cluster_bits, work.evidence.size)
    entries, broken = kept(work.evidence, found, layout)
    accounts = accounts_of(work.evidence, found, layout, entries)
    orphans = without_nested(orphans_of(layout.candidates, accounts), accounts)
    return Work(work.evidence, found, layout, accounts, entries, broken, orphans, [], True)


def _taken(accounts: Accounts, cluster_bits: int, file_size: int) -> Tally:
    """Which clusters of another size hold anything that the image of now claims."""
    own = accounts.geometry.cluster_bits
    found = Tally(-(-file_size >> cluster_bits))
    for clusters in accounts.claimed_clusters():
        first = clusters << own >> cluster_bits
        for step in range(1 << max(0, own - cluster_bits)):
            numbers = distinct(first + step)
            found.add(numbers[numbers < found.size])
    return found
