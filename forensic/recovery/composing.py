"""From tables and their slots to a plan: of each guest range where it lies, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec import Struct

from forensic.evidence import Evidence
from forensic.qcow2.arrays import I64, U64
from forensic.qcow2.intervals import pieces
from forensic.recovery.accounts import Accounts
from forensic.recovery.certainty import Standing, Why, Whys, whys_of
from forensic.recovery.plan import GuestRange, Slot

MAX_RANGES = 1 << 18
"""Ranges of one kind in a plan; with more of them whole slots lose their certainty instead."""


class Ranges(Struct):
    """Runs of clusters that are less sure than their table, in guest order: first, after the last, why."""

    begin: list[I64]
    end: list[I64]
    why: list[Whys]

    def add(self, slots: I64, whys: Whys) -> None:
        """Enter the entries of tables, a row each, that belong to these slots."""
        tables, entry_count = whys.shape
        flat = whys.reshape(-1)
        changes = flat[1:] != flat[:-1]
        changes[entry_count - 1 :: entry_count] = True
        starts, ends = pieces(changes).T
        marked = flat[starts] != Why.NONE
        starts, ends = starts[marked], ends[marked]
        begin = slots[np.minimum(starts // entry_count, tables - 1)] * entry_count + starts % entry_count
        self.begin.append(begin)
        self.end.append(begin + (ends - starts))
        self.why.append(flat[starts])

    def add_slots(self, slots: I64, entry_count: int, why: Why) -> None:
        """Enter whole slots."""
        self.begin.append(slots * entry_count)
        self.end.append((slots + 1) * entry_count)
        self.why.append(np.full(len(slots), why, dtype=np.uint8))

    def add_rest(self, slot: int, indices: I64, entry_count: int, why: Why) -> None:
        """Enter the entries of a slot that are not among these."""
        rest = np.ones(entry_count, dtype=np.bool_)
        rest[indices] = False
        starts, ends = pieces(rest[1:] != rest[:-1]).T
        marked = rest[starts]
        self.begin.append(slot * entry_count + starts[marked])
        self.end.append(slot * entry_count + ends[marked])
        self.why.append(np.full(int(marked.sum()), why, dtype=np.uint8))

    def join(self, other: Ranges) -> None:
        """Enter those of another."""
        self.begin += other.begin
        self.end += other.end
        self.why += other.why

    def joined(self) -> Iterator[tuple[int, int, Why]]:
        """All of them, neighbours of one kind as one."""
        if not self.begin:
            return
        begin, end, why = np.concatenate(self.begin), np.concatenate(self.end), np.concatenate(self.why)
        order = np.argsort(begin, kind="stable")
        begin, end, why = begin[order], end[order], why[order]
        if not len(begin):
            return
        for first, stop in pieces((begin[1:] != end[:-1]) | (why[1:] != why[:-1])).tolist():
            yield int(begin[first]), int(end[stop - 1]), Why(int(why[first]))


def judge_tables(accounts: Accounts, slots: I64, tables: U64, standing: Standing) -> tuple[Ranges, int]:
    """Why entries of placed tables are less sure than the tables, and the guest offset after the last used entry."""
    found = Ranges([], [], [])
    geometry = accounts.geometry
    last = 0
    for batch, good in accounts.batches(slots, tables):
        found.add(batch.l1_indices, whys_of(batch, good, standing))
        used = good & (batch.entries != 0)
        rows = np.flatnonzero(used.any(axis=1))
        ends = used.shape[1] - used[rows, ::-1].argmax(axis=1) + batch.l1_indices[rows] * geometry.l2_entry_count
        last = max(last, int(ends.max(initial=0)) << geometry.cluster_bits)
    return found, last


def ranges_of(found: Ranges, cluster_bits: int, size: int) -> tuple[list[GuestRange], list[GuestRange], bool]:
    """The inferred and the unknown ranges of a plan, within the disk; whether there are more than a plan may hold."""
    inferred: list[GuestRange] = []
    unknown: list[GuestRange] = []
    for begin, end, why in found.joined():
        start, stop = begin << cluster_bits, min(end << cluster_bits, size)
        if start >= stop:
            continue
        ranges = inferred if why < Why.NOT_RECOVERED else unknown
        if len(ranges) >= MAX_RANGES:
            return inferred, unknown, True
        ranges.append(GuestRange(start, stop - start, why.code))
    return inferred, unknown, False


def slots_of(slots: I64, tables: U64, decisions: list[str]) -> list[Slot]:
    """The L1 entries of a plan; neighbours of one decision whose tables lie equally far apart are one line."""
    found: list[Slot] = []
    for slot, table, decision in zip(slots.tolist(), tables.tolist(), decisions, strict=True):
        last = found[-1] if found else None
        if last and last.decision == decision and last.slot + last.count == slot:
            step = table - (last.l2_offset + (last.count - 1) * last.step)
            if step > 0 and (last.count == 1 or step == last.step):
                found[-1] = Slot(last.slot, last.l2_offset, decision, last.count + 1, step)
                continue
        found.append(Slot(slot, table, decision))
    return found


def fill_run(evidence: Evidence, limit: int) -> int:
    """How far the file begins with one byte again and again, up to `limit` bytes."""
    first = evidence.read_up_to_bad(0, 1)
    at = 0
    while first and at < limit:
        piece = evidence.read_up_to_bad(at, min(1 << 20, limit - at))
        same = len(piece) - len(piece.lstrip(first))
        at += same
        if same < len(piece) or not piece:
            break
    return at
