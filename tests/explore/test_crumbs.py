"""The way to a place: each step points at the next one, from the header on, in images of every kind."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from forensic import Qcow1Image
from forensic.explore import Crumb, Qcow1RegionIndex, RegionIndex, crumbs_to, inspect, stored_refcount
from forensic.image import open_any
from tests.images import SOUND

IMAGES = sorted(path for path in SOUND.glob("*.qcow*") if path.suffix in (".qcow2", ".qcow"))
Index = RegionIndex | Qcow1RegionIndex


def leads_on(index: Index, steps: list[Crumb]) -> None:
    """Every step but the last is a pointer, into what the next one is a part of."""
    for step, following in itertools.pairwise(steps):
        assert step.place is not None
        if following.place is None:
            continue
        target = inspect(index, step.place.offset).target
        assert target is not None, step
        size = index.cluster_size or 1
        near = following.place.offset - target.offset
        assert 0 <= near < max(target.length * 8, size), (step, following)


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.name)
def test_each_step_points_at_the_next(path: Path) -> None:
    with open_any(path) as image:
        index: Index = Qcow1RegionIndex(image) if isinstance(image, Qcow1Image) else RegionIndex(image)
        size = index.cluster_size
        assert size is not None
        step = max(size, image.virtual_size // 64 // size * size)
        for guest_offset in range(0, image.virtual_size, step):
            steps = crumbs_to(index, None, guest_offset)
            assert steps[0].label == "header"
            leads_on(index, steps)
        for host_offset in range(0, image.evidence.size, max(8, image.evidence.size // 500 // 8 * 8)):
            region = index.region_at(host_offset)
            steps = crumbs_to(index, host_offset, None)
            assert bool(steps) == (region is not None)
            leads_on(index, steps)
            for each in steps:
                assert each.place is None or each.refcount == stored_refcount(index, each.place.offset)
            assert not steps or sum(each.here for each in steps) >= 1 or region is None


def test_the_end_of_the_way_says_what_is_there() -> None:
    with open_any(SOUND / "snapshots-512.qcow2") as image:
        assert not isinstance(image, Qcow1Image)
        index = RegionIndex(image)
        ends = {crumbs_to(index, None, at)[-1].label.split()[0] for at in range(0, image.virtual_size, 512)}
        assert ends == {"cluster", "unallocated"}
