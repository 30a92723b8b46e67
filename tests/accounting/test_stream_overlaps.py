"""Compressed streams that lie on one another: all at once, and part after part where there are too many for that."""

import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from forensic.accounting import stream_overlaps
from forensic.accounting.stream_overlaps import StreamCollector, StreamOverlaps
from forensic.budget import Unexamined
from forensic.evidence import Evidence
from forensic.image import Qcow2Image
from forensic.qcow2.tables import L2Batch
from forensic.walk import structures
from samples import recipes
from tests.images import COMPRESSED, COPIED, SOUND, geometry


def found(path: Path) -> tuple[list[tuple[int, int, int]], list[str]]:
    """First, its end and second of every overlap, and what was not looked at."""
    overlaps: list[tuple[int, int, int]] = []
    left_out = []
    with Qcow2Image(Evidence(path)) as image:
        for each in structures(image):
            if isinstance(each, StreamOverlaps):
                overlaps += zip(each.first.tolist(), each.first_end.tolist(), each.second.tolist(), strict=True)
            elif isinstance(each, Unexamined) and each.structure is StreamOverlaps:
                left_out.append(each.reason)
    return sorted(overlaps), left_out


def strewn(folder: Path) -> Path:
    """An image whose L2 table names streams at random places, so that many of them overlap."""
    recipe = next(each for each in recipes.all_recipes() if each.name == "compressed-streams-overlap")
    path = recipes.apply(recipe, folder / "image.qcow2")
    content = bytearray(path.read_bytes())
    size = 1 << int.from_bytes(content[20:24], "big")
    l2 = recipes.find_places(bytes(content))["l2"]
    begin, count = len(content), size // 8
    content += bytes(64 * size)
    places = np.random.default_rng(3).integers(begin, len(content) - 2 * size, count)
    for index, place in enumerate(places.tolist()):
        entry = 1 << 62 | 2 << 58 | place  # three sectors
        content[l2 + 8 * index : l2 + 8 * index + 8] = entry.to_bytes(8, "big")
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("at_once", [12, 30, 200])
def test_parts_find_what_one_look_finds(at_once: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = strewn(tmp_path)
    everything = found(path)
    assert everything[1] == []
    assert len(everything[0]) > 5
    monkeypatch.setattr(stream_overlaps, "MAX_STREAMS", at_once)
    assert found(path) == everything


def test_a_sound_image_has_no_overlaps_in_any_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_overlaps, "MAX_STREAMS", 3)
    assert found(SOUND / "deflate-512.qcow2") == ([], [])


def test_too_many_streams_in_one_place_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = strewn(tmp_path)
    monkeypatch.setattr(stream_overlaps, "MAX_STREAMS", 3)
    monkeypatch.setattr(stream_overlaps, "BUCKETS", 2)
    assert [reason for reason in found(path)[1] if "compressed clusters begin in" in reason]


def test_there_is_a_limit_to_the_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = strewn(tmp_path)
    monkeypatch.setattr(stream_overlaps, "MAX_STREAMS", 2)
    monkeypatch.setattr(stream_overlaps, "MAX_PARTS", 3)
    overlaps, left_out = found(path)
    assert len(left_out) == 1
    assert "were left out" in left_out[0]
    assert overlaps


FILE_SIZE = 1 << 20
BITS = 16
"""Of a cluster: a descriptor has 8 bits for its sectors."""


def plain_overlaps(active: list[tuple[int, int]], others: list[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """The same of streams as (host offset, sectors after the first), one pair after the other."""
    found = []
    for stream in sorted(set(active)):
        if active.count(stream) > 1:
            found.append((stream[0], end_of(stream), stream[0]))
    every = sorted({*active, *others})
    for one, other in pairwise(every):
        # Two may share a sector, the last of one and the first of the other, but not where both begin.
        if other[0] < end_of(one) - 512 or other[0] == one[0]:
            found.append((one[0], end_of(one), other[0]))
    return found


def end_of(stream: tuple[int, int]) -> int:
    begin, sectors = stream
    return begin // 512 * 512 + sectors * 512 + 512


def batch_of(streams: list[tuple[int, int]], owner: str, rng: random.Random) -> L2Batch:
    words = [COMPRESSED | sectors << 70 - BITS | begin for begin, sectors in streams] + [COPIED | 1 << BITS, 0]
    rng.shuffle(words)
    present = np.array([len(words)])
    row = np.array([[*words, COMPRESSED | 1 << 70 - BITS | 7]], dtype=np.uint64)  # the last one the file does not hold
    layout = replace(geometry(), cluster_bits=BITS)
    place = np.array([0], dtype=np.uint64)
    return L2Batch(owner, layout, FILE_SIZE, np.array([0]), place, present, row, None)


@pytest.mark.parametrize("seed", range(60))
def test_overlaps_are_those_of_a_plain_search_whole_and_in_parts(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    places = [
        0,
        0,
        1 << 40,
        *(rng.randrange(FILE_SIZE) for _ in range(6)),
        *(rng.randrange(40) * 512 for _ in range(6)),
    ]
    places += [place + 1 for place in places[3:6]]
    pool = [(rng.choice(places), rng.choice([0, 1, 2, 255])) for _ in range(14)]
    active = [rng.choice(pool) for _ in range(rng.choice([0, 1, 5, 11]))]
    others = [rng.choice(pool) for _ in range(rng.randrange(12))]
    batches = [batch_of(active[::2], "active", rng), batch_of(others, "snapshot 0", rng)]
    batches += [batch_of(active[1::2], "active", rng), batch_of(others[:2], "snapshot 1", rng)]
    expected = plain_overlaps(active, others)
    collector = StreamCollector(replace(geometry(), cluster_bits=BITS), FILE_SIZE)
    for batch in batches:
        collector.add(batch)
    assert collector.count == len(active) + len(others) + len(others[:2])
    assert not collector.too_many
    assert listed([collector.overlaps()]) == expected
    monkeypatch.setattr(stream_overlaps, "MAX_STREAMS", rng.choice([8, collector.count - 1, collector.count]))
    limited = StreamCollector(replace(geometry(), cluster_bits=BITS), FILE_SIZE)
    for batch in batches:
        limited.add(batch)
    assert limited.too_many == (collector.count > stream_overlaps.MAX_STREAMS)
    parts = list(limited.overlaps_by_part(lambda: iter(batches)))
    overlaps = [each for each in parts if isinstance(each, StreamOverlaps)]
    if len(overlaps) == len(parts):
        assert sorted(listed(overlaps)) == sorted(expected)
    else:
        assert set(listed(overlaps)) <= set(expected)
        assert all("compressed clusters begin in" in each.reason for each in parts if isinstance(each, Unexamined))


def listed(found: list[StreamOverlaps]) -> list[tuple[int, int, int]]:
    return [
        (int(first), int(end), int(second))
        for each in found
        for first, end, second in zip(each.first, each.first_end, each.second, strict=True)
    ]


@pytest.mark.parametrize("by", [-1, 0, 1])
def test_parts_hold_as_many_streams_as_are_kept_and_there_are_so_many(by: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight streams far from one another, three at a time: in three parts."""
    assert (stream_overlaps.MAX_STREAMS, stream_overlaps.MAX_PARTS) == (1 << 22, 64)
    streams = [(number << 17, 1) for number in range(8)]
    batches = [batch_of(streams, "active", random.Random(1))]
    monkeypatch.setattr(stream_overlaps, "MAX_STREAMS", 3)
    monkeypatch.setattr(stream_overlaps, "MAX_PARTS", 3 + by)
    collector = StreamCollector(replace(geometry(), cluster_bits=BITS), FILE_SIZE)
    for batch in batches:
        collector.add(batch)
    walks = 0

    def walked() -> list[L2Batch]:
        nonlocal walks
        walks += 1
        return batches

    found = list(collector.overlaps_by_part(lambda: iter(walked())))
    reasons = [each.reason for each in found if isinstance(each, Unexamined)]
    assert walks == 3 + min(by, 0)
    what = "8 compressed clusters are more than are compared with one another"
    assert reasons == ([f"{what}: those from host offset {6 << 17:#x} on were left out"] if by < 0 else [])


@pytest.mark.parametrize("by", [-1, 0, 1])
def test_more_streams_in_one_part_than_are_kept_are_said(by: int, monkeypatch: pytest.MonkeyPatch) -> None:
    streams = [(1000, number) for number in range(4)] + [(1 << 19, 1), ((1 << 19) + 100, 1)]
    batches = [batch_of(streams, "active", random.Random(1))]
    monkeypatch.setattr(stream_overlaps, "MAX_STREAMS", 4 + by)
    collector = StreamCollector(replace(geometry(), cluster_bits=BITS), FILE_SIZE)
    collector.add(batches[0])
    found = list(collector.overlaps_by_part(lambda: iter(batches)))
    reasons = [each.reason for each in found if isinstance(each, Unexamined)]
    said = f"4 compressed clusters begin in {1 << 19:,} bytes of the file, more than are compared with one another"
    assert len(reasons) == (by < 0)
    if by < 0:
        assert reasons[0].startswith("4 compressed clusters begin in ")
        assert reasons[0].endswith(said[said.index(" bytes") :])
        part = [each for each in found if isinstance(each, StreamOverlaps)]
        assert listed(part) == [(1 << 19, (1 << 19) + 1024, (1 << 19) + 100)]  # the other parts are looked at


def test_where_only_a_snapshot_has_streams_they_are_compared_with_one_another() -> None:
    for streams in ([(0, 1)], [(0, 255), (512, 0)], [(700, 0), (701, 0)], [(700, 0), (700, 1), (1023, 2)]):
        collector = StreamCollector(replace(geometry(), cluster_bits=BITS), FILE_SIZE)
        collector.add(batch_of(streams, "snapshot 0", random.Random(1)))
        assert listed([collector.overlaps()]) == plain_overlaps([], streams)


def test_it_is_said_in_how_many_bytes_too_many_streams_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    """One before them and one after them are in parts of their own."""
    middle = 1 << 19
    streams = [(1000, 1), *((middle, number) for number in range(4)), (middle + 3200, 1)]
    monkeypatch.setattr(stream_overlaps, "MAX_STREAMS", 3)
    collector = StreamCollector(replace(geometry(), cluster_bits=BITS), FILE_SIZE)
    batch = batch_of(streams, "active", random.Random(1))
    collector.add(batch)
    found = list(collector.overlaps_by_part(lambda: iter([batch])))
    reason = "4 compressed clusters begin in 32 bytes of the file, more than are compared with one another"
    assert [each for each in found if isinstance(each, Unexamined)] == [Unexamined(StreamOverlaps, reason)]
    assert len(found) == 3
