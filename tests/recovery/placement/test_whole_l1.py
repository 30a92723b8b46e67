"""L1 tables by content whose first clusters, or some between, lead to no table: their slots stay what they are."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from forensic.evidence import Evidence
from forensic.recovery.recover import recover
from tests.oracles import require
from tests.recovery.figures import figures_of
from tests.recovery.images import DAMAGES, MIB, Made, damaged_again, known, run

WRITTEN = {
    "first empty": [(5, 8)],
    "between empty": [(0, 2), (5, 8)],
    "two alone": [(3, 4), (7, 8)],
}
"""MiB of a disk of 8 MiB that hold something; a cluster of 512 bytes of its L1 table covers 2 MiB."""


def written(folder: Path, ranges: list[tuple[int, int]], snapshots: int = 0) -> Made:
    rng, image = random.Random(1), folder / "image.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", "-o", "cluster_size=512", image, str(8 * MIB))
    for number in range(snapshots + 1):
        starts = [at for first, end in ranges for at in range(first * MIB, end * MIB, 65536)]
        words = [f"write -q -P {rng.randrange(1, 255)} {at} 16384" for at in starts]
        run("qemu-io", *(word for one in words for word in ("-c", one)), image)
        if number < snapshots:
            run("qemu-img", "snapshot", "-c", f"s{number}", image)
    return known(image)


@pytest.mark.parametrize("damage", ["header cluster zero", "l1_table_offset wrong", "l1_size 0"])
@pytest.mark.parametrize("ranges", WRITTEN.values(), ids=WRITTEN)
def test_a_lost_header_moves_no_slot(ranges: list[tuple[int, int]], damage: str, tmp_path: Path) -> None:
    require("qemu-img", "qemu-io")
    found = figures_of(damaged_again(written(tmp_path, ranges), damage, seed=1))
    assert (found.right_share, found.wrong_certain, found.wrong_inferred) == (1, 0, 0), str(found)


@pytest.mark.parametrize("ranges", WRITTEN.values(), ids=WRITTEN)
def test_without_refcounts_the_table_begins_where_a_new_image_has_it(
    ranges: list[tuple[int, int]], tmp_path: Path
) -> None:
    require("qemu-img", "qemu-io")
    image = damaged_again(written(tmp_path, ranges), "refcounts zero", seed=1)
    image.put(0, bytes(512))
    image.save()
    found = figures_of(image)
    assert (found.right_share, found.certain, found.wrong_inferred) == (1, 0, 0), str(found)


@pytest.mark.parametrize("snapshots", [0, 1, 2])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.6, 0.7, 0.8, 0.9])
@pytest.mark.parametrize("ranges", [[(0, 8)], *WRITTEN.values()], ids=["whole", *WRITTEN])
def test_entries_past_the_end_of_a_file_that_was_cut_are_those_of_an_l1_table(
    ranges: list[tuple[int, int]], share: float, snapshots: int, tmp_path: Path
) -> None:
    """With snapshots the tables of the disk, which are copied when it is written to, lie at the end of the file."""
    require("qemu-img", "qemu-io")
    image = written(tmp_path, ranges, snapshots)
    end = int(len(image.content) * share)
    image.put(0, bytes(512))
    image.hit.append((end, len(image.content)))
    del image.content[end:]
    image.save()
    found = figures_of(image)
    assert found.wrong_certain == 0
    assert found.wrong_inferred <= 0.02 * found.all_inferred or snapshots, str(found)
    with Evidence(image.path) as evidence:
        plan = recover(evidence).plan
    tables = dict(zip(image.tables, image.slots, strict=True))
    places = [(one.l2_offset + at * one.step, one.slot + at) for one in plan.l1 for at in range(one.count)]
    assert [place for place in places if tables.get(place[0], place[1]) != place[1]] == []


def test_the_l1_table_of_a_snapshot_is_no_part_of_the_disks(tmp_path: Path) -> None:
    require("qemu-img", "qemu-io")
    for ranges in WRITTEN.values():
        image = written(tmp_path, ranges, snapshots=1)
        found = figures_of(damaged_again(image, "header cluster zero", seed=1))
        assert (found.right_share, found.wrong_certain, found.wrong_inferred) == (1, 0, 0), str(found)
        (tmp_path / "image.qcow2").unlink()


@pytest.mark.parametrize("damage", [name for name in DAMAGES if "header" in name or "random" in name])
@pytest.mark.parametrize("ranges", WRITTEN.values(), ids=WRITTEN)
def test_nothing_certain_is_wrong(ranges: list[tuple[int, int]], damage: str, tmp_path: Path) -> None:
    require("qemu-img", "qemu-io")
    image = written(tmp_path, ranges)
    for seed in range(4):
        assert figures_of(damaged_again(image, damage, seed)).wrong_certain == 0


@pytest.mark.parametrize("then", ["nothing", f"discard {516 * 1024} 2560"])
def test_clusters_of_zeros_that_are_data_or_free_are_no_part_of_the_table_after_them(then: str, tmp_path: Path) -> None:
    """The table is where it was put when the disk was made larger: after data, and its place of before was taken."""
    require("qemu-img", "qemu-io")
    image = tmp_path / "image.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", "-o", "cluster_size=512", image, str(MIB))
    commands = [f"write -q -P {at % 200 + 1} {at * 4096} 4096" for at in range(0, 256, 8)]
    run("qemu-io", *(word for one in commands for word in ("-c", one)), "-c", f"write -q -P 0 {516 * 1024} 2560", image)
    run("qemu-img", "resize", "-q", image, str(16 * MIB))
    run("qemu-io", "-c", f"write -q -P 7 {520 * 1024} 512", *([] if then == "nothing" else ["-c", then]), image)
    found = figures_of(damaged_again(known(image), "header cluster zero", seed=1))
    assert (found.right_share, found.wrong_certain, found.wrong_inferred) == (1, 0, 0), str(found)
