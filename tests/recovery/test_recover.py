"""Kinds × damages: no byte that is called certain is wrong, and the rows of what has to be had back."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from forensic.errors import NotAnImage
from forensic.evidence import Evidence
from forensic.recovery.reading import planned_by
from forensic.recovery.recover import recover
from samples.kinds import Kind as Sample
from tests.images import COMPLETE, COPIED, QCOW2, header, sample
from tests.oracles import require
from tests.recovery.figures import figures_of, wrong_after_damage
from tests.recovery.images import DAMAGES, KINDS, MIB, TEXT, Kind, Made, damaged_again, make

SEEDS_OF_A_SAMPLE = range(100, 116)

MAY_BE_WRONG = 0.02
"""The share of what is inferred that may be wrong; of what is certain none."""

TOOLS = {"ext4": "mkfs.ext4", "xfs": "mkfs.xfs", "xfs many": "mkfs.xfs"}

ALL_KINDS = {kind.name for kind in KINDS}
ON_DEMAND = ("xfs w4k", "xfs many c4k", "xfs c4k -W", "noise c2M", "xfs snapshot w32k")
IN_CI = [kind for kind in KINDS if kind.name not in ON_DEMAND]
"""The others, and other seeds, are for `python -m tests.recovery`."""

EXT4 = {"ext4 c4k", "ext4 w8k", "ext4 extL2 w16k", "ext4 zstd 8k"}
ONE_SLOT = {"noise c64k", "noise c2M", "ext4 c64k", "ext4 zlib 64k"}
WITH_EIGHT_BYTES = [kind for kind in IN_CI if kind.name == "ext4 c4k"]
"""A kind with a table of plain entries whose first two sectors are full."""
SNAPSHOTS = {"2 snapshots 8k", "ext4 snapshot 64k"}
CUT_BEFORE_TABLES = SNAPSHOTS | {"ext4 snapshot 4k -W", "xfs snapshot w32k"}
"""Kinds whose tables in use lie at the end of the file, since they were copied after a snapshot."""

XFS = {"xfs many w4k", "xfs many c4k"}
LARGE_FILES = {"xfs w4k", "xfs c4k -W"}

ROWS: tuple[tuple[str, set[str], float, float], ...] = (
    ("none", ALL_KINDS, 1, 1),
    ("header cluster zero", ALL_KINDS, 0.999, 0.99),
    ("header cluster random", ALL_KINDS, 0.999, 0.99),
    ("magic", ALL_KINDS, 0.999, 0.99),
    ("cluster_bits wrong", ALL_KINDS, 0.999, 0.99),
    ("l1_table_offset wrong", ALL_KINDS, 0.999, 0.99),
    ("l1_size 0", ALL_KINDS, 0.999, 0.99),
    ("size 0", ALL_KINDS, 0.999, 0.99),
    ("refcounts zero", ALL_KINDS, 1, 1),
    ("refcounts ff", ALL_KINDS, 1, 1),
    ("size impossible", ALL_KINDS, 0.999, 0.99),
    ("size far too large", ALL_KINDS, 0.999, 0.99),
    ("refcount table wrong", ALL_KINDS, 1, 1),
    ("cut", ALL_KINDS - CUT_BEFORE_TABLES, 1, 1),
    ("cut after the first snapshot", {"xfs snapshot w32k", "ext4 snapshot 4k -W"}, 0.99, 0),
    ("first 64 KiB text", {"2 snapshots 8k"}, 0.95, 0),
    ("first 1 MiB zero", {"2 snapshots 8k"}, 0.99, 0),
    ("created again, 64 KiB", {"2 snapshots 8k", "ext4 snapshot 4k -W"}, 0.99, 0),
    ("created again", {"ext4 snapshot 4k -W"}, 0.99, 0),
    ("created again, 64 KiB", {"noise c2M"}, 0.99, 0),
    ("L1 zero", ONE_SLOT, 0.99, 0.95),
    ("first 64 KiB text", {"ext4 c4k"}, 0.55, 0),
    ("L1 zero", SNAPSHOTS, 0.99, 0),
    ("created again", SNAPSHOTS, 0.999, 0),
    ("created again, 64 KiB", {"ext4 snapshot 64k"}, 0.999, 0),
    ("half of L1 zero", SNAPSHOTS, 0.99, 0.4),
    ("L1 zero", EXT4, 0.95, 0),
    ("half of L1 zero", EXT4, 0.95, 0.4),
    ("L1 and refcounts zero", EXT4, 0.95, 0),
    ("created again", EXT4, 0.95, 0),
    ("created again", ONE_SLOT, 0.99, 0),
    ("L1 and refcounts zero", ONE_SLOT | SNAPSHOTS, 0.99, 0),
    ("10 % of L2 random", {"2 snapshots 8k"}, 0.99, 0.6),
    ("30 % of L2 zero", {"2 snapshots 8k"}, 0.99, 0.6),
    ("30 % of L2 zero", {"ext4 snapshot 64k"}, 0.99, 0),
    ("sectors of L2 zero", ALL_KINDS, 0.999, 0),
    ("parts of all L2 random", ALL_KINDS, 0.999, 0),
    ("parts of all L2 text", ALL_KINDS, 0.999, 0),
    ("parts of half of L2 ff", ALL_KINDS, 0.999, 0),
    ("parts of half of L2 zero", ALL_KINDS, 0.999, 0),
    ("all L2 random", SNAPSHOTS, 0.95, 0),
    ("L1 zero", {"ext4 w4k"}, 0.85, 0),
    ("created again", {"ext4 w4k"}, 0.85, 0),
    ("created again, 64 KiB", {"ext4 c4k"}, 0.95, 0),
    ("created again, 64 KiB", {"ext4 zstd 8k"}, 0.5, 0),
    ("L1 zero", LARGE_FILES, 0.85, 0),
    ("created again", LARGE_FILES, 0.85, 0),
    ("L1 zero", XFS, 0.85, 0.8),
    ("L1 and refcounts zero", XFS, 0.85, 0.8),
    ("created again", XFS, 0.85, 0.8),
    ("half of L1 zero", XFS, 0.95, 0.8),
    ("30 % of L2 zero", {"ext4 c4k"}, 0.7, 0.3),
    ("all L2 random", {"ext4 c4k"}, 0.35, 0),
)
"""Damage, kinds, the shares that have to come back at least: right, and certain."""


@pytest.fixture(scope="module", params=IN_CI, ids=lambda kind: kind.name)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Kind, Made]]:
    kind: Kind = request.param
    require("qemu-img", "qemu-io", *([TOOLS[kind.content]] if kind.content in TOOLS else []))
    yield kind, make(kind, tmp_path_factory.mktemp("recovery"), seed=1)


@pytest.mark.parametrize("damage", DAMAGES)
def test_nothing_that_is_called_certain_is_wrong(made: tuple[Kind, Made], damage: str) -> None:
    kind, image = made
    found = figures_of(damaged_again(image, damage, seed=1))
    assert found.wrong_certain == 0, found.first_wrong
    assert found.wrong_inferred <= MAY_BE_WRONG * found.all_inferred or damage == "random metadata", str(found)
    for name, kinds, right, certain in ROWS:
        if name == damage and kind.name in kinds:
            assert found.right_share >= right, str(found)
            assert found.certain_share >= certain, str(found)


def test_the_table_that_a_snapshot_has_left_is_not_that_of_the_disk(tmp_path: Path) -> None:
    """Its refcount is one as well, once the disk has its own; structures of the guest say where it belongs."""
    require("qemu-img", "qemu-io", "mkfs.xfs")
    kind = next(kind for kind in KINDS if kind.name == "xfs snapshot w32k")
    image = damaged_again(make(kind, tmp_path, seed=1), "cut after the first snapshot", seed=1)
    found = figures_of(image)
    assert (found.wrong_certain, found.certain) == (0, 0)
    assert found.right_share > 0.99
    with Evidence(image.path) as evidence:
        plan = recover(evidence).plan
    assert {plan.decisions[one.decision].method for one in plan.l1} == {"older_table"}


@pytest.mark.parametrize("again", ["created again, 64 KiB", "none"])
def test_large_clusters_are_found_by_few_entries_though_a_new_image_has_others(again: str, tmp_path: Path) -> None:
    require("qemu-img", "qemu-io")
    image = make(Kind("", "noise", 16 * MIB, "cluster_size=2M"), tmp_path, seed=1)
    assert figures_of(damaged_again(image, again, seed=1)).right_share > 0.99


def test_an_l1_table_is_no_table_of_another_kind_beside_a_header_whose_l2_table_is_lost(tmp_path: Path) -> None:
    """One with a single entry reads as an L2 table without subclusters, which the header says there are."""
    require("qemu-img", "qemu-io")
    image = make(Kind("", "noise", 16 * MIB, "cluster_size=65536,extended_l2=on"), tmp_path, seed=1)
    found = figures_of(damaged_again(image, "30 % of L2 zero", seed=1))
    assert (found.all_inferred, found.wrong_certain) == (0, 0)
    assert not [words for words in found.damage if "header is not used" in words]


@pytest.mark.parametrize("options", ["cluster_size=65536", "cluster_size=65536,extended_l2=on"])
def test_data_that_looks_like_entries_of_one_kind_does_not_hide_a_table_of_the_other(
    options: str, tmp_path: Path
) -> None:
    require("qemu-img", "qemu-io")
    image = make(Kind("", "noise", 16 * MIB, options), tmp_path, seed=1)
    guest, host, _, _ = image.data[3]
    step = 1 if "extended" in options else 2
    words = [0xFFFF_FFFF if at % step else COPIED | at + 8 << 16 for at in range(64)]
    raw = struct.pack(">64Q", *words) * 2
    image.content[host : host + len(raw)] = raw
    image.truth = image.truth[:guest] + raw + image.truth[guest + len(raw) :]
    image.save()
    for damage in ("L1 zero", "header cluster zero"):
        found = figures_of(damaged_again(image, damage, seed=1))
        assert (found.right_share, found.wrong_certain, found.wrong_inferred) == (1, 0, 0), damage


@pytest.mark.parametrize(
    ("options", "how", "damage"),
    [
        ("cluster_size=16k", "-W", "first 64 KiB zero"),
        ("cluster_size=16k,compression_type=zstd", "-c", "first 64 KiB zero"),
        ("cluster_size=16k,compression_type=zstd", "-c", "first 64 KiB text"),
        ("cluster_size=16k", "-c", "first 64 KiB text"),
    ],
)
def test_a_single_table_is_enough_if_it_accounts_for_the_file_or_leads_to_streams(
    options: str, how: str, damage: str, tmp_path: Path
) -> None:
    """Header, refcounts and L1 table are gone; of clusters of 16 KiB one table maps 32 MiB."""
    require("qemu-img", "mkfs.ext4")
    image = make(Kind("", "ext4", 24 * MIB, options, how), tmp_path, seed=1)
    found = figures_of(damaged_again(image, damage, seed=1))
    assert (found.right_share, found.wrong_certain, found.wrong_inferred) == (1, 0, 0)


def full_table(image: Made) -> int:
    """The host offset of the first table with entries enough in a row."""
    return next(table for table in image.tables if all(image.u64(table + 8 * at) for at in range(128)))


def with_bad_sectors(image: Made, rng: random.Random) -> tuple[Made, list[tuple[int, int]]]:
    """A copy in which some sectors are zeros, as of a device that failed there."""
    copy = damaged_again(image, "none", seed=1)
    starts = sorted(rng.sample(range(len(copy.content) // 4096), 12))
    bad = [(start * 4096, start * 4096 + 4096) for start in starts]
    for start, end in bad:
        copy.content[start:end] = bytes(end - start)
    copy.save()
    return copy, bad


@pytest.mark.parametrize("seed", range(2))
def test_what_lies_in_bad_sectors_is_never_certain(made: tuple[Kind, Made], seed: int) -> None:
    found = figures_of(*with_bad_sectors(made[1], random.Random(seed)))
    assert found.wrong_certain == 0, found.first_wrong
    assert found.wrong_inferred <= MAY_BE_WRONG * found.all_inferred, str(found)


@pytest.mark.parametrize("seed", range(4))
def test_random_damage_to_metadata_makes_nothing_certain_that_is_wrong(made: tuple[Kind, Made], seed: int) -> None:
    found = figures_of(damaged_again(made[1], "random metadata", seed))
    assert found.wrong_certain == 0, found.first_wrong


@pytest.mark.parametrize("kind", COMPLETE, ids=lambda kind: kind.name)
def test_nothing_of_a_damaged_sample_is_certain_and_wrong(kind: Sample, tmp_path: Path) -> None:
    require("qemu-img")
    wrong = [wrong_after_damage(sample(kind), tmp_path, seed) for seed in SEEDS_OF_A_SAMPLE]
    assert [one for one in wrong if one] == []


@pytest.mark.parametrize("kind", [kind for kind in QCOW2 if not kind.data_file], ids=lambda kind: kind.name)
def test_a_sound_sample_is_certain_throughout(kind: Sample) -> None:
    with Evidence(sample(kind)) as evidence:
        recovery = recover(evidence)
    assert recovery.damage == []
    assert {one.certainty for one in recovery.plan.decisions.values()} <= {"certain"}
    assert (recovery.plan.unknown, recovery.plan.inferred) == ((), ())


@pytest.mark.parametrize("cut", [0, 1, 200, 300])
def test_l1_entries_past_the_end_of_the_file_are_not_empty(cut: int, tmp_path: Path) -> None:
    content = empty_image(cluster_bits=9, slots=64)
    path = tmp_path / "image.qcow2"
    path.write_bytes(content[: len(content) - cut])
    with Evidence(path) as evidence:
        recovery = recover(evidence)
        planned = planned_by(recovery.plan, evidence)
    assert {one.certainty for one in planned.judged} == ({"certain"} if not cut else {"unknown"})


def empty_image(cluster_bits: int, slots: int) -> bytes:
    """An image whose L1 table, all zeros, ends with the file."""
    size = 1 << cluster_bits
    head = header(cluster_bits=cluster_bits, virtual_size=slots * size * size // 8, l1_size=slots, l1_offset=3 * size)
    table, block = (2 * size).to_bytes(8, "big"), b"\0\1" * 4
    return head.ljust(size, b"\0") + table.ljust(size, b"\0") + block.ljust(size, b"\0") + bytes(slots * 8)


@pytest.mark.parametrize("body", ["noise", "text", "zeros", "small", "nested"])
def test_what_is_no_image_gives_nothing(body: str, tmp_path: Path) -> None:
    rng = random.Random(3)
    content = {
        "noise": rng.randbytes(1 << 20),
        "text": TEXT * 8,
        "zeros": bytes(1 << 20),
        "small": b"x",
        "nested": rng.randbytes(3 << 16) + sample(QCOW2[0]).read_bytes() + rng.randbytes(1 << 16),
    }[body]
    path = tmp_path / "disk.raw"
    path.write_bytes(content)
    with Evidence(path) as evidence, pytest.raises(NotAnImage):
        recover(evidence)


@pytest.mark.parametrize("made", WITH_EIGHT_BYTES, ids=lambda kind: kind.name, indirect=True)
@pytest.mark.parametrize("entry", [COPIED | 0x50201, 0x7F << 40, 0x7F << 40 | COPIED, 1 << 60], ids=hex)
@pytest.mark.parametrize("where", [0, 20, 36, 100])
def test_an_impossible_entry_makes_its_own_cluster_unknown_and_no_other(
    made: tuple[Kind, Made], entry: int, where: int
) -> None:
    """Wherever in its sector it stands; what stands beside it is no more than inferred, and right."""
    image = damaged_again(made[1], "none", seed=1)
    table = full_table(image)
    image.put(table + 8 * where, entry.to_bytes(8, "big"))
    image.hit.clear()
    image.save()
    with Evidence(image.path) as evidence:
        plan = recover(evidence).plan
    assert sum(one.length for one in plan.unknown) == image.cluster
    found = figures_of(image)
    assert (found.wrong_certain, found.wrong_inferred) == (0, 0), str(found)


@pytest.mark.parametrize("made", WITH_EIGHT_BYTES, ids=lambda kind: kind.name, indirect=True)
@pytest.mark.parametrize("wrong", [8, 9])
def test_a_sector_with_more_than_a_few_impossible_entries_was_overwritten(made: tuple[Kind, Made], wrong: int) -> None:
    image = damaged_again(made[1], "none", seed=1)
    table = full_table(image)
    for at in range(wrong):
        image.put(table + 56 * at, (0x7F << 40 | COPIED).to_bytes(8, "big"))
    image.hit.clear()
    image.save()
    with Evidence(image.path) as evidence:
        plan = recover(evidence).plan
    lost = sum(one.length for one in plan.unknown if one.why == "overwritten") // image.cluster
    assert lost == 8 if wrong == 8 else lost >= 64
    assert figures_of(image).wrong_certain == 0
