"""A plan is read: an input like any other, so whatever it says is checked, and refused with the line it stands in."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import msgspec

from forensic.errors import BadPlan
from forensic.evidence import Evidence, ReadFailed
from forensic.qcow2.geometry import MAX_CLUSTER_BITS, MAX_L1_ENTRIES, MAX_REFCOUNT_ORDER, MIN_CLUSTER_BITS
from forensic.recovery.plan import SCHEMA, GuestRange, Plan

MAX_PLAN_BYTES = 64 << 20

MAX_REGIONS = 4096

MAX_VIRTUAL_SIZE = 1 << 61


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
    return [
        *_geometry_faults(plan),
        *_slot_faults(plan),
        *_data_faults(plan),
        *_stream_faults(plan),
        *_range_faults(plan),
        *_decision_faults(plan),
    ]


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
        (0 <= one.l1_table_offset < 1 << 63, "l1_table_offset is not a valid offset"),
        (0 <= one.refcount_table_offset < 1 << 63, "refcount_table_offset is not a valid offset"),
        (0 <= one.refcount_table_clusters < 1 << 32, "refcount_table_clusters is too large"),
        (0 <= one.luks_offset < 1 << 63 and 0 <= one.luks_length < 1 << 63, "the LUKS header has no valid place"),
    )
    found += [(f"geometry: {message}", ['"geometry"']) for good, message in checks if not good]
    size = plan.evidence.size
    if plan.part is not None and not (0 <= plan.part.offset < 1 << 63 and plan.part.length == size):
        found.append(("part: it has another length than the evidence, or no valid offset", ['"part"']))
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


def _data_faults(plan: Plan) -> list[Fault]:
    found: list[Fault] = []
    cluster_size = 1 << min(max(plan.geometry.cluster_bits, MIN_CLUSTER_BITS), MAX_CLUSTER_BITS)
    coverage = cluster_size * (cluster_size // (16 if plan.geometry.extended_l2 else 8))
    tables = iter([(one.slot * coverage, (one.slot + one.count) * coverage) for one in plan.l1])
    table, end = next(tables, None), 0
    for one in plan.data:
        words = [f'"guest_offset": {one.guest_offset}', f'"host_offset": {one.host_offset}']
        while table and table[1] <= one.guest_offset:
            table = next(tables, None)
        if one.length <= 0 or one.guest_offset < end or one.guest_offset + one.length > plan.geometry.virtual_size:
            found.append((f"data: the range at {one.guest_offset} is empty, out of order, or not on the disk", words))
        elif one.stored_length and not (0 < one.stored_length <= 2 * cluster_size and one.length <= cluster_size):
            found.append((f"data: the range at {one.guest_offset} is no compressed cluster", words))
        elif one.guest_offset % cluster_size or (not one.stored_length and one.host_offset % cluster_size):
            found.append((f"data: the range at {one.guest_offset} does not begin with a cluster", words))
        elif (
            not 0
            < one.host_offset
            <= one.host_offset + (one.stored_length or one.length)
            <= plan.evidence.size + (0 if one.stored_length else cluster_size)
        ):
            found.append((f"data: the range at {one.guest_offset} is not within the file", words))
        elif table and table[0] < one.guest_offset + one.length:
            found.append((f"data: the range at {one.guest_offset} has an L2 table as well", words))
        end = max(end, one.guest_offset + one.length)
    return found


def _stream_faults(plan: Plan) -> list[Fault]:
    found: list[Fault] = []
    for one in plan.streams:
        inside = 0 < one.host_offset <= one.host_offset + sum(one.lengths) <= plan.evidence.size
        if not inside or not one.lengths or min(one.lengths) <= 0:
            words = [f'"host_offset": {one.host_offset}', '"lengths"']
            found.append((f"streams: those at {one.host_offset} are empty or not within the file", words))
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
