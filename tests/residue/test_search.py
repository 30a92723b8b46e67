"""Remains are found where they are, whatever lies around them, against a search that goes byte by byte."""

from __future__ import annotations

import random
import struct
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from forensic.accounting.owners import Metadata, OwnedRange, Owner
from forensic.budget import Budget, Limits
from forensic.evidence import Evidence, ReadFailed
from forensic.image import Qcow2Image
from forensic.qcow2.luks import SLOT_ACTIVE, SLOT_INACTIVE
from forensic.qcow2.tables import L2Batch
from forensic.residue import search
from forensic.residue.content import MEASURED_BYTES, READ_BYTES
from forensic.residue.search import (
    GRANULE_BYTES,
    FreeSearch,
    Place,
    header_residue,
    key_slot_residue,
    nonzero_areas,
    slack_residue,
    table_residue,
)
from tests.images import SOUND, geometry, header, opened, tiny, written

SIZE = 96 * GRANULE_BYTES
NEAR_BYTES = 4 * GRANULE_BYTES


def plain_areas(content: bytes, ranges: list[tuple[int, int]]) -> list[list[int]]:
    """The same, one granule after the other."""
    merged: list[list[int]] = []
    for begin, end in ranges:
        if merged and merged[-1][1] == begin:
            merged[-1][1] = end
        else:
            merged.append([begin, end])
    found: list[list[int]] = []
    for begin, end in merged:
        mine: list[list[int]] = []
        for start in range(begin, end, GRANULE_BYTES):
            stop = min(start + GRANULE_BYTES, end)
            if not any(content[start:stop]):
                continue
            if mine and start - mine[-1][1] < NEAR_BYTES:
                mine[-1][1] = stop
            else:
                mine.append([start, stop])
        found += mine
    return found


def dotted(rng: random.Random, size: int) -> bytes:
    """Zeros, and here and there a byte, often the first or last of a granule."""
    content = bytearray(size)
    for _ in range(rng.randrange(12)):
        granule = rng.randrange(size // GRANULE_BYTES) * GRANULE_BYTES
        content[granule + rng.choice([0, 1, 7, 8, 300, GRANULE_BYTES - 1])] = rng.randrange(1, 256)
    return bytes(content)


def some_ranges(rng: random.Random, size: int) -> list[tuple[int, int]]:
    edges = sorted(rng.sample(range(0, size + 1, GRANULE_BYTES), 2 * rng.randrange(1, 8)))
    ranges = list(pairwise(edges))
    return ranges if rng.random() < 0.3 else ranges[::2]


@pytest.mark.parametrize("seed", range(60))
def test_areas_are_those_of_a_plain_search(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "NEAR_BYTES", NEAR_BYTES)
    monkeypatch.setattr(search, "READ_BYTES", 8 * GRANULE_BYTES)
    rng = random.Random(seed)
    content = dotted(rng, SIZE) + bytes(rng.choice([0, 0, 100])) + b"x" * rng.choice([0, 5])
    ranges = some_ranges(rng, SIZE)
    if ranges[-1][1] == SIZE:
        ranges[-1] = (ranges[-1][0], len(content))
    begins, ends = (np.array(column, dtype=np.int64) for column in zip(*ranges, strict=True))
    with Evidence(written(tmp_path, content)) as evidence:
        assert nonzero_areas(evidence, begins, ends, Budget(Limits())).tolist() == plain_areas(content, ranges)


@pytest.mark.parametrize("seed", range(60))
def test_ranges_near_one_another_are_read_together_and_nothing_between_others(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A piece at a time, each of which the budget pays for."""
    piece = 8 * GRANULE_BYTES
    monkeypatch.setattr(search, "NEAR_BYTES", NEAR_BYTES)
    monkeypatch.setattr(search, "READ_BYTES", piece)
    ranges = some_ranges(random.Random(seed), SIZE)
    together: list[list[int]] = []
    for begin, end in ranges:
        if together and begin - together[-1][1] < NEAR_BYTES:
            together[-1][1] = end
        else:
            together.append([begin, end])
    expected = [(at, min(piece, end - at)) for begin, end in together for at in range(begin, end, piece)]
    reads: list[tuple[int, int]] = []
    read = Evidence.read_or_nothing

    def noted(self: Evidence, host_offset: int, length: int) -> bytes:
        reads.append((host_offset, length))
        return read(self, host_offset, length)

    monkeypatch.setattr(Evidence, "read_or_nothing", noted)
    begins, ends = (np.array(column, dtype=np.int64) for column in zip(*ranges, strict=True))
    with Evidence(written(tmp_path, b"x" * SIZE)) as evidence:
        for left_out in (0, 1, 2):
            reads.clear()
            paid = max(0, len(expected) - left_out)
            nonzero_areas(evidence, begins, ends, Budget(Limits(residue_bytes=paid * piece)))
            assert reads == expected[:paid]


def test_no_ranges_hold_nothing(tmp_path: Path) -> None:
    nothing = np.zeros(0, dtype=np.int64)
    with Evidence(written(tmp_path, b"x" * SIZE)) as evidence:
        assert nonzero_areas(evidence, nothing, nothing, Budget(Limits())).shape == (0, 2)


def test_a_search_ends_with_its_budget_and_keeps_what_it_found(tmp_path: Path) -> None:
    limits = Limits(residue_bytes=2 * READ_BYTES)
    content = b"x" * 5 * READ_BYTES
    with Evidence(written(tmp_path, content)) as evidence:
        found = nonzero_areas(evidence, np.array([0]), np.array([len(content)]), Budget(limits))
    assert found.tolist() == [[0, 2 * READ_BYTES]]


@pytest.mark.parametrize("counted_end", [0, 10, 11, 12, 40])
@pytest.mark.parametrize("appended", [None, 38, 39])
def test_remains_are_named_after_what_lies_behind_them(counted_end: int, appended: int | None, tmp_path: Path) -> None:
    """Of remains in granules 2, 10, 11 to 11 and 39 what lies before the last cluster in use is in free clusters."""
    content = bytearray(40 * GRANULE_BYTES)
    for granule in (2, 10, 39):
        content[granule * GRANULE_BYTES] = 1
    end = np.array([[appended * GRANULE_BYTES, 40 * GRANULE_BYTES]]) if appended else np.zeros((0, 2), dtype=np.int64)
    with Evidence(written(tmp_path, bytes(content))) as evidence:
        search = FreeSearch(evidence, Budget(Limits()))
        found = []
        for begin, stop, used in ((1, 5, 0), (9, 40, 6)):
            ranges = np.array([begin * GRANULE_BYTES]), np.array([stop * GRANULE_BYTES])
            found += list(search.search(*ranges, used * GRANULE_BYTES))
        found += list(search.rest(counted_end * GRANULE_BYTES, end))
    areas = [(each.place, begin // GRANULE_BYTES) for each in found for begin, _ in each.areas.tolist()]
    joined = [(Place.FREE, 2)]  # 10 and 39 are near one another, so they are one
    tail = [] if appended else [(Place.FILE_END if counted_end > 10 else Place.NEVER_ALLOCATED, 10)]
    assert areas == joined + ([(Place.APPENDED, appended)] if appended else []) + tail


@pytest.mark.parametrize("rest", [0, 1, 100, 511])
@pytest.mark.parametrize("used", [1, 63, 64, 65])
@pytest.mark.parametrize("flag", [0, 1])
def test_what_the_last_cluster_holds_behind_the_end_of_the_disk(
    rest: int, used: int, flag: int, tmp_path: Path
) -> None:
    size = used * 512 - rest
    layout = replace(geometry(header()), virtual_size=size)
    words = np.zeros((2, 64), dtype=np.uint64)
    words[used // 64, used % 64] = 512 * 4  # lies wholly past the end of the disk, as in one that was made smaller
    words[(used - 1) // 64, (used - 1) % 64] = 512 * 3 | flag
    content = bytearray(5 * 512)
    content[4 * 512 :] = b"x" * 512
    content[4 * 512 - 1] = content[4 * 512 - max(rest, 1) - 1] = 7
    path = written(tmp_path, bytes(content))
    offsets, present = np.array([512, 1024], dtype=np.uint64), np.array([64, 64])
    batch = L2Batch("active", layout, len(content), np.array([0, 1]), offsets, present, words, None)
    with Evidence(path) as evidence:
        found = {each.place: each.areas.tolist() for each in table_residue(batch, evidence, Budget(Limits()))}
        other = list(table_residue(replace(batch, owner="snapshot 0"), evidence, Budget(Limits())))
        alone = [
            Place.DISK_END
            in {each.place for each in table_residue(batch.selected(chosen, chosen), evidence, Budget(Limits()))}
            for chosen in (np.array([0]), np.array([1]))
        ]
    assert found.get(Place.DISK_END) == ([[4 * 512 - 1, 4 * 512]] if rest and not flag else None)
    assert found.get(Place.ZERO_CLUSTER) == ([[3 * 512, 4 * 512]] if flag else None)
    assert Place.DISK_END not in {each.place for each in other}
    there = bool(rest) and not flag
    assert alone == [there and used <= 64, there and used > 64]


@pytest.mark.parametrize("allocated", [0, 1, 1 << 31, 0x5555_5555, 0xFFFF_FFFE, 0xFFFF_FFFF])
@pytest.mark.parametrize("zero", [0, 0xFFFF_FFFF])
def test_subclusters_that_are_not_allocated_hide_what_they_hold(allocated: int, zero: int, tmp_path: Path) -> None:
    layout = replace(geometry(header(cluster_bits=14, features=1 << 4)), virtual_size=1 << 20)
    words = np.zeros((1, layout.l2_entry_count), dtype=np.uint64)
    bitmaps = np.zeros_like(words)
    words[0, 0], bitmaps[0, 0] = 1 << 14, zero << 32 | allocated
    marked = [0, 5, 31]
    content = bytearray(2 << 14)
    for number in marked:
        content[(1 << 14) + number * 512] = 9
    batch = L2Batch(
        "active", layout, len(content), np.array([0]), np.array([0], dtype=np.uint64),
        np.array([layout.l2_entry_count]), words, bitmaps,
    )  # fmt: skip
    with Evidence(written(tmp_path, bytes(content))) as evidence:
        found = [each for each in table_residue(batch, evidence, Budget(Limits())) if each.place == Place.SUBCLUSTER]
    covered = {granule for each in found for begin, end in each.areas.tolist() for granule in range(begin, end, 512)}
    hidden = {(1 << 14) + number * 512 for number in marked if not allocated >> number & 1}
    assert hidden <= covered
    assert (
        not {(1 << 14) + number * 512 for number in range(32) if allocated >> number & 1} & covered
        or allocated == 0x5555_5555
    )


NOTHING = np.zeros(0, dtype=np.uint64)


def slack_of(image: Qcow2Image, owners: list[OwnedRange]) -> list[tuple[str, list[list[int]]]]:
    """Names and areas of what stands behind these structures."""
    known = Metadata(owners, NOTHING, NOTHING, NOTHING.astype(np.int64))
    return [(each.name, each.areas.tolist()) for each in slack_residue(image, known)]


@pytest.mark.parametrize("texts", range(1, 17))
def test_the_padding_of_a_snapshot_entry_is_looked_at_and_no_byte_more(texts: int, tmp_path: Path) -> None:
    """Two entries and then other bytes: an entry is padded to a multiple of 8."""
    entry = struct.pack(">QIHHIIQII", 3 * 512, 1, texts - texts // 3, texts // 3, 1, 1, 1, 1, 16) + b"e" * 16
    padding = -(len(entry) + texts) % 8
    table = (entry + b"t" * texts + b"p" * padding) * 2
    content = bytearray(tiny([], head=header(snapshots=(2, 6 * 512))))
    content[6 * 512 : 7 * 512] = table + b"x" * (512 - len(table))
    owned = OwnedRange(Owner.SNAPSHOT_TABLE, 6 * 512, len(table), "snapshots")
    with opened(tmp_path, bytes(content)) as image:
        found = slack_of(image, [owned])
    ends = [6 * 512 + len(table) // 2, 6 * 512 + len(table)]
    expected = [("snapshot table (snapshots)", [[ends[1], 7 * 512]])]
    if padding:
        expected += [(f"padding of snapshots[{n}]", [[end - padding, end]]) for n, end in enumerate(ends)]
    assert found == expected


@pytest.mark.parametrize("owner", list(Owner))
@pytest.mark.parametrize("length", [1, 8, 504, 511, 512, 513, 1024])
def test_what_stands_behind_a_table_up_to_the_end_of_its_cluster_is_slack(
    owner: Owner, length: int, tmp_path: Path
) -> None:
    owned = OwnedRange(owner, 6 * 512, length, "path")
    with opened(tmp_path, tiny([])) as image:
        found = slack_of(image, [OwnedRange(Owner.HEADER, 0, 512, "header"), owned])
        first = slack_of(image, [replace(owned, host_offset=0)])
        last = slack_of(image, [replace(owned, host_offset=15 * 512 + 500, length=8)])
    judged = owner not in (Owner.HEADER, Owner.LUKS_HEADER, Owner.REFCOUNT_TABLE) and length % 512
    end = 6 * 512 + length
    assert found == ([(f"{owner.value} (path)", [[end, -(-end // 512) * 512]])] if judged else [])
    assert first == []  # whatever claims the header is judged elsewhere
    assert len(last) == (1 if judged or (owner not in (Owner.HEADER, Owner.LUKS_HEADER, Owner.REFCOUNT_TABLE)) else 0)


@pytest.mark.parametrize("place", [0, 2048])
def test_a_snapshot_table_that_is_said_to_lie_in_the_header_has_no_padding(place: int, tmp_path: Path) -> None:
    """Read as an entry, the header would have a text of 496 bytes and its padding in the refcount table."""
    content = bytearray(tiny([], head=header(backing=(496, 5), snapshots=(1, place))))
    content[512:1024] = b"\x01" * 512
    content[place : place + 40] = content[:40]
    content[2048:2560] = content[2048:2088] + b"\x01" * 472
    with opened(tmp_path, bytes(content)) as image:
        found = [name for name, _ in slack_of(image, [])]
    assert found == (["padding of snapshots[0]"] if place else [])


def test_of_tables_that_end_at_one_place_the_first_is_named(tmp_path: Path) -> None:
    owners = [OwnedRange(Owner.SNAPSHOT_L1, 6 * 512, 8, f"snapshot {n} L1") for n in range(3)]
    with opened(tmp_path, tiny([])) as image:
        assert slack_of(image, owners) == [("snapshot L1 table (snapshot 0 L1)", [[6 * 512 + 8, 7 * 512]])]


@pytest.mark.parametrize("name", [0, 120, 150, 400, 511, 512, 600])
@pytest.mark.parametrize("where", [112, 119, 120, 149, 150, 158, 159, 511])
def test_what_stands_in_the_header_cluster_beside_extensions_and_name(name: int, where: int, tmp_path: Path) -> None:
    """The header of 112 bytes, the end of the extensions up to byte 120, and a name of 9 bytes."""
    content = bytearray(tiny([], head=header(backing=(name, 9 if name else 0)).ljust(512, b"\0")))
    if name in (120, 150, 400):
        content[name : name + 9] = b"base.name"
    inside = name <= where < name + 9 and name in (120, 150, 400)
    if where >= 120:
        content[where] = 5
    with opened(tmp_path, bytes(content)) as image:
        found = header_residue(image.header_cluster, image.evidence).areas.tolist()
    if 503 < name < 512:
        assert found in ([], [[where, where + 1]])
    else:
        assert found == ([] if where < 120 or inside else [[where, where + 1]])


def test_remains_in_the_header_cluster_go_from_the_first_to_the_last_byte(tmp_path: Path) -> None:
    content = bytearray(tiny([], head=header(backing=(200, 4)).ljust(512, b"\0")))
    content[200:204] = b"base"
    content[130] = content[140] = content[210] = content[511] = 1
    with opened(tmp_path, bytes(content)) as image:
        found = header_residue(image.header_cluster, image.evidence)
    assert (found.place, found.areas.tolist()) == (Place.HEADER, [[130, 141], [210, 512]])


@pytest.mark.parametrize("slot", range(8))
def test_key_material_of_a_slot_that_is_not_active_is_a_remain(slot: int) -> None:
    with Qcow2Image(Evidence(SOUND / "luks-4k.qcow2")) as image:
        luks = image.luks
        assert luks is not None
        first = luks.slots[0]
        place = luks.key_material(first)
        assert (first.state, list(key_slot_residue(luks, image.evidence))) == (SLOT_ACTIVE, [])
        idle = [replace(each, state=SLOT_INACTIVE, key_material_offset=5000) for each in luks.slots]
        idle[slot] = replace(first, state=SLOT_INACTIVE)
        (found,) = key_slot_residue(replace(luks, slots=tuple(idle)), image.evidence)
        assert (found.place, found.name) == (Place.KEY_SLOT, f"key slot {slot}")
        key = image.evidence.read_at(luks.host_offset + place.start, min(len(place), MEASURED_BYTES))
        begin = luks.host_offset + place.start
        last, before = len(key.rstrip(b"\0")), len(key) - len(key.lstrip(b"\0"))
        assert found.areas.tolist() == [[begin + before, begin + last]]
        # What an active slot holds as well, in part or whole, or what cannot be a key, is not.
        for shift in (-1, 0, 1):
            both = list(idle)
            at = first.key_material_offset + shift * (len(place) // 512 - 1)
            both[(slot + 1) % 8] = replace(first, state=SLOT_ACTIVE, key_material_offset=at)
            assert list(key_slot_residue(replace(luks, slots=tuple(both)), image.evidence)) == []
            at = first.key_material_offset + shift * (len(place) // 512)
            both[(slot + 1) % 8] = replace(first, state=SLOT_ACTIVE, key_material_offset=at)
            assert bool(list(key_slot_residue(replace(luks, slots=tuple(both)), image.evidence))) == (shift != 0)
        for by in (-1, 0, 1):
            cut = replace(luks, slots=tuple(idle), length=place.stop + by)
            assert bool(list(key_slot_residue(cut, image.evidence))) == (by >= 0)
        idle[slot] = replace(idle[slot], key_material_offset=1)  # inside the header
        assert list(key_slot_residue(replace(luks, slots=tuple(idle)), image.evidence)) == []
        idle[slot] = replace(idle[slot], key_material_offset=2, state=5)
        assert list(key_slot_residue(replace(luks, slots=tuple(idle)), image.evidence)) == []


@pytest.mark.parametrize("used", [2, 3, 4])
def test_what_begins_with_the_end_of_the_last_cluster_in_use_lies_behind_it(used: int, tmp_path: Path) -> None:
    content = bytearray(6 * GRANULE_BYTES)
    content[3 * GRANULE_BYTES] = 1
    with Evidence(written(tmp_path, bytes(content))) as evidence:
        search = FreeSearch(evidence, Budget(Limits()))
        found = list(search.search(np.array([3 * GRANULE_BYTES]), np.array([4 * GRANULE_BYTES]), used * GRANULE_BYTES))
        found += search.rest(0, np.zeros((0, 2), dtype=np.int64))
    places = [each.place for each in found if len(each.areas)]
    assert places == [Place.FREE if used > 3 else Place.NEVER_ALLOCATED]


def searched(folder: Path, words: list[int], bitmaps: list[int] | None) -> dict[Place, list[list[int]]]:
    """What the tables of a file full of bytes hide, of four clusters of 16 KiB, the last of which is cut."""
    layout = geometry(header(cluster_bits=14, features=1 << 4 if bitmaps else 0, virtual_size=1 << 30))
    content = b"x" * ((4 << 14) - 100)
    row = np.array([words], dtype=np.uint64)
    second = None if bitmaps is None else np.array([bitmaps], dtype=np.uint64)
    batch = L2Batch(
        "active",
        layout,
        len(content),
        np.array([0]),
        np.array([0], dtype=np.uint64),
        np.array([len(words)]),
        row,
        second,
    )
    with Evidence(written(folder, content)) as evidence:
        return {each.place: each.areas.tolist() for each in table_residue(batch, evidence, Budget(Limits()))}


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        (2 << 14, [2 << 14, 3 << 14]),
        (3 << 14, [3 << 14, (4 << 14) - 100]),
        (0, None),  # no cluster, and not the one with the header
        ((2 << 14) + 512, None),
        (4 << 14, None),
        (1 << 40, None),
    ],
)
def test_only_clusters_of_the_file_hide_something(entry: int, place: list[int] | None, tmp_path: Path) -> None:
    expected = [place] if place else []
    assert searched(tmp_path, [entry | 1, 0], None)[Place.ZERO_CLUSTER] == expected
    assert searched(tmp_path, [entry | 1, 1 << 14], None)[Place.ZERO_CLUSTER] == expected
    assert Place.ZERO_CLUSTER not in searched(tmp_path, [entry, 0], None)
    assert searched(tmp_path, [entry], [0])[Place.SUBCLUSTER] == expected
    assert searched(tmp_path, [entry], [0xFFFF_FFFF])[Place.SUBCLUSTER] == []


def test_remains_near_one_another_are_one_within_64_kibibytes() -> None:
    assert (search.NEAR_BYTES, search.GRANULE_BYTES) == (64 << 10, 512)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_ranges_that_follow_one_another_are_one(count: int, tmp_path: Path) -> None:
    begins = np.arange(count, dtype=np.int64) * GRANULE_BYTES
    with Evidence(written(tmp_path, b"x" * 5 * GRANULE_BYTES)) as evidence:
        found = nonzero_areas(evidence, begins, begins + GRANULE_BYTES, Budget(Limits()))
    assert found.tolist() == [[0, count * GRANULE_BYTES]]


def test_where_nothing_can_be_read_nothing_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(self: Evidence, host_offset: int, buffer: memoryview) -> None:
        raise ReadFailed(host_offset, len(buffer), "input/output error")

    with opened(tmp_path, tiny([])) as image:
        owners = [OwnedRange(Owner.HEADER, 0, 512, "header"), OwnedRange(Owner.ACTIVE_L1, 6 * 512, 8, "L1")]
        assert len(slack_of(image, owners)) == 1
        monkeypatch.setattr(Evidence, "read_into", failing)
        assert slack_of(image, owners) == []
        found = nonzero_areas(image.evidence, np.array([5 * 512]), np.array([7 * 512]), Budget(Limits()))
        assert found.tolist() == []
