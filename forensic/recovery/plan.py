"""The plan: a small JSON file from which a disk is read in place of the tables that are damaged, made to be edited.

The same file, version and options give the same plan; it holds no paths and no time. Whatever it says is checked before
it is used: it is an input like any other.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence

import msgspec
from msgspec import Struct

from forensic.errors import WrongEvidence
from forensic.evidence import Evidence, ReadFailed
from forensic.recovery.certainty import Certainty, Method

SCHEMA = "qcowscope-plan/1"


class Region(Struct, frozen=True, forbid_unknown_fields=True):
    """A range of the evidence that the plan relies on, and its hash."""

    offset: int
    length: int
    sha256: str


class EvidenceOfPlan(Struct, frozen=True, forbid_unknown_fields=True):
    """The file that the plan is for, in bytes."""

    size: int
    regions: tuple[Region, ...] = ()


class GeometryOfPlan(Struct, frozen=True, forbid_unknown_fields=True):
    """By what the tables are read.

    `header` is `file` where the file's own header is used, `mended` where its magic, sizes and L1 table come from here,
    and `plan` where all of it does.
    """

    header: str
    version: int
    cluster_bits: int
    virtual_size: int
    extended_l2: bool
    refcount_order: int
    compression: str
    l1_table_offset: int = 0
    refcount_table_offset: int = 0
    refcount_table_clusters: int = 0
    luks_offset: int = 0
    luks_length: int = 0
    decision: str = ""


class Part(Struct, frozen=True, forbid_unknown_fields=True):
    """The part of a larger file that is the image; every other offset in the plan counts from its start."""

    offset: int
    length: int


class Slot(Struct, frozen=True, forbid_unknown_fields=True):
    """`count` L1 entries from `slot` on, whose tables lie `step` bytes apart from `l2_offset`."""

    slot: int
    l2_offset: int
    decision: str
    count: int = 1
    step: int = 0


class GuestRange(Struct, frozen=True, forbid_unknown_fields=True):
    """A guest range that is less sure than the table it stands in, and why."""

    guest_offset: int
    length: int
    why: str


class DataRange(Struct, frozen=True, forbid_unknown_fields=True):
    """A guest range whose table is lost, and where its data lies; with a `stored_length` one compressed cluster."""

    guest_offset: int
    length: int
    host_offset: int
    decision: str
    stored_length: int = 0


class HostRange(Struct, frozen=True, forbid_unknown_fields=True):
    """A range of the file that something may have been written over, and why."""

    host_offset: int
    length: int
    why: str


class Segment(Struct, frozen=True, forbid_unknown_fields=True):
    """A table that could not be placed, and how many clusters it leads to."""

    l2_offset: int
    clusters: int


class StreamRun(Struct, frozen=True, forbid_unknown_fields=True):
    """Compressed clusters that could not be placed, one after another from a host offset on: the bytes that each takes.

    Each decodes to a whole cluster.
    """

    host_offset: int
    lengths: tuple[int, ...]


class Alternative(Struct, frozen=True, forbid_unknown_fields=True):
    """Another table that may belong to the same slot."""

    l2_offset: int


class Decision(Struct, frozen=True, forbid_unknown_fields=True, rename={"certainty": "class"}):
    """One step of the reasoning; `seal` is lost when it, or what depends on it, is edited."""

    what: str
    certainty: Certainty
    confidence: float
    method: Method
    because: tuple[str, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    seal: str = ""


class Plan(Struct, frozen=True, forbid_unknown_fields=True, rename={"schema_": "schema"}):
    """A plan. Slots that no entry names are empty, as the decision `empty` says, or unknown without one.

    `data` is where the bytes of slots lie whose table is lost. `unknown` ranges are filled, `inferred` ones are read,
    but not certain. `examiner` names who edited the plan. `part` is the place of an image in a larger file.
    """

    schema_: str
    tool: str
    target: str
    evidence: EvidenceOfPlan
    geometry: GeometryOfPlan
    l1: tuple[Slot, ...]
    empty: str
    inferred: tuple[GuestRange, ...]
    unknown: tuple[GuestRange, ...]
    suspect: tuple[HostRange, ...]
    decisions: dict[str, Decision]
    data: tuple[DataRange, ...] = ()
    segments: tuple[Segment, ...] = ()
    segments_not_listed: int = 0
    streams: tuple[StreamRun, ...] = ()
    streams_not_listed: int = 0
    examiner: tuple[str, ...] = ()
    part: Part | None = None
    seal: str = ""


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


def _digest(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()[:32]


def _seal_of(plan: Plan, name: str, slots: Sequence[Slot], data: Sequence[DataRange]) -> str:
    decision = msgspec.structs.replace(plan.decisions[name], seal="")
    tables = _seal_of_tables(plan) if plan.empty == name else ""
    return _digest([name, decision, slots, data, plan.empty == name]) + tables


def _seal_of_tables(plan: Plan) -> str:
    """What the decision on emptiness rests on: every slot that has a table or data, and the size of disk and file."""
    return _digest([plan.evidence.size, plan.geometry, plan.l1, plan.data])


def _seal_of_ranges(plan: Plan) -> str:
    return _digest([plan.evidence, plan.geometry, plan.inferred, plan.unknown, plan.suspect, plan.target, plan.part])


def digest_of(plan: Plan) -> str:
    """What two plans have in common if they are the same."""
    return _digest(plan)


def json_schema() -> dict[str, object]:
    """The JSON Schema of a plan, from the types by which one is read."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": SCHEMA, **msgspec.json.schema(Plan)}


def to_json(plan: Plan) -> str:
    """The plan as text: one line for each slot, range and decision, in a fixed order."""
    document = msgspec.to_builtins(plan)
    lines = []
    for key, value in document.items():
        name = json.dumps(key)
        if isinstance(value, list) and value and isinstance(value[0], dict):
            rows = ",\n".join(f"  {json.dumps(row)}" for row in value)
            lines.append(f"{name}: [\n{rows}\n ]")
        elif key == "decisions":
            rows = ",\n".join(f"  {json.dumps(number)}: {json.dumps(row)}" for number, row in value.items())
            lines.append(f"{name}: {{\n{rows}\n }}" if value else f"{name}: {{}}")
        else:
            lines.append(f"{name}: {json.dumps(value)}")
    return "{" + ",\n ".join(lines) + "}\n"


def verify_evidence(plan: Plan, evidence: Evidence, path: str) -> None:
    """Compare what the plan says of its file. Raises `WrongEvidence` if this is another one."""
    if evidence.size != plan.evidence.size:
        raise WrongEvidence(path, f"it is for a file of {plan.evidence.size:,} bytes, this one has {evidence.size:,}")
    for region in plan.evidence.regions:
        try:
            found = hashlib.sha256(evidence.read_at(region.offset, region.length)).hexdigest()
        except ReadFailed as failure:
            raise WrongEvidence(path, str(failure)) from failure
        if found != region.sha256:
            what = f"{region.length:,} bytes at host offset {region.offset:#x}"
            raise WrongEvidence(path, f"{what} differ from the file that the plan was made for")


def region_of(evidence: Evidence, offset: int, length: int) -> Region:
    """A range of the evidence with its hash; as much as can be read."""
    raw = evidence.read_up_to_bad(offset, length)
    return Region(offset, len(raw), hashlib.sha256(raw).hexdigest())
