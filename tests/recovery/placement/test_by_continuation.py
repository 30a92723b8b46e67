"""Tables that go on where the one before them ends: when that is taken for their place, and when it is not."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from forensic.evidence import Evidence
from forensic.image import open_image
from forensic.recovery.accounts import Accounts
from forensic.recovery.placement.by_continuation import by_continuation
from forensic.recovery.recover import recover_older
from forensic.recovery.scanning import scan
from tests.oracles import require
from tests.recovery.figures import compared
from tests.recovery.images import MIB, converted, filesystem, known

CLUSTER, SLOT = 4096, 2 * MIB


def placed_in(
    folder: Path, stretches: list[tuple[int, int]], known_slots: list[int], options: tuple[str, ...] = (),
    against: tuple[int, int] | None = None,
) -> list[tuple[int, int]]:  # fmt: skip
    """Slots (true, found) of a converted disk with data in these stretches (bytes), when some slots are known."""
    require("qemu-img")
    rng = random.Random(1)
    raw = folder / "disk.raw"
    with raw.open("wb") as file:
        file.truncate(16 * SLOT)
        for begin, end in stretches:
            file.seek(begin)
            file.write(rng.randbytes(end - begin))
    converted(raw, folder / "image.qcow2", f"cluster_size={CLUSTER}", *options)
    with open_image(folder / "image.qcow2") as image:
        l1 = image.evidence.read_at(image.geometry.l1_table_offset, 16 * 8)
        tables = [int.from_bytes(l1[8 * at : 8 * at + 8], "big") & 0x00FF_FFFF_FFFF_FE00 for at in range(16)]
        accounts = Accounts(image.evidence, scan(image.evidence), image.geometry)
        orphans = [table for slot, table in enumerate(tables) if table and slot not in known_slots]
        free = [slot for slot in range(16) if slot not in known_slots]
        scores = np.zeros((len(orphans), len(free)), dtype=np.float32)
        if against is not None:
            scores[orphans.index(tables[against[0]]), free.index(against[1])] = -1
        known_tables = [(slot, tables[slot]) for slot in known_slots]
        found = by_continuation(accounts, np.array(orphans, dtype=np.uint64), known_tables, free, scores)
    return sorted((tables.index(one.host_offset), one.slot) for one in found)


WHOLE = [(0, SLOT), (2 * SLOT, 5 * SLOT - 40960), (12 * SLOT, 12 * SLOT + 40960)]


def test_data_that_goes_on_is_followed_forwards_alone(tmp_path: Path) -> None:
    assert placed_in(tmp_path, WHOLE, [2, 12]) == [(3, 3), (4, 4)]
    assert placed_in(tmp_path, WHOLE, [3, 12]) == [(4, 4)]
    assert placed_in(tmp_path, WHOLE, [4, 12]) == []


def test_a_table_beside_the_one_before_it_alone_has_no_place(tmp_path: Path) -> None:
    gap = [(0, SLOT - CLUSTER), (SLOT, 2 * SLOT), (12 * SLOT, 12 * SLOT + 40960)]
    assert placed_in(tmp_path, gap, [0, 12]) == []
    later = [(0, SLOT), (SLOT + CLUSTER, 2 * SLOT), (12 * SLOT, 12 * SLOT + 40960)]
    assert placed_in(tmp_path, later, [0, 12]) == []


def test_what_the_guest_has_free_is_no_place(tmp_path: Path) -> None:
    assert placed_in(tmp_path, WHOLE, [2, 12], against=(3, 3)) == []
    assert placed_in(tmp_path, WHOLE, [2, 12], against=(4, 4)) == [(3, 3)]


def test_few_entries_say_nothing(tmp_path: Path) -> None:
    assert placed_in(tmp_path, [(0, SLOT), (SLOT, SLOT + 7 * CLUSTER), (12 * SLOT, 13 * SLOT)], [0, 12]) == []
    assert placed_in(tmp_path, [(0, SLOT), (SLOT, SLOT + 8 * CLUSTER), (12 * SLOT, 13 * SLOT)], [0, 12]) == [(1, 1)]


def test_one_table_alone_shows_no_order(tmp_path: Path) -> None:
    assert placed_in(tmp_path, WHOLE, [2]) == []


@pytest.mark.parametrize("options", [("-c",), ()])
def test_slots_that_are_known_are_not_taken_again(options: tuple[str, ...], tmp_path: Path) -> None:
    """The orphan of slot 2 goes on after slot 0, and slot 1 is taken by what its own table, last in the file, says."""
    found = placed_in(tmp_path, [(0, SLOT), (SLOT, 2 * SLOT), (2 * SLOT, 3 * SLOT)], [0, 1], options)
    assert found == [(2, 2)]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_most_of_an_older_ext4_comes_back(seed: int, tmp_path: Path) -> None:
    """What it had in use lay in the part that the new image has taken."""
    require("qemu-img", "mkfs.ext4")
    rng = random.Random(seed)
    raw = filesystem("ext4", tmp_path, 64 * MIB, rng)
    converted(raw, tmp_path / "older.qcow2", "cluster_size=4096")
    made = known(tmp_path / "older.qcow2")
    (tmp_path / "small.raw").write_bytes(rng.randbytes(2 * MIB))
    converted(tmp_path / "small.raw", tmp_path / "newer.qcow2", "cluster_size=65536")
    made.put(0, (tmp_path / "newer.qcow2").read_bytes())
    made.save()
    with Evidence(made.path) as evidence:
        found = compared(made, evidence, recover_older(evidence).plan)
    assert (found.certain, found.wrong_certain, found.wrong_inferred) == (0, 0, 0)
    assert found.right_share >= 0.6
