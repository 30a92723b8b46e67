"""What a check counts on its way: against the mapping, against QEMU, and by hand."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from forensic.accounting.measurement import _sums_of_batch
from forensic.checking import check
from forensic.errors import ForensicError
from forensic.evidence import Evidence
from forensic.image import Qcow2Image
from forensic.mapping.extents import State
from forensic.mapping.table_rows import rows_of
from forensic.measured import Measured
from forensic.qcow2.tables import L2Batch
from samples import recipes
from samples.kinds import Kind
from tests.images import QCOW2, geometry, sample
from tests.oracles import require
from tests.rules.judging import damaged, poke

STATES = {
    State.DATA: ("data", "in_data_file"),
    State.COMPRESSED: ("compressed",),
    State.ZERO_ALLOCATED: ("zero_allocated",),
    State.UNALLOCATED: ("unallocated", "from_backing"),
    State.ABSENT: ("unreadable",),
}
RECIPES = [each for each in recipes.all_recipes() if not each.base.startswith("version-1")]


def measured(path: Path, with_streams: bool = True) -> Measured | None:
    with Evidence(path) as evidence:
        return check(Qcow2Image(evidence), strict=True, with_streams=with_streams).measured


def known(path: Path) -> Measured:
    found = measured(path)
    assert found is not None
    return found


def by_mapping(path: Path) -> dict[State, int]:
    """Bytes by state as a walk in guest order finds them."""
    sums = dict.fromkeys(State, 0)
    with Qcow2Image(Evidence(path)) as image:
        for extent in image.extents():
            sums[extent.state] += extent.length
    return sums


def agrees(path: Path, found: Measured) -> bool:
    """Whether the sums are those of the mapping, whatever else is wrong."""
    expected = by_mapping(path)
    sums = {state: sum(found.allocation.get(name, 0) for name in names) for state, names in STATES.items()}
    zeros = found.allocation["zero_explicit"] - found.allocation["zero_allocated"]
    return expected == {**sums, State.ZERO: zeros}


@pytest.mark.parametrize("kind", QCOW2, ids=lambda kind: kind.name)
def test_the_bytes_of_a_sound_disk_are_those_of_its_map(kind: Kind) -> None:
    found = known(sample(kind))
    assert agrees(sample(kind), found)
    assert found.readable_fraction == 1.0


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_the_bytes_of_a_damaged_disk_are_those_of_its_map(recipe: recipes.Recipe, tmp_path: Path) -> None:
    path = recipes.apply(recipe, tmp_path / "image.qcow2")
    try:
        found = measured(path)
        assert found is None or agrees(path, found)
    except ForensicError:
        assert recipe.qemu == "refuses"


@pytest.mark.parametrize("kind", [kind for kind in QCOW2 if not kind.passphrase], ids=lambda kind: kind.name)
def test_the_clusters_are_those_that_qemu_counts(kind: Kind) -> None:
    require("qemu-img")
    path = sample(kind)
    command = ["qemu-img", "check", "--output=json", path.name]
    theirs = json.loads(subprocess.run(command, cwd=path.parent, capture_output=True, check=True).stdout)
    found = known(path)
    with Qcow2Image(Evidence(path)) as image:
        size, extended = image.geometry.cluster_size, image.geometry.extended_l2
    ours = found.allocation
    located = ours.get("data", 0) + ours.get("in_data_file", 0) + ours["compressed"] + ours["zero_allocated"]
    assert -(-ours["compressed"] // size) == theirs.get("compressed-clusters", 0)
    assert extended or -(-located // size) == theirs.get("allocated-clusters", 0)
    assert found.end_of_data is not None
    assert -(-found.end_of_data // size) * size == theirs["image-end-offset"]


def test_a_snapshot_shares_what_was_not_written_since() -> None:
    # Four clusters, then one of them and a new one, then another one: see the maker.
    path = sample(next(kind for kind in QCOW2 if kind.name == "snapshots-512"))
    assert known(path).snapshot_clusters == {0: (1, 3), 1: (0, 5)}


def test_a_bitmap_marks_what_was_written() -> None:
    path = sample(next(kind for kind in QCOW2 if kind.name == "bitmaps-512"))
    assert known(path).dirty_bytes == {0: 1536, 1: 1536}


def test_the_bits_of_a_bitmap_in_use_are_not_counted(tmp_path: Path) -> None:
    path = damaged(tmp_path, "bitmaps-512", poke("bitmap_directory+12", u32=1))
    assert known(path).dirty_bytes == {1: 1536}


def test_a_lost_cluster_is_not_readable(tmp_path: Path) -> None:
    path = damaged(tmp_path, "patterns-v3-512", poke("l2", u64=1 << 63 | 1 << 40))
    found = known(path)
    assert found.allocation["unreadable"] == 512
    assert found.readable_fraction == (14 - 1) * 10_000 // 14 / 10_000


def test_a_broken_stream_is_not_readable_and_unknown_if_not_decoded(tmp_path: Path) -> None:
    recipe = next(each for each in RECIPES if each.code == "compressed-stream-broken")
    path = recipes.apply(recipe, tmp_path / "image.qcow2")
    fraction = known(path).readable_fraction
    assert fraction is not None
    assert fraction < 1
    without = measured(path, with_streams=False)
    assert without is not None
    assert without.readable_fraction is None


def test_what_cannot_be_known_is_not_there(tmp_path: Path) -> None:
    path = damaged(tmp_path, "snapshots-512", poke("l1", u64=1 << 63 | 1 << 40))
    found = known(path)
    assert found.end_of_data is None
    assert not {"free", "leaked", "metadata"} & found.allocation.keys()


@given(
    st.lists(st.tuples(st.sampled_from([0, 5 << 16, 6 << 16]), st.integers(0, (1 << 64) - 1)), min_size=1, max_size=64)
)
def test_subclusters_are_counted_as_the_mapping_has_them(entries: list[tuple[int, int]]) -> None:
    shape = replace(geometry(), cluster_bits=16, extended_l2=True)
    first, second = (np.array([words], dtype=np.uint64) for words in zip(*entries, strict=True))
    at = np.zeros(1, dtype=np.int64)
    batch = L2Batch("active", shape, 1 << 30, at, at.astype(np.uint64), np.array([len(entries)]), first, second)
    rows = rows_of(batch, None)
    expected = {state: int(rows["length"][rows["state"] == state].sum()) for state in State}
    sums = _sums_of_batch(batch)
    assert {state: int(sums[state]) for state in State} == expected
