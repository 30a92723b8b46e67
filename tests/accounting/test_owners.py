"""The owners of a cluster: all of them, up to a number."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest
from msgspec.structs import replace

from forensic.accounting.owners import MAX_OWNERS, OwnedRange, Owner, in_words
from forensic.accounting.ownership import cluster_owners_of, ownership
from forensic.accounting.table_sets import TableSets, l1_tables
from forensic.budget import Budget, Limits
from forensic.evidence import Evidence
from forensic.image import Qcow2Image
from forensic.qcow2.bitmap_tables import BitmapTable, read_bitmap_tables
from forensic.qcow2.tables import read_refcount_table
from tests.images import COMPRESSED, COPIED, FIRST_DATA, L1, L2, SOUND, header, opened, tiny

CLUSTER = 4096


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 20])
def test_entries_that_lead_to_one_cluster_are_named_up_to_the_limit(count: int, tmp_path: Path) -> None:
    words = [0] + [COPIED | 6 * CLUSTER] * count + [7 * CLUSTER]
    with opened(tmp_path, tiny(words, cluster_bits=12, head=header(cluster_bits=12))) as image:
        found = ownership(image, 6 * CLUSTER + 5)
        other = ownership(image, 7 * CLUSTER)
    assert [(owned.owner, owned.guest_offset, owned.path) for owned in found.owners] == [
        (Owner.DATA, number * CLUSTER, f"active L1[0].L2[{number}]") for number in range(1, min(count, MAX_OWNERS) + 1)
    ]
    assert found.counted == count
    assert in_words(found.owners).endswith(" and others") == (count >= MAX_OWNERS)
    assert [owned.guest_offset for owned in other.owners] == [(count + 1) * CLUSTER]
    assert MAX_OWNERS == 8


@pytest.mark.parametrize("sectors", [0, 7, 8, 15])
@pytest.mark.parametrize("within", [0, 1, 4095])
def test_a_stream_is_named_for_every_cluster_that_it_touches(sectors: int, within: int, tmp_path: Path) -> None:
    begins = 6 * CLUSTER + within
    words = [0, COMPRESSED | sectors << 58 | begins, 9 * CLUSTER]
    end = begins // 512 * 512 + (sectors + 1) * 512
    with opened(tmp_path, tiny(words, cluster_bits=12, head=header(cluster_bits=12))) as image:
        named = [
            cluster
            for cluster in range(5, 12)
            if Owner.COMPRESSED in {owned.owner for owned in ownership(image, cluster * CLUSTER).owners}
        ]
        (owned,) = ownership(image, 6 * CLUSTER).owners
    assert named == list(range(6, (end - 1) // CLUSTER + 1))
    assert (owned.host_offset, owned.length, owned.guest_offset) == (begins, end - begins, CLUSTER)


@pytest.mark.parametrize("entries", [6, 7, 8, 20])
def test_metadata_leaves_room_for_what_it_is_in_conflict_with(entries: int, tmp_path: Path) -> None:
    """A cluster that is an L2 table, the L1 table, and guest data again and again."""
    with opened(tmp_path, tiny([COPIED | L1 * 512] * entries, l1_entries=[L2 * 512] * 2)) as image:
        owners = [owned.owner for owned in ownership(image, L1 * 512).owners]
    assert owners == [Owner.ACTIVE_L1, *[Owner.DATA] * min(entries, MAX_OWNERS - 1)]


def test_owners_in_words() -> None:
    one = OwnedRange(Owner.L2_TABLE, 512, 512, "active L1[0]", None, 3)
    two = OwnedRange(Owner.DATA, 512, 512, "active L1[0].L2[1]", 0x200)
    assert in_words([one, two]) == (
        "L2 table (active L1[0], 3 times); guest data (active L1[0].L2[1], guest offset 0x200)"
    )
    assert in_words([]) == ""


def test_nothing_is_claimed_where_nothing_is_asked_for(tmp_path: Path) -> None:
    with opened(tmp_path, tiny([])) as image:
        found = ownership(image, 15 * 512)
    assert (found.owners, found.counted, found.cluster_host_offset) == ((), 0, 15 * 512)


def on_clusters(image: Qcow2Image, clusters: list[int], stop: str | None = None) -> dict[int, list[OwnedRange]]:
    sets, budget = TableSets(), Budget(Limits())
    for table, times in l1_tables(image):
        sets.add(table, times)
    bitmaps = [each for each in read_bitmap_tables(image, budget) if isinstance(each, BitmapTable)]
    table_of_blocks = read_refcount_table(image.evidence, image.geometry)
    cluster_owners = cluster_owners_of(image, budget, table_of_blocks, bitmaps, sets)
    return replace(cluster_owners, out_of_time=lambda: stop).of_clusters(clusters)


@pytest.mark.parametrize("seed", range(40))
def test_owners_of_several_clusters_are_those_of_a_plain_search(seed: int, tmp_path: Path) -> None:
    """Two L2 tables side by side, whose entries lead to a few clusters, many of them to the same ones."""
    rng = random.Random(seed)
    last, tables = 12, 2
    words = []
    for _ in range(tables):
        row = [0] * 512
        for index in rng.sample(range(512), rng.choice([3, 30])):
            cluster = rng.randrange(FIRST_DATA + 1, last)
            stream = COMPRESSED | rng.randrange(16) << 58 | cluster * CLUSTER + rng.choice([0, 1, 511, 4000])
            row[index] = rng.choice([cluster * CLUSTER, COPIED | cluster * CLUSTER, stream, 1, 20 * CLUSTER, 512])
        words += row
    head = header(cluster_bits=12, virtual_size=tables * 512 * CLUSTER, l1_size=tables)
    content = tiny(words, l1_entries=[4 * CLUSTER, 5 * CLUSTER], cluster_bits=12, head=head, file_clusters=last + 2)
    wanted = rng.sample(range(FIRST_DATA + 1, last + 2), rng.randrange(1, 5))
    expected: dict[int, list[OwnedRange]] = {cluster: [] for cluster in wanted}
    for compressed in (False, True):
        for position, word in enumerate(words):
            place, offset = word & 0x00FF_FFFF_FFFF_FE00, word & (1 << 58) - 1
            path = f"active L1[{position // 512}].L2[{position % 512}]"
            end = place + CLUSTER
            owned = OwnedRange(Owner.DATA, place, CLUSTER, path, position * CLUSTER)
            if word & COMPRESSED:
                end = offset // 512 * 512 + ((word >> 58 & 15) + 1) * 512
                owned = OwnedRange(Owner.COMPRESSED, offset, end - offset, path, position * CLUSTER)
                place = offset
            elif place % CLUSTER or not place:
                continue
            if bool(word & COMPRESSED) == compressed:
                for cluster in range(place // CLUSTER, -(-end // CLUSTER)):
                    if cluster in expected:
                        expected[cluster].append(owned)
    with opened(tmp_path, content) as image:
        found = on_clusters(image, wanted)
    assert found == {cluster: owners[:MAX_OWNERS] for cluster, owners in expected.items()}


def test_no_owner_is_named_of_what_is_not_asked_for(tmp_path: Path) -> None:
    with opened(tmp_path, tiny([])) as image:
        assert on_clusters(image, []) == {}


def test_many_short_streams_do_not_hide_a_long_one(tmp_path: Path) -> None:
    """Of streams that begin in one cluster only the longest, the last one named, reaches the next."""
    words = [COMPRESSED | 7 * CLUSTER] * 20 + [COMPRESSED | 8 << 58 | 7 * CLUSTER]
    with opened(tmp_path, tiny(words, cluster_bits=12, head=header(cluster_bits=12))) as image:
        found = on_clusters(image, [6, 8])
    assert found[6] == []
    assert [owned.guest_offset for owned in found[8]] == [20 * CLUSTER]


@pytest.mark.parametrize("tables", [1, 6, 7, 8, 20])
def test_a_crowd_of_metadata_leaves_room_for_guest_data(tables: int, tmp_path: Path) -> None:
    """L1 tables of snapshots in one place, over which an L2 entry leads as well."""
    head = header(cluster_bits=12, snapshots=(tables, 7 * CLUSTER))
    content = bytearray(tiny([8 * CLUSTER], cluster_bits=12, head=head))
    entries = [struct.pack(">QIHHIIQII", 8 * CLUSTER, 1 + n, 0, 0, 0, 0, 0, 0, 0) for n in range(tables)]
    content[7 * CLUSTER : 9 * CLUSTER] = b"".join(entries).ljust(2 * CLUSTER, b"\0")
    with opened(tmp_path, bytes(content)) as image:
        owners = [owned.owner for owned in ownership(image, 8 * CLUSTER).owners]
    assert owners == [Owner.SNAPSHOT_L1] * min(tables, MAX_OWNERS - 1) + [Owner.DATA]


def test_metadata_of_every_kind_is_claimed_as_often_as_it_is_referenced(tmp_path: Path) -> None:
    snapshot = struct.pack(">QIHHIIQII", 6 * 512, 2, 0, 0, 0, 0, 0, 0, 0)
    head = header(l1_size=3, virtual_size=3 * 64 * 512, snapshots=(2, 7 * 512))
    content = bytearray(tiny([], l1_entries=[0, 4 * 512, 4 * 512], head=head))
    content[512:536] = struct.pack(">3Q", 2 * 512, 8 * 512, 8 * 512)
    content[6 * 512 : 9 * 512] = struct.pack(">QQ", 9 * 512, 4 * 512).ljust(512, b"\0") + (snapshot * 2).ljust(
        1024, b"\0"
    )
    with opened(tmp_path, bytes(content)) as image:
        found = on_clusters(image, [0, 2, 4, 8, 9, 10])
    table = Owner.L2_TABLE
    assert found[4] == [
        OwnedRange(table, 4 * 512, 512, "active L1[1]", None, 2),
        OwnedRange(table, 4 * 512, 512, "snapshot 0 L1[1]", None, 2),
    ]
    assert found[9] == [OwnedRange(table, 9 * 512, 512, "snapshot 0 L1[0]", None, 2)]
    assert found[2] == [OwnedRange(Owner.REFCOUNT_BLOCK, 1024, 512, "refcount_table", None, 1)]
    assert found[8] == [OwnedRange(Owner.REFCOUNT_BLOCK, 4096, 512, "refcount_table", None, 2)]
    assert found[0] == [OwnedRange(Owner.HEADER, 0, 512, "header")]
    assert found[10] == []


def test_bitmap_data_is_claimed_as_often_as_its_tables_lead_there(tmp_path: Path) -> None:
    content = bytearray((SOUND / "bitmaps-512.qcow2").read_bytes())
    (tmp_path / "image.qcow2").write_bytes(content)
    with Qcow2Image(Evidence(tmp_path / "image.qcow2")) as image:
        assert image.bitmaps is not None
        first, second = image.bitmaps.bitmaps
        one, other = (number(content, bitmap.table_offset) for bitmap in (first, second))
    for place, times in ((other, (1, 1)), (one, (2, 0))):
        content[second.table_offset : second.table_offset + 8] = place.to_bytes(8, "big")
        (tmp_path / "image.qcow2").write_bytes(content)
        with Qcow2Image(Evidence(tmp_path / "image.qcow2")) as image:
            found = on_clusters(image, [one // 512, other // 512])
        for at, count in zip((one, other), times, strict=True):
            expected = [OwnedRange(Owner.BITMAP_DATA, at, 512, "bitmaps", None, count)] if count else []
            assert found[at // 512] == expected


@pytest.mark.parametrize("count", [0, 1, 2, 65535, 65536])
def test_owners_are_incomplete_only_if_not_all_bitmaps_are_there(count: int, tmp_path: Path) -> None:
    """Two are there; a directory that claims one says how long it is, and is read so far."""
    content = bytearray((SOUND / "bitmaps-512.qcow2").read_bytes())
    with Qcow2Image(Evidence(SOUND / "bitmaps-512.qcow2")) as image:
        assert image.bitmaps is not None
        directory, (first, _) = image.bitmaps, image.bitmaps.bitmaps
    entry = content[directory.host_offset :][: first.length]
    at = content.index(struct.pack(">II", 0x23852875, 24)) + 8
    content[at : at + 4] = struct.pack(">I", count)
    if count == 1:
        content[at + 8 : at + 16] = struct.pack(">Q", len(entry))
    with opened(tmp_path, bytes(content)) as image:
        lost = ownership(image, 0).lost
    assert (lost is None) == (count in (1, 2))


def number(content: bytes | bytearray, at: int) -> int:
    return int.from_bytes(content[at : at + 8], "big")


@pytest.mark.parametrize("count", [7, 8, 9])
def test_a_sentence_says_that_there_may_be_others(count: int) -> None:
    owners = [OwnedRange(Owner.DATA, 512, 512, f"L2[{n}]", None, 2) for n in range(count)]
    words = "; ".join(f"guest data (L2[{n}], 2 times)" for n in range(count))
    assert in_words(owners) == words + (" and others" if count >= MAX_OWNERS else "")


def test_without_time_the_tables_are_not_walked(tmp_path: Path) -> None:
    with opened(tmp_path, tiny([COPIED | L1 * 512, COPIED | 6 * 512])) as image:
        assert [owned.owner for owned in on_clusters(image, [L1, 6])[6]] == [Owner.DATA]
        found = on_clusters(image, [L1, 6], "time is up")
    assert [owned.owner for owned in found[L1]] == [Owner.ACTIVE_L1]
    assert found[6] == []


@pytest.mark.parametrize("kept", [False, True])
def test_bitmaps_own_their_bytes_only_as_long_as_the_header_says_that_they_are_kept(kept: bool, tmp_path: Path) -> None:
    """Who clears the bit has written to the image without them: QEMU counts no references of theirs then."""
    content = bytearray((SOUND / "bitmaps-512.qcow2").read_bytes())
    assert content[88:96] == (1).to_bytes(8, "big")
    content[95] = kept
    with opened(tmp_path, bytes(content)) as image:
        assert image.bitmaps is not None
        table = image.bitmaps.bitmaps[0].table_offset
        places = [image.bitmaps.host_offset // 512, table // 512, number(content, table) // 512]
        found = on_clusters(image, places)
    owners = [Owner.BITMAP_DIRECTORY, Owner.BITMAP_TABLE, Owner.BITMAP_DATA]
    assert [[owned.owner for owned in found[place]] for place in places] == [[owner] * kept for owner in owners]
