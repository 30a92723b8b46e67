"""The plan: a small JSON file from which a disk is read in place of the tables that are damaged, made to be edited.

The same file, version and options give the same plan; it holds no paths and no time. Whatever it says is checked before
it is used: it is an input like any other.
"""

from __future__ import annotations

import hashlib
import json

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


def digest(value: object) -> str:
    """What two values have in common if they are the same."""
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()[:32]


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
