"""Placing tables by what the guest's file systems say of their own addresses, and by the order between such tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from msgspec import Struct, field

from forensic.evidence import Evidence
from forensic.qcow2.arrays import I64, U64
from forensic.recovery.accounts import Accounts, located
from forensic.recovery.anchors import find_anchors, partitions
from forensic.recovery.anchors.anchor import Anchor
from forensic.recovery.certainty import Method, of_anchors
from forensic.recovery.placement.slots import MAX_TWIN_CLUSTERS, Placed, is_current

USUAL_STARTS = (0, 63 * 512, 1 << 20)
"""Where a file system begins if no partition table says so: at once, on its own track, or at 1 MiB."""

AGREEING = 0.6
"""The share of a file system's anchors that have to fit its start."""


class Start(Struct, frozen=True):
    """Where a file system begins on the disk, and whether no other start is possible."""

    offset: int
    sure: bool


class Within(Struct):
    """The anchors that lie in the data of tables: for each its table, and how far its place lies after the table's."""

    anchors: list[Anchor] = field(default_factory=list)
    tables: list[int] = field(default_factory=list)
    behind: list[int] = field(default_factory=list)

    def add(self, anchor: Anchor, table: int, behind: int) -> None:
        """Enter an anchor: what the table maps begins at (start of its file system + `behind`)."""
        self.anchors.append(anchor)
        self.tables.append(table)
        self.behind.append(behind)


def by_anchors(
    accounts: Accounts,
    orphans: U64,
    placed: Sequence[tuple[int, int]],
    slot_count: int,
    size_known: bool,
    doubtful: bool,
) -> list[Placed]:
    """The orphans whose data holds structures that say where they are; `placed` are slots and tables that are known."""
    if not accounts.possible or accounts.clusters > MAX_TWIN_CLUSTERS or not len(orphans):
        return []
    slots = {table: slot for slot, table in placed}
    tables = np.array(sorted({*orphans.tolist(), *slots}), dtype=np.uint64)
    where = _entries_of(accounts, tables)
    within = _within(accounts, tables, where)
    coverage = accounts.geometry.l1_coverage
    starts = _starts(accounts, tables, where, within, slots, size_known)
    votes: dict[int, Counter[int]] = {}
    sure: dict[int, bool] = {}
    kinds: dict[int, Counter[str]] = {}
    for anchor, table, behind in zip(within.anchors, within.tables, within.behind, strict=True):
        start = starts.get(anchor.system)
        if start is None or (start.offset + behind) % coverage:
            continue
        slot = (start.offset + behind) // coverage
        if 0 <= slot < slot_count:
            votes.setdefault(table, Counter())[slot] += 1
            kinds.setdefault(table, Counter())[anchor.kind] += 1
            sure[table] = sure.get(table, True) and start.sure and anchor.checked
    chosen = {table: count.most_common(1)[0] for table, count in votes.items()}
    claims = Counter(slot for slot, _ in chosen.values())
    found = []
    for table, (slot, count) in sorted(chosen.items()):
        if table in slots or count < 0.8 * votes[table].total():
            continue
        alone = claims[slot] == 1 and slot not in slots.values()
        current = is_current(accounts.evidence, accounts.geometry, accounts, table)
        how = of_anchors(count, sure[table] and size_known, 0 if alone else 1, current, doubtful)
        because = f"{count:,} structures of the guest agree: {', '.join(sorted(kinds[table]))}"
        found.append(Placed(slot, table, Method.ANCHORS, how, because))
    return found


def anchors_with_starts(
    accounts: Accounts, orphans: U64, placed: Sequence[tuple[int, int]], size_known: bool
) -> list[tuple[Anchor, int]]:
    """Every anchor in the data of tables whose file system has a known start, and that start."""
    if not accounts.possible or accounts.clusters > MAX_TWIN_CLUSTERS:
        return []
    slots = {table: slot for slot, table in placed}
    tables = np.array(sorted({*orphans.tolist(), *slots}), dtype=np.uint64)
    where = _entries_of(accounts, tables)
    within = _within(accounts, tables, where)
    starts = _starts(accounts, tables, where, within, slots, size_known)
    return [(anchor, starts[anchor.system].offset) for anchor in within.anchors if anchor.system in starts]


def _entries_of(accounts: Accounts, tables: U64) -> I64:
    """For each host cluster the number of the table that leads to it × entries a table + index of the entry; or -1."""
    where = np.full(accounts.clusters, -1, dtype=np.int64)
    per_table = accounts.geometry.l2_entry_count
    bits = np.uint64(accounts.geometry.cluster_bits)
    for batch, good in accounts.batches(np.arange(len(tables)), tables):
        places, _ = located(batch, good)
        inside = (places != 0) & (places < np.uint64(accounts.evidence.size))
        numbers = batch.l1_indices[:, np.newaxis] * per_table + np.arange(per_table)
        where[(places[inside] >> bits).astype(np.int64)] = numbers[inside]
    return where


def _within(accounts: Accounts, tables: U64, where: I64) -> Within:
    geometry = accounts.geometry
    found = Within()
    for anchor in find_anchors(accounts.evidence, accounts.scan):
        number = int(where[anchor.host_offset >> geometry.cluster_bits])
        if number >= 0:
            table, index = divmod(number, geometry.l2_entry_count)
            inside = anchor.host_offset % geometry.cluster_size
            behind = anchor.place - index * geometry.cluster_size - inside
            found.add(anchor, int(tables[table]), behind)
    return found


def _starts(
    accounts: Accounts, tables: U64, where: I64, within: Within, slots: dict[int, int], size_known: bool
) -> dict[bytes, Start]:
    """Where each file system begins: by tables that are placed, by a partition table, or as is usual.

    A system that lies in the range of another with more anchors is a file of its: it gives no places.
    """
    coverage, size = accounts.geometry.l1_coverage, accounts.geometry.virtual_size
    said = _said_by_partitions(accounts, tables, where, within)
    systems: dict[bytes, list[int]] = {}
    for number, anchor in enumerate(within.anchors):
        systems.setdefault(anchor.system, []).append(number)
    found: dict[bytes, Start] = {}
    ranges: list[tuple[int, int]] = []
    for system, numbers in sorted(systems.items(), key=lambda one: (-len(one[1]), one[0])):
        behind = [within.behind[number] for number in numbers]
        first = within.anchors[numbers[0]]
        if first.absolute:
            found[system] = Start(0, True)
            continue
        known = Counter(
            slots[within.tables[number]] * coverage - within.behind[number]
            for number in numbers
            if within.tables[number] in slots
        )
        start = _start(behind, known, said, coverage)
        if start is None:
            continue
        offset, by_word = start
        only = size_known and offset < coverage and first.span > 0 and offset + coverage + first.span > size
        if any(offset < end and offset + first.span > begin for begin, end in ranges):
            continue
        ranges.append((offset, offset + first.span))
        found[system] = Start(offset, by_word or only)
    return found


def _start(behind: list[int], known: Counter[int], said: list[int], coverage: int) -> tuple[int, bool] | None:
    """The start that most anchors fit, and whether something other than custom says so."""
    if known and known.most_common(1)[0][1] >= AGREEING * known.total():
        return known.most_common(1)[0][0], True
    fitting = [
        (sum((start + one) % coverage == 0 and start + one >= 0 for one in behind), start)
        for start in dict.fromkeys([*said, *USUAL_STARTS])
    ]
    count, offset = max(fitting, key=lambda one: one[0])
    if count < AGREEING * len(behind):
        return None
    return offset, offset in said


def _said_by_partitions(accounts: Accounts, tables: U64, where: I64, within: Within) -> list[int]:
    """Partition starts by every partition table in the data."""
    evidence: Evidence = accounts.evidence
    found: list[int] = []
    for anchor in within.anchors:
        if anchor.kind == "gpt_header":
            found += partitions.starts_by_gpt(evidence, anchor)
    per_table = accounts.geometry.l2_entry_count
    first = np.flatnonzero((where >= 0) & (where % per_table == 0))[: partitions.MOST_STARTS]
    for cluster in first.tolist():
        found += partitions.starts_by_mbr(evidence.read_up_to_bad(cluster << accounts.geometry.cluster_bits, 512))
    return list(dict.fromkeys(found))[: partitions.MOST_STARTS]
