"""Compressed clusters whose L2 table is lost: each is found, and put where it belongs or listed."""

from __future__ import annotations

import random
import zlib
from pathlib import Path

import numpy as np
import pytest
import zstandard

from forensic.disk.codecs import Codec
from forensic.evidence import Evidence
from forensic.extraction.extract import extract
from forensic.extraction.settings import Settings
from forensic.image import Qcow2Image
from forensic.rebuilding.rebuild import rebuild
from forensic.recovery.placement.by_streams import Items
from forensic.recovery.placement.lost_streams import stream_length
from forensic.recovery.plan import Plan
from forensic.recovery.reading import planned_by
from forensic.recovery.recover import recover
from tests.oracles import require
from tests.recovery.figures import figures_of
from tests.recovery.images import KINDS, Made, converted, damaged_again, known, make, run

CLUSTER, PER_TABLE = 4096, 512
SLOT = CLUSTER * PER_TABLE


def text_disk(folder: Path, *how: str, zeros: int = 0) -> Made:
    """A converted disk of four slots full of text, but for some clusters of zeros in the third."""
    rng = random.Random(5)
    body = bytearray(b"".join(b"%d line %x\n" % (number, rng.getrandbits(64)) for number in range(1 << 19))[: 4 * SLOT])
    body[2 * SLOT : 2 * SLOT + zeros * CLUSTER] = bytes(zeros * CLUSTER)
    raw, image = folder / "disk.raw", folder / "image.qcow2"
    raw.write_bytes(body)
    converted(raw, image, f"cluster_size={CLUSTER},compression_type=zstd", "-c", *how)
    return known(image)


def without_tables(made: Made, *slots: int) -> Made:
    """A copy whose tables of these slots were written over."""
    copy = damaged_again(made, "none", seed=1)
    for slot in slots:
        copy.put(copy.tables[slot], random.Random(slot).randbytes(CLUSTER))
    copy.save()
    return copy


def plan_of(path: Path) -> Plan:
    with Evidence(path) as evidence:
        return recover(evidence).plan


def listed(plan: Plan) -> dict[int, int]:
    """Host offset and length of every stream that has no place."""
    found = {}
    for one in plan.streams:
        at = one.host_offset
        for length in one.lengths:
            found[at] = length
            at += length
    return found


@pytest.mark.parametrize("name", ["ext4 zstd 8k", "ext4 zlib 64k"])
def test_every_stream_is_found_without_tables_and_nothing_else(name: str, tmp_path: Path) -> None:
    require("qemu-img", "mkfs.ext4")
    made = make(next(kind for kind in KINDS if kind.name == name), tmp_path, seed=1)
    plan = plan_of(damaged_again(made, "all L2 random", seed=1).path)
    placed = {one.host_offset: one.stored_length for one in plan.data if one.stored_length}
    found = placed | listed(plan)
    streams = {host_offset: stored for _, host_offset, _, stored in made.data if stored}
    assert found.keys() == streams.keys()
    assert all(found[at] <= stored < found[at] + 512 for at, stored in streams.items())
    assert plan.streams_not_listed == 0


def test_streams_between_two_tables_have_their_places_if_they_are_as_many(tmp_path: Path) -> None:
    require("qemu-img")
    made = text_disk(tmp_path)
    image = without_tables(made, 1, 2)
    plan = plan_of(image.path)
    assert [(one.guest_offset, one.length) for one in plan.data] == [
        (SLOT + at * CLUSTER, CLUSTER) for at in range(2 * PER_TABLE)
    ]
    assert {plan.decisions[one.decision].method for one in plan.data} == {"exact_count"}
    assert {plan.decisions[one.decision].certainty for one in plan.data} == {"inferred"}
    assert plan.streams == ()
    found = figures_of(image)
    assert (found.wrong_certain, found.wrong_inferred, found.right_share) == (0, 0, 1)


@pytest.mark.parametrize("case", ["zeros", "out of order", "no table is left"])
def test_otherwise_streams_are_listed(case: str, tmp_path: Path) -> None:
    require("qemu-img")
    made = text_disk(tmp_path, *(["-W"] if case == "out of order" else []), zeros=3 if case == "zeros" else 0)
    plan = plan_of(without_tables(made, *([0, 1, 2, 3] if case == "no table is left" else [2])).path)
    assert plan.data == ()
    lost = {host: stored for guest, host, _, stored in made.data if guest // SLOT == 2 or case == "no table is left"}
    assert listed(plan).keys() <= lost.keys()
    missed = len(lost) - len(listed(plan))  # that begin a cluster in which others lie that tables lead to
    assert missed <= (len(lost) // 50 if case == "out of order" else 0)


def test_what_is_placed_is_extracted_read_twice_and_rebuilt(tmp_path: Path) -> None:
    require("qemu-img")
    image = without_tables(text_disk(tmp_path), 1)
    output, new, again = tmp_path / "out.raw", tmp_path / "new.qcow2", tmp_path / "again.raw"
    with Evidence(image.path) as evidence:
        disk = Qcow2Image(evidence, planned_by(recover(evidence).plan, evidence)).disk()
        done = extract(disk, output, Settings(verify=True))
        assert done.compared is not None
        assert done.compared.agrees
        assert done.certainties is not None
        assert done.certainties.by_method["exact_count"] == SLOT
        made = rebuild(disk, new).new_image
        assert made is not None
        assert made.compressed_clusters == 4 * PER_TABLE
    assert output.read_bytes() == image.truth
    run("qemu-img", "check", "-q", new)
    run("qemu-img", "convert", "-O", "raw", new, again)
    assert again.read_bytes() == image.truth


@pytest.mark.parametrize("codec", list(Codec))
def test_a_stream_ends_itself_after_a_whole_cluster(codec: Codec) -> None:
    body = bytes(range(256)) * 16

    def packed(data: bytes) -> bytes:
        if codec == Codec.ZSTD:
            return zstandard.ZstdCompressor().compress(data)
        packer = zlib.compressobj(wbits=-12)
        return packer.compress(data) + packer.flush()

    whole = packed(body)
    assert stream_length(whole + b"what comes next", codec, 4096) == len(whole)
    others = (packed(body[1:]), packed(body + b"x"), whole[:-1], b"", bytes(4096), random.Random(1).randbytes(9999))
    for other in others:
        assert stream_length(other, codec, 4096) is None


def test_a_plain_cluster_after_a_stream_that_could_have_filled_up_a_cluster_may_have_been_first() -> None:
    def order(*rows: tuple[int, int]) -> bool:
        starts, lengths = np.array(rows, dtype=np.int64).T
        return Items(starts, lengths, 4096).have_one_order(0, len(rows))

    assert order((0, 100), (100, 100), (200, 4000), (8192, 0))
    assert order((0, 100), (4096, 0), (8192, 0))
    assert not order((0, 100), (100, 100), (4096, 0))
    assert order((4096, 0), (8192, 100), (8292, 100))


def test_memory_for_what_is_listed_is_bounded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    require("qemu-img")
    monkeypatch.setattr("forensic.recovery.planning.LISTED_STREAMS", 100)
    plan = plan_of(without_tables(text_disk(tmp_path), 0, 1, 2, 3).path)
    assert len(listed(plan)) == 100
    assert plan.streams_not_listed == 4 * PER_TABLE - 100


def test_what_is_searched_is_bounded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    require("qemu-img")
    monkeypatch.setattr("forensic.recovery.placement.lost_streams.MOST_STREAMS", 50)
    image = without_tables(text_disk(tmp_path), 0, 1, 2, 3)
    with Evidence(image.path) as evidence:
        recovery = recover(evidence)
    assert len(listed(recovery.plan)) == 50
    assert "compressed clusters without a table were not looked for everywhere" in recovery.notes
