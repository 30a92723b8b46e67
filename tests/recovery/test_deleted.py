"""Deleted snapshots where nothing is punched: what was written since takes clusters that they held, also tables."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from forensic.evidence import Evidence
from forensic.recovery.recover import recover_deleted
from tests.oracles import require
from tests.recovery.figures import Figures, compared
from tests.recovery.images import MIB, Made, converted, filesystem, known, run

CLUSTER, SIZE = 4096, 64 * MIB
SLOT = CLUSTER * CLUSTER // 8


def deleted(folder: Path, writes: int, seed: int = 1) -> Made:
    """An image whose only snapshot was deleted, and then so many clusters were written; what the snapshot held."""
    rng = random.Random(seed)
    image = folder / "image.qcow2"
    converted(filesystem("ext4", folder, SIZE, rng), image, f"cluster_size={CLUSTER}")
    made = known(image)
    run("qemu-img", "snapshot", "-c", "one", image)
    data = [at for guest, _, length, _ in made.data for at in range(guest, guest + length, CLUSTER)]
    write(image, rng.sample(data, 128))
    before = image.read_bytes()
    run("qemu-img", "snapshot", "-d", "one", image)
    unpunch(image, before)
    empty = sorted(set(range(SIZE // SLOT)) - {at // SLOT for at in data})  # these need tables of their own
    write(image, [rng.choice(empty) * SLOT + at * CLUSTER for at in range(writes)])
    return made


def write(image: Path, places: list[int]) -> None:
    commands = [word for at in places for word in ("-c", f"write -q -P 7 {at} {CLUSTER}")]
    if commands:
        run("qemu-io", *commands, image)


def unpunch(image: Path, before: bytes) -> None:
    """Put back what the deletion discarded, as if the storage could not do so."""
    after = bytearray(image.read_bytes().ljust(len(before), b"\0"))
    for at in range(0, len(after), CLUSTER):
        if not any(after[at : at + CLUSTER]):
            after[at : at + CLUSTER] = before[at : at + CLUSTER]
    image.write_bytes(after)


def figures(made: Made) -> Figures:
    with Evidence(made.path) as evidence:
        ((_, recovery),) = recover_deleted(evidence)
        return compared(made, evidence, recovery.plan)


@pytest.mark.parametrize(("writes", "right"), [(0, 1.0), (8, 0.75), (32, 0.5)])
def test_a_deleted_snapshot_is_read_as_far_as_its_tables_are_left(writes: int, right: float, tmp_path: Path) -> None:
    """Where a table of the snapshot was taken for another slot of the disk, it is no table of the snapshot any more."""
    require("qemu-img", "qemu-io", "mkfs.ext4")
    found = figures(deleted(tmp_path, writes))
    assert found.wrong_certain == found.certain == 0
    assert found.right_share >= right
    assert found.wrong_inferred <= 0.002 * found.all_inferred, str(found)
