"""Guest ranges and where their bytes are: on samples as QEMU maps them, on tiny images as written here by hand."""

import struct
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forensic.image import open_image
from forensic.mapping.extents import Extent, Reason, State
from samples.kinds import Kind
from tests.images import COMPRESSED, COPIED, L2, QCOW2, ZERO, described, geometry, header, opened, sample, tiny
from tests.qcow2.plain_overwritten import damaged_l2

SECTOR = 512
EXTENDED = header(cluster_bits=14, virtual_size=4 << 14, features=1 << 4)


def data(guest: int, length: int, host: int) -> Extent:
    return Extent(guest, length, State.DATA, host)


def empty(guest: int, length: int) -> Extent:
    return Extent(guest, length, State.UNALLOCATED)


def zero(guest: int, length: int, host: int | None = None) -> Extent:
    return Extent(guest, length, State.ZERO if host is None else State.ZERO_ALLOCATED, host)


def absent(guest: int, length: int, reason: Reason, host: int | None = None) -> Extent:
    return Extent(guest, length, State.ABSENT, host, None, reason)


def extents(folder: Path, content: bytes, start: int = 0, end: int | None = None) -> list[Extent]:
    with opened(folder, content) as image:
        return list(image.extents(start, end))


def subclusters(words: Sequence[int], folder: Path) -> list[Extent]:
    """The extents of the first cluster of an image with subclusters of 512 bytes."""
    return extents(folder, tiny(words, cluster_bits=14, head=EXTENDED), 0, 1 << 14)


def bits(*numbers: int) -> int:
    return sum(1 << number for number in numbers)


def sectors_as_mapped(kind: Kind) -> list[tuple[str, int | None]]:
    facts = described(kind)["map"]
    assert isinstance(facts, list)
    return [each for entry in facts for each in _sectors_of_qemu(entry)]


def _sectors_of_qemu(entry: dict[str, int | bool]) -> Iterator[tuple[str, int | None]]:
    for within in range(0, entry["length"], SECTOR):
        if entry["depth"] or not entry["present"]:
            yield "elsewhere", None
        elif entry["zero"]:
            yield "zero", None
        elif "offset" in entry:
            yield "data", entry["offset"] + within
        else:
            yield "encoded", None


def sectors_of(extent: Extent, encrypted: bool) -> Iterator[tuple[str, int | None]]:
    for within in range(0, extent.length, SECTOR):
        if extent.state == State.DATA and not encrypted:
            assert extent.host_offset is not None
            yield "data", extent.host_offset + within
        elif extent.state in (State.DATA, State.COMPRESSED):
            yield "encoded", None
        elif extent.state in (State.ZERO, State.ZERO_ALLOCATED):
            yield "zero", None
        else:
            yield ("elsewhere" if extent.state == State.UNALLOCATED else extent.reason.code), None


@pytest.mark.parametrize("kind", QCOW2, ids=lambda kind: kind.name)
def test_a_sound_sample_is_mapped_as_qemu_maps_it(kind: Kind) -> None:
    with open_image(sample(kind)) as image:
        found = [each for extent in image.extents() for each in sectors_of(extent, kind.passphrase is not None)]
    assert found == sectors_as_mapped(kind)


def test_clusters_of_each_kind_have_their_state_and_neighbours_are_one(tmp_path: Path) -> None:
    words = [COPIED | 5 << 9, 6 << 9, 8 << 9, 0, 0, ZERO, ZERO, COPIED | 9 << 9 | ZERO, 10 << 9 | ZERO, 7 << 9]
    assert extents(tmp_path, tiny(words)) == [
        data(0, 1024, 0xA00),
        data(1024, 512, 0x1000),
        empty(1536, 1024),
        zero(2560, 1024),
        zero(3584, 1024, 0x1200),
        data(4608, 512, 0xE00),
        empty(5120, 16384 - 5120),
    ]


def test_compressed_clusters_keep_their_stream_and_are_never_merged(tmp_path: Path) -> None:
    words = [COMPRESSED | 0xA10, COMPRESSED | 1 << 61 | 0xC20, 5 << 9]
    assert extents(tmp_path, tiny(words), 0, 2048) == [
        Extent(0, 512, State.COMPRESSED, 0xA10, 0x1F0),
        Extent(512, 512, State.COMPRESSED, 0xC20, 0x3E0),
        data(1024, 512, 0xA00),
        empty(1536, 512),
    ]


def test_an_unaligned_cluster_is_absent_unless_it_reads_as_zeros(tmp_path: Path) -> None:
    head = header(cluster_bits=12, virtual_size=4 << 12)
    words = [0x5200, 0x5200 | ZERO, 5 << 12]
    assert extents(tmp_path, tiny(words, cluster_bits=12, head=head)) == [
        absent(0, 4096, Reason.ENTRY_UNALIGNED),
        zero(4096, 4096, 0x5200),
        data(8192, 4096, 5 << 12),
        empty(12288, 4096),
    ]


def test_what_lies_behind_the_end_of_the_file_is_absent(tmp_path: Path) -> None:
    words = [5 << 9, 6 << 9, 7 << 9, 8 << 9, 1 << 55, COMPRESSED | 0x2000, 9 << 9 | ZERO]
    content = tiny(words, file_clusters=8)[: (7 << 9) + 100]
    assert extents(tmp_path, content, 0, 3584) == [
        data(0, 1024 + 100, 0xA00),
        absent(1124, 412 + 512, Reason.ENTRY_BEYOND_EOF, (7 << 9) + 100),
        absent(2048, 512, Reason.ENTRY_BEYOND_EOF, 1 << 55),
        Extent(2560, 512, State.ABSENT, 0x2000, 512, Reason.ENTRY_BEYOND_EOF),
        zero(3072, 512, 9 << 9),
    ]


def test_the_zero_flag_of_version_2_leaves_the_range_absent(tmp_path: Path) -> None:
    words = [5 << 9 | ZERO, ZERO, COMPRESSED | 0xA11, 5 << 9]
    assert extents(tmp_path, tiny(words, head=header(version=2)), 0, 2048) == [
        absent(0, 1024, Reason.RESERVED_BITS_SET),
        Extent(1024, 512, State.COMPRESSED, 0xA11, 0x1EF),
        data(1536, 512, 0xA00),
    ]


def test_reserved_bits_do_not_move_a_cluster(tmp_path: Path) -> None:
    assert extents(tmp_path, tiny([0x3F00_0000_0000_01FE | 5 << 9]), 0, 512) == [data(0, 512, 0xA00)]


@pytest.mark.parametrize(
    ("l1_entries", "found"),
    [
        ([0, 0, 0], [empty(0, 98304)]),
        ([COPIED, L2 << 9, 0], [empty(0, 32768), data(32768, 512, 0xA00), empty(33280, 65024)]),
        ([1 << 40, 0x101, 0], [absent(0, 32768, Reason.L2_UNREADABLE), empty(32768, 65536)]),
        (
            [L2 << 9, 0, L2 << 9],
            [data(0, 512, 0xA00), empty(512, 65024), data(65536, 512, 0xA00), empty(66048, 32256)],
        ),
    ],
)
def test_an_l1_entry_decides_over_its_whole_range(tmp_path: Path, l1_entries: list[int], found: list[Extent]) -> None:
    head = header(virtual_size=3 << 15, l1_size=3)
    assert extents(tmp_path, tiny([5 << 9], l1_entries=l1_entries, head=head)) == found


def test_an_l2_table_that_is_no_cluster_boundary_makes_its_range_absent(tmp_path: Path) -> None:
    head = header(cluster_bits=12, virtual_size=4 << 12)
    content = tiny([5 << 12], cluster_bits=12, l1_entries=[(4 << 12) + 0x200], head=head)
    assert extents(tmp_path, content) == [absent(0, 4 << 12, Reason.L2_UNREADABLE)]


@pytest.mark.parametrize("l1_size", [0, 1, 2])
def test_guest_ranges_without_an_l1_entry_are_absent(tmp_path: Path, l1_size: int) -> None:
    head = header(virtual_size=3 << 15, l1_size=l1_size)
    content = tiny([], l1_entries=[0] * l1_size, head=head)
    there = [empty(0, l1_size << 15)] if l1_size else []
    assert extents(tmp_path, content) == [*there, absent(l1_size << 15, (3 - l1_size) << 15, Reason.L2_UNREADABLE)]


def test_an_l1_table_cut_by_the_end_of_the_file_makes_the_rest_absent(tmp_path: Path) -> None:
    head = header(virtual_size=3 << 15, l1_size=3, l1_offset=0xC00)
    content = tiny([], head=head, file_clusters=6) + struct.pack(">QQ", 0, 0)[:15]
    assert extents(tmp_path, content) == [empty(0, 32768), absent(32768, 65536, Reason.L2_UNREADABLE)]


def test_an_l2_table_cut_by_the_end_of_the_file_makes_the_rest_absent(tmp_path: Path) -> None:
    content = tiny([3 << 9, 0, 3 << 9], file_clusters=5)[: (L2 << 9) + 20]
    assert extents(tmp_path, content) == [
        data(0, 512, 0x600),
        empty(512, 512),
        absent(1024, 16384 - 1024, Reason.L2_UNREADABLE),
    ]


def test_the_largest_disk_there_can_be_is_covered(tmp_path: Path) -> None:
    head = header(virtual_size=(1 << 64) - 1)
    assert extents(tmp_path, tiny([], head=head)) == [
        empty(0, 32768),
        absent(32768, (1 << 64) - 1 - 32768, Reason.L2_UNREADABLE),
    ]


def test_a_disk_of_no_bytes_has_no_extents(tmp_path: Path) -> None:
    assert extents(tmp_path, tiny([5 << 9], head=header(virtual_size=0))) == []


def test_the_last_extent_ends_with_the_disk_not_with_its_cluster(tmp_path: Path) -> None:
    assert extents(tmp_path, tiny([5 << 9, 6 << 9], head=header(virtual_size=700))) == [data(0, 700, 0xA00)]


def test_an_external_data_file_has_a_cluster_at_offset_0_and_no_end(tmp_path: Path) -> None:
    head = header(features=1 << 2)
    words = [COPIED, COPIED | 512, 0, COPIED | ZERO]
    assert extents(tmp_path, tiny(words, head=head), 0, 2560) == [
        data(0, 1024, 0),
        empty(1024, 512),
        zero(1536, 512, 0),
        empty(2048, 512),
    ]


def test_data_in_an_external_file_that_is_not_at_its_guest_offset_is_absent(tmp_path: Path) -> None:
    found = extents(tmp_path, tiny([COPIED, COPIED | 1024], head=header(features=1 << 2)), 0, 1024)
    assert found == [data(0, 512, 0), absent(512, 512, Reason.ENTRY_MISPLACED)]


PARTS = tiny([5 << 9, 6 << 9, 0, COMPRESSED | 0xA00, ZERO], head=header(virtual_size=3 << 15, l1_size=3))


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [
        (100, 200, [data(100, 100, 0xA64)]),
        (1000, 1030, [data(1000, 24, 0xDE8), empty(1024, 6)]),
        (1600, 1700, [Extent(1600, 100, State.COMPRESSED, 0xA00, 0x200, skip=64)]),
        (32760, 32780, [empty(32760, 20)]),
        (98303, 98304, [absent(98303, 1, Reason.L2_UNREADABLE)]),
        (98300, 1 << 40, [absent(98300, 4, Reason.L2_UNREADABLE)]),
    ],
)
def test_a_part_of_the_disk_is_cut_out_of_the_whole(tmp_path: Path, start: int, end: int, found: list[Extent]) -> None:
    content = tiny(
        [5 << 9, 6 << 9, 0, COMPRESSED | 0xA00, ZERO],
        l1_entries=[L2 << 9, 0],
        head=header(virtual_size=3 << 15, l1_size=2),
    )
    assert extents(tmp_path, content, start, end) == found


@pytest.mark.parametrize(("start", "end"), [(0, 0), (100, 100), (200, 100), (98304, 98304), (1 << 40, 1 << 41)])
def test_an_empty_part_of_the_disk_has_no_extents(tmp_path: Path, start: int, end: int) -> None:
    assert extents(tmp_path, PARTS, start, end) == []


HOST = 5 << 14


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ((HOST, 0xFFFF_FFFF), [data(0, 16384, HOST)]),
        ((HOST, 0), [empty(0, 16384)]),
        ((0, 0), [empty(0, 16384)]),
        ((HOST, 0xFFFF_FFFF << 32), [zero(0, 16384, HOST)]),
        ((0, 0xFFFF_FFFF << 32), [zero(0, 16384)]),
        ((HOST, bits(0)), [data(0, 512, HOST), empty(512, 15872)]),
        ((HOST, bits(31)), [empty(0, 15872), data(15872, 512, HOST + 15872)]),
        (
            (HOST, bits(1, 2, 36, 37)),
            [
                empty(0, 512),
                data(512, 1024, HOST + 512),
                empty(1536, 512),
                zero(2048, 1024, HOST + 2048),
                empty(3072, 13312),
            ],
        ),
        ((0, bits(33)), [empty(0, 512), zero(512, 512), empty(1024, 15360)]),
        (
            (0, bits(0, 33)),
            [absent(0, 512, Reason.RESERVED_BITS_SET), zero(512, 512), empty(1024, 15360)],
        ),
        (
            (HOST, bits(0, 32, 1)),
            [absent(0, 512, Reason.RESERVED_BITS_SET), data(512, 512, HOST + 512), empty(1024, 15360)],
        ),
        ((HOST, (1 << 64) - 1), [absent(0, 16384, Reason.RESERVED_BITS_SET)]),
        ((0, 0xFFFF_FFFF), [absent(0, 16384, Reason.RESERVED_BITS_SET)]),
        ((HOST | ZERO, bits(0)), [data(0, 512, HOST), empty(512, 15872)]),
        ((HOST + 0x200, 0xFFFF_FFFF), [absent(0, 16384, Reason.ENTRY_UNALIGNED)]),
        ((COMPRESSED | HOST, 0), [Extent(0, 16384, State.COMPRESSED, HOST, 512)]),
    ],
)
def test_each_mixture_of_subclusters_is_mapped(tmp_path: Path, words: tuple[int, int], found: list[Extent]) -> None:
    assert subclusters(words, tmp_path) == found


def state_of_subcluster(allocated: bool, is_zero: bool, has_cluster: bool) -> State:
    """As the specification's table of subclusters has it."""
    if (allocated and is_zero) or (allocated and not has_cluster):
        return State.ABSENT
    if is_zero:
        return State.ZERO_ALLOCATED if has_cluster else State.ZERO
    return State.DATA if allocated else State.UNALLOCATED


WHOLE = (1 << 32) - 1
FEW_BITS = st.one_of(
    st.sampled_from([0, WHOLE]),
    st.integers(0, 31).map(lambda number: 1 << number),
    st.integers(0, 31).map(lambda number: WHOLE ^ 1 << number),
    st.integers(0, WHOLE),
)


@settings(deadline=None, max_examples=200)
@given(FEW_BITS, FEW_BITS, st.booleans())
def test_each_subcluster_is_what_its_two_bits_say(
    tmp_path_factory: pytest.TempPathFactory, allocated: int, is_zero: int, has_cluster: bool
) -> None:
    words = [5 << 14 if has_cluster else 0, is_zero << 32 | allocated]
    found = subclusters(words, tmp_path_factory.getbasetemp())
    assert [state for extent in found for state in [extent.state] * (extent.length // 512)] == [
        state_of_subcluster(bool(allocated >> number & 1), bool(is_zero >> number & 1), has_cluster)
        for number in range(32)
    ]


def test_data_runs_on_from_one_cluster_into_the_next(tmp_path: Path) -> None:
    words = [HOST, bits(*range(16, 32)), 6 << 14, bits(*range(4)), 0, 0xFFFF_FFFF << 32]
    assert extents(tmp_path, tiny(words, cluster_bits=14, head=EXTENDED)) == [
        empty(0, 8192),
        data(8192, 8192 + 2048, HOST + 8192),
        empty(18432, 14336),
        zero(32768, 16384),
        empty(49152, 16384),
    ]


def test_subclusters_behind_the_end_of_the_file_are_absent(tmp_path: Path) -> None:
    content = tiny([HOST, 0xFFFF_FFFF], cluster_bits=14, head=EXTENDED, file_clusters=6)[: HOST + 1000]
    assert extents(tmp_path, content, 0, 1 << 14) == [
        data(0, 1000, HOST),
        absent(1000, 15384, Reason.ENTRY_BEYOND_EOF, HOST + 1000),
    ]


def words_for(cluster_bits: int) -> st.SearchStrategy[int]:
    host = st.integers(0, 20).map(lambda number: number << cluster_bits)
    flags = st.sampled_from([0, COPIED, ZERO, COPIED | ZERO, COMPRESSED, 1 << 56, 1 << 8])
    return st.builds(int.__or__, host, flags) | st.integers(0, (1 << 64) - 1)


def one_extent(word: int, version: int, file_size: int) -> tuple[State, Reason]:
    """What one entry of 512-byte clusters means, without any of the code under test; whole clusters only."""
    host_offset = word & 0x00FF_FFFF_FFFF_FE00
    if word & COMPRESSED:
        outside = word & ((1 << 61) - 1) >= file_size
        return (State.ABSENT, Reason.ENTRY_BEYOND_EOF) if outside else (State.COMPRESSED, Reason.NONE)
    if word & ZERO:
        if version == 2:
            return State.ABSENT, Reason.RESERVED_BITS_SET
        return (State.ZERO_ALLOCATED if host_offset else State.ZERO), Reason.NONE
    if host_offset >= file_size:
        return State.ABSENT, Reason.ENTRY_BEYOND_EOF
    return (State.DATA if host_offset else State.UNALLOCATED), Reason.NONE


def assert_covers(found: list[Extent], start: int, end: int) -> None:
    assert [found[0].guest_offset, found[-1].guest_offset + found[-1].length] == [start, end]
    assert all(before.guest_offset + before.length == after.guest_offset for before, after in pairwise(found))
    assert min(extent.length for extent in found) > 0


@given(words=st.lists(words_for(9), max_size=64), version=st.sampled_from([2, 3]))
def test_each_entry_of_a_random_table_is_mapped_by_itself_unless_the_table_is_damaged_as_a_whole(
    tmp_path_factory: pytest.TempPathFactory, words: list[int], version: int
) -> None:
    head = header(version=version, virtual_size=32768)
    found = extents(tmp_path_factory.getbasetemp(), tiny(words, head=head))
    assert_covers(found, 0, 32768)
    clusters = [(extent.state, extent.reason) for extent in found for _ in range(0, extent.length, 512)]
    padded = [*words, *[0] * (64 - len(words))]
    expected = [one_extent(word, version, 16 << 9) for word in padded]
    if damaged_l2(padded, geometry(head), 16 << 9):
        expected = [(State.ABSENT, Reason.ENTRY_DOUBTFUL)] * 64
    assert clusters == expected


@given(
    words=st.lists(words_for(14) | st.integers(0, (1 << 64) - 1), max_size=16),
    version=st.sampled_from([2, 3]),
    features=st.sampled_from([0, 1 << 4, 1 << 2, 1 << 4 | 1 << 2]),
    kept=st.integers(0, 1 << 18),
    size=st.integers(1, 1 << 19),
    l1_entries=st.lists(words_for(14), max_size=2),
)
@settings(max_examples=200)
def test_extents_of_random_tables_cover_the_disk_without_gap_or_overlap(
    tmp_path_factory: pytest.TempPathFactory,
    words: list[int],
    version: int,
    features: int,
    kept: int,
    size: int,
    l1_entries: list[int],
) -> None:
    head = header(version=version, cluster_bits=14, virtual_size=size, features=features, l1_size=2)
    content = tiny(words, l1_entries=[L2 << 14, *l1_entries], cluster_bits=14, head=head)
    found = extents(tmp_path_factory.getbasetemp(), content[: max(kept, 512)])
    assert_covers(found, 0, size)
    with_bytes = [extent for extent in found if extent.state == State.DATA and not features & 1 << 2]
    assert all(extent.host_offset and extent.host_offset + extent.length <= max(kept, 512) for extent in with_bytes)


@given(
    words=st.lists(words_for(9), max_size=64),
    start=st.integers(0, 40000),
    length=st.integers(1, 40000),
)
def test_a_part_of_a_random_disk_is_the_whole_cut_to_it(
    tmp_path_factory: pytest.TempPathFactory, words: list[int], start: int, length: int
) -> None:
    content = tiny(words, head=header(virtual_size=40000, l1_size=2), l1_entries=[L2 << 9, 0])
    end = min(start + length, 40000)
    folder = tmp_path_factory.getbasetemp()
    whole, found = extents(folder, content), extents(folder, content, start, start + length)
    expected = [each for each in _sectors(whole) if start <= each[0] < end]
    assert [each for each in _sectors(found) if start <= each[0]] == expected


def _sectors(found: list[Extent]) -> list[tuple[int, State, int | None]]:
    """One item for each 8 guest bytes; a compressed stream belongs to all of its cluster."""
    return [
        (
            at,
            extent.state,
            extent.host_offset
            if extent.host_offset is None or extent.state == State.COMPRESSED
            else extent.host_offset + at - extent.guest_offset,
        )
        for extent in found
        for at in range(-(-extent.guest_offset // 8) * 8, extent.guest_offset + extent.length, 8)
    ]
