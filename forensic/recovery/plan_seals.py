"""The seals of a plan, by which an edit is noticed: what was edited is no longer certain, nor what rests on it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from forensic.recovery.certainty import Certainty, Method
from forensic.recovery.plan import DataRange, Part, Plan, Slot, digest


def sealed(plan: Plan) -> Plan:
    """The plan with the seals by which an edit is noticed later."""
    parts = _parts_by_decision(plan)
    decisions = {
        name: msgspec.structs.replace(decision, seal=_seal_of(plan, name, *parts.get(name, ((), ()))))
        for name, decision in plan.decisions.items()
    }
    return msgspec.structs.replace(plan, decisions=decisions, seal=_seal_of_ranges(plan))


def certainty_of(plan: Plan, name: str) -> Certainty:
    """How sure a decision is, as the plan stands now; see `certainties_of`."""
    return certainties_of(plan).get(name, Certainty.UNKNOWN)


def certainties_of(plan: Plan) -> dict[str, Certainty]:
    """How sure each decision is, as the plan stands now.

    One that was edited, or whose slots, geometry or doubts were, is no longer certain, unless its method is the
    examiner's and an examiner is named. That what has no table is empty follows from all of the tables: if any of them
    was dropped, moved or added, it is unknown.
    """
    parts = _parts_by_decision(plan)
    whole = plan.seal == _seal_of_ranges(plan)
    tables = _seal_of_tables(plan) if plan.empty else ""
    found = {}
    for name, decision in plan.decisions.items():
        found[name] = decision.certainty
        if name == plan.empty and decision.method != Method.EXAMINER and not decision.seal.endswith(tables):
            found[name] = Certainty.UNKNOWN
            continue
        if decision.certainty == Certainty.CERTAIN and not (decision.method == Method.EXAMINER and plan.examiner):
            intact = whole and decision.seal == _seal_of(plan, name, *parts.get(name, ((), ())))
            found[name] = Certainty.CERTAIN if intact else Certainty.INFERRED
    return found


def _parts_by_decision(plan: Plan) -> dict[str, tuple[list[Slot], list[DataRange]]]:
    """The slots and the data that each decision is about."""
    found: dict[str, tuple[list[Slot], list[DataRange]]] = {}
    for slot in plan.l1:
        found.setdefault(slot.decision, ([], []))[0].append(slot)
    for part in plan.data:
        found.setdefault(part.decision, ([], []))[1].append(part)
    return found


def without_doubtful(plan: Plan, least: float) -> Plan:
    """The plan without what is inferred with less confidence: those ranges are unknown then."""
    doubtful = {
        name
        for name, decision in plan.decisions.items()
        if decision.certainty != Certainty.CERTAIN and decision.confidence < least
    }
    return without_decisions(plan, doubtful)


def without_decisions(plan: Plan, names: Collection[str], examiner: str = "") -> Plan:
    """The plan without these decisions, but for the one on the size of the disk: their ranges are unknown then.

    The slots stay, without their decision: one that is not there would be empty. `examiner` is who left them out.
    """
    kept = {
        name: decision
        for name, decision in plan.decisions.items()
        if name not in names or name == plan.geometry.decision
    }
    if len(kept) == len(plan.decisions):
        return plan
    data = tuple(part for part in plan.data if part.decision in kept)
    empty = plan.empty if plan.empty in kept and data == plan.data else ""
    who = plan.examiner if not examiner or examiner in plan.examiner else (*plan.examiner, examiner)
    return sealed(msgspec.structs.replace(plan, decisions=kept, data=data, empty=empty, examiner=who))


def in_part(plan: Plan, part: Part) -> Plan:
    """The plan of an image that is this part of a larger file."""
    return sealed(msgspec.structs.replace(plan, part=part))


def _seal_of(plan: Plan, name: str, slots: Sequence[Slot], data: Sequence[DataRange]) -> str:
    decision = msgspec.structs.replace(plan.decisions[name], seal="")
    tables = _seal_of_tables(plan) if plan.empty == name else ""
    return digest([name, decision, slots, data, plan.empty == name]) + tables


def _seal_of_tables(plan: Plan) -> str:
    """What the decision on emptiness rests on: every slot that has a table or data, and the size of disk and file."""
    return digest([plan.evidence.size, plan.geometry, plan.l1, plan.data])


def _seal_of_ranges(plan: Plan) -> str:
    return digest([plan.evidence, plan.geometry, plan.inferred, plan.unknown, plan.suspect, plan.target, plan.part])
