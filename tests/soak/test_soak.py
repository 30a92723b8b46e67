"""A small run of the soak, so that it cannot rot, and a few seeds that once found a fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.oracles import require
from tests.soak.images import Maker
from tests.soak.readings import differences

SEEDS = range(1, 41)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_way_to_read_a_sound_image_gives_what_qemu_reads(seed: int, tmp_path: Path) -> None:
    require("qemu-img", "qemu-io")
    made = Maker(seed, tmp_path).make()
    assert differences(made, seed) == [], made.steps
