"""Plans are inputs: canonical when written, refused with the line when they cannot be, less sure when edited."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from msgspec.structs import replace

from forensic.errors import BadPlan, WrongEvidence
from forensic.evidence import Evidence
from forensic.recovery.certainty import Certainty, Method
from forensic.recovery.plan import Plan, json_schema, to_json, verify_evidence
from forensic.recovery.plan_reading import parse_plan
from forensic.recovery.plan_seals import certainty_of, sealed, without_doubtful
from forensic.recovery.reading import planned_by
from forensic.recovery.recover import recover
from tests.images import SOUND

IMAGE = SOUND / "two-l2-512.qcow2"
STREAM = {"guest_offset": 0, "length": 512, "host_offset": 700, "stored_length": 30, "decision": "D1"}
Document = dict[str, Any]


@pytest.fixture
def plan() -> Plan:
    with Evidence(IMAGE) as evidence:
        return recover(evidence).plan


def edited(plan: Plan, change: Callable[[Document], object]) -> bytes:
    document = json.loads(to_json(plan))
    change(document)
    head = json.dumps({key: value for key, value in document.items() if key not in ("l1", "decisions")})
    rows = ",\n".join(json.dumps(row) for row in document["l1"])
    names = ",\n".join(f"{json.dumps(name)}: {json.dumps(one)}" for name, one in document["decisions"].items())
    return f'{head[:-1]},\n"l1": [\n{rows}\n],\n"decisions": {{\n{names}\n}}}}\n'.encode()


def test_a_plan_is_written_the_same_each_time_and_read_back(plan: Plan) -> None:
    with Evidence(IMAGE) as evidence:
        assert to_json(recover(evidence).plan) == to_json(plan)
    assert parse_plan(to_json(plan).encode(), "plan") == plan
    assert str(IMAGE.parent) not in to_json(plan)


def test_a_plan_follows_its_schema(plan: Plan) -> None:
    jsonschema.validate(json.loads(to_json(plan)), json_schema())


@pytest.mark.parametrize("at", range(4, 104, 4))
@pytest.mark.parametrize("raw", [b"\xff" * 8, b"\x80" + bytes(7), b"\x7f" + b"\xff" * 7], ids=bytes.hex)
def test_a_plan_can_be_used_whatever_a_field_of_the_header_says(at: int, raw: bytes, tmp_path: Path) -> None:
    content = bytearray(IMAGE.read_bytes())
    content[at : at + 8] = raw
    path = tmp_path / "image.qcow2"
    path.write_bytes(content)
    with Evidence(path) as evidence:
        plan = recover(evidence).plan
        assert planned_by(parse_plan(to_json(plan).encode(), "plan"), evidence).size > 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda plan: plan["l1"][0].update(colour="red"), "there is no key `colour`"),
        (lambda plan: plan["l1"][1].update(l2_offset=513), "no multiple of the cluster size"),
        (lambda plan: plan["l1"][1].update(l2_offset=1 << 40), "past the end of the file"),
        (lambda plan: plan["l1"][1].update(slot=5000), "slots"),
        (lambda plan: plan["l1"][1].update(slot=plan["l1"][0]["slot"]), "given twice"),
        (lambda plan: plan["l1"][1].update(slot=-1), "slots"),
        (lambda plan: plan["l1"][1].update(count=1 << 40), "slots"),
        (lambda plan: plan["l1"][1].update(step=-512), "step"),
        (lambda plan: plan["l1"][1].update(slot="x"), "expected a whole number, found text"),
        (lambda plan: plan["decisions"]["D1"].update(confidence=7), "confidence"),
        (lambda plan: plan["decisions"]["D1"].update({"class": "sure"}), "sure"),
    ],
)
def test_what_no_plan_can_say_is_refused_with_the_line(
    plan: Plan, change: Callable[[Document], object], said: str
) -> None:
    raw = edited(plan, change)
    with pytest.raises(BadPlan, match=r"\(line [0-9]+\)") as refusal:
        parse_plan(raw, "plan.json")
    assert said in str(refusal.value)
    line = int(str(refusal.value).rpartition("(line ")[2].rstrip(")"))
    assert line in range(2, raw.count(b"\n") + 1)


@pytest.mark.parametrize(
    "change",
    [
        lambda plan: plan["geometry"].update(cluster_bits=60),
        lambda plan: plan["geometry"].update(virtual_size=1 << 63),
        lambda plan: plan["geometry"].update(header="mine"),
        lambda plan: plan["evidence"].update(size=-1),
        lambda plan: plan["evidence"]["regions"].append({"offset": 0, "length": 1 << 50, "sha256": ""}),
        lambda plan: plan["unknown"].append({"guest_offset": 1 << 50, "length": 512, "why": "x"}),
        lambda plan: plan["unknown"].append({"guest_offset": 0, "length": 0, "why": "x"}),
        lambda plan: plan.update(schema="qcowscope-plan/9"),
        *(
            lambda plan, change=change: plan["data"].append({**STREAM, **change}) or plan.update(l1=[])
            for change in (
                {"stored_length": -1},
                {"stored_length": 1 << 20},
                {"length": 4096},
                {"guest_offset": 1},
                {"host_offset": 1 << 40},
            )
        ),
        lambda plan: plan["streams"].append({"host_offset": 700, "lengths": []}),
        lambda plan: plan["streams"].append({"host_offset": 700, "lengths": [10, 0]}),
        lambda plan: plan["streams"].append({"host_offset": 700, "lengths": [10, 1 << 40]}),
        lambda plan: plan["streams"].append({"host_offset": -1, "lengths": [10]}),
    ],
)
def test_impossible_numbers_are_refused(plan: Plan, change: Callable[[Document], object]) -> None:
    with pytest.raises(BadPlan):
        parse_plan(edited(plan, change), "plan.json")


def test_data_of_a_plan_may_be_compressed(plan: Plan) -> None:
    listed = {"host_offset": 700, "lengths": [10, 20]}
    found = parse_plan(edited(plan, lambda plan: plan.update(l1=[], data=[STREAM], streams=[listed])), "plan.json")
    assert (found.data[0].stored_length, found.streams[0].lengths) == (30, (10, 20))


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b"{", b"\xff\xfe", b"[" * 100_000, b'{"schema": 1}'])
def test_what_is_no_plan_is_refused(raw: bytes) -> None:
    with pytest.raises(BadPlan):
        parse_plan(raw, "plan.json")


def test_a_decision_that_was_edited_is_not_certain_any_more(plan: Plan) -> None:
    assert certainty_of(plan, "D1") == Certainty.CERTAIN
    moved = replace(plan, l1=(replace(plan.l1[0], slot=plan.l1[0].slot), *plan.l1[1:-1]))
    assert certainty_of(moved, "D1") == Certainty.INFERRED
    decision = replace(plan.decisions["D1"], confidence=0.5)
    assert certainty_of(replace(plan, decisions={**plan.decisions, "D1": decision}), "D1") == Certainty.INFERRED
    assert certainty_of(replace(plan, target="other"), "D1") == Certainty.INFERRED
    assert certainty_of(plan, "D99") == Certainty.UNKNOWN


@pytest.mark.parametrize("drawn", range(40))
def test_no_edit_of_the_slots_leaves_a_wrong_byte_certain(plan: Plan, drawn: int) -> None:
    """Slots are dropped, moved, added, given other tables or all taken away; the disk is read as the plan says."""
    draw = random.Random(drawn)
    slots = [
        replace(one, slot=one.slot + at, l2_offset=one.l2_offset + at * one.step, count=1, step=0)
        for one in plan.l1
        for at in range(one.count)
    ]
    original, tables = list(slots), [one.l2_offset for one in slots]
    for _ in range(draw.randint(1, 2)):
        how, at = draw.choice(["drop", "move", "add", "table", "all"]), draw.randrange(max(1, len(slots)))
        if how == "all" or not slots:
            slots = []
        elif how == "drop":
            del slots[at]
        elif how == "move":
            slots[at] = replace(slots[at], slot=draw.randrange(8))
        elif how == "add":
            slots.append(replace(slots[at], slot=draw.randrange(8)))
        else:
            slots[at] = replace(slots[at], l2_offset=draw.choice(tables))
    kept = {one.slot: one for one in slots}
    changed = replace(plan, l1=tuple(kept[slot] for slot in sorted(kept)))
    with Evidence(IMAGE) as evidence:
        found = planned_by(changed, evidence)
    same = sorted(kept.values(), key=lambda one: one.slot) == original
    for start, end, judged in found.parts(0, plan.geometry.virtual_size):
        assert same or judged.certainty != "certain", (start, end)
        if not same and judged.decision == plan.empty:
            assert judged.certainty == "unknown", (start, end)


def test_slots_that_are_left_out_as_doubtful_are_unknown_and_not_empty(plan: Plan) -> None:
    doubtful = replace(plan.decisions["D1"], certainty=Certainty.INFERRED, confidence=0.5)
    doubted = sealed(replace(plan, decisions={**plan.decisions, "D1": doubtful}))
    with Evidence(IMAGE) as evidence:
        found = planned_by(without_doubtful(doubted, 0.9), evidence)
    for one in plan.l1:
        start, end = one.slot * 512 * 64, (one.slot + one.count) * 512 * 64
        assert {judged.certainty for _, _, judged in found.parts(start, end)} == {"unknown"}


def test_an_examiner_who_gives_a_name_may_say_that_a_decision_is_certain(plan: Plan) -> None:
    decision = replace(plan.decisions["D1"], method=Method.EXAMINER)
    edited_plan = replace(plan, decisions={**plan.decisions, "D1": decision})
    assert certainty_of(edited_plan, "D1") == Certainty.INFERRED
    assert certainty_of(replace(edited_plan, examiner=("A. Examiner",)), "D1") == Certainty.CERTAIN


def test_the_ranges_of_a_decision_that_was_deleted_are_unknown(plan: Plan) -> None:
    with Evidence(IMAGE) as evidence:
        whole = planned_by(plan, evidence)
        without = planned_by(replace(plan, decisions={"D2": plan.decisions["D2"]}), evidence)
    assert {one.certainty for one in whole.judged} == {"certain"}
    assert whole.unknown == ()
    slot = plan.l1[0].slot
    coverage = 512 * 64
    assert any(start <= slot * coverage < end for start, end, _ in without.unknown)


def test_a_plan_of_another_file_is_refused(plan: Plan, tmp_path: Path) -> None:
    with Evidence(IMAGE) as evidence:
        verify_evidence(plan, evidence, "plan")
    content = bytearray(IMAGE.read_bytes())
    table = plan.l1[0].l2_offset
    content[table] ^= 1
    other = tmp_path / "other.qcow2"
    for change in (bytes(content), bytes(content) + b"\0"):
        other.write_bytes(change)
        with Evidence(other) as evidence, pytest.raises(WrongEvidence):
            verify_evidence(plan, evidence, "plan")


def test_seals_cover_every_field_of_a_plan(plan: Plan) -> None:
    assert sealed(plan) == plan
