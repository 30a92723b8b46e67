"""What is told of the use of clusters, against an image that is counted by hand."""

from __future__ import annotations

import os
import random
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from forensic.accounting import comparison, kept_references
from forensic.accounting.cluster_counts import SATURATED, Use
from forensic.accounting.comparison import UsageCounter
from forensic.accounting.discrepancies import ClusterUsage, FreeClusters, LeakedClusters, RefcountsBeyondFile, Totals
from forensic.accounting.kept_references import KeptReferences
from forensic.accounting.owners import ClusterOwners, metadata_of
from forensic.accounting.table_references import References
from forensic.accounting.table_sets import TableSets, l1_tables
from forensic.budget import MEMORY_BASE, Budget, Limits, Unexamined
from forensic.evidence import Evidence
from forensic.image import Qcow2Image
from forensic.qcow2 import refcounts
from forensic.qcow2.arrays import U64
from forensic.qcow2.refcounts import Block, StoredRefcounts
from forensic.qcow2.tables import L2Batch, read_refcount_table
from tests.accounting.plain_usage import SIZE, PlainWindow
from tests.images import COMPRESSED, COPIED, geometry, header, tiny, written

PER_BLOCK = 2048
REFCOUNT_TABLE, ACTIVE, SNAPSHOTS, SNAPSHOT_L1 = 1, 3, 7, 8
ENTRIES = 512


@dataclass
class Made:
    """An image: its file, and what stands in it."""

    path: Path
    clusters: int
    size: int
    l1: list[int]
    snapshot_l1: list[tuple[int, list[int]]]
    rows: dict[int, list[int]]
    blocks: list[int]
    tables: tuple[int, ...]
    counts: dict[int, int] = field(default_factory=dict)


def random_entries(rng: random.Random, clusters: int) -> list[int]:
    """Entries of an L2 table, mostly none; a run, or single ones anywhere, a few of them streams or past the end."""
    row = [0] * ENTRIES
    kind = rng.random()
    if kind < 0.3:
        return row
    if kind < 0.5 and clusters > PER_BLOCK:  # the first cluster of the second window, and nothing else
        row[3] = PER_BLOCK * SIZE
        return row
    first = rng.randrange(12, clusters)
    if rng.random() < 0.5:
        start, length = rng.randrange(ENTRIES - 100), rng.randrange(1, 100)
        row[start : start + length] = [(first + number) * SIZE | COPIED for number in range(length)]
    for index in rng.sample(range(ENTRIES), rng.randrange(12)):
        place = rng.randrange(1, clusters + 3) if rng.random() < 0.7 else first
        stream = COMPRESSED | rng.randrange(16) << 58 | place * SIZE + rng.randrange(SIZE)
        row[index] = rng.choice([place * SIZE, place * SIZE | COPIED, stream])
    return row


def made(folder: Path, rng: random.Random, sound_tables: bool) -> Made:
    """A sparse file of one to three blocks' clusters."""
    clusters = rng.choice([40, 2047, 2048, 2049, 4096, 5000])
    size = clusters * SIZE - rng.choice([0, 100])
    nowhere = [] if sound_tables else [clusters * SIZE]
    far = rng.choice([0, clusters - 40]) if clusters > 2048 else 0
    tables = (4, 5 + far, 6 + far)
    l1 = [rng.choice([0, *(table * SIZE for table in tables), *nowhere]) | rng.choice([0, COPIED]) for _ in range(4)]
    snapshots = [
        (rng.choice([ACTIVE, SNAPSHOT_L1]), [rng.choice([0, *(table * SIZE for table in tables)]) for _ in range(4)])
        for _ in range(rng.choice([0, 0, 1, 2, 9]))
    ]
    snapshots = [(place, l1 if place == ACTIVE else snapshots[0][1]) for place, _ in snapshots]
    rows = {table: random_entries(rng, clusters) for table in tables}
    count = -(-clusters // PER_BLOCK) + rng.choice([0, 1])
    begin = 10 + rng.choice([0, far])
    blocks = [rng.choice([(begin + number) * SIZE] * 4 + [0, (clusters + 9) * SIZE]) for number in range(count)]
    return Made(folder / "image.qcow2", clusters, size, l1, snapshots, rows, blocks, tables)


def write(image: Made) -> None:
    head = header(
        cluster_bits=12, virtual_size=4 * ENTRIES * SIZE, l1_size=4, l1_offset=ACTIVE * SIZE,
        snapshots=(len(image.snapshot_l1), SNAPSHOTS * SIZE),
    )  # fmt: skip
    parts = [(0, head), (REFCOUNT_TABLE, struct.pack(f">{len(image.blocks)}Q", *image.blocks))]
    parts += [(ACTIVE, struct.pack(">4Q", *image.l1))]
    parts += [(place, struct.pack(">4Q", *entries)) for place, entries in image.snapshot_l1]
    parts += [(table, struct.pack(f">{ENTRIES}Q", *row)) for table, row in image.rows.items()]
    entries = [struct.pack(">QIHHIIQII", place * SIZE, 4, 0, 0, 0, 0, 0, 0, 0) for place, _ in image.snapshot_l1]
    parts += [(SNAPSHOTS, b"".join(entries))]
    with image.path.open("wb") as stream:
        stream.truncate(image.size)
        for place, part in parts:
            stream.seek(place * SIZE)
            stream.write(part)
        for cluster, number in image.counts.items():
            block = image.blocks[cluster // PER_BLOCK] if cluster // PER_BLOCK < len(image.blocks) else 0
            if block and block < image.size:
                stream.seek(block + cluster % PER_BLOCK * 2)
                stream.write(number.to_bytes(2, "big"))


def plainly_counted(image: Made) -> PlainWindow:
    """What is used, and how often."""
    places: dict[int, list[int]] = {ACTIVE: image.l1} | dict(image.snapshot_l1)
    times = {place: sum(each == place for each, _ in image.snapshot_l1) + (place == ACTIVE) for place in places}
    sets = [(places[place], times[place]) for place in places]
    found = PlainWindow(0, image.clusters, len(sets), image.size)
    for cluster in (0, REFCOUNT_TABLE, ACTIVE):
        found.metadata(cluster)
    if image.snapshot_l1:
        found.metadata(SNAPSHOTS)
        for place, _ in image.snapshot_l1:
            found.metadata(place)
    here = [[entry & ~COPIED for entry in entries if 0 < entry & ~COPIED < image.size] for entries, _ in sets]
    for table in image.tables:
        references = sum(places_of.count(table * SIZE) * many for places_of, (_, many) in zip(here, sets, strict=True))
        if references:
            found.metadata(table, references)
            first = next((entry for entry in image.l1 if entry & ~COPIED == table * SIZE), None)
            if first is not None:
                found.use[table] |= Use.COPIED if first & COPIED else Use.NOT_COPIED
            members = [number for number, places_of in enumerate(here) if table * SIZE in places_of]
            owner = "active" if 0 in members else "snapshot"
            words = np.array([image.rows[table]], dtype=np.uint64)
            at = np.array([table * SIZE], dtype=np.uint64)
            layout = geometry(header(cluster_bits=12))
            batch = L2Batch(owner, layout, image.size, np.array([0]), at, np.array([ENTRIES]), words, None)
            found.table(batch, 0, references, sum(1 << member for member in members))
    for block in image.blocks:
        if 0 < block < image.size:
            found.metadata(block // SIZE)
    return found


def counter_of(opened: Qcow2Image) -> UsageCounter:
    sets, budget = TableSets(), Budget(Limits())
    for table, times in l1_tables(opened):
        sets.add(table, times)
    blocks = read_refcount_table(opened.evidence, opened.geometry)
    nothing = np.zeros(0, dtype=np.uint64)
    metadata = metadata_of(opened, blocks, nothing, nothing.astype(np.int64))
    cluster_owners = ClusterOwners(opened.evidence, opened.l1, metadata, sets, budget.out_of_time)
    counter = UsageCounter(cluster_owners, StoredRefcounts(opened.evidence, blocks), budget, sets.lost)
    for batch in sets.batches(opened.evidence, opened.l1):
        counter.add(batch)
    return counter


def rows_of(found: list[ClusterUsage]) -> dict[int, tuple[int, int, int, int]]:
    return {
        int(row[0]): (int(row[1]), int(row[2]), int(row[3]), int(row[4]))
        for each in found
        for row in zip(each.clusters, each.stored, each.counted, each.use, each.block, strict=True)
    }


@pytest.mark.parametrize("seed", range(240))
def test_uses_leaks_and_free_clusters_are_those_of_a_plain_count(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)
    image = made(tmp_path, rng, sound_tables=rng.random() < 0.8)
    plain = plainly_counted(image)
    image.counts = {cluster: min(count, 65535) for cluster, count in plain.counts.items()}
    for _ in range(rng.randrange(12)):
        cluster = rng.randrange(image.clusters + 300)
        image.counts[cluster] = max(0, image.counts.get(cluster, 0) + rng.choice([-1, 1, 1, 5]))
    write(image)
    if rng.random() < 0.6:
        monkeypatch.setattr(comparison.UsageCounter, "_window_clusters", lambda self: PER_BLOCK)
    if rng.random() < 0.5:  # what leads to later windows is kept, not read again
        monkeypatch.setattr(kept_references, "FEW_TABLES", 0)
        monkeypatch.setattr(kept_references, "MOST_READ_AGAIN", 0)
    if rng.random() < 0.5:
        monkeypatch.setattr(refcounts, "SPAN_CLUSTERS", PER_BLOCK)
    with Qcow2Image(Evidence(image.path)) as opened:
        counter = counter_of(opened)
        found = list(counter.results())
        totals = counter.totals()
    lost = any(entry & ~COPIED > 0 and entry & ~COPIED >= image.size for entry in image.l1)
    states = [
        Block.NONE if not block else Block.STORED if block < image.size else Block.UNREADABLE for block in image.blocks
    ]
    expected: dict[int, tuple[int, int, int, int]] = {}
    leaks: dict[int, tuple[int, int, int, int]] = {}
    for cluster in range(image.clusters):
        state = states[cluster // PER_BLOCK] if cluster // PER_BLOCK < len(states) else Block.NONE
        number = image.counts.get(cluster, 0) if state == Block.STORED else 0
        counted, use = plain.counts[cluster], plain.use[cluster]
        copied_wrong = bool(use & Use.COPIED and number != 1) or bool(use & Use.NOT_COPIED and number == 1)
        wrong = state != Block.UNREADABLE and (number != counted or copied_wrong or counted > SATURATED)
        row = (number, counted, use, int(state))
        if (wrong or PlainWindow.is_odd(use)) and use:
            expected[cluster] = row
        if state != Block.UNREADABLE and number > counted and not lost:
            leaks[cluster] = row
    plain_rows = [each for each in found if type(each) is ClusterUsage]
    assert rows_of(plain_rows) == expected
    assert rows_of([each for each in found if isinstance(each, LeakedClusters)]) == leaks
    free = [each for each in found if isinstance(each, FreeClusters)]
    ranges = [pair for each in free for pair in zip(each.begins.tolist(), each.ends.tolist(), strict=True)]
    unused = {cluster for begin, end in ranges for cluster in range(begin // SIZE, -(-end // SIZE))}
    assert unused == (set() if lost else {cluster for cluster in range(image.clusters) if not plain.use[cluster]})
    assert all(0 <= begin < end <= image.size for begin, end in ranges)
    assert len(unused) == sum(-(-end // SIZE) - begin // SIZE for begin, end in ranges)
    if not lost:
        used = [cluster for cluster in range(image.clusters) if plain.use[cluster]]
        assert free[-1].last_used_end == (max(used) + 1) * SIZE
        for each in free:  # as far as was known by then
            assert each.last_used_end in {0} | {(cluster + 1) * SIZE for cluster in used}
        assert counter.last_used == max(used) + 1
    assert [each for each in found if isinstance(each, Unexamined)] == []
    past_end = [each for each in found if isinstance(each, RefcountsBeyondFile)]
    behind = {}
    for index, block in enumerate(image.blocks):
        first = max(image.clusters, index * PER_BLOCK)
        counts = [image.counts.get(cluster, 0) for cluster in range(first, (index + 1) * PER_BLOCK)]
        if states[index] == Block.STORED and any(counts):
            behind[index, block, first] = counts
    assert [(each.table_index, each.block_host_offset, each.first_cluster) for each in past_end] == list(behind)
    assert [each.counts.tolist() for each in past_end] == list(behind.values())
    rows = [image.rows[(entry & ~COPIED) // SIZE] for entry in image.l1 if 0 < entry & ~COPIED < image.size]
    data = sum(1 for row in rows for entry in row if not entry & COMPRESSED and entry & ~COPIED)
    streams = sum(1 for row in rows for entry in row if entry & COMPRESSED)
    tables = 1 + len(image.snapshot_l1)
    assert totals == Totals(opened.geometry, image.size, data, streams, tables)


def window_of(counter_bytes: int, sets: int, folder: Path) -> int:
    image = made(folder, random.Random(1), True)
    image.snapshot_l1 = [(SNAPSHOT_L1, [0] * 4)] * (sets - 1)
    write(image)
    with Qcow2Image(Evidence(image.path)) as opened:
        counter = counter_of(opened)
        counter.budget = Budget(Limits(memory=MEMORY_BASE + counter_bytes))
        return counter._window_clusters()


@pytest.mark.parametrize("sets", [1, 2])
def test_a_window_takes_two_bytes_a_cluster_and_a_third_with_several_sets(sets: int, tmp_path: Path) -> None:
    """Whole ranges, at least one of them."""
    stretch, each = refcounts.SPAN_CLUSTERS, 1 + sets
    for stretches in (9, 20):
        for by in (-1, 0, 1):
            expected = (stretches - (by < 0)) * stretch
            assert window_of(stretches * stretch * each + by, sets, tmp_path) == max(expected, stretch)
    assert stretch == 1 << 19


@pytest.mark.parametrize("calls", range(6))
def test_a_count_that_time_ends_says_so_and_where(calls: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether before one of the windows or at the end; what is leaked is not judged from then on."""
    path = written(tmp_path, tiny([COPIED | (5 + 256 * number) * 512 for number in range(4)]))
    os.truncate(path, 4 * 256 * 512)
    monkeypatch.setattr(comparison.UsageCounter, "_window_clusters", lambda self: 256)
    with Qcow2Image(Evidence(path)) as opened:
        counter = counter_of(opened)
        left = iter([None] * calls)
        monkeypatch.setattr(Budget, "out_of_time", lambda self: next(left, "time is up"))
        found = list(counter.results())
    said = [each for each in found if isinstance(each, Unexamined)]
    if calls > 3:
        assert said == []
    elif calls == 3:
        assert said == [Unexamined(ClusterUsage, "time is up", limit=True)]
    else:
        first = 256 * (calls + 1)
        reason = f"time is up; host clusters from {first:,} on were not counted"
        assert said == [Unexamined(ClusterUsage, reason, limit=True)]
        assert counter.lost == "time is up"


def test_a_file_without_a_free_cluster_has_none(tmp_path: Path) -> None:
    """Five clusters of metadata, and two of data up to the end."""
    content = tiny([COPIED | 5 * 512, COPIED | 6 * 512], file_clusters=7)
    with Qcow2Image(Evidence(written(tmp_path, content))) as opened:
        counter = counter_of(opened)
        free = [each for each in counter.results() if isinstance(each, FreeClusters)]
    assert [(each.begins.tolist(), each.ends.tolist(), each.last_used_end) for each in free] == [([], [], 7 * 512)]


SNAPSHOTS_AT, OWN_L1, OWN_L2, OWN_DATA = 6, 20, 40, 60
"""Clusters of an image with many snapshots, each with tables and a cluster of data of its own."""


@pytest.mark.parametrize("wrong", [0, 1, 7, 8, 9, 15, 16])
def test_an_entry_that_repeats_another_is_found_in_whichever_of_many_table_sets(wrong: int, tmp_path: Path) -> None:
    """Sixteen snapshots, told apart eight at a time; `wrong` is the set in which two entries lead to one cluster."""
    count = 16
    head = header(l1_offset=OWN_L1 * 512, snapshots=(count, SNAPSHOTS_AT * 512))
    content = bytearray(tiny([], head=head, file_clusters=80))
    content[5 * 512 :] = bytes(len(content) - 5 * 512)
    entries = [struct.pack(">QIHHIIQII", (OWN_L1 + n + 1) * 512, 1, 0, 0, 0, 0, 0, 0, 0) for n in range(count)]
    content[SNAPSHOTS_AT * 512 : SNAPSHOTS_AT * 512 + 40 * count] = b"".join(entries)
    for number in range(count + 1):
        data = (OWN_DATA + number) * 512
        at = (OWN_L1 + number) * 512
        content[at : at + 8] = ((OWN_L2 + number) * 512).to_bytes(8, "big")
        at = (OWN_L2 + number) * 512
        content[at : at + 16] = struct.pack(">QQ", data, data if number == wrong else 0)
    with Qcow2Image(Evidence(written(tmp_path, bytes(content)))) as opened:
        found = rows_of([each for each in counter_of(opened).results() if type(each) is ClusterUsage])
    twice = [cluster for cluster, (_, _, use, _) in found.items() if use & Use.TWICE]
    assert twice == [OWN_DATA + wrong]


def test_a_window_with_nothing_but_a_table_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No refcount block counts it, and no data lies there."""
    monkeypatch.setattr(comparison.UsageCounter, "_window_clusters", lambda self: 256)
    for cluster in (257, 600, 1023):
        content = tiny([], l1_entries=[cluster * 512])
        path = written(tmp_path, content)
        os.truncate(path, 4 * 256 * 512)
        with path.open("r+b") as stream:
            stream.seek(cluster * 512)
            stream.write(bytes(512))
        with Qcow2Image(Evidence(path)) as opened:
            found = rows_of([each for each in counter_of(opened).results() if type(each) is ClusterUsage])
        assert found[cluster] == (0, 1, Use.METADATA | Use.NOT_COPIED, Block.NONE)


def test_without_room_for_what_is_to_be_kept_the_rest_is_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, tiny([COPIED | (5 + 256 * number) * 512 for number in range(4)]))
    os.truncate(path, 4 * 256 * 512)
    monkeypatch.setattr(comparison.UsageCounter, "_window_clusters", lambda self: 256)
    monkeypatch.setattr(kept_references, "FEW_TABLES", 0)
    monkeypatch.setattr(kept_references, "MOST_READ_AGAIN", 0)
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda: open("/dev/full", "w+b"))  # noqa: SIM115
    with Qcow2Image(Evidence(path)) as opened:
        counter = counter_of(opened)
        said = [each for each in counter.results() if isinstance(each, Unexamined)]
        lost = counter.lost
    assert len(said) == 1
    assert said[0].limit
    assert "host clusters from 256 on" in said[0].reason
    assert "No space left on device" in said[0].reason
    assert lost == said[0].reason


def strewn(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An image whose data and streams in later windows are kept and not read again.

    What leads there comes in four parts: each of the three clusters that a stream may touch, and the data.
    """
    monkeypatch.setattr(comparison.UsageCounter, "_window_clusters", lambda self: 256)
    monkeypatch.setattr(kept_references, "FEW_TABLES", 0)
    monkeypatch.setattr(kept_references, "MOST_READ_AGAIN", 0)
    path = written(folder, tiny([COPIED | 300 * 512, COMPRESSED | 600 * 512]))
    os.truncate(path, 4 * 256 * 512)
    return path


@pytest.mark.parametrize("calls", range(5))
def test_when_time_is_up_no_more_is_looked_for_to_keep(
    calls: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[References | None] = []
    references = UsageCounter._references

    def noted(self: UsageCounter, wanted: U64 | None) -> Iterator[References | None]:
        for each in references(self, wanted):
            found.append(each)
            yield each

    monkeypatch.setattr(UsageCounter, "_references", noted)
    with Qcow2Image(Evidence(strewn(tmp_path, monkeypatch))) as opened:
        counter = counter_of(opened)
        left = iter([None] * calls)
        monkeypatch.setattr(Budget, "out_of_time", lambda self: next(left, "time is up"))
        said = [each for each in counter.results() if isinstance(each, Unexamined)]
    assert len(found) == min(calls + 1, 4)
    assert {each.reason.partition(";")[0] for each in said} == {"time is up"}


def test_what_is_kept_is_given_up_when_the_command_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files are closed at once, whoever still holds on to the error."""
    files: list[IO[bytes]] = []
    temporary, keep = tempfile.TemporaryFile, KeptReferences.keep

    def opened_file() -> IO[bytes]:
        files.append(temporary())
        return files[-1]

    def stopped(self: KeptReferences, found: References | None) -> None:
        keep(self, found)
        raise KeyboardInterrupt

    monkeypatch.setattr(tempfile, "TemporaryFile", opened_file)
    monkeypatch.setattr(KeptReferences, "keep", stopped)
    with Qcow2Image(Evidence(strewn(tmp_path, monkeypatch))) as opened, pytest.raises(KeyboardInterrupt):
        list(counter_of(opened).results())
    assert [each.closed for each in files] == [True]
