"""Every L2 table once, named after the first set that leads there, and none that lies in a hole of the file."""

from __future__ import annotations

import os
import random
import struct
from collections import Counter
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from msgspec.structs import replace

from forensic.accounting import owners as owners_module
from forensic.accounting.owners import Metadata, OwnedRange, Owner, metadata_of
from forensic.accounting.table_sets import SETS_AT_ONCE, TableSets, l1_tables
from forensic.evidence import Evidence
from forensic.image import Qcow2Image
from forensic.mapping.rows import joined
from forensic.qcow2.arrays import is_among
from forensic.qcow2.geometry import MAX_L1_ENTRIES
from forensic.qcow2.snapshots import MAX_SNAPSHOTS
from forensic.qcow2.table_reading import MOST_UNASKED, stored_clusters, tables_to_read
from forensic.qcow2.tables import L1Table, read_refcount_table
from samples.kinds import KINDS
from tests.images import geometry, header, opened, sample, tiny

CLUSTER = geometry().cluster_size
FILE_CLUSTERS = 256


def table(owner: str, clusters: list[int]) -> L1Table:
    """An L1 table that lies at the start of the file and leads to L2 tables in these host clusters."""
    entries = np.array([number * CLUSTER for number in clusters], dtype=np.uint64)
    return L1Table(owner, 0, len(entries), entries, geometry(), FILE_CLUSTERS * CLUSTER)


def full_file(folder: Path) -> Evidence:
    path = folder / "full"
    path.write_bytes(b"\x01" * FILE_CLUSTERS * CLUSTER)
    return Evidence(path)


@pytest.mark.parametrize("seed", range(20))
def test_each_table_comes_once_with_the_first_set_that_leads_there(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    sets, expected = TableSets(), dict[int, tuple[str, int]]()
    for number in range(rng.choice([1, 2, SETS_AT_ONCE, SETS_AT_ONCE + 1, 30])):
        owner = f"snapshot {number}" if number else "active"
        clusters = [rng.randrange(1, 64) for _ in range(rng.randrange(20))]
        sets.add(table(owner, clusters), 1)
        for index, cluster in reversed(list(enumerate(clusters))):
            if expected.get(cluster * CLUSTER, (owner, 0))[0] == owner:
                expected[cluster * CLUSTER] = (owner, index)
    with full_file(tmp_path) as evidence:
        active = table("active", [])
        for wanted in (None, np.arange(0, 64, 3, dtype=np.uint64) * np.uint64(CLUSTER)):
            found = [
                (int(offset), (batch.owner, int(index)))
                for batch in sets.batches(evidence, active, wanted)
                for index, offset in zip(batch.l1_indices, batch.host_offsets, strict=True)
            ]
            assert len({offset for offset, _ in found}) == len(found)
            chosen = expected if wanted is None else {at: who for at, who in expected.items() if at in wanted.tolist()}
            assert dict(found) == chosen


@pytest.mark.parametrize("seed", range(20))
def test_clusters_in_holes_are_told_from_stored_ones_by_what_they_hold(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    path, size = tmp_path / "sparse", 4096
    content = bytearray(rng.randrange(30 * size, 40 * size))
    with path.open("wb") as file:
        os.truncate(file.fileno(), len(content))
        for _ in range(rng.randrange(6)):
            at = rng.randrange(len(content) - 10)
            content[at : at + 10] = b"something."
            os.pwrite(file.fileno(), b"something.", at)
    offsets = np.array(sorted(rng.sample(range(0, 60 * size, 512), 80)), dtype=np.uint64)
    with Evidence(path) as evidence:
        stored = stored_clusters(evidence, offsets, size)
    for offset, there in zip(offsets.tolist(), stored.tolist(), strict=True):
        part = bytes(content[offset : offset + size])
        # What is said to be a hole is wholly inside the file and all zeros.
        assert there or part == bytes(size)
    if os.stat(path).st_blocks == 0:
        assert not stored[offsets + np.uint64(size) <= len(content)].any()


@pytest.mark.parametrize("stored_until", [0, 1, 2, 3, 5_000, 20_000])
def test_few_questions_tell_tables_in_a_hole_from_stored_ones(stored_until: int) -> None:
    """Every second cluster up to one is stored, the next is a hole; then a hole to the end of the file."""
    size, count = 4096, 20_000
    asked: list[int] = []
    asked_for_ends: list[int] = []

    class Sparse:
        size = 2 * count * 4096

        def next_data_from(self, offset: int) -> int:
            asked.append(offset)
            number = -(-offset // (2 * size)) if offset % (2 * size) else offset // (2 * size)
            return number * 2 * size if number < stored_until else self.size

        def hole_from(self, offset: int) -> int:
            asked_for_ends.append(offset)
            return offset + size

    offsets = np.arange(count, dtype=np.uint64) * np.uint64(2 * size)
    found = tables_to_read(cast(Evidence, Sparse()), offsets, size)
    assert found[:stored_until].all()
    assert np.count_nonzero(found) <= stored_until + min(stored_until, MOST_UNASKED)
    assert len(asked) <= 12 + stored_until // MOST_UNASKED
    assert not asked_for_ends  # for a file in memory the system looks through all of its pages
    assert np.array_equal(stored_clusters(cast(Evidence, Sparse()), offsets, size), np.arange(count) < stored_until)


def test_values_are_found_among_others() -> None:
    ordered = np.array([3, 5, 9], dtype=np.uint64)
    values = np.array([[0, 3, 4], [5, 9, 10]], dtype=np.uint64)
    assert is_among(values, ordered).tolist() == [[False, True, False], [True, True, False]]
    assert not is_among(values, ordered[:0]).any()


def test_an_l2_table_in_a_hole_maps_what_a_table_of_zeros_maps(tmp_path: Path) -> None:
    path = tmp_path / "image.qcow2"
    content = bytearray(sample(KINDS["two-l2-512"]).read_bytes())
    l1 = int.from_bytes(content[40:48], "big")
    zeros, end = len(content), 1 << 20
    maps = []
    for l2 in (zeros, end - 4096):  # a table of stored zeros, then one in a hole
        content[l1 : l1 + 8] = (l2 | 1 << 63).to_bytes(8, "big")
        path.write_bytes(content + bytes(4096))
        os.truncate(path, end)
        with Qcow2Image(Evidence(path)) as image:
            maps.append([row for rows in joined(image.row_batches()) for row in rows.tolist()])
    assert maps[0] == maps[1]
    assert len(maps[0]) > 1


@pytest.mark.parametrize("seed", range(20))
def test_references_and_members_are_those_of_a_plain_count(seed: int) -> None:
    rng = random.Random(seed)
    sets, expected, members = TableSets(), Counter[int](), list[set[int]]()
    for number in range(rng.choice([1, 2, SETS_AT_ONCE, SETS_AT_ONCE + 1, 30])):
        clusters = [rng.randrange(1, 20) for _ in range(rng.randrange(1, 20))]
        times = rng.randrange(1, 4)
        sets.add(table(f"snapshot {number}" if number else "active", clusters), times)
        members.append({cluster * CLUSTER for cluster in clusters})
        for cluster in clusters:
            expected[cluster * CLUSTER] += times
    offsets, found = sets.distinct()
    assert dict(zip(offsets.tolist(), found.tolist(), strict=True)) == dict(expected)
    for first in range(0, len(members), SETS_AT_ONCE):
        places, masks = sets.membership(first)
        for bit, places_of_set in enumerate(members[first : first + SETS_AT_ONCE]):
            assert set(places[(masks >> bit & 1) != 0].tolist()) == places_of_set
        assert len(places) == len(set().union(*members[first : first + SETS_AT_ONCE]))
    assert SETS_AT_ONCE == 8  # bits of a byte


@pytest.mark.parametrize("off", [0, 8, 256, 511])
@pytest.mark.parametrize("claimed", [0, 1, 3])
def test_of_a_table_off_its_place_no_entry_leads_anywhere(off: int, claimed: int) -> None:
    sets = TableSets()
    entries = np.array([(number + 5) * CLUSTER for number in range(claimed)], dtype=np.uint64)
    sets.add(L1Table("active", 7 * CLUSTER + off, claimed, entries, geometry(), FILE_CLUSTERS * CLUSTER), 1)
    assert sets.sets[0].host_offsets.tolist() == ([] if off else entries.tolist())
    assert sets.lost == ("the L1 table of active could not be read to its end" if off else None)


@pytest.mark.parametrize("by", [-1, 0, 1])
def test_a_table_that_is_longer_than_the_limit_is_whole_at_the_limit(by: int) -> None:
    """QEMU's limit: of more than 32 MiB only that much is read, and nothing is called lost that could be read."""
    held = MAX_L1_ENTRIES + by
    entries = np.zeros(held, dtype=np.uint64)
    sets = TableSets()
    sets.add(L1Table("active", 0, MAX_L1_ENTRIES + 5, entries, geometry(), 1 << 40), 1)
    assert (sets.lost is None) == (by >= 0)
    assert MAX_L1_ENTRIES == 4 << 20


@pytest.mark.parametrize("states", [(0, 0), (0, 5000), (700, 5000), (700, 0)])
@pytest.mark.parametrize("disk_size", [0, 512, 1 << 15, 40 * 512 * 64])
def test_saved_states_begin_with_the_l1_entry_after_the_disk_of_their_snapshot(
    states: tuple[int, int], disk_size: int, tmp_path: Path
) -> None:
    """A snapshot that does not say how large its disk was has that of the image."""
    coverage = 512 * 64
    content = bytearray(tiny([], head=header(virtual_size=2 * coverage, l1_size=2, snapshots=(2, 6 * 512))))
    entries = [
        struct.pack(">QIHHIIQII", (8 + number) * 512, 1, 0, 0, 0, 0, 0, 0, 16) + struct.pack(">QQ", state, disk_size)
        for number, state in enumerate(states)
    ]
    content[6 * 512 : 10 * 512] = b"".join(entries).ljust(4 * 512, b"\0")
    believed = disk_size or 2 * coverage
    begins = -(-believed // coverage) * coverage
    with opened(tmp_path, bytes(content)) as image:
        active, *others = [found for found, _ in l1_tables(image)]
    assert active.saved_state_end == (begins + max(states) if any(states) else 0)
    assert [(found.disk_size, found.saved_state_size) for found in others] == [(believed, state) for state in states]


def metadata(image: Qcow2Image) -> Metadata:
    nothing = np.zeros(0, dtype=np.uint64)
    return metadata_of(image, read_refcount_table(image.evidence, image.geometry), nothing, nothing.astype(np.int64))


def number(content: bytes, at: int, size: int) -> int:
    return int.from_bytes(content[at : at + size], "big")


def test_every_single_structure_claims_its_bytes() -> None:
    for name in ("snapshots-512", "bitmaps-512", "luks-4k", "data-512"):
        path = sample(KINDS[name])
        content = path.read_bytes()
        size = 1 << number(content, 20, 4)
        l1, l1_length = number(content, 40, 8), number(content, 36, 4) * 8
        expected = [
            OwnedRange(Owner.HEADER, 0, size, "header", None, 1),
            OwnedRange(Owner.ACTIVE_L1, l1, l1_length, "L1", None, 1),
            OwnedRange(Owner.REFCOUNT_TABLE, number(content, 48, 8), number(content, 56, 4) * size, "refcount_table"),
        ]
        with Qcow2Image(Evidence(path)) as image:
            found = metadata(image)
            at, length = number(content, 64, 8), 0
            tables = []
            for index in range(number(content, 60, 4)):
                entry = content[at + length :]
                owner, path_of = Owner.SNAPSHOT_L1, f"snapshot {index} L1"
                tables.append(OwnedRange(owner, number(entry, 0, 8), number(entry, 8, 4) * 8, path_of))
                length += -(-(40 + number(entry, 36, 4) + number(entry, 12, 2) + number(entry, 14, 2)) // 8) * 8
            if tables:
                expected += [OwnedRange(Owner.SNAPSHOT_TABLE, at, length, "snapshots"), *tables]
            if image.bitmaps:
                at = image.bitmaps.host_offset
                expected.append(OwnedRange(Owner.BITMAP_DIRECTORY, at, image.bitmaps.size, "bitmap_directory"))
                for bitmap in image.bitmaps.bitmaps:
                    length = bitmap.table_size * 8
                    path_of = f"bitmaps[{bitmap.index}] table"
                    expected.append(OwnedRange(Owner.BITMAP_TABLE, bitmap.table_offset, length, path_of))
            if image.luks:
                expected.append(OwnedRange(Owner.LUKS_HEADER, image.luks.host_offset, image.luks.length, "LUKS header"))
        assert found.single == expected
        block = number(content, number(content, 48, 8), 8)
        assert found.refcount_blocks.tolist()[0] == block


@pytest.mark.parametrize("clusters", [0, 1])
@pytest.mark.parametrize("by", [-8, 0, 8])
def test_a_structure_claims_nothing_if_it_ends_a_cluster_behind_the_file(
    clusters: int, by: int, tmp_path: Path
) -> None:
    """QEMU counts references up to there; an L1 table of no entries claims nothing wherever it is said to lie."""
    place = 16 * 512
    entries = (clusters * 512 + by) // 8
    head = header(l1_offset=place, l1_size=max(0, entries))
    with opened(tmp_path, tiny([], head=head)) as image:
        owners = [owned.owner for owned in metadata(image).single]
    assert (Owner.ACTIVE_L1 in owners) == (0 < entries * 8 < 512)
    for off in (-512, -8, 8):
        with opened(tmp_path, tiny([], head=header(l1_offset=3 * 512 + off))) as image:
            owners = [owned.owner for owned in metadata(image).single]
        assert (Owner.ACTIVE_L1 in owners) == (off == -512)


@pytest.mark.parametrize("by", [-1, 0, 1])
def test_a_snapshot_table_with_more_entries_than_there_can_be_claims_nothing(
    by: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owners_module, "MAX_SNAPSHOTS", 2 + by)
    with Qcow2Image(Evidence(sample(KINDS["snapshots-512"]))) as image:
        owners = [owned.owner for owned in metadata(image).single]
    assert owners.count(Owner.SNAPSHOT_TABLE) == (by >= 0)
    assert owners.count(Owner.SNAPSHOT_L1) == 2
    assert MAX_SNAPSHOTS == 65536


@pytest.mark.parametrize(("start", "end"), [(0, 512), (511, 512), (512, 513), (1023, 1024), (1024, 2048), (500, 1100)])
def test_structures_claim_the_ranges_that_they_touch(start: int, end: int) -> None:
    one, other = OwnedRange(Owner.ACTIVE_L1, 512, 512, "L1"), OwnedRange(Owner.SNAPSHOT_TABLE, 1024, 8, "snapshots")
    nothing = np.zeros(0, dtype=np.uint64)
    found = Metadata([one, other], nothing, nothing, nothing.astype(np.int64)).touching(start, end)
    expected = [one] * (start < 1024 and end > 512) + [other] * (start < 1032 and end > 1024)
    assert list(found) == expected


def test_a_claim_is_written_as_it_is() -> None:
    assert OwnedRange(Owner.L2_TABLE, 512, 1024, "active L1[0]").as_json() == {
        "owner": "l2_table",
        "name": "L2 table",
        "structure_path": "active L1[0]",
        "host_offset": 512,
        "length": 1024,
        "guest_offset": None,
        "references": 1,
    }


@pytest.mark.parametrize("entry", [0, 1 << 63, 5 * 512 | 1 << 63, 5 * 512])
def test_the_copied_bit_of_a_table_is_that_of_the_first_entry_that_leads_there(entry: int) -> None:
    sets = TableSets()
    words = np.array([entry, 5 * 512, 6 * 512 | 1 << 63], dtype=np.uint64)
    for owner in ("active", "snapshot 0"):
        sets.add(L1Table(owner, 0, 3, words, geometry(), FILE_CLUSTERS * CLUSTER), 1)
    active, snapshot = sets.sets
    assert active.copied is not None
    assert active.copied.tolist() == [entry == 5 * 512 | 1 << 63, True]
    assert snapshot.copied is None
    first = 0 if entry % (1 << 63) else 1
    assert (active.l1_indices.tolist(), active.references.tolist()) == ([first, 2], [2 - first, 1])
    assert sets.lost is None


@pytest.mark.parametrize("length", [0, 1, 2])
def test_what_has_no_bytes_claims_none(length: int) -> None:
    with Qcow2Image(Evidence(sample(KINDS["luks-4k"]))) as image:
        assert image.luks is not None
        image.__dict__["luks"] = replace(image.luks, length=length)
        owners = [owned.owner for owned in metadata(image).single]
    assert (Owner.LUKS_HEADER in owners) == (length > 0)
