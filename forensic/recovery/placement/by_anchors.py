"""Placing tables by what the guest's file systems say of their own addresses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from msgspec import Struct, field
from msgspec.structs import replace

from forensic.evidence import Evidence
from forensic.numbers import counted
from forensic.qcow2.arrays import I64, U64
from forensic.recovery.accounts import Accounts, located
from forensic.recovery.anchors import find_anchors, partitions
from forensic.recovery.anchors.anchor import Anchor
from forensic.recovery.certainty import Method, of_anchors
from forensic.recovery.placement.in_streams import Decoded, anchors_of, decode_for_anchors
from forensic.recovery.placement.slots import Placed, is_current
from forensic.recovery.placement.starts import DiskShape, Said, Start, Within, starts_of
from forensic.recovery.tally import Tally

FARTHEST = 1 << 60
"""Bytes from the start of a file system beyond which no structure is believed to lie."""

AGREEING = 0.8
"""The share of a table's anchors that have to agree on its slot."""

MOST_SHARED = 1 << 21
"""Clusters with several references that are looked at; if there are more, tables are taken to share some."""


class Votes(Struct):
    """What the anchors of one file system say of the slot of one table; those `against` fit none."""

    slots: Counter[int] = field(default_factory=Counter)
    checked: Counter[int] = field(default_factory=Counter)
    against: int = 0
    kinds: set[str] = field(default_factory=set)

    @property
    def slot(self) -> int:
        """The slot on which they agree; -1 if they do not."""
        slot, count = self.slots.most_common(1)[0] if self.slots else (-1, 0)
        return slot if count >= AGREEING * (self.slots.total() + self.against) else -1


class System(Struct):
    """A file system of the guest: where it begins and ends, and what it says of each table."""

    start: Start
    span: int
    votes: dict[int, Votes] = field(default_factory=dict)
    contradicted: bool = False

    @property
    def slots(self) -> dict[int, int]:
        """The tables that it gives a slot."""
        return {table: votes.slot for table, votes in self.votes.items() if votes.slot >= 0}

    def overlaps(self, other: System) -> bool:
        """Whether both lie on the same part of the disk."""
        begin, end = self.start.offset, self.start.offset + self.span
        return begin < other.start.offset + other.span and other.start.offset < end


def by_anchors(
    accounts: Accounts,
    orphans: U64,
    placed: Sequence[tuple[int, int]],
    slot_count: int,
    disk: DiskShape,
    decoded: Decoded,
    counted_now: bool,
    doubtful: bool,
) -> list[Placed]:
    """The orphans whose data holds structures that say where they are; `placed` are slots and tables that are known.

    Clusters that are compressed are decoded, and kept in `decoded`. `counted_now` says that the refcounts know of the
    orphans. Otherwise they may be of several images that lay here one after the other, and nothing is certain where
    anything shows that.
    """
    if not accounts.possible or not len(orphans):
        return []
    slots = {table: slot for slot, table in placed}
    within, starts, shared = _within_and_starts(accounts, orphans, slots, disk, decoded)
    systems = _systems(within, starts, accounts.geometry.l1_coverage, slot_count)
    kept = without_contradictions(systems, slots)
    if not counted_now:
        doubtful |= shared or any(one.overlaps(other) for one, other in combinations(kept, 2))
    chosen: dict[int, list[System]] = {}
    for one in kept:
        for table in one.slots:
            chosen.setdefault(table, []).append(one)
    slot_of = {table: said[0].slots[table] for table, said in chosen.items()}
    claims = Counter(slot_of.values())
    known = set(slots.values())
    found = []
    for table, slot in sorted(slot_of.items()):
        if table in slots:
            continue
        votes = [(one, one.votes[table]) for one in chosen[table]]
        proving = sum(one.checked[slot] for system, one in votes if system.start.sure and not system.contradicted)
        current = is_current(accounts, table, counted_now)
        how = of_anchors(proving, claims[slot] - 1 + (slot in known), current, doubtful)
        count = sum(one.slots[slot] for _, one in votes)
        kinds = sorted({kind for _, one in votes for kind in one.kinds})
        because = f"{counted(count, 'structure')} of the guest {'says' if count == 1 else 'say'} so: {', '.join(kinds)}"
        found.append(Placed(slot, table, Method.ANCHORS, how, because))
    return found


def anchors_with_starts(
    accounts: Accounts, orphans: U64, placed: Sequence[tuple[int, int]], disk: DiskShape, decoded: Decoded
) -> list[tuple[Anchor, int]]:
    """Every anchor in the data of tables whose file system has a known start, and that start."""
    if not accounts.possible:
        return []
    slots = {table: slot for slot, table in placed}
    within, starts, _ = _within_and_starts(accounts, orphans, slots, disk, decoded)
    systems = _systems(within, starts, accounts.geometry.l1_coverage, 1 << 62)
    kept = {id(one.start) for one in without_contradictions(systems, slots)}
    return [
        (anchor, starts[anchor.system].offset)
        for anchor in within.anchors
        if anchor.system in starts and id(starts[anchor.system]) in kept
    ]


def starts_by_tables(accounts: Accounts, placed: Sequence[tuple[int, int]], disk: DiskShape) -> dict[bytes, int]:
    """Where the file systems begin of which structures lie in the data of tables that are placed."""
    nothing = np.zeros(0, np.uint64)
    return {anchor.system: start for anchor, start in anchors_with_starts(accounts, nothing, placed, disk, Decoded())}


def without_contradictions(systems: Sequence[System], placed: dict[int, int]) -> list[System]:
    """The file systems that can be on one disk; `placed` are tables and their slots.

    Two that give one table two slots, or one slot two tables, cannot both be: one is a file of the other, or the
    structures are of different times. Where they lie on the same part of the disk, the one that is sure, else the
    larger one is believed, since a file lies within its file system. Neither of them proves anything after that.
    """
    kept: list[System] = []
    table_of: dict[int, tuple[int, System]] = {}
    slot_of: dict[int, tuple[int, System | None]] = {table: (slot, None) for table, slot in placed.items()}
    for one in sorted(systems, key=lambda one: (not one.start.sure, -one.span, -len(one.votes))):
        rivals: list[System | None] = []
        for table, slot in one.slots.items():
            other_slot, placed_by = slot_of.get(table, (slot, None))
            other_table, claimed_by = table_of.get(slot, (table, None))
            rivals += [placed_by] if other_slot != slot else []
            rivals += [claimed_by] if other_table != table else []
        for rival in rivals:
            one.contradicted = True
            if rival is not None:
                rival.contradicted = True
        if any(rival is None or rival.overlaps(one) for rival in rivals):
            continue
        kept.append(one)
        for table, slot in one.slots.items():
            slot_of.setdefault(table, (slot, one))
            table_of.setdefault(slot, (table, one))
    return kept


def _systems(within: Within, starts: dict[bytes, Start], coverage: int, slot_count: int) -> list[System]:
    """What each file system says of each table."""
    found: dict[bytes, System] = {}
    for anchor, table, behind in zip(within.anchors, within.tables, within.behind, strict=True):
        start = starts.get(anchor.system)
        if start is None:
            continue
        system = found.setdefault(anchor.system, System(start, anchor.span))
        votes = system.votes.setdefault(table, Votes())
        slot, rest = divmod(start.offset + behind, coverage)
        if rest or not 0 <= slot < slot_count:
            votes.against += 1
            continue
        votes.slots[slot] += 1
        votes.checked[slot] += anchor.checked
        votes.kinds.add(anchor.kind)
    return list(found.values())


def _within_and_starts(
    accounts: Accounts, orphans: U64, slots: dict[int, int], disk: DiskShape, decoded: Decoded
) -> tuple[Within, dict[bytes, Start], bool]:
    """The anchors in the data of tables, where their file systems begin, and whether tables share clusters."""
    tables = np.array(sorted({*orphans.tolist(), *slots}), dtype=np.uint64)
    decode_for_anchors(accounts, tables, decoded)
    anchors = find_anchors(accounts.evidence, accounts.scan)
    if not anchors and not decoded.clusters:
        return Within(), {}, False
    leads = LeadsTo.clusters_of(
        accounts, tables, {one.host_offset >> accounts.geometry.cluster_bits for one in anchors}
    )
    within = _within(accounts, tables, anchors, leads.entries, decoded)
    said = _said_by_partitions(accounts, leads.firsts, within, disk, decoded)
    return within, starts_of(within, slots, said, disk), leads.shared


class LeadsTo(Struct, frozen=True):
    """What tables lead to: of some host clusters the number of the table × entries a table + index of the entry, the
    clusters that a table maps first, and whether two tables lead to one cluster at different indices.

    No two tables of one disk do that, at any time.
    """

    entries: dict[int, int]
    firsts: list[int]
    shared: bool

    @classmethod
    def clusters_of(cls, accounts: Accounts, tables: U64, wanted: set[int]) -> LeadsTo:
        """What these tables lead to, as far as it concerns the `wanted` clusters."""
        asked, tally = Tally(accounts.clusters), Tally(accounts.clusters)
        asked.add(np.array(sorted(wanted), dtype=np.int64))
        entries: dict[int, int] = {}
        firsts: set[int] = set()
        for clusters, numbers in _entries_of(accounts, tables):
            tally.add(clusters)
            hits = asked.are_counted(clusters)
            entries.update(zip(clusters[hits].tolist(), numbers[hits].tolist(), strict=True))
            firsts.update(clusters[numbers % accounts.geometry.l2_entry_count == 0].tolist())
        return cls(entries, sorted(firsts), tally.has_more and _is_any_shared(accounts, tables, tally))


def _entries_of(accounts: Accounts, tables: U64) -> Iterator[tuple[I64, I64]]:
    """The host clusters that some tables at a time lead to, and the numbers of the entries; see `LeadsTo`."""
    per_table, bits = accounts.geometry.l2_entry_count, np.uint64(accounts.geometry.cluster_bits)
    for batch, good in accounts.batches(np.arange(len(tables)), tables):
        places, _ = located(batch, good)
        inside = (places != 0) & (places < np.uint64(accounts.evidence.size))
        numbers = (batch.l1_indices[:, np.newaxis] * per_table + np.arange(per_table))[inside]
        yield (places[inside] >> bits).astype(np.int64), numbers


def _is_any_shared(accounts: Accounts, tables: U64, tally: Tally) -> bool:
    """Whether a cluster to which more than one entry leads is led to at different indices."""
    several = np.concatenate([np.flatnonzero(tally.part(part) > 1) + part.start for part in tally.parts()])
    if len(several) > MOST_SHARED:
        return True
    index = np.full(len(several), -1, dtype=np.int64)
    for clusters, numbers in _entries_of(accounts, tables):
        again = np.flatnonzero(tally.at(clusters) > 1)
        rows, indices = np.searchsorted(several, clusters[again]), numbers[again] % accounts.geometry.l2_entry_count
        before = index[rows]
        index[rows] = indices
        if (((before >= 0) & (before != indices)) | (index[rows] != indices)).any():
            return True
    return False


def _within(
    accounts: Accounts, tables: U64, anchors: Sequence[Anchor], entries: dict[int, int], decoded: Decoded
) -> Within:
    geometry = accounts.geometry
    found = Within()
    for anchor in anchors:
        number = entries.get(anchor.host_offset >> geometry.cluster_bits, -1)
        if number >= 0 and 0 <= anchor.place < FARTHEST:
            table, index = divmod(number, geometry.l2_entry_count)
            inside = anchor.host_offset % geometry.cluster_size
            behind = anchor.place - index * geometry.cluster_size - inside
            found.add(anchor, int(tables[table]), behind)
    wanted = set(tables.tolist())
    clusters = [one for one in decoded.clusters if one.table in wanted]
    for anchor, cluster, inside in anchors_of(clusters, geometry.cluster_size):
        if 0 <= anchor.place < FARTHEST:
            behind = anchor.place - cluster.index * geometry.cluster_size - inside
            raw = cluster.data[inside:] if anchor.kind in ("gpt_header", "ext_superblock") else b""
            found.add(replace(anchor, host_offset=cluster.host_offset, raw=raw), cluster.table, behind)
    return found


def _said_by_partitions(
    accounts: Accounts, firsts: list[int], within: Within, disk: DiskShape, decoded: Decoded
) -> Said:
    """Partition starts by every partition table in the data; those of a disk of another size may be in a file of it."""
    evidence: Evidence = accounts.evidence
    found: list[partitions.Partitions] = []
    for anchor in within.anchors:
        if anchor.kind == "gpt_header" and anchor.raw:
            found.append(partitions.by_gpt(anchor.raw, anchor))
        elif anchor.kind == "gpt_header":
            rest = -anchor.host_offset % accounts.geometry.cluster_size
            found.append(partitions.by_gpt(evidence.read_up_to_bad(anchor.host_offset, rest), anchor))
    for cluster in firsts[: partitions.MOST_STARTS]:
        found.append(partitions.by_mbr(evidence.read_up_to_bad(cluster << accounts.geometry.cluster_bits, 512)))
    found += [partitions.by_mbr(one.data[:512]) for one in decoded.clusters if not one.index][: partitions.MOST_STARTS]
    starts = list(dict.fromkeys(start for one in found for start in one.starts))[: partitions.MOST_STARTS]
    own = frozenset(start for one in found if disk.is_end(one.end) for start in one.starts)
    return Said(tuple(starts), own)
