"""Every L2 table once, named after the first set that leads there, and none that lies in a hole of the file."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest

from forensic.accounting.table_sets import SETS_AT_ONCE, TableSets
from forensic.evidence import Evidence
from forensic.image import Qcow2Image
from forensic.mapping.rows import joined
from forensic.qcow2.arrays import is_among
from forensic.qcow2.table_reading import stored_clusters
from forensic.qcow2.tables import L1Table
from samples.kinds import KINDS
from tests.images import geometry, sample

CLUSTER = geometry().cluster_size
FILE_CLUSTERS = 256


def table(owner: str, clusters: list[int]) -> L1Table:
    """An L1 table that lies at the start of the file and leads to L2 tables in these host clusters."""
    entries = np.array([number * CLUSTER for number in clusters], dtype=np.uint64)
    return L1Table(owner, 0, len(entries), entries, geometry(), FILE_CLUSTERS * CLUSTER)


def full_file(folder: Path) -> Evidence:
    path = folder / "full"
    path.write_bytes(b"\x01" * FILE_CLUSTERS * CLUSTER)
    return Evidence(path)


@pytest.mark.parametrize("seed", range(20))
def test_each_table_comes_once_with_the_first_set_that_leads_there(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    sets, expected = TableSets(), dict[int, tuple[str, int]]()
    for number in range(rng.choice([1, 2, SETS_AT_ONCE, SETS_AT_ONCE + 1, 30])):
        owner = f"snapshot {number}" if number else "active"
        clusters = [rng.randrange(1, 64) for _ in range(rng.randrange(20))]
        sets.add(table(owner, clusters), 1)
        for index, cluster in reversed(list(enumerate(clusters))):
            if expected.get(cluster * CLUSTER, (owner, 0))[0] == owner:
                expected[cluster * CLUSTER] = (owner, index)
    with full_file(tmp_path) as evidence:
        active = table("active", [])
        for wanted in (None, np.arange(0, 64, 3, dtype=np.uint64) * np.uint64(CLUSTER)):
            found = [
                (int(offset), (batch.owner, int(index)))
                for batch in sets.batches(evidence, active, wanted)
                for index, offset in zip(batch.l1_indices, batch.host_offsets, strict=True)
            ]
            assert len({offset for offset, _ in found}) == len(found)
            chosen = expected if wanted is None else {at: who for at, who in expected.items() if at in wanted.tolist()}
            assert dict(found) == chosen


@pytest.mark.parametrize("seed", range(20))
def test_clusters_in_holes_are_told_from_stored_ones_by_what_they_hold(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    path, size = tmp_path / "sparse", 4096
    content = bytearray(rng.randrange(30 * size, 40 * size))
    with path.open("wb") as file:
        os.truncate(file.fileno(), len(content))
        for _ in range(rng.randrange(6)):
            at = rng.randrange(len(content) - 10)
            content[at : at + 10] = b"something."
            os.pwrite(file.fileno(), b"something.", at)
    offsets = np.array(sorted(rng.sample(range(0, 60 * size, 512), 80)), dtype=np.uint64)
    with Evidence(path) as evidence:
        stored = stored_clusters(evidence, offsets, size)
    for offset, there in zip(offsets.tolist(), stored.tolist(), strict=True):
        part = bytes(content[offset : offset + size])
        # What is said to be a hole is wholly inside the file and all zeros.
        assert there or part == bytes(size)
    if os.stat(path).st_blocks == 0:
        assert not stored[offsets + np.uint64(size) <= len(content)].any()


def test_values_are_found_among_others() -> None:
    ordered = np.array([3, 5, 9], dtype=np.uint64)
    values = np.array([[0, 3, 4], [5, 9, 10]], dtype=np.uint64)
    assert is_among(values, ordered).tolist() == [[False, True, False], [True, True, False]]
    assert not is_among(values, ordered[:0]).any()


def test_an_l2_table_in_a_hole_maps_what_a_table_of_zeros_maps(tmp_path: Path) -> None:
    path = tmp_path / "image.qcow2"
    content = bytearray(sample(KINDS["two-l2-512"]).read_bytes())
    l1 = int.from_bytes(content[40:48], "big")
    zeros, end = len(content), 1 << 20
    maps = []
    for l2 in (zeros, end - 4096):  # a table of stored zeros, then one in a hole
        content[l1 : l1 + 8] = (l2 | 1 << 63).to_bytes(8, "big")
        path.write_bytes(content + bytes(4096))
        os.truncate(path, end)
        with Qcow2Image(Evidence(path)) as image:
            maps.append([row for rows in joined(image.row_batches()) for row in rows.tolist()])
    assert maps[0] == maps[1]
    assert len(maps[0]) > 1
