"""Lost L2 tables: what is put in their place, that it is inferred and named; a plan of it is read by both readers."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from forensic.errors import BadPlan
from forensic.evidence import Evidence
from forensic.recovery.certainty import Certainty, Method
from forensic.recovery.plan import Plan, to_json
from forensic.recovery.plan_reading import parse_plan
from forensic.recovery.plan_seals import without_doubtful
from forensic.recovery.reading import planned_by
from forensic.recovery.recover import recover
from tests.commands import qcowscope
from tests.oracles import require
from tests.recovery.figures import figures_of
from tests.recovery.images import Made, converted, known

MIB = 1 << 20
SIZE = 24 * MIB


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A converted disk of noise without a zero cluster: each table is full."""
    require("qemu-img")
    folder = tmp_path_factory.mktemp("full")
    (folder / "disk.raw").write_bytes(random.Random(1).randbytes(SIZE - 4096))
    converted(folder / "disk.raw", folder / "image.qcow2", "cluster_size=4096")
    return known(folder / "image.qcow2")


def without_tables(made: Made, slots: list[int], body: bytes) -> Made:
    copy = Made(made.path, made.truth, made.data, made.cluster, bytearray(made.content))
    for slot in slots:
        copy.put(copy.tables[slot], body * (copy.cluster // len(body)))
    copy.save()
    return copy


def plan_of(made: Made) -> Plan:
    with Evidence(made.path) as evidence:
        return recover(evidence).plan


@pytest.mark.parametrize("slots", [[3], [0, 1, 2], [11], list(range(12))])
@pytest.mark.parametrize("body", [b"lost", b"\0"])
def test_full_slots_of_a_converted_disk_come_back_and_are_inferred(full: Made, slots: list[int], body: bytes) -> None:
    image = without_tables(full, slots, body)
    found = figures_of(image)
    assert (found.wrong_certain, found.wrong_inferred) == (0, 0)
    assert found.right_share == 1
    plan = plan_of(image)
    how = {plan.decisions[part.decision] for part in plan.data}
    assert {(one.method, one.certainty) for one in how} == {(Method.EXACT_COUNT, Certainty.INFERRED)}
    coverage = 512 * 4096
    assert sorted({part.guest_offset // coverage for part in plan.data}) == slots


def test_one_cluster_too_few_and_nothing_is_placed(full: Made) -> None:
    copy = without_tables(full, [4], b"lost")
    table, next_table = copy.tables[4], copy.tables[5]
    refcounts = copy.u64(copy.u64(48))
    cluster = (table + 4096 * 10) // 4096
    assert table + 4096 * 10 < next_table
    copy.content[refcounts + 2 * cluster : refcounts + 2 * cluster + 2] = bytes(2)
    copy.save()
    assert plan_of(copy).data == ()


def test_tables_out_of_the_order_of_their_slots_say_nothing(full: Made) -> None:
    copy = without_tables(full, [4], b"lost")
    start, _ = copy.l1
    first, second = copy.u64(start + 8 * 8), copy.u64(start + 8 * 9)
    copy.content[start + 64 : start + 80] = second.to_bytes(8, "big") + first.to_bytes(8, "big")
    copy.save()
    assert plan_of(copy).data == ()


def test_a_plan_with_data_is_extracted_and_rebuilt_and_both_readers_agree(full: Made, tmp_path: Path) -> None:
    image = without_tables(full, [2, 5], b"lost")
    plan = tmp_path / "plan.json"
    assert qcowscope("recover", image.path, "-o", plan).status == 5
    done = qcowscope("extract", image.path, "--plan", plan, "-o", tmp_path / "disk.raw", "--verify")
    assert done.status == 5, done.err
    assert (tmp_path / "disk.raw").read_bytes() == full.truth
    assert qcowscope("rebuild", image.path, "--plan", plan, "-o", tmp_path / "new.qcow2", "--verify").status == 5
    assert qcowscope("extract", tmp_path / "new.qcow2", "-o", tmp_path / "new.raw").status == 0
    assert (tmp_path / "new.raw").read_bytes() == full.truth


def test_what_is_less_sure_than_is_wanted_is_left_out(full: Made) -> None:
    image = without_tables(full, [2], b"lost")
    plan = plan_of(image)
    assert without_doubtful(plan, 0.85) == plan
    without = without_doubtful(plan, 0.9)
    assert without.data == ()
    with Evidence(image.path) as evidence:
        unknown = planned_by(without, evidence).unknown
    assert [(start, end) for start, end, _ in unknown] == [(2 * 512 * 4096, 3 * 512 * 4096)]


@pytest.mark.parametrize(
    "change",
    [
        {"host_offset": 4097},
        {"host_offset": 1 << 40},
        {"guest_offset": 5},
        {"guest_offset": 0},
        {"length": 0},
        {"length": 1 << 40},
        {"colour": 1},
    ],
)
def test_data_that_cannot_be_is_refused_with_the_line(full: Made, change: dict[str, int]) -> None:
    document = json.loads(to_json(plan_of(without_tables(full, [2], b"lost"))))
    document["data"][0].update(change)
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in document.items())
    with pytest.raises(BadPlan, match=r"line [0-9]+"):
        parse_plan(f"{{{lines}}}".encode(), "plan.json")
