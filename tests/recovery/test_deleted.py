"""Deleted snapshots where nothing is punched: what was written since takes clusters that they held, also tables."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from forensic.evidence import Evidence
from forensic.recovery.recover import recover_deleted
from tests.oracles import require
from tests.recovery.figures import Figures, compared
from tests.recovery.images import MIB, Made, converted, filesystem, known, run, written

CLUSTER, SIZE = 4096, 64 * MIB
SLOT = CLUSTER * CLUSTER // 8


def deleted(folder: Path, writes: int, seed: int = 1, cluster: int = CLUSTER, anywhere: bool = False) -> Made:
    """An image whose only snapshot was deleted, and then so many clusters were written; what the snapshot held.

    They are written `anywhere`, or where the disk had nothing.
    """
    rng = random.Random(seed)
    image = folder / "image.qcow2"
    raw = filesystem("ext4", folder, SIZE, rng)
    if anywhere:
        written(raw, image, f"cluster_size={cluster}", rng)
        return deleted_after(image, known(image), writes, cluster, rng)
    converted(raw, image, f"cluster_size={CLUSTER}")
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


def deleted_after(image: Path, made: Made, writes: int, cluster: int, rng: random.Random) -> Made:
    """The same image after a snapshot, 128 writes to what there was, the deletion, and so many writes anywhere."""
    run("qemu-img", "snapshot", "-c", "one", image)
    data = [at for guest, _, length, _ in made.data for at in range(guest, guest + length, cluster)]
    write(image, rng.sample(data, 128), cluster)
    before = image.read_bytes()
    run("qemu-img", "snapshot", "-d", "one", image)
    unpunch(image, before, cluster)
    write(image, [rng.randrange(SIZE // cluster) * cluster for _ in range(writes)], cluster)
    return made


def write(image: Path, places: list[int], cluster: int = CLUSTER) -> None:
    commands = [word for at in places for word in ("-c", f"write -q -P 7 {at} {cluster}")]
    if commands:
        run("qemu-io", *commands, image)


def unpunch(image: Path, before: bytes, cluster: int = CLUSTER) -> None:
    """Put back what the deletion discarded, as if the storage could not do so."""
    after = bytearray(image.read_bytes().ljust(len(before), b"\0"))
    for at in range(0, len(after), cluster):
        if not any(after[at : at + cluster]):
            after[at : at + cluster] = before[at : at + cluster]
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


@pytest.mark.parametrize(("cluster", "right"), [(4096, 0.9), (8192, 0.8), (16384, 0.6)])
def test_what_the_tables_of_a_snapshot_had_is_read_by_those_of_the_disk(
    cluster: int, right: float, tmp_path: Path
) -> None:
    """Sixteen writes take most of its tables: what they had besides is what the disk has had ever since."""
    require("qemu-img", "qemu-io", "mkfs.ext4")
    found = figures(deleted(tmp_path, 16, seed=2, cluster=cluster, anywhere=True))
    assert found.wrong_certain == found.certain == 0
    assert found.right_share >= right
    assert found.wrong_inferred <= 0.01 * found.all_inferred, str(found)
