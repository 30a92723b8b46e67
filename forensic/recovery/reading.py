"""A plan carried out: an image whose header and L1 table come from the plan, and of each range how sure it is."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge

import numpy as np
from msgspec.structs import replace

from forensic.disk.planned import UNKNOWN, Judged, Planned
from forensic.errors import BadPlan, WrongEvidence
from forensic.evidence import Evidence
from forensic.image import Qcow2Image
from forensic.mapping.extents import Reason
from forensic.qcow2.entries import COPIED
from forensic.qcow2.geometry import MAX_L1_ENTRIES, Geometry, resolve
from forensic.qcow2.header import parse_header
from forensic.recovery.certainty import CONFIDENCE, Certainty, Method, Why
from forensic.recovery.headers import made_header, mended
from forensic.recovery.plan import GuestRange, Plan, digest, verify_evidence
from forensic.recovery.plan_reading import read_plan
from forensic.recovery.plan_seals import certainties_of, certainty_of

LOWERED = {Why.CLAIMED_TWICE: 0.5, Why.REFCOUNT_ZERO: 0.8, Why.EMPTY_BESIDE_ENTRIES: 0.9, Why.BESIDE_IMPOSSIBLE: 0.9}
"""How confident one may be of a range that is less sure than its table."""


def open_planned(evidence: Evidence, path: str) -> Qcow2Image:
    """The image that the plan in a file describes.

    Only the part of the file that the plan is about counts from then on. Raises `EvidenceUnreadable`, `BadPlan`, and
    `WrongEvidence` for a plan of another file.
    """
    plan = read_plan(path)
    if plan.part is not None:
        if evidence.image_offset not in (0, plan.part.offset):
            raise WrongEvidence(path, f"it is for an image at offset {plan.part.offset:#x} of the file")
        try:
            evidence.narrow(plan.part.offset, plan.part.length)
        except ValueError as error:
            raise WrongEvidence(path, str(error)) from error
    verify_evidence(plan, evidence, path)
    return image_by(plan, evidence, path)


def image_by(plan: Plan, evidence: Evidence, path: str = "the plan") -> Qcow2Image:
    """The image that a plan of this file describes. Raises `BadPlan` for a header that cannot be."""
    return Qcow2Image(evidence, planned_by(plan, evidence, path))


def planned_by(plan: Plan, evidence: Evidence, path: str = "the plan") -> Planned:
    """What is to be read in place of the file's own tables. Raises `BadPlan` for a header that cannot be."""
    header = _header(plan, evidence)
    geometry = resolve(parse_header(header))
    if not isinstance(geometry, Geometry):
        raise BadPlan(path, f"its header gives no geometry: {geometry.reason}")
    same = (geometry.cluster_bits, geometry.virtual_size, geometry.extended_l2)
    if same != (plan.geometry.cluster_bits, plan.geometry.virtual_size, plan.geometry.extended_l2):
        raise BadPlan(path, "its geometry differs from that of the header that it says it uses")
    if geometry.l1_entries_needed > MAX_L1_ENTRIES:
        raise BadPlan(path, f"its disk takes {geometry.l1_entries_needed:,} L1 entries, more than {MAX_L1_ENTRIES:,}")
    entries = np.zeros(geometry.l1_entries_needed, dtype=np.uint64)
    for one in plan.l1:
        if one.decision in plan.decisions:
            offsets = one.l2_offset + one.step * np.arange(one.count, dtype=np.uint64)
            entries[one.slot : one.slot + one.count] = offsets.astype(np.uint64) | np.uint64(COPIED)
    starts, judged, unknown = _judged(plan, geometry)
    data = tuple(
        (one.guest_offset, one.guest_offset + one.length, one.host_offset, one.stored_length)
        for one in plan.data
        if one.decision in plan.decisions
    )
    offset = plan.geometry.l1_table_offset
    return Planned(
        header,
        offset,
        entries,
        plan.target,
        unknown,
        starts,
        judged,
        plan.examiner,
        digest(plan),
        size_certain(plan),
        geometry.virtual_size,
        data,
        plan.geometry.decision not in plan.decisions or _size_method(plan) == Method.CONTENT,
        plan.geometry.header == "plan",
    )


def _size_method(plan: Plan) -> Method:
    return plan.decisions[plan.geometry.decision].method


def size_certain(plan: Plan) -> bool:
    """Whether the size of the disk is certain."""
    return certainty_of(plan, plan.geometry.decision) == Certainty.CERTAIN


def _header(plan: Plan, evidence: Evidence) -> bytes:
    """The header cluster by which the plan reads."""
    one = plan.geometry
    size = 1 << one.cluster_bits
    if one.header != "plan":
        raw = evidence.read_up_to_bad(0, size).ljust(size, b"\0")
        if one.header == "file":
            return raw
        coverage = size * (size // (16 if one.extended_l2 else 8))
        return mended(raw, one.virtual_size, -(-one.virtual_size // coverage), one.l1_table_offset)
    made = Geometry(
        version=one.version,
        cluster_bits=one.cluster_bits,
        virtual_size=one.virtual_size,
        l1_table_offset=one.l1_table_offset,
        l1_entry_count=0,
        refcount_table_offset=one.refcount_table_offset,
        refcount_table_clusters=one.refcount_table_clusters,
        refcount_order=one.refcount_order,
        extended_l2=one.extended_l2,
        compression_type=1 if one.compression == "zstd" else 0,
        external_data_file=False,
        crypt_method=0,
    )
    made = replace(made, l1_entry_count=made.l1_entries_needed)
    return made_header(made, (one.luks_offset, one.luks_length))


def _judged(plan: Plan, geometry: Geometry) -> tuple[list[int], list[Judged], tuple[tuple[int, int, Reason], ...]]:
    """How sure each guest range is, and which are not to be read: tables and gaps first, then what lowers them."""
    size, coverage = geometry.virtual_size, geometry.l1_coverage
    base = list(_bases(plan, size, coverage))
    lowered = sorted(
        [*((one, Certainty.INFERRED) for one in plan.inferred), *((one, Certainty.UNKNOWN) for one in plan.unknown)],
        key=lambda one: one[0].guest_offset,
    )
    starts: list[int] = []
    judged: list[Judged] = []
    unknown: list[tuple[int, int, Reason]] = []
    at = 0
    for start, end, what, why in base:
        while start < end:
            while at < len(lowered) and lowered[at][0].guest_offset + lowered[at][0].length <= start:
                at += 1
            one, stop = what, end
            reason = why
            if at < len(lowered) and lowered[at][0].guest_offset < end:
                part, how = lowered[at]
                if part.guest_offset > start:
                    stop = part.guest_offset
                else:
                    stop = min(end, part.guest_offset + part.length)
                    one, reason = _lower(what, part, how), _reason(part) if how == Certainty.UNKNOWN else why
            if not judged or judged[-1] != one:
                starts.append(start)
                judged.append(one)
            if one.certainty == UNKNOWN:
                last = unknown[-1] if unknown else None
                if last and last[1] == start and last[2] == reason:
                    unknown[-1] = (last[0], stop, reason)
                else:
                    unknown.append((start, stop, reason))
            start = stop
    if not starts:
        starts, judged = [0], [Judged(UNKNOWN, 0.0, "", "")]
    return starts, judged, tuple(unknown)


def _bases(plan: Plan, size: int, coverage: int) -> Iterator[tuple[int, int, Judged, Reason]]:
    """The guest ranges of tables and of the gaps between them, in order."""
    sure = certainties_of(plan)
    gap = _of_decision(plan, sure, plan.empty)
    position = 0
    tables = ((one.slot * coverage, (one.slot + one.count) * coverage, one.decision) for one in plan.l1)
    data = ((one.guest_offset, one.guest_offset + one.length, one.decision) for one in plan.data)
    for start, end, decision in merge(tables, data):
        end = min(size, end)
        if position < start:
            yield position, start, gap, Reason.EMPTINESS_DOUBTFUL
        if start < end:
            yield start, end, _of_decision(plan, sure, decision), Reason.NOT_RECOVERED
        position = max(position, end)
    if position < size:
        yield position, size, gap, Reason.EMPTINESS_DOUBTFUL


OLDER = (Method.OLD_SNAPSHOT, Method.OLDER_TABLE)
"""Methods that give what a range held before."""

OLDER_IMAGE = "older"
"""The target of a plan of an image that another was written over."""


def _of_decision(plan: Plan, sure: dict[str, Certainty], name: str) -> Judged:
    decision = plan.decisions.get(name)
    if decision is None:
        return Judged(UNKNOWN, 0.0, name, "")
    version = "older" if decision.method in OLDER or plan.target == OLDER_IMAGE else "current"
    return Judged(sure[name].value, decision.confidence, name, decision.method.value, version)


def _lower(what: Judged, part: GuestRange, how: Certainty) -> Judged:
    """The same range, less sure; what is unknown stays so."""
    if how == Certainty.UNKNOWN or what.certainty == UNKNOWN:
        return replace(what, certainty=UNKNOWN, confidence=0.0)
    confidence = min(what.confidence, LOWERED.get(_why(part), CONFIDENCE[Method.OPEN_ACCOUNTS]))
    return replace(what, certainty=Certainty.INFERRED.value, confidence=confidence)


def _why(part: GuestRange) -> Why:
    return next((why for why in Why if why.code == part.why), Why.NOT_RECOVERED)


def _reason(part: GuestRange) -> Reason:
    """The reason by which an unknown range is filled; of words that are not ours, that it was not recovered."""
    return {
        Why.EMPTINESS_DOUBTFUL: Reason.EMPTINESS_DOUBTFUL,
        Why.OVERWRITTEN: Reason.OVERWRITTEN,
        Why.SUSPECT_ZONE: Reason.SUSPECT_ZONE,
        Why.BAD_SECTOR: Reason.IO_ERROR,
    }.get(_why(part), Reason.NOT_RECOVERED)
