"""Every distinct stream is decoded once, in file order, and what follows it is looked at."""

import marshal
import os
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import forensic.accounting.descriptors as descriptors
import forensic.accounting.stream_decoding as stream_decoding
import forensic.accounting.streams as streams
from forensic.accounting.stream_decoding import _Decoded, _StreamsReadTogether
from forensic.accounting.streams import Allowance, DecodedRange, StreamBatch, Streams, Tail
from forensic.disk.examination import Outcome
from forensic.evidence import Evidence, ReadFailed
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
    behind = only(image(tmp_path, entries, TEXT + b"tail"))
    assert [tail.index for tail in behind.tails] == []  # whose bytes those are is not known
    long = only(image(tmp_path, [descriptor(DATA, len(NOISE)), descriptor(DATA + 7, 100)], NOISE))
    assert (long.outcomes.tolist()[0], long.surplus_sectors.tolist()) == (Outcome.OK, [0, 0])


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


def random_streams(rng: random.Random, count: int) -> Streams:
    """Streams in file order, some at one place, of up to eight sectors."""
    begins = sorted(rng.choice([rng.randrange(20_000), rng.randrange(40) * 512]) for _ in range(count))
    lengths = [512 - begin % 512 + 512 * rng.randrange(8) for begin in begins]
    nothing = np.zeros(count, dtype=np.uint64)
    return Streams(np.array(begins, dtype=np.uint64), np.array(lengths, dtype=np.uint64), nothing, nothing)


@pytest.mark.parametrize("seed", range(40))
def test_windows_are_as_long_as_they_may_be_and_no_longer(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    gap, size, most = rng.choice([0, 300, 512]), rng.choice([512, 3000, 10_000]), rng.choice([2, 5, 100])
    for name, value in (("GAP_BYTES", gap), ("WINDOW_BYTES", size), ("WINDOW_STREAMS", most)):
        monkeypatch.setattr(stream_decoding, name, value)
    found = random_streams(rng, rng.randrange(1, 30))
    begins, ends = found.host_offsets.tolist(), found.ends.tolist()
    windows = [(window.first, window.end) for window in stream_decoding._windows(found)]
    expected, first = [], 0
    for number in range(1, len(begins) + 1):
        if (
            number == len(begins)
            or begins[number] > max(ends[:number]) + gap
            or begins[number] >= begins[first] + size
            or number - first >= most
        ):
            expected.append((first, number))
            first = number
    assert windows == expected


@pytest.mark.parametrize("seed", range(20))
def test_the_next_stream_is_the_next_one_that_begins_elsewhere(seed: int) -> None:
    found = random_streams(random.Random(seed), 20)
    begins = found.host_offsets.tolist()
    for begin, following in zip(begins, found.next_offsets().tolist(), strict=True):
        assert following == min((each for each in begins if each > begin), default=(1 << 64) - 1)
    chosen = found.selected(np.array([1, 3]))
    assert chosen.host_offsets.tolist() == [begins[1], begins[3]]
    assert chosen.ends.tolist() == [int(found.ends[1]), int(found.ends[3])]


def test_whole_sectors_are_counted() -> None:
    for begins in (0, 1, 511, 512, 513, 1024, 5000):
        for ends in (0, 512, 1024, 5120, 8192):
            whole = [sector for sector in range(20) if begins <= sector * 512 and (sector + 1) * 512 <= ends]
            assert stream_decoding._sectors(begins, ends) == len(whole)


@pytest.mark.parametrize("by", [-1, 0, 1])
def test_decoding_may_cost_so_much(by: int) -> None:
    """Four gibibytes for any file, 64 bytes for each of a larger one."""
    assert (streams.EFFORT_ALWAYS, streams.EFFORT_PER_FILE_BYTE) == (4 << 30, 64)
    assert (stream_decoding.EFFORT_OF_ONE, stream_decoding.SLOW_FACTOR) == (4096, 4)
    assert Allowance.for_file(1).effort == 4 << 30
    assert Allowance.for_file((64 << 20) + by).effort == (4 << 30) + max(0, 64 * by)
    left = Allowance(100)
    assert (left.spend(40), left.spend(60 + by), left.effort) == (True, by <= 0, -by)


@pytest.mark.parametrize(
    ("entry", "stored", "cost"),
    [
        (descriptor(DATA, len(ZEROS)), ZEROS, CLUSTER),
        (descriptor(DATA, 600), ZEROS + b"x" * 600, CLUSTER),
        (descriptor(DATA, 2 * CLUSTER), ZEROS + bytes(2 * CLUSTER), 2 * CLUSTER),
        (descriptor(DATA, 512), b"\xff" * 512, 4 * CLUSTER),
        (descriptor(DATA, 2 * CLUSTER), b"\xff" * 2 * CLUSTER, 8 * CLUSTER),
    ],
)
def test_a_stream_costs_its_cluster_or_its_length_and_four_times_that_if_it_is_broken(
    entry: int, stored: bytes, cost: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "EFFORT_PER_FILE_BYTE", 0)
    for allowed in (cost - 1, cost):
        monkeypatch.setattr(streams, "EFFORT_ALWAYS", allowed)
        (outcome,) = only(image(tmp_path, [entry], stored)).outcomes.tolist()
        assert (outcome == Outcome.NOT_DECODED) == (allowed < cost)


@pytest.mark.parametrize("cluster_bits", [9, 12])
def test_the_smallest_stream_costs_a_page(cluster_bits: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "EFFORT_PER_FILE_BYTE", 0)
    size = 1 << cluster_bits
    stored = deflated(bytes(size))
    content = bytearray(
        tiny([COMPRESSED | 5 * size], cluster_bits=cluster_bits, head=header(cluster_bits=cluster_bits))
    )
    content[5 * size : 6 * size] = stored.ljust(size, b"\0")
    for allowed in (4095, 4096):
        monkeypatch.setattr(streams, "EFFORT_ALWAYS", allowed)
        (outcome,) = only(opened(tmp_path, bytes(content))).outcomes.tolist()
        assert outcome == (Outcome.OK if allowed == 4096 else Outcome.NOT_DECODED)


def test_what_a_process_found_comes_back_as_it_was() -> None:
    tails = [Tail(3, 70_000, b"tail", True), Tail(4, 80_000, b"", False)]
    found = _Decoded(_StreamsReadTogether(3, 6), [0, 3, 7], [0, 1, 0], tails, 12345, [(5, 6, "input/output error")])
    assert stream_decoding._from_message(stream_decoding._as_message(found)) == found


@pytest.mark.parametrize("bad", [[], [0], [6], [3, 4], [0, 1, 2, 3, 4, 5, 6], [2, 6]])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_only_the_streams_that_crash_a_process_are_given_up(bad: list[int], count: int) -> None:
    crashing = {10 + number for number in bad if number < count}
    asked: list[tuple[int, int]] = []

    def attempt(message: bytes) -> bytes | None:
        window = stream_decoding._asked_in(message)
        asked.append((window.first, window.end))
        if crashing & set(range(window.first, window.end)):
            return None
        rows = range(window.first, window.end)
        tails = [Tail(row, row * 100, b"t", False) for row in rows]
        unread = [(row, 1, "why") for row in rows]
        return stream_decoding._as_message(
            _Decoded(window, [0 for _ in rows], list(rows), tails, 7 * len(rows), unread)
        )

    message = marshal.dumps((10, 10 + count))
    found = stream_decoding._from_message(stream_decoding._salvaged(message, attempt))
    rows = range(10, 10 + count)
    good = [row for row in rows if row not in crashing]
    assert found.window == _StreamsReadTogether(10, 10 + count)
    assert found.outcomes == [Outcome.DECODER_FAILED if row in crashing else Outcome.OK for row in rows]
    assert found.surplus == [0 if row in crashing else row for row in rows]
    assert [tail.index for tail in found.tails] == [each[0] for each in found.unread] == good
    assert found.effort == 7 * len(good) + len(crashing) * stream_decoding.EFFORT_OF_ONE * stream_decoding.SLOW_FACTOR
    assert count == 1 or (10, 10 + count) not in asked  # that it crashes is known
    assert len(asked) == len(set(asked))


def failing_at(places: set[int]) -> Callable[[Evidence, int, memoryview], None]:
    read_into = Evidence.read_into

    def failing(self: Evidence, host_offset: int, buffer: memoryview) -> None:
        for place in places:
            if host_offset <= place < host_offset + len(buffer):
                raise ReadFailed(place, 1, "input/output error")
        read_into(self, host_offset, buffer)

    return failing


def test_only_the_streams_on_a_bad_sector_are_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with many(tmp_path, 6) as found:
        monkeypatch.setattr(Evidence, "read_into", failing_at({DATA + 1024 + 5, DATA + 4 * 1024}))
        (batch,) = [each for each in structures(found) if isinstance(each, StreamBatch)]
        bad, good = Outcome.NOT_DECODED, Outcome.OK
        assert batch.outcomes.tolist() == [good, bad, good, good, bad, good]
        assert not batch.surplus_sectors.any()
        assert [(place.host_offset, place.length) for place in found.evidence.unread] == [
            (DATA + 1024 + 5, 1),
            (DATA + 4 * 1024, 1),
        ]


def test_without_other_processes_the_answer_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> object:
        raise OSError("no processes")

    monkeypatch.setattr(stream_decoding, "WINDOW_BYTES", 4096)
    with_processes = decoded(many(tmp_path, 50))
    monkeypatch.setattr(stream_decoding, "Processes", none)
    without = decoded(many(tmp_path, 50))
    assert [batch.outcomes.tolist() for batch in without] == [batch.outcomes.tolist() for batch in with_processes]
    assert sum(len(batch.outcomes) for batch in without) == 50


@pytest.mark.parametrize(("window", "lengths"), [(1024, [4, 4, 2]), (3072, [6, 4]), (20_000, [10])])
def test_tails_are_numbered_in_their_batch(
    window: int, lengths: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_decoding, "WINDOW_BYTES", window)
    monkeypatch.setattr(stream_decoding, "BATCH_STREAMS", 4)
    entries = [descriptor(DATA + number * 1024, len(ZEROS)) for number in range(10)]
    stored = b"".join((ZEROS + (b"tail" if number % 3 == 0 else b"")).ljust(1024, b"\0") for number in range(10))
    batches = decoded(image(tmp_path, entries, stored))
    assert [len(batch.outcomes) for batch in batches] == lengths
    found = [(int(batch.host_offsets[tail.index]), tail.host_offset) for batch in batches for tail in batch.tails]
    assert found == [(DATA + n * 1024, DATA + n * 1024 + len(ZEROS)) for n in (0, 3, 6, 9)]


def test_streams_of_an_unknown_codec_are_not_decoded_in_a_hole_or_not(tmp_path: Path) -> None:
    head = header(cluster_bits=BITS, features=1 << 3, compression_type=7)
    words = [descriptor(DATA, len(ZEROS)), descriptor(DATA + (1 << 20), len(ZEROS))]
    found = opened(tmp_path, tiny(words, cluster_bits=BITS, head=head))
    os.truncate(found.evidence.path, 8192 * CLUSTER)
    assert only(Qcow2Image(Evidence(found.evidence.path))).outcomes.tolist() == [Outcome.NOT_DECODED] * 2


@pytest.mark.parametrize("effort", [0, 4, 20])
def test_what_is_not_decoded_any_more_is_not_looked_at(
    effort: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for the few windows that processes were given by then."""
    taken = []
    real = stream_decoding._windows

    def counted(found: Streams) -> Iterator[_StreamsReadTogether]:
        for window in real(found):
            taken.append(window)
            yield window

    monkeypatch.setattr(stream_decoding, "WINDOW_BYTES", 1024)
    monkeypatch.setattr(streams, "EFFORT_PER_FILE_BYTE", 0)
    monkeypatch.setattr(streams, "EFFORT_ALWAYS", effort * CLUSTER)
    monkeypatch.setattr(stream_decoding, "_windows", counted)
    outcomes = [int(outcome) for batch in decoded(many(tmp_path, 100)) for outcome in batch.outcomes]
    assert outcomes == [Outcome.OK] * effort + [Outcome.NOT_DECODED] * (100 - effort)
    ahead = stream_decoding.MAX_WORKERS * (1 + stream_decoding.WINDOWS_AHEAD) + 2
    assert effort < len(taken) <= effort + ahead


@pytest.mark.parametrize(
    ("single", "outcome"), [(0, Outcome.CUT), (180, Outcome.CUT), (900, Outcome.CUT), (930, Outcome.SHORT)]
)
def test_a_stream_is_cut_if_it_ends_within_two_clusters_behind_its_last_sector(
    single: int, outcome: Outcome, tmp_path: Path
) -> None:
    """So many bytes are stored in blocks of their own, which makes it long; the descriptor says one sector."""
    data = noise(CLUSTER)
    rest = data[single:]
    stored = b"".join(b"\0\1\0\xfe\xff" + data[n : n + 1] for n in range(single))
    stored += b"\1" + struct.pack("<HH", len(rest), len(rest) ^ 0xFFFF) + rest
    assert (len(stored) <= 512 + 2 * CLUSTER) == (outcome == Outcome.CUT)
    assert only(image(tmp_path, [descriptor(DATA, 512)], stored, 12)).outcomes.tolist() == [outcome]


@pytest.mark.parametrize("next_at", [511, 512, 513])
def test_bytes_behind_a_stream_are_its_tail_unless_another_begins_in_its_last_sector(
    next_at: int, tmp_path: Path
) -> None:
    stored = (ZEROS + b"tail").ljust(next_at, b"\0") + ZEROS
    found = image(tmp_path, [descriptor(DATA, len(ZEROS)), descriptor(DATA + next_at, len(ZEROS))], stored)
    batch = only(found)
    assert batch.outcomes.tolist() == [Outcome.OK] * 2
    assert [tail.data for tail in batch.tails] == ([b"tail"] if next_at >= 512 else [])


def packed(folder: Path, count: int) -> Qcow2Image:
    """Streams of which each but the last has the next one in its last sector."""
    entries = [descriptor(DATA + number * len(ZEROS), len(ZEROS)) for number in range(count)]
    return image(folder, entries, ZEROS * count, 5 + count * len(ZEROS) // CLUSTER + 1)


def in_one_process(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """What is read of the file, as place and length, noted where no other process reads."""
    read_into, reads = Evidence.read_into, list[tuple[int, int]]()

    def noted(self: Evidence, host_offset: int, buffer: memoryview) -> None:
        reads.append((host_offset, len(buffer)))
        read_into(self, host_offset, buffer)

    def none(*_: object) -> object:
        raise OSError("no processes")

    monkeypatch.setattr(stream_decoding, "Processes", none)
    monkeypatch.setattr(Evidence, "read_into", noted)
    return reads


def all_streams(found: Qcow2Image) -> Streams:
    batch = only(found)
    return Streams(batch.host_offsets, batch.stored_lengths, batch.guest_offsets, batch.owners)


@pytest.mark.parametrize("known", [0, 1, 7, 19, 20])
@pytest.mark.parametrize("window", [512, 1 << 20])
def test_what_was_decoded_before_is_not_read_again_and_costs_as_much(
    known: int, window: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of twenty streams the first few were, in guest order; the last cannot be known, nothing begins in its end."""
    monkeypatch.setattr(stream_decoding, "WINDOW_BYTES", window)
    wanted = all_streams(packed(tmp_path, 20))
    reads = in_one_process(monkeypatch)
    done = DecodedRange(0, known * CLUSTER)
    left = Allowance(20 * CLUSTER)
    with packed(tmp_path, 20) as found:
        arguments = (found.evidence, found.geometry, ("active",), wanted, left, done)
        (batch,) = stream_decoding.decode_streams(*arguments)
    assert batch.outcomes.tolist() == [Outcome.OK] * 20
    assert batch.surplus_sectors.tolist() == [0] * 20
    assert left.effort == 0
    first = min(known, 19)
    streams_read = [at for at, length in reads if at >= DATA]
    assert min(streams_read) == DATA + first * len(ZEROS)


@pytest.mark.parametrize("window", [512, 3000, 1 << 20])
def test_neighbours_are_read_with_one_call(window: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_decoding, "WINDOW_BYTES", window)
    wanted = all_streams(packed(tmp_path, 200))
    reads = in_one_process(monkeypatch)
    with packed(tmp_path, 200) as found:
        arguments = (found.evidence, found.geometry, ("active",), wanted, Allowance(1 << 30))
        (batch,) = stream_decoding.decode_streams(*arguments)
    assert batch.outcomes.tolist() == [Outcome.OK] * 200
    windows = [(each.first, each.end) for each in stream_decoding._windows(wanted)]
    ends = wanted.ends.tolist()
    expected = [(DATA + first * len(ZEROS), ends[end - 1] - DATA - first * len(ZEROS)) for first, end in windows]
    assert [each for each in reads if each[0] >= DATA] == expected


def test_the_room_for_neighbours_is_as_long_as_the_longest_of_them(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(noise(5000))
    room, longest = bytearray(), 0
    with Evidence(tmp_path / "file") as evidence:
        for start, end in ((0, 10), (7, 12), (100, 1300), (0, 1200), (4000, 5000), (4000, 5500), (10, 4999), (0, 5100)):
            found = stream_decoding._read_together(evidence, start, end, room)
            assert found is not None
            assert bytes(found.part(start, end - start)) == noise(5000)[start:end]
            del found  # the room cannot grow as long as anyone looks into it
            longest = max(longest, min(end, 5000) - start)
            assert len(room) == longest


@pytest.mark.parametrize("count", [1, 2, 7])
def test_where_no_process_answers_every_stream_is_given_up(count: int) -> None:
    message = marshal.dumps((10, 10 + count))
    found = stream_decoding._from_message(stream_decoding._salvaged(message, lambda _: None))
    assert found.outcomes == [Outcome.DECODER_FAILED] * count
