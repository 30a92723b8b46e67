"""Data of lost tables that says where it belongs: which clusters follow from it, and which do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from forensic.evidence import Evidence
from forensic.recovery.certainty import Certainty, Method
from forensic.recovery.placement.by_place import LONGEST_RUN, _with_runs
from forensic.recovery.recover import recover
from tests.oracles import require
from tests.recovery.figures import figures_of
from tests.recovery.images import KINDS, damaged

FREE = np.ones(2048, dtype=np.bool_)


def test_what_lies_between_two_that_are_equally_far_apart_follows() -> None:
    assert _with_runs({10: 100, 13: 103, 20: 200}, FREE.__getitem__, 512) == {
        10: 100,
        11: 101,
        12: 102,
        13: 103,
        20: 200,
    }


@pytest.mark.parametrize(
    "said",
    [{10: 100, 13: 104}, {10: 100, 13: 97}, {510: 100, 514: 104}, {0: 0, LONGEST_RUN + 1: LONGEST_RUN + 1}],
    ids=["not as far", "backwards", "of two slots", "too far"],
)
def test_other_neighbours_say_nothing_of_what_lies_between(said: dict[int, int]) -> None:
    assert _with_runs(said, FREE.__getitem__, 512 if max(said) < 600 and 510 in said else 1 << 20) == said


def test_nothing_is_put_where_something_else_lies() -> None:
    free = FREE.copy()
    free[102] = False
    assert _with_runs({10: 100, 13: 103}, free.__getitem__, 512) == {10: 100, 13: 103}


@pytest.mark.parametrize("name", ["xfs many c4k", "ext4 w8k"])
def test_structures_are_placed_though_every_table_is_lost(name: str, tmp_path: Path) -> None:
    kind = next(kind for kind in KINDS if kind.name == name)
    require("qemu-img", "qemu-io", "mkfs.xfs", "mkfs.ext4")
    image = damaged(kind, "all L2 random", tmp_path, seed=1)
    with Evidence(image.path) as evidence:
        plan = recover(evidence).plan
    decisions = [one for one in plan.decisions.values() if one.method == Method.ANCHORED_DATA]
    assert {one.certainty for one in decisions} == {Certainty.INFERRED}
    found = figures_of(image)
    assert (found.wrong_certain, found.wrong_inferred) == (0, 0), str(found)
    assert found.inferred > 0
