"""Every distinct stream is decoded once, in file order, and what follows it is looked at."""

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

import forensic.accounting.descriptors as descriptors
import forensic.accounting.stream_decoding as stream_decoding
import forensic.accounting.streams as streams
from forensic.accounting.streams import StreamBatch
from forensic.disk.examination import Outcome
from forensic.evidence import Evidence
from forensic.image import Qcow2Image
from forensic.walk import structures
from samples.bench import noise, prose
from tests.images import COMPRESSED, SOUND, header, opened, tiny

CLUSTER, BITS = 4096, 12
DATA = 5 * CLUSTER
SECTOR_COUNT = 70 - BITS
"""Where the sector count of a descriptor begins."""


def deflated(data: bytes) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, -12)
    return stream.compress(data) + stream.flush()


TEXT = deflated(prose(CLUSTER))
NOISE = deflated(noise(CLUSTER))
ZEROS = deflated(bytes(CLUSTER))


def descriptor(begins: int, length: int) -> int:
    """As QEMU makes it: the sectors after the first that the stream touches."""
    return COMPRESSED | (begins + length - 1) // 512 - begins // 512 << SECTOR_COUNT | begins


def image(folder: Path, entries: list[int], stored: bytes, clusters: int = 9) -> Qcow2Image:
    """An image of 4 KiB clusters with these entries, and these bytes from its first data cluster on."""
    content = bytearray(tiny(entries, cluster_bits=BITS, file_clusters=clusters, head=header(cluster_bits=BITS)))
    content[DATA:] = stored.ljust(len(content) - DATA, b"\0")
    return opened(folder, bytes(content))


def decoded(found: Qcow2Image) -> list[StreamBatch]:
    with found:
        return [structure for structure in structures(found) if isinstance(structure, StreamBatch)]


def only(found: Qcow2Image) -> StreamBatch:
    (batch,) = decoded(found)
    return batch


def test_streams_that_qemu_packs_are_all_good(tmp_path: Path) -> None:
    places = [DATA, DATA + len(TEXT), DATA + len(TEXT) + len(NOISE)]
    entries = [descriptor(*each) for each in zip(places, map(len, (TEXT, NOISE, ZEROS)), strict=True)]
    batch = only(image(tmp_path, entries[::-1], TEXT + NOISE + ZEROS))
    assert batch.host_offsets.tolist() == places
    assert batch.guest_offsets.tolist() == [2 * CLUSTER, CLUSTER, 0]
    assert (batch.outcomes.tolist(), batch.surplus_sectors.tolist(), batch.tails) == ([Outcome.OK] * 3, [0] * 3, ())


def test_entries_that_lead_to_one_stream_make_it_decoded_once(tmp_path: Path) -> None:
    batch = only(image(tmp_path, [descriptor(DATA, len(TEXT))] * 500, TEXT))
    assert (batch.host_offsets.tolist(), batch.guest_offsets.tolist()) == ([DATA], [0])


def test_a_stream_that_snapshots_share_is_decoded_once_and_named_after_the_active_disk(tmp_path: Path) -> None:
    snapshot = struct.pack(">QIHHIIQII", 8 * CLUSTER, 1, 0, 0, 0, 0, 0, 0, 0)
    head = header(cluster_bits=BITS, snapshots=(1, 7 * CLUSTER))
    content = bytearray(tiny([descriptor(DATA, len(TEXT))], cluster_bits=BITS, file_clusters=10, head=head))
    content[DATA : 6 * CLUSTER] = TEXT.ljust(CLUSTER, b"\0")
    content[6 * CLUSTER : 10 * CLUSTER] = bytes(4 * CLUSTER)
    content[7 * CLUSTER : 7 * CLUSTER + 40] = snapshot
    content[8 * CLUSTER : 8 * CLUSTER + 8] = struct.pack(">Q", 9 * CLUSTER)
    content[9 * CLUSTER : 9 * CLUSTER + 16] = struct.pack(">QQ", 0, descriptor(DATA, len(TEXT)))
    batch = only(opened(tmp_path, bytes(content)))
    assert [batch.owner_names[int(owner)] for owner in batch.owners] == ["active"]
    assert batch.outcomes.tolist() == [Outcome.OK]


def test_a_sector_count_that_is_too_large_is_counted_in_sectors(tmp_path: Path) -> None:
    entry = descriptor(DATA, len(ZEROS)) + (3 << SECTOR_COUNT)
    assert only(image(tmp_path, [entry], ZEROS)).surplus_sectors.tolist() == [3]


def test_a_packed_stream_that_claims_sectors_of_the_next_is_noticed(tmp_path: Path) -> None:
    first = descriptor(DATA, len(TEXT)) + (2 << SECTOR_COUNT)
    second = descriptor(DATA + len(TEXT), len(NOISE))
    batch = only(image(tmp_path, [first, second], TEXT + NOISE))
    assert (batch.outcomes.tolist(), batch.surplus_sectors.tolist()) == ([Outcome.OK] * 2, [2, 0])


def test_a_sector_count_that_is_too_small_is_told_from_damage(tmp_path: Path) -> None:
    entry = descriptor(DATA, len(NOISE)) - (1 << SECTOR_COUNT)
    assert only(image(tmp_path, [entry], NOISE)).outcomes.tolist() == [Outcome.CUT]


def test_a_stream_survives_a_bogus_one_that_begins_inside_it(tmp_path: Path) -> None:
    entries = [descriptor(DATA, len(TEXT)), descriptor(DATA + 7, 100)]
    outcomes = only(image(tmp_path, entries, TEXT)).outcomes.tolist()
    assert (outcomes[0], outcomes[1] != Outcome.OK) == (Outcome.OK, True)


@pytest.mark.parametrize(
    ("stored", "found"),
    [
        (ZEROS + bytes(50), None),
        (ZEROS + b"hidden text", (b"hidden text", False)),
        (ZEROS + bytes(9) + b"hidden", (bytes(9) + b"hidden", False)),
        (ZEROS + b"old" * 300, ((b"old" * 300)[: 512 - len(ZEROS)], True)),
        (ZEROS + TEXT, ((TEXT)[: 512 - len(ZEROS)].rstrip(b"\0"), True)),
    ],
    ids=["nothing", "text", "text after zeros", "old data", "a former stream"],
)
def test_what_follows_a_stream_is_told_from_what_was_there_before(
    stored: bytes, found: tuple[bytes, bool] | None, tmp_path: Path
) -> None:
    batch = only(image(tmp_path, [descriptor(DATA, len(ZEROS))], stored))
    assert [(tail.data, tail.leftover) for tail in batch.tails] == ([] if found is None else [found])
    assert [(tail.index, tail.host_offset) for tail in batch.tails] == [(0, DATA + len(ZEROS))] * len(batch.tails)


def test_what_was_there_before_may_go_on_in_another_cluster(tmp_path: Path) -> None:
    begins = DATA + CLUSTER - 512
    for rest, leftover in ((b"old" * 200, True), (NOISE, True), (b"hidden text", False)):
        stored = bytes(CLUSTER - 512) + (ZEROS + rest)[:512]
        (tail,) = only(image(tmp_path, [descriptor(begins, len(ZEROS))], stored)).tails
        assert (tail.host_offset, tail.leftover) == (begins + len(ZEROS), leftover)


def test_a_stream_behind_the_file_is_left_to_the_rule_about_its_entry(tmp_path: Path) -> None:
    assert decoded(image(tmp_path, [descriptor(9 * CLUSTER, 100)], b"")) == []


def test_an_image_with_a_data_file_has_no_streams(tmp_path: Path) -> None:
    head = header(cluster_bits=BITS, features=4)
    content = tiny([descriptor(DATA, 100)], cluster_bits=BITS, head=head)
    assert decoded(opened(tmp_path, content)) == []


def test_streams_are_left_out_on_request() -> None:
    with Qcow2Image(Evidence(SOUND / "deflate-4k.qcow2")) as found:
        kinds = {type(structure).__name__ for structure in structures(found, with_streams=False)}
    assert "L2Batch" in kinds
    assert "StreamBatch" not in kinds


def many(folder: Path, count: int) -> Qcow2Image:
    """Streams at every other sector, far more than are gathered at once."""
    entries = [descriptor(DATA + number * 1024, len(ZEROS)) for number in range(count)]
    return image(folder, entries, ZEROS.ljust(1024, b"\0") * count, 5 + count // 4 + 1)


def test_many_streams_come_in_groups_and_none_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "MAX_GATHERED", 10)
    monkeypatch.setattr(stream_decoding, "WINDOW_BYTES", 4096)
    monkeypatch.setattr(stream_decoding, "BATCH_STREAMS", 16)
    batches = decoded(many(tmp_path, 100))
    assert np.concatenate([batch.host_offsets for batch in batches]).tolist() == [DATA + n * 1024 for n in range(100)]
    assert {int(outcome) for batch in batches for outcome in batch.outcomes} == {Outcome.OK}
    assert len(batches) > 1


def test_work_is_limited_and_what_was_not_done_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_decoding, "WINDOW_BYTES", 4096)
    monkeypatch.setattr(streams, "EFFORT_PER_FILE_BYTE", 0)
    for effort, allowed in ((39 * 4096, 36), (40 * 4096, 40), (100 * 4096 - 1, 96), (100 * 4096, 100)):
        monkeypatch.setattr(streams, "EFFORT_ALWAYS", effort)
        outcomes = [int(outcome) for batch in decoded(many(tmp_path, 100)) for outcome in batch.outcomes]
        assert outcomes == [Outcome.OK] * allowed + [Outcome.NOT_DECODED] * (100 - allowed)


def test_streams_in_a_hole_of_the_file_are_no_streams_and_cost_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "EFFORT_PER_FILE_BYTE", 0)
    monkeypatch.setattr(streams, "EFFORT_ALWAYS", 4096)
    begins = [DATA, DATA + (1 << 20), DATA + (2 << 20)]
    found = image(tmp_path, [descriptor(begin, len(ZEROS)) for begin in begins], ZEROS)
    os.truncate(found.evidence.path, 8192 * CLUSTER)
    batch = only(Qcow2Image(Evidence(found.evidence.path)))
    assert batch.outcomes.tolist() == [Outcome.OK, Outcome.FAILED, Outcome.FAILED]


@pytest.mark.parametrize("name", ["deflate-512", "deflate-4k", "zstd-512", "zstd-4k", "extended-deflate-16k"])
def test_all_streams_of_a_sample_are_good(name: str) -> None:
    (batch,) = decoded(Qcow2Image(Evidence(SOUND / f"{name}.qcow2")))
    assert len(batch.outcomes) >= 4
    assert set(batch.outcomes.tolist()) == {Outcome.OK}
    assert not batch.surplus_sectors.any()
    assert batch.tails == ()
