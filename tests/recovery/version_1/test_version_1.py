"""Images of version 1, damaged in the ways of the others: header, L1 table, and L2 tables in part."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from forensic.errors import NotAnImage, Unsupported
from forensic.evidence import Evidence
from forensic.image import open_any
from forensic.recovery.layout import Knowledge
from forensic.recovery.reading import image_by, planned_by
from forensic.recovery.recover import recover
from forensic.recovery.work import RecoverySettings
from samples.kinds import Kind
from tests.images import COMPLETE, SOUND, sample
from tests.oracles import require
from tests.recovery.figures import figures_of
from tests.recovery.images import MIB, Made
from tests.recovery.version_1.images import DAMAGES, KINDS, L1, damaged_again, make, slots

ROWS = {  # what is right, and certain, of what is left in the file: of ext4, of noise, of compressed noise and text
    "none": ((1, 1), (1, 1), (1, 0)),
    "header zero": ((1, 0), (1, 0), (1, 0)),
    "header text": ((1, 0), (1, 0), (1, 0)),
    "magic": ((1, 0), (1, 0), (1, 0)),
    "cluster_bits impossible": ((1, 0), (1, 0), (1, 0)),
    "size 0": ((1, 0), (1, 0), (1, 0)),
    "L1 zero": ((0.9, 0), (0, 0), (0, 0)),
    "half of L1 zero": ((0.95, 0.1), (0.2, 0.2), (0.2, 0)),
    "L1 text": ((0.6, 0.3), (0.3, 0.3), (0.3, 0)),
    "parts of L2 text": ((1, 0), (1, 0), (1, 0)),
    "parts of L2 ff": ((1, 0), (1, 0), (1, 0)),
    "parts of L2 zero": ((1, 1), (1, 1), (1, 0)),
}


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("kind", [0, 1, 2])
def test_what_is_left_of_a_damaged_image_is_read(kind: int, seed: int, tmp_path: Path) -> None:
    content, size, options = KINDS[kind]
    require("qemu-img", *(["mkfs.ext4"] if content == "ext4" else []))
    made = make(tmp_path, content, size, seed, *options)
    for name in DAMAGES:
        copy = damaged_again(made, name, seed)
        found, (right, certain) = figures_of(copy), ROWS[name][kind]
        assert found.wrong_certain == 0, name
        assert found.wrong_inferred <= 0.02 * found.all_inferred, name
        assert found.right_share >= right, (name, str(found))
        assert found.certain_share >= certain, (name, str(found))


@pytest.mark.parametrize("seed", range(12))
def test_nothing_certain_is_wrong_whatever_bytes_are_replaced(seed: int, tmp_path: Path) -> None:
    require("qemu-img")
    rng = random.Random(seed)
    made = make(tmp_path, "noise", 16 * MIB, seed)
    places = [(0, L1), (L1, 8 * slots(made)), *((made.u64(L1 + 8 * slot), made.cluster) for slot in range(slots(made)))]
    for _ in range(rng.randrange(1, 4)):
        begin, length = rng.choice([place for place in places if place[0] or place[1] == L1])
        at = begin + rng.randrange(length)
        size = min(rng.choice([1, 8, 64, 512, 4096]), begin + length - at)
        source = rng.randrange(len(made.content) - size)
        made.put(at, rng.choice([bytes(size), rng.randbytes(size), bytes(made.content[source : source + size])]))
    made.save()
    found = figures_of(made)
    assert found.wrong_certain == 0, str(found)


@pytest.mark.parametrize("offset", [0, 40, 56, 4096, 1 << 40])
def test_a_header_with_another_place_of_the_l1_table_makes_nothing_certain(offset: int, tmp_path: Path) -> None:
    require("qemu-img")
    made = make(tmp_path, "noise", 16 * MIB, 1)
    made.put(40, offset.to_bytes(8, "big"))
    made.save()
    found = figures_of(made)
    assert (found.right_share, found.certain_share, found.wrong_inferred) == (1, 0, 0)
    assert found.damage[0].startswith("l1_table_offset does not come from the header")


def test_a_lost_header_is_not_explained_by_structures_that_version_1_has_not(tmp_path: Path) -> None:
    require("qemu-img")
    made = make(tmp_path, "noise", 16 * MIB, 1)
    made.put(0, bytes(L1))
    made.save()
    with Evidence(made.path) as evidence:
        found = recover(evidence)
    assert not [words for words in found.damage if "refcounts do not agree" in words]
    entries = f"{slots(made)} entries after a header of version 1 lead to tables"
    assert found.plan.decisions["D1"].because == (entries,)


def without_header(tmp_path: Path, seed: int = 1) -> Made:
    made = make(tmp_path, "ext4", 16 * MIB, seed, "-c")
    made.put(0, bytes(L1))
    return made


def test_words_that_lead_to_no_streams_are_no_l1_table(tmp_path: Path) -> None:
    require("qemu-img", "mkfs.ext4")
    made = without_header(tmp_path)
    for _, host_offset, length, stored in made.data:
        made.put(host_offset, random.Random(host_offset).randbytes(stored or length))
    made.save()
    with Evidence(made.path) as evidence, pytest.raises(NotAnImage):
        recover(evidence)


@pytest.mark.parametrize("same", [False, True])
def test_an_l1_table_of_which_less_than_most_entries_lead_to_tables_of_their_own_is_none(
    same: bool, tmp_path: Path
) -> None:
    require("qemu-img", "mkfs.ext4")
    made = without_header(tmp_path)
    first = next(made.u64(L1 + 8 * slot) for slot in range(slots(made)) if made.u64(L1 + 8 * slot))
    for slot in range(slots(made), 2 * slots(made)):
        made.put(L1 + 8 * slot, (first if same else 1).to_bytes(8, "big"))
    made.save()
    with Evidence(made.path) as evidence, pytest.raises(NotAnImage):
        recover(evidence)


def test_the_size_that_the_examiner_gives_is_that_of_a_disk_whose_header_is_lost(tmp_path: Path) -> None:
    require("qemu-img", "mkfs.ext4")
    made = without_header(tmp_path)
    made.save()
    with Evidence(made.path) as evidence:
        recovery = recover(evidence, RecoverySettings(Knowledge(virtual_size=len(made.truth))))
        assert image_by(recovery.plan, evidence).reader().read() == made.truth


@pytest.mark.parametrize("kind", [kind for kind in COMPLETE if not kind.data_file], ids=lambda kind: kind.name)
def test_the_tables_of_a_later_version_are_not_taken_for_those_of_version_1(kind: Kind, tmp_path: Path) -> None:
    path = tmp_path / "image.qcow2"
    path.write_bytes(bytes(L1) + sample(kind).read_bytes()[L1:])
    with Evidence(path) as evidence:
        try:
            recovery = recover(evidence)
        except NotAnImage:
            return
    assert not [words for words in recovery.damage if "version 1" in words]


def test_a_sound_image_is_read_as_it_is_without_a_plan() -> None:
    with open_any(SOUND / "version-1.qcow") as image:
        expected = image.reader().read()
        recovery = recover(image.evidence)
        assert recovery.damage == []
        planned = planned_by(recovery.plan, image.evidence)
        assert planned.size_certain
        assert {one.certainty for one in planned.judged} == {"certain"}
    with Evidence(SOUND / "version-1.qcow") as evidence:
        assert image_by(recovery.plan, evidence).reader().read() == expected


@pytest.mark.parametrize(
    ("name", "at", "why"),
    [
        ("version-1-overlay.qcow", None, "backing file"),
        ("version-1.qcow", 39, "encrypted"),
        ("version-1.qcow", 33, "an L2 table has 8,192 bytes in clusters of 4,096"),
    ],
)
def test_what_a_plan_could_not_express_is_refused(name: str, at: int | None, why: str, tmp_path: Path) -> None:
    raw = bytearray((SOUND / name).read_bytes())
    if at is not None:
        raw[at] += 1
    path = tmp_path / "image.qcow"
    path.write_bytes(raw)
    with Evidence(path) as evidence, pytest.raises(Unsupported, match=why):
        recover(evidence)


def test_a_header_alone_is_no_image(tmp_path: Path) -> None:
    path = tmp_path / "image.qcow"
    path.write_bytes(b"QFI\xfb\0\0\0\1" + random.Random(1).randbytes(1 << 20))
    with Evidence(path) as evidence, pytest.raises(NotAnImage):
        recover(evidence)
