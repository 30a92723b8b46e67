"""Compressed clusters are decoded to find structures in them, and no more of them than may be."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from forensic.evidence import Evidence
from forensic.recovery.placement.in_streams import Cluster, Decoded, anchors_of
from forensic.recovery.recover import recover
from tests.oracles import require
from tests.recovery.figures import figures_of
from tests.recovery.images import Made, converted, damaged_again, filesystem, known

MIB = 1 << 20


@pytest.fixture(scope="module")
def compressed(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """An ext4 disk whose clusters are all compressed, without its L1 table."""
    require("qemu-img", "mkfs.ext4")
    folder = tmp_path_factory.mktemp("streams")
    raw = filesystem("ext4", folder, 64 * MIB, random.Random(1))
    converted(raw, folder / "image.qcow2", "cluster_size=8192,compression_type=zlib", "-c")
    return damaged_again(known(folder / "image.qcow2"), "L1 zero", seed=1)


def placed_in(image: Made) -> int:
    with Evidence(image.path) as evidence:
        return len(recover(evidence).plan.l1)


def test_tables_of_streams_are_placed_by_what_the_streams_hold(compressed: Made) -> None:
    found = figures_of(compressed)
    assert (found.wrong_certain, found.wrong_inferred) == (0, 0), str(found)
    assert found.right_share > 0.95
    assert placed_in(compressed) > 0


@pytest.mark.parametrize("limited", [Decoded(left=4096), Decoded(room=4096)], ids=["decoded", "held"])
def test_no_more_is_decoded_or_held_than_may_be(
    limited: Decoded, compressed: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forensic.recovery.placement.placing.Decoded", lambda: limited)
    assert placed_in(compressed) == 0


def test_an_anchor_is_told_with_its_cluster_and_its_place_in_it(tmp_path: Path) -> None:
    require("mkfs.ext4")
    raw = filesystem("ext4", tmp_path, 64 * MIB, random.Random(1)).read_bytes()
    clusters = [Cluster(512, 7, 4096, bytes(8192)), Cluster(1024, 0, 5000, raw[:8192])]
    ((anchor, cluster, inside),) = anchors_of(clusters, 8192)
    assert (anchor.kind, anchor.place, cluster.table, inside) == ("ext_superblock", 1024, 1024, 1024)
    assert list(anchors_of([], 8192)) == []
