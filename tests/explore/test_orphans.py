"""Orphans: the ranges that the rules about leaks and remains speak of."""

from __future__ import annotations

from pathlib import Path

import pytest

from forensic import check, open_image
from forensic.explore import find_orphans
from samples import recipes
from tests.images import SOUND

DAMAGED = recipes.HERE / "damaged"
LEAKS = [path.stem for path in sorted(DAMAGED.glob("refcount-too-high*.toml"))]


@pytest.mark.parametrize("name", LEAKS)
def test_leaked_clusters_are_orphans(name: str, tmp_path: Path) -> None:
    with open_image(recipes.apply(recipes.load(DAMAGED / f"{name}.toml"), tmp_path / "image.qcow2")) as image:
        places = [
            place.offset
            for finding in check(image).findings
            if finding.rule.startswith("refcount-too-high")
            for problem in finding.problems
            for place in problem.ranges[:1]
        ]
        found = find_orphans(image)
        assert places
        for place in places:
            before = found.next(place + 1, backwards=True)
            assert before is not None
            assert before[0] <= place < before[0] + before[1]


def test_orphans_are_stepped_through_in_both_directions(tmp_path: Path) -> None:
    content = bytearray((SOUND / "data-512.qcow2").read_bytes())
    size = len(content)
    content += b"x" * 512 + bytes(1 << 17) + b"y" * 512
    (tmp_path / "image.qcow2").write_bytes(content)
    with open_image(tmp_path / "image.qcow2") as image:
        found = find_orphans(image)
    assert found.complete
    assert found.next(-1) == found.next(0) == (size, 512)
    assert found.next(size) == (size + 512 + (1 << 17), 512)
    assert found.next(size + 512 + (1 << 17)) is None
    assert found.next(size + 512, backwards=True) == (size, 512)
    assert found.next(size, backwards=True) is None


def test_a_sound_image_has_none_and_a_walk_can_be_stopped() -> None:
    with open_image(SOUND / "data-512.qcow2") as image:
        assert len(find_orphans(image).begins) == 0
        assert not find_orphans(image, lambda: True).complete
