"""The plan: a small JSON file from which a disk is read in place of the tables that are damaged, made to be edited.

The same file, version and options give the same plan; it holds no paths and no time. Whatever it says is checked before
it is used: it is an input like any other.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from forensic.errors import BadPlan, WrongEvidence
from forensic.evidence import Evidence, ReadFailed
from forensic.qcow2.geometry import MAX_CLUSTER_BITS, MAX_L1_ENTRIES, MAX_REFCOUNT_ORDER, MIN_CLUSTER_BITS
from forensic.recovery.certainty import Certainty, Method

SCHEMA = "qcowscope-plan/1"
MAX_PLAN_BYTES = 64 << 20
MAX_REGIONS = 4096
MAX_VIRTUAL_SIZE = 1 << 61


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


class HostRange(Struct, frozen=True, forbid_unknown_fields=True):
    """A range of the file that something may have been written over, and why."""

    host_offset: int
    length: int
    why: str


class Segment(Struct, frozen=True, forbid_unknown_fields=True):
    """A table that could not be placed, and how many clusters it leads to."""

    l2_offset: int
    clusters: int


class Alternative(Struct, frozen=True, forbid_unknown_fields=True):
    """Another table that may belong to the same slot."""

    l2_offset: int


class Decision(Struct, frozen=True, forbid_unknown_fields=True, rename={"certainty": "class"}):
    """One step of the reasoning; `seal` is gone as soon as somebody edits it or what depends on it."""

    what: str
    certainty: Certainty
    confidence: float
    method: Method
    because: tuple[str, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    seal: str = ""


class Plan(Struct, frozen=True, forbid_unknown_fields=True, rename={"schema_": "schema"}):
    """A plan. Slots that no entry names are empty, as the decision `empty` says, or unknown without one.

    `unknown` ranges are filled, `inferred` ones are read, but not certain. `examiner` names who edited the plan.
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
    segments: tuple[Segment, ...] = ()
    segments_not_listed: int = 0
    examiner: tuple[str, ...] = ()
    seal: str = ""


def sealed(plan: Plan) -> Plan:
    """The plan with the seals by which an edit is noticed later."""
    decisions = {
        name: msgspec.structs.replace(decision, seal=_seal_of(plan, name)) for name, decision in plan.decisions.items()
    }
    return msgspec.structs.replace(plan, decisions=decisions, seal=_seal_of_ranges(plan))


def certainty_of(plan: Plan, name: str) -> Certainty:
    """How sure a decision is, as the plan stands now.

    One that was edited, or whose slots, geometry or doubts were, is not certain any more, unless its method is the
    examiner's and somebody is named.
    """
    decision = plan.decisions.get(name)
    if decision is None:
        return Certainty.UNKNOWN
    if decision.certainty != Certainty.CERTAIN or (decision.method == Method.EXAMINER and plan.examiner):
        return decision.certainty
    intact = decision.seal == _seal_of(plan, name) and plan.seal == _seal_of_ranges(plan)
    return Certainty.CERTAIN if intact else Certainty.INFERRED


def _digest(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()[:32]


def _seal_of(plan: Plan, name: str) -> str:
    decision = msgspec.structs.replace(plan.decisions[name], seal="")
    slots = [slot for slot in plan.l1 if slot.decision == name]
    return _digest([name, decision, slots, plan.empty == name])


def _seal_of_ranges(plan: Plan) -> str:
    return _digest([plan.evidence, plan.geometry, plan.inferred, plan.unknown, plan.suspect, plan.target])


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


def read_plan(path: str) -> Plan:
    """The plan in a file. Raises `EvidenceUnreadable`, and `BadPlan` with the line for what no plan can say."""
    with Evidence(path) as file:
        if file.size > MAX_PLAN_BYTES:
            raise BadPlan(path, f"is longer than {MAX_PLAN_BYTES:,} bytes")
        try:
            raw = file.read_at(0, file.size)
        except ReadFailed as failure:
            raise BadPlan(path, failure.reason) from failure
    return parse_plan(raw, path)


def parse_plan(raw: bytes, path: str) -> Plan:
    """The same of bytes."""
    try:
        plan = msgspec.json.decode(raw, type=Plan)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadPlan(path, _with_line(raw, str(error))) from error
    for fault, words in _faults(plan):
        raise BadPlan(path, f"{fault}{_line_of(raw, words)}")
    return plan


def _with_line(raw: bytes, message: str) -> str:
    """The decoder's message, with the line of what it names."""
    if found := re.search(r"byte (\d+)", message):
        return f"{message} (line {raw[: int(found[1])].count(10) + 1})"
    if found := re.search(r"unknown field `([^`]*)`", message):
        return message + _line_of(raw, [json.dumps(found[1])])
    if found := re.search(r"`\$\.([\w.\[\]]*)", message):
        return message + _line_of_path(raw, found[1])
    return message


def _line_of(raw: bytes, words: Sequence[str]) -> str:
    """The first line with all the words, as it is said at the end of a message."""
    for number, line in enumerate(raw.split(b"\n"), 1):
        if all(word.encode() in line for word in words):
            return f" (line {number})"
    return ""


def _line_of_path(raw: bytes, path: str) -> str:
    """The line of a place such as `l1[3].slot`, as far as it can be told where each row has a line."""
    lines = raw.split(b"\n")
    name, _, rest = path.partition("[")
    start = next((at for at, line in enumerate(lines) if f'"{name.split(".")[0]}"'.encode() in line), None)
    if start is None:
        return ""
    index = re.match(r"(\d+)\]", rest)
    row = start + 1 + int(index[1]) if index else start
    return f" (line {min(row, len(lines) - 1) + 1})"


Fault = tuple[str, list[str]]


def _faults(plan: Plan) -> list[Fault]:
    """What a plan cannot say, each with words that its line holds."""
    return [*_geometry_faults(plan), *_slot_faults(plan), *_range_faults(plan), *_decision_faults(plan)]


def _geometry_faults(plan: Plan) -> list[Fault]:
    one = plan.geometry
    found: list[Fault] = []
    if plan.schema_ != SCHEMA:
        found.append((f'"schema" is not {SCHEMA}', ['"schema"']))
    checks = (
        (one.header in ("file", "mended", "plan"), "header is neither file nor mended nor plan"),
        (one.version in (2, 3), f"version is {one.version}"),
        (MIN_CLUSTER_BITS <= one.cluster_bits <= MAX_CLUSTER_BITS, f"cluster_bits is {one.cluster_bits}"),
        (0 <= one.virtual_size < MAX_VIRTUAL_SIZE, f"virtual_size is {one.virtual_size}"),
        (0 <= one.refcount_order <= MAX_REFCOUNT_ORDER, f"refcount_order is {one.refcount_order}"),
        (one.compression in ("zlib", "zstd"), "compression is neither zlib nor zstd"),
        (0 <= one.l1_table_offset < 1 << 63, "l1_table_offset is no offset"),
        (0 <= one.refcount_table_offset < 1 << 63, "refcount_table_offset is no offset"),
        (0 <= one.refcount_table_clusters < 1 << 32, "refcount_table_clusters is too many"),
        (0 <= one.luks_offset < 1 << 63 and 0 <= one.luks_length < 1 << 63, "the LUKS header lies nowhere"),
    )
    found += [(f"geometry: {message}", ['"geometry"']) for good, message in checks if not good]
    size = plan.evidence.size
    for region in plan.evidence.regions:
        if not (0 <= region.offset <= region.offset + region.length <= size):
            found.append((f"a region at {region.offset} is not within the file", ['"evidence"']))
    if size < 0 or len(plan.evidence.regions) > MAX_REGIONS:
        found.append(("evidence: impossible", ['"evidence"']))
    return found


def _slot_faults(plan: Plan) -> list[Fault]:
    found: list[Fault] = []
    taken = 0
    cluster_size = 1 << min(max(plan.geometry.cluster_bits, MIN_CLUSTER_BITS), MAX_CLUSTER_BITS)
    coverage = cluster_size * (cluster_size // (16 if plan.geometry.extended_l2 else 8))
    slots = min(-(-plan.geometry.virtual_size // coverage), MAX_L1_ENTRIES)
    for one in plan.l1:
        words = [f'"slot": {one.slot}', f'"l2_offset": {one.l2_offset}']
        last = one.l2_offset + max(0, one.count - 1) * one.step
        if one.count < 1 or one.slot < 0 or one.slot + one.count > slots:
            found.append((f"slot {one.slot}: the disk has {slots:,} slots", words))
        elif one.slot < taken:
            found.append((f"slot {one.slot} is given twice, or after a later one", words))
        elif one.l2_offset <= 0 or one.step < 0 or last >= 1 << 56 or (one.l2_offset | one.step) % cluster_size:
            found.append((f"slot {one.slot}: l2_offset or step is no multiple of the cluster size", words))
        elif last >= plan.evidence.size:
            found.append((f"slot {one.slot}: the table lies past the end of the file", words))
        taken = max(taken, one.slot + one.count)
    return found


def _range_faults(plan: Plan) -> list[Fault]:
    found: list[Fault] = []
    for name in ("inferred", "unknown"):
        ranges: tuple[GuestRange, ...] = getattr(plan, name)
        end = 0
        for one in ranges:
            words = [f'"guest_offset": {one.guest_offset}']
            if one.length <= 0 or one.guest_offset < end:
                found.append((f"{name}: the range at {one.guest_offset} is empty, overlaps, or is out of order", words))
            end = max(end, one.guest_offset + one.length)
            if end > plan.geometry.virtual_size:
                found.append((f"{name}: the range at {one.guest_offset} is not within the disk", words))
    for part in plan.suspect:
        if not 0 <= part.host_offset <= part.host_offset + part.length <= plan.evidence.size:
            found.append(("suspect: a range is not within the file", [f'"host_offset": {part.host_offset}']))
    return found


def _decision_faults(plan: Plan) -> list[Fault]:
    found: list[Fault] = []
    for name, decision in plan.decisions.items():
        if not 0 <= decision.confidence <= 1:
            found.append((f"decision {name}: the confidence is not within 0 to 1", [f'"{name}"']))
    return found


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
            raise WrongEvidence(path, f"{what} are not those of its file")


def region_of(evidence: Evidence, offset: int, length: int) -> Region:
    """A range of the evidence with its hash; as much as can be read."""
    raw = evidence.read_up_to_bad(offset, length)
    return Region(offset, len(raw), hashlib.sha256(raw).hexdigest())
