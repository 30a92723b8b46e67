"""What can be recovered of an image, step by step, for somebody who accepts or refuses each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from msgspec import Struct

from forensic.evidence import Evidence
from forensic.finding import Range, guest_range, host_range
from forensic.output.new_file import NewFile
from forensic.output.paths import Input, refuse
from forensic.recovery.plan import Decision, Plan, to_json
from forensic.recovery.reading import image_by
from forensic.recovery.recover import Recovery, recover, recover_deleted, recover_older
from forensic.recovery.summary import Summary, sum_up
from forensic.recovery.work import RecoverySettings

ACTIVE, DELETED, OLDER = "active", "deleted", "older"
"""The disks that can be asked for: that of the image, of its deleted snapshots, of an image it was written over."""

Progress = Callable[[int, int], None]
"""Told how many bytes of how many were searched."""

MAX_TABLES = 1000
"""Tables of one step that are named; all are counted."""


class Recovered(Struct):
    """A disk that can be read by a plan, and what it is called."""

    name: str
    recovery: Recovery


class Step(Struct, frozen=True):
    """A decision of a plan and what rests on it: so many bytes of the disk, and the tables they are read by.

    `tables` are pairs of a host range, that of a table or of data whose table is lost, and the guest range it gives;
    `count` is how many there are.
    """

    name: str
    decision: Decision
    guest_bytes: int
    tables: Sequence[tuple[Range, Range]]
    count: int


def recover_disks(
    evidence: Evidence, target: str, progress: Callable[[int, int], None], cancelled: Callable[[], bool]
) -> list[Recovered]:
    """What can be recovered of one of the disks (`ACTIVE`, `DELETED`, `OLDER`); deleted snapshots may be several.

    Raises `NotAnImage`, `Unsupported`, `WrongSupply` and `Interrupted`.
    """
    settings = RecoverySettings(progress=progress, cancelled=cancelled)
    if target == DELETED:
        found = recover_deleted(evidence, settings)
        return [
            Recovered(f"deleted snapshot {number} “{snapshot.name.text}”", recovery)
            for number, (snapshot, recovery) in enumerate(found)
        ]
    if target == OLDER:
        return [Recovered("older image beneath", recover_older(evidence, settings))]
    return [Recovered("active disk", recover(evidence, settings))]


def steps_of(plan: Plan) -> list[Step]:
    """The decisions of a plan in their order, each with what rests on it."""
    found: dict[str, list[tuple[Range, Range]]] = {name: [] for name in plan.decisions}
    sizes, counts = dict.fromkeys(found, 0), dict.fromkeys(found, 0)
    size = 1 << plan.geometry.cluster_bits
    coverage = size // (16 if plan.geometry.extended_l2 else 8) * size
    for slot in plan.l1:
        if slot.decision not in found:
            continue
        start = slot.slot * coverage
        sizes[slot.decision] += max(0, min(slot.count * coverage, plan.geometry.virtual_size - start))
        counts[slot.decision] += slot.count
        kept = found[slot.decision]
        for number in range(min(slot.count, MAX_TABLES - len(kept))):
            place = host_range(slot.l2_offset + number * slot.step, size)
            kept.append((place, guest_range(start + number * coverage, coverage)))
    for part in plan.data:
        if part.decision not in found:
            continue
        sizes[part.decision] += part.length
        counts[part.decision] += 1
        if len(found[part.decision]) < MAX_TABLES:
            place = host_range(part.host_offset, part.length)
            found[part.decision].append((place, guest_range(part.guest_offset, part.length)))
    return [Step(name, decision, sizes[name], found[name], counts[name]) for name, decision in plan.decisions.items()]


def sum_up_plan(plan: Plan, evidence: Evidence) -> Summary:
    """What a plan gives. Raises `BadPlan`."""
    return sum_up(image_by(plan, evidence).disk())


def save_plan(plan: Plan, path: Path, inputs: Iterable[Input]) -> None:
    """Write a plan to a new file. Raises `OutputFailed` if it exists, is one of the inputs, or cannot be written."""
    refuse([path], inputs, force=False)
    file = NewFile(path)
    try:
        file.append(os.fsencode(to_json(plan)))
        file.complete()
    finally:
        file.abandon()
