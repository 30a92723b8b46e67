"""How sure a byte is. This is the only place that says *certain*.

*Certain* means that it follows from metadata that is intact, not that nobody has tampered with it: a forged pointer
costs an attacker nothing. *Inferred* has a method and a number behind it. *Unknown* has neither, and is never passed
off as zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum, StrEnum

import numpy as np
from msgspec import Struct

from forensic.qcow2.arrays import I64, U64, Bools, NDArray
from forensic.qcow2.entries import ZERO_FLAG
from forensic.qcow2.tables import L2Batch
from forensic.recovery.accounts import Accounts, located, mostly_overwritten
from forensic.recovery.sectors import in_sectors
from forensic.recovery.tally import Tally


class Certainty(StrEnum):
    """What may be said of a byte."""

    CERTAIN = "certain"
    INFERRED = "inferred"
    UNKNOWN = "unknown"


class Method(StrEnum):
    """How a decision was reached."""

    HEADER = "header"  # the header's own pointers
    L1_BY_CONTENT = "l1_by_content"  # the one cluster that reads as the L1 table
    OTHER_L1 = "other_l1"  # the L1 table of a snapshot, or an older one
    ONLY_SLOT = "only_slot"  # one table, and one slot that it can have
    ANCHORS = "anchors"  # structures of the guest that say where they are
    TWIN = "twin"  # a table that leads to the same clusters as one that is placed
    PATTERN = "pattern"  # its entries fit what the guest's file system has in use
    ORDER = "order"  # tables in the order of the file
    OLDER_TABLE = "older_table"  # an older table of a slot whose table is lost
    EXACT_COUNT = "exact_count"  # as many clusters as a lost table had entries, where a converter puts them
    ANCHORED_DATA = "anchored_data"  # structures in the data of a lost table that say where they are
    OLD_SNAPSHOT = "old_snapshot"  # an entry of a snapshot table that is not in use any more
    CLOSED_ACCOUNTS = "closed_accounts"  # everything in use is accounted for
    OPEN_ACCOUNTS = "open_accounts"  # something is
    CONTENT = "content"  # a field of the header, by what the tables say
    EXAMINER = "examiner"


CONFIDENCE = {
    Method.HEADER: 0.99,
    Method.L1_BY_CONTENT: 0.95,
    Method.OTHER_L1: 0.95,
    Method.ONLY_SLOT: 0.95,
    Method.ANCHORS: 0.97,
    Method.TWIN: 0.9,
    Method.PATTERN: 0.9,
    Method.ORDER: 0.75,
    Method.OLDER_TABLE: 0.6,
    Method.EXACT_COUNT: 0.85,
    Method.ANCHORED_DATA: 0.9,
    Method.OLD_SNAPSHOT: 0.9,
    Method.CLOSED_ACCOUNTS: 0.99,
    Method.OPEN_ACCOUNTS: 0.6,
    Method.CONTENT: 0.95,
    Method.EXAMINER: 0.9,
}


class Why(IntEnum):
    """Why a range is less sure than the table that it stands in."""

    NONE = 0
    CLAIMED_TWICE = 1
    REFCOUNT_ZERO = 2
    EMPTY_BESIDE_ENTRIES = 3
    BESIDE_IMPOSSIBLE = 4
    NOT_RECOVERED = 16
    EMPTINESS_DOUBTFUL = 17
    OVERWRITTEN = 18
    SUSPECT_ZONE = 19
    BAD_SECTOR = 20

    @property
    def certainty(self) -> Certainty:
        """What it leaves of *certain*."""
        if self == Why.NONE:
            return Certainty.CERTAIN
        return Certainty.INFERRED if self < Why.NOT_RECOVERED else Certainty.UNKNOWN

    @property
    def code(self) -> str:
        """The name in plans and reports."""
        return self.name.lower()


Whys = NDArray[np.uint8]


class Standing(Struct, frozen=True):
    """What is known of the whole file when single entries are judged.

    `closed`: everything in use is accounted for. `suspect` are host ranges, each (start, end), that something may have
    been written over, `bad` the host clusters in which the medium has failed. `few_wrong`: no more clusters are
    unaccounted for than entries are impossible, so each may be where one of these led.
    """

    accounts: Accounts
    closed: bool
    suspect: tuple[tuple[int, int], ...] = ()
    bad: Tally | None = None
    few_wrong: bool = False

    @classmethod
    def of(
        cls,
        accounts: Accounts,
        closed: bool,
        suspect: tuple[tuple[int, int], ...] = (),
        bad: Tally | None = None,
    ) -> Standing:
        """What the accounts say now."""
        few_wrong = 0 < accounts.unexplained <= accounts.wrong_entries and accounts.usable
        return cls(accounts, closed, suspect, bad, few_wrong)


def of_pointers(intact_header: bool, suspect_everywhere: bool) -> Certainty:
    """Tables that the header leads to are certain, unless what overwrote the start of the file went on elsewhere."""
    return Certainty.CERTAIN if intact_header and not suspect_everywhere else Certainty.INFERRED


def of_l1_by_content(rivals: int, accounts: Accounts, suspect_everywhere: bool) -> Certainty:
    """An L1 table that was found by its content.

    It is certain if there is no other that is in use, if the stored refcounts agree with all that it leads to, and if
    they know of nothing else: a snapshot's L1 table would leave the clusters of the disk unexplained.
    """
    sure = rivals == 0 and accounts.usable and accounts.closed and not suspect_everywhere
    return Certainty.CERTAIN if sure else Certainty.INFERRED


def of_only_slot(size_known: bool, rivals: int, accounts: Accounts, suspect_everywhere: bool) -> Certainty:
    """A table of a disk that has one slot: certain if the size is known, and the accounts close with it alone."""
    sure = size_known and rivals == 0 and accounts.usable and accounts.closed and not suspect_everywhere
    return Certainty.CERTAIN if sure else Certainty.INFERRED


def of_anchors(proving: int, rivals: int, current: bool, suspect_everywhere: bool) -> Certainty:
    """A table placed by structures of the guest.

    It is certain if two or more of them with right checksums agree, whose file system can begin nowhere else; if no
    other table was found for its slot; and if it is no older version: it has one reference, by its refcount or by the
    copied bits that a snapshot would have cleared.
    """
    sure = proving >= 2 and rivals == 0 and current and not suspect_everywhere
    return Certainty.CERTAIN if sure else Certainty.INFERRED


def of_old_snapshot() -> Certainty:
    """A deleted snapshot is never certain: a cluster that the disk shares with it may have been rewritten in place."""
    return Certainty.INFERRED


def of_size(by_header: bool, told: bool) -> Certainty:
    """The size of the disk, where the header or the examiner gives it and no table maps more."""
    return Certainty.CERTAIN if by_header and not told else Certainty.INFERRED


def of_emptiness(closed: bool, all_placed_certainly: bool) -> Certainty:
    """A slot without a table is empty: certain only if the accounts close, and no table was placed by inference."""
    if not closed:
        return Certainty.UNKNOWN
    return Certainty.CERTAIN if all_placed_certainly else Certainty.INFERRED


def whys_of(batch: L2Batch, good: Bools, standing: Standing) -> Whys:
    """Of each entry of some tables, why it is less sure than its table.

    An entry outside a sector that reads as part of a table says nothing. One that leads to a cluster which is claimed
    twice, or not in use by its refcount, may be wrong. An entry that leads nowhere is empty only if the accounts close;
    otherwise it may have been wiped, which is less likely in a sector with entries that lead somewhere. Nothing in a
    table that was overwritten in more than a few sectors is certain, unless the accounts close.
    """
    accounts, geometry = standing.accounts, batch.geometry
    whys = np.zeros(batch.entries.shape, dtype=np.uint8)
    places, streams = located(batch, good)
    empty = good & (places == 0) & ~streams
    if geometry.external_data_file:
        empty = good & ((batch.entries & np.uint64(~ZERO_FLAG & (1 << 64) - 1)) == 0)
    first, last = _clusters(batch, places, streams)
    if accounts.possible and not geometry.external_data_file:
        leads = (places != 0) | streams
        whys[leads & _any(accounts.are_twice, first, last, accounts.clusters)] = Why.CLAIMED_TWICE
        whys[leads & _any(accounts.are_unused, first, last, accounts.clusters)] = Why.REFCOUNT_ZERO
        if accounts.taken is not None:
            whys[leads & _any(accounts.taken.are_counted, first, last, accounts.clusters)] = Why.OVERWRITTEN
    for start, end in standing.suspect:
        begin, stop = start >> geometry.cluster_bits, -(-end // geometry.cluster_size)
        whys[((places != 0) | streams) & (first < stop) & (last >= begin)] = Why.SUSPECT_ZONE
    if standing.bad is not None:
        touched = _any(standing.bad.are_counted, first, last, standing.bad.size)
        whys[((places != 0) | streams) & touched] = Why.BAD_SECTOR
    if not standing.closed:
        doubt = np.where(_beside_entries(batch, places, streams), Why.EMPTY_BESIDE_ENTRIES, Why.EMPTINESS_DOUBTFUL)
        whys[empty] = Why.EMPTY_BESIDE_ENTRIES if standing.few_wrong else doubt[empty]
    beside = in_sectors(batch, ~good & batch.in_file())
    if not standing.closed:  # what is left of a table may be what was written over it
        beside |= mostly_overwritten(batch, good)[:, np.newaxis]
    whys[(whys == Why.NONE) & beside] = Why.BESIDE_IMPOSSIBLE
    whys[~good] = Why.OVERWRITTEN
    return whys


def _clusters(batch: L2Batch, places: U64, streams: Bools) -> tuple[I64, I64]:
    """The first and the last host cluster that each entry leads to."""
    from forensic.qcow2.entries import compressed_host_offset, compressed_stored_length

    bits = np.uint64(batch.geometry.cluster_bits)
    first = (places >> bits).astype(np.int64)
    last = first.copy()
    if streams.any():
        begin = compressed_host_offset(batch.entries[streams], batch.geometry.cluster_bits)
        end = begin + compressed_stored_length(batch.entries[streams], batch.geometry.cluster_bits)
        first[streams] = (begin >> bits).astype(np.int64)
        last[streams] = ((end - np.uint64(1)) >> bits).astype(np.int64)
    return first, last


def _any(are_so: Callable[[I64], Bools], first: I64, last: I64, clusters: int) -> Bools:
    """Whether any of the clusters from `first` to `last` is so; what lies past the end of the file is not."""
    found: Bools = np.zeros(first.shape, dtype=np.bool_)
    at = first
    while (inside := (at <= last) & (at < clusters)).any():  # a stream lies in three clusters at most
        found[inside] |= are_so(at[inside])
        at = at + 1
    return found


def _beside_entries(batch: L2Batch, places: U64, streams: Bools) -> Bools:
    """Which entries stand in a sector with one that leads somewhere."""
    return in_sectors(batch, (places != 0) | streams)
