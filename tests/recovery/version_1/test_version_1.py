"""Images of version 1, damaged in the ways of the others: header, L1 table, and L2 tables in part."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from forensic.errors import NotAnImage, Unsupported
from forensic.evidence import Evidence
from forensic.image import open_any
from forensic.mapping.extents import State
from forensic.recovery.reading import image_by, planned_by
from forensic.recovery.recover import recover
from samples.oracle import ENVIRONMENT
from tests.images import SOUND
from tests.oracles import require
from tests.recovery.figures import figures_of
from tests.recovery.images import MIB, TEXT, Made, filesystem, run

L1 = 48
TABLE_ENTRIES = 512


def make(folder: Path, content: str, size: int, seed: int, *options: str) -> Made:
    """A disk converted to version 1, in which QEMU takes clusters of 4 KiB."""
    raw, image = filesystem(content, folder, size, random.Random(seed)), folder / "image.qcow"
    # QEMU writes all compressed clusters, and ends with an error since it cannot truncate the file then.
    command = ["qemu-img", "convert", "-O", "qcow", *options, str(raw), str(image)]
    subprocess.run(command, capture_output=True, env=ENVIRONMENT, check=not options)
    truth = folder / "truth.raw"
    run("qemu-img", "convert", "-f", "qcow", "-O", "raw", image, truth)
    with open_any(image) as opened:
        data = [
            (one.guest_offset, one.host_offset, one.length, one.stored_length or 0)
            for one in opened.extents()
            if one.host_offset is not None and one.state in (State.DATA, State.COMPRESSED)
        ]
    content_now = bytearray(image.read_bytes())
    return Made(image, truth.read_bytes(), data, 1 << content_now[32], content_now)


def slots(made: Made) -> int:
    return -(-len(made.truth) // (made.cluster * TABLE_ENTRIES))


def l1_zero(made: Made, rng: random.Random) -> None:
    made.put(L1, bytes(8 * slots(made)))


def half_of_l1_zero(made: Made, rng: random.Random) -> None:
    for slot in rng.sample(range(slots(made)), slots(made) // 2):
        made.put(L1 + 8 * slot, bytes(8))


def l1_text(made: Made, rng: random.Random) -> None:
    third = slots(made) // 3
    made.put(L1 + 8 * third, TEXT[: 8 * third])


def parts_of_l2(body: Callable[[int], bytes]) -> Callable[[Made, random.Random], None]:
    """A few sectors of every table: its first, its last, or any between."""

    def damage(made: Made, rng: random.Random) -> None:
        for slot in range(slots(made)):
            if table := made.u64(L1 + 8 * slot):
                length = 512 * rng.randrange(1, 4)
                at = rng.choice([0, made.cluster - length, 512 * rng.randrange((made.cluster - length) // 512)])
                made.put(table + at, body(length))
                first = slot * TABLE_ENTRIES + at // 8
                made.unnamed.append((first * made.cluster, (first + length // 8) * made.cluster))

    return damage


DAMAGES: dict[str, Callable[[Made, random.Random], None]] = {
    "none": lambda made, rng: None,
    "header zero": lambda made, rng: made.put(0, bytes(48)),
    "header text": lambda made, rng: made.put(0, TEXT[:48]),
    "L1 zero": l1_zero,
    "half of L1 zero": half_of_l1_zero,
    "L1 text": l1_text,
    "parts of L2 text": parts_of_l2(lambda length: TEXT[:length]),
    "parts of L2 ff": parts_of_l2(lambda length: b"\xff" * length),
    "parts of L2 zero": parts_of_l2(bytes),
}

ROWS = {  # what is right, and certain, of what is left in the file: of ext4, of noise, of compressed noise and text
    "none": ((1, 1), (1, 1), (1, 0)),
    "header zero": ((0.999, 0), (1, 0), (0, 0)),
    "header text": ((0.999, 0), (1, 0), (0, 0)),
    "L1 zero": ((0.9, 0), (0, 0), (0, 0)),
    "half of L1 zero": ((0.95, 0.1), (0.2, 0.2), (0.2, 0)),
    "L1 text": ((0.6, 0.3), (0.3, 0.3), (0.3, 0)),
    "parts of L2 text": ((1, 0), (1, 0), (1, 0)),
    "parts of L2 ff": ((1, 0), (1, 0), (1, 0)),
    "parts of L2 zero": ((1, 1), (1, 1), (1, 0)),
}

KINDS = (("ext4", 64 * MIB, ()), ("noise", 32 * MIB, ()), ("ext4", 64 * MIB, ("-c",)))


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("kind", [0, 1, 2])
def test_what_is_left_of_a_damaged_image_is_read(kind: int, seed: int, tmp_path: Path) -> None:
    content, size, options = KINDS[kind]
    require("qemu-img", *(["mkfs.ext4"] if content == "ext4" else []))
    made = make(tmp_path, content, size, seed, *options)
    for name, damage in DAMAGES.items():
        copy = Made(made.path, made.truth, made.data, made.cluster, bytearray(made.content))
        damage(copy, random.Random(seed))
        copy.save()
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
