"""Tables that are damaged as a whole: the rule in plain words decides, everywhere the same."""

import random
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from forensic.checking import check
from forensic.image import open_image
from forensic.mapping.extents import Extent, Reason, State, extent
from forensic.mapping.rows import joined
from forensic.qcow2 import overwritten_tables
from forensic.qcow2.geometry import Geometry
from forensic.qcow2.overwritten_tables import (
    Content,
    Overwritten,
    content_of,
    overwritten_l1,
    overwritten_l2,
    reach,
    reads_as_refcount_block,
)
from forensic.second_reader import overwritten as second_rule
from forensic.second_reader.header import Header
from samples.kinds import Kind
from tests.images import COMPRESSED, COPIED, L2, QCOW2, geometry, header, opened, sample, tiny
from tests.qcow2.plain_overwritten import damaged_l1, damaged_l2, limit_of

FILE_SIZE = 1 << 22


def named(layout: Geometry) -> str:
    features = "x" * layout.extended_l2 + "d" * layout.external_data_file
    return f"v{layout.version}-{layout.cluster_bits}-{layout.refcount_order}{features}"


def words_of(raw: bytes) -> list[int]:
    return list(struct.unpack(f">{len(raw) // 8}Q", raw))


def judged(words: list[int], layout: Geometry, file_size: int = FILE_SIZE) -> bool:
    array = np.array([words], dtype=np.uint64)
    entries, bitmaps = (array[:, 0::2], array[:, 1::2]) if layout.extended_l2 else (array, None)
    return bool(overwritten_l2(entries, bitmaps, np.array([entries.shape[1]]), layout, file_size))


def second_header(layout: Geometry) -> Header:
    """What the second reader would have read of a header with this geometry."""
    return Header(
        version=layout.version,
        cluster_bits=layout.cluster_bits,
        size=layout.virtual_size,
        l1_offset=layout.l1_table_offset,
        l1_entries=layout.l1_entry_count,
        has_backing_file=False,
        encryption=0,
        extended_l2=layout.extended_l2,
        external_data_file=layout.external_data_file,
        compression_type=0,
        snapshots_offset=0,
        l2_bits=0,
        refcount_table_clusters=layout.refcount_table_clusters,
        refcount_order=4 if layout.refcount_order is None else layout.refcount_order,
    )


def judged_by_the_second_reader(words: list[int], layout: Geometry, file_size: int = FILE_SIZE) -> bool:
    return second_rule.l2_is_overwritten(struct.pack(f">{len(words)}Q", *words), second_header(layout), file_size)


LAYOUTS = [
    geometry(header(version=version, cluster_bits=bits, features=features, refcount_order=order, l1_size=4))
    for version, features in ((2, 0), (3, 0), (3, 1 << 4), (3, 1 << 2))
    for bits in (9, 12, 14, 16, 21)
    for order in ((4,) if version == 2 else (0, 3, 4, 5, 6))
    if not features & 1 << 4 or bits >= 14
]


def overwriting(name: str, length: int, layout: Geometry) -> bytes:
    """What lies in place of a table: `length` bytes."""
    count = {"refcounts": 1, "many refcounts": 3}.get(name)
    if count is not None:
        width = max(1, (layout.refcount_bits or 8) // 8)
        return (count.to_bytes(width, "big") * length)[:length]
    if name == "text":
        return (b"2026-11-26 host systemd[1]: Started foo.\n" * length)[:length]
    if name == "random":
        return random.Random(length).randbytes(length)
    return b"\xff" * length


@pytest.mark.parametrize("name", ["text", "random", "ones"])
@pytest.mark.parametrize("layout", LAYOUTS, ids=named)
def test_a_table_over_which_something_was_written_is_damaged(name: str, layout: Geometry) -> None:
    words = words_of(overwriting(name, min(layout.cluster_size, 1 << 14), layout))
    assert judged(words, layout)
    assert damaged_l2(words, layout, FILE_SIZE)


@pytest.mark.parametrize("layout", [each for each in LAYOUTS if each.refcount_order in (3, 4, 5)], ids=named)
@pytest.mark.parametrize("used", [64, 512])
def test_a_refcount_block_over_a_table_is_recognised(layout: Geometry, used: int) -> None:
    raw = overwriting("refcounts", used, layout) + bytes(layout.cluster_size - used)
    damaged = judged(words_of(raw), layout)
    assert damaged == damaged_l2(words_of(raw), layout, FILE_SIZE)
    assert damaged


def sound_table(layout: Geometry, count: int, first: int) -> list[int]:
    words: list[int] = []
    for number in range(count):
        words += [COPIED | first + number * layout.cluster_size]
        words += [0xFFFF_FFFF] if layout.extended_l2 else []
    return words


@pytest.mark.parametrize("layout", [each for each in LAYOUTS if not each.external_data_file], ids=named)
def test_a_table_whose_clusters_were_cut_off_the_file_is_not_damaged(layout: Geometry) -> None:
    first = reach(layout, 5 * layout.cluster_size) // 2
    words = sound_table(layout, 32, first)
    assert not judged(words, layout, file_size=5 * layout.cluster_size)


@pytest.mark.parametrize("bad", range(0, 33, 4))
def test_a_few_bad_entries_leave_the_others_believed(bad: int) -> None:
    layout = geometry()
    words = sound_table(layout, 32, 5 << 9)
    for at in range(bad):
        words[at] |= 1 << 57
    assert judged(words, layout) == judged_by_the_second_reader(words, layout) == (bad * 4 >= 32 * 3)
    backwards = words[::-1]  # the bad ones last
    assert judged_by_the_second_reader(backwards, layout) == (bad * 4 >= 32 * 3)
    few = words[:7]
    assert not judged([*few, *[0] * 57], layout)


@given(
    words=st.lists(
        st.one_of(
            st.integers(0, (1 << 64) - 1),
            st.integers(0, 1 << 14).map(lambda number: number << 9),
            st.sampled_from([0, 1 << 57, 0x0001_0001_0001_0001, 0x1_0000_0001, COMPRESSED | 5000, 1 << 44]),
        ),
        max_size=64,
    ),
    layout=st.sampled_from(LAYOUTS),
    file_size=st.sampled_from([512, 1 << 20, 1 << 45]),
)
@settings(deadline=None, max_examples=600)
def test_the_rule_is_the_one_in_plain_words(words: list[int], layout: Geometry, file_size: int) -> None:
    padded = [*words, *[0] * (64 - len(words))]
    damaged = damaged_l2(padded, layout, file_size)
    assert judged(padded, layout, file_size) == damaged
    assert judged_by_the_second_reader(padded, layout, file_size) == damaged
    found = overwritten_l1(np.array(padded, dtype=np.uint64), layout, file_size)
    raw = struct.pack(">64Q", *padded)
    second = second_rule.l1_is_overwritten(raw, second_header(layout), file_size)
    assert bool(found) == second == damaged_l1(padded, layout, file_size)


@pytest.mark.parametrize("kind", QCOW2, ids=lambda kind: kind.name)
def test_no_table_of_a_sound_sample_is_damaged(kind: Kind) -> None:
    with open_image(sample(kind)) as image:
        assert all(found.reason != Reason.ENTRY_DOUBTFUL for found in image.extents())


def whole_disk(image_content: bytes, folder: Path, start: int, end: int) -> list[Extent]:
    """The extents, which must be the same with arrays and without."""
    with opened(folder, image_content) as image:
        disk = image.disk()
        found = list(disk.extents(start, end))
        assert found == [extent(run) for rows in joined(disk.row_batches(start, end)) for run in rows.tolist()]
    return found


DAMAGED = [0x0001_0001_0001_0001] * 40
SOUND_WORDS = [COPIED | 5 << 9, COPIED | 6 << 9, 0, 0]


@pytest.mark.parametrize("start", [0, 512, 32768, 32768 + 512, 32768 + 41 * 512])
@pytest.mark.parametrize("prefix", [[], [COPIED | 7 << 9, 0], [COPIED | 14 << 9, COPIED | 15 << 9]])
def test_the_range_of_a_damaged_table_is_doubtful_from_wherever_it_is_read(
    tmp_path: Path, start: int, prefix: list[int]
) -> None:
    head = header(virtual_size=3 << 15, l1_size=3)
    content = bytearray(tiny(SOUND_WORDS, l1_entries=[L2 << 9, 8 << 9, 0], head=head))
    content[8 << 9 : 9 << 9] = struct.pack(">64Q", *prefix, *DAMAGED, *[0] * (24 - len(prefix)))
    found = whole_disk(bytes(content), tmp_path, start, 3 << 15)
    doubtful = [each for each in found if each.reason == Reason.ENTRY_DOUBTFUL]
    begin = max(start, 1 << 15)
    assert [(each.guest_offset, each.length, each.state) for each in doubtful] == [
        (begin, (2 << 15) - begin, State.ABSENT)
    ]
    assert found[-1] == Extent(2 << 15, 1 << 15, State.UNALLOCATED)


def test_a_damaged_l1_table_makes_the_whole_disk_doubtful(tmp_path: Path) -> None:
    head = header(virtual_size=10 << 15, l1_size=10)
    words = [0x0001_0001_0001_0001, 0x0001_0001_0000_0000, *[0] * 8]
    content = tiny(SOUND_WORDS, l1_entries=words, head=head)
    for start in (0, 3 << 15):
        assert whole_disk(content, tmp_path, start, 10 << 15) == [
            Extent(start, (10 << 15) - start, State.ABSENT, reason=Reason.ENTRY_DOUBTFUL)
        ]


def test_a_damaged_table_is_one_finding_and_its_entries_are_none(tmp_path: Path) -> None:
    with opened(tmp_path, tiny(DAMAGED)) as image:
        found = {finding.rule: finding for finding in check(image, strict=True).findings}
    assert not [code for code in found if code.startswith(("l2-entry", "compressed-", "data-"))]
    finding = found["l2-table-overwritten"]
    assert (finding.count, finding.severity.value) == (1, "critical")
    assert "overwritten by a refcount block: 40 of the 40" in finding.problems[0].observation


@pytest.mark.parametrize(
    ("sample_bytes", "content"),
    [
        (struct.pack(">8H", *[1] * 8) + bytes(496), Content.REFCOUNT_BLOCK),
        (b"QFI\xfb\0\0\0\3" + bytes(504), Content.HEADER),
        (b"hello world\n" * 40 + bytes(32), Content.TEXT),
        (b"\x55" * 512, Content.ONE_BYTE),
        (struct.pack(">64Q", *[COPIED | 1 << 50 | number << 9 for number in range(64)]), Content.TABLE),
        (random.Random(1).randbytes(4096), Content.HIGH_ENTROPY),
        (b"\x7f\x45\x4c\x46\x02\x01\x01" + bytes(100) + b"\x03\x00\x3e\x81" * 20 + bytes(5), Content.OTHER),
    ],
)
def test_it_is_said_by_what_a_table_was_overwritten(sample_bytes: bytes, content: Content) -> None:
    assert content_of(sample_bytes, 16) == content


@pytest.mark.parametrize("by", [-1, 0, 1])
@pytest.mark.parametrize("order", [None, 0, 4, 6])
@pytest.mark.parametrize("clusters", [0, 1, 2, 1 << 20, (1 << 32) - 1])
@pytest.mark.parametrize("bits", [9, 16, 21])
def test_the_reach_of_an_image_is_what_the_rule_says(by: int, order: int | None, clusters: int, bits: int) -> None:
    for virtual_size in (0, 1 << 30, (1 << 43) + by, 1 << 50, (1 << 54) + by, (1 << 64) - 1):
        for file_size in (0, 1 << 20, (1 << 45) + by, (1 << 56) + by):
            layout = replace(
                geometry(), cluster_bits=bits, refcount_order=order, refcount_table_clusters=clusters,
                virtual_size=virtual_size,
            )  # fmt: skip
            assert reach(layout, file_size) == limit_of(layout, file_size)


def test_a_damaged_table_is_told_with_all_its_numbers() -> None:
    layout = replace(geometry(), refcount_order=6)
    words = [1 << 60 | number for number in range(10)] + [512, 0, 0]
    entries = np.array(words, dtype=np.uint64)
    sample = struct.pack(">13Q", *words)
    assert overwritten_l1(entries, layout, 1 << 16) == Overwritten(0, 13, 11, 10, sample, 64)
    tables = np.stack([np.zeros(13, dtype=np.uint64), entries])
    present = np.array([13, 12])
    assert overwritten_l2(tables, None, present, layout, 1 << 16) == (Overwritten(1, 12, 11, 10, sample, 64),)


@pytest.mark.parametrize("count", [511, 512, 513, 2048])
@pytest.mark.parametrize("extended", [False, True])
def test_the_sample_is_the_first_page_of_the_table(count: int, extended: bool) -> None:
    layout = replace(geometry(), cluster_bits=14, extended_l2=extended)
    words = np.arange(count, dtype=np.uint64) | np.uint64(1 << 60)
    bitmaps = np.arange(count, dtype=np.uint64)[::-1] if extended else None
    table = words if bitmaps is None else np.stack([words, bitmaps], axis=1).reshape(-1)
    (found,) = overwritten_l2(
        words[np.newaxis], None if bitmaps is None else bitmaps[np.newaxis], np.array([count]), layout, 1 << 16
    )
    assert found.sample == table.astype(">u8").tobytes()[:4096]
    if not extended:
        whole = overwritten_l1(words, layout, 1 << 16)
        assert whole is not None
        assert whole.sample == table.astype(">u8").tobytes()[:4096]


@pytest.mark.parametrize("bits", [9, 12, 16])
@pytest.mark.parametrize("external", [False, True])
@pytest.mark.parametrize("seed", range(20))
def test_tables_with_entries_around_every_limit_are_judged_as_the_rule_says(
    seed: int, external: bool, bits: int
) -> None:
    """Around the end of the file and the reach, with neighbours that are the same, plain and compressed."""
    rng = random.Random(seed)
    size = 1 << bits
    layout = replace(
        geometry(), cluster_bits=bits, refcount_table_clusters=1, refcount_order=rng.choice([4, 6, 0]),
        external_data_file=external, l1_entry_count=rng.choice([1, 1000]), virtual_size=rng.choice([size, 1 << 40]),
    )  # fmt: skip
    file_size = rng.choice([20, 21]) * size + rng.choice([0, 0, 512])
    mapped = max(layout.virtual_size, layout.l1_entry_count * layout.l1_coverage)
    for _ in range(30):
        limits = [file_size, limit_of(layout, file_size), min(1 << 56, mapped), 1 << 56]
        words: list[int] = []
        while len(words) < 12:
            near = rng.choice(limits) // size * size + rng.choice([-size, 0, size, -512, 512])
            place = near % (1 << 57) & 0x00FF_FFFF_FFFF_FE00
            kind = rng.randrange(5)
            if kind == 0:
                words.append(1 << 62 | (rng.choice(limits) + rng.choice([-1, 0, 1])) % (1 << 70 - bits))
            elif kind == 1:
                words.append(rng.choice([1 << number for number in range(64)]) | place)
            else:
                words += [place | rng.choice([0, 1, 1 << 63])] * rng.choice([1, 2])
        words = words[:12]
        entries = np.array([words], dtype=np.uint64)
        found = bool(overwritten_l2(entries, None, np.array([12]), layout, file_size))
        assert found == damaged_l2(words, layout, file_size)
        assert (overwritten_l1(entries[0], layout, file_size) is not None) == damaged_l1(words, layout, file_size)


@pytest.mark.parametrize("external", [False, True])
@pytest.mark.parametrize("bits", [9, 12, 16])
def test_a_table_in_which_every_entry_is_bad_in_one_way_alone_is_judged_as_the_rule_says(
    bits: int, external: bool
) -> None:
    """Nothing else in the table gives a reason to look at it closely."""
    size = 1 << bits
    layout = replace(
        geometry(), cluster_bits=bits, refcount_table_clusters=1, external_data_file=external, virtual_size=1 << 30
    )
    file_size = 32 * size
    limit, stream_end = limit_of(layout, file_size), 1 << 70 - bits
    alike = [place + by * size for place in (0, file_size, limit) for by in (-1, 0, 1) if place + by * size >= 0]
    tables = [[place] * 12 for place in alike]
    tables += [[number * size + 512 for number in range(12)], [16 * size + 512] * 12]
    tables += [[1 << bit] * 12 for bit in range(64)]
    tables += [[COMPRESSED | (limit + by) % stream_end] * 12 for by in (-1, 0, 1)]
    tables += [[COMPRESSED | 5 * size + 7] * 12]
    for words in tables:
        damaged = damaged_l2(words, layout, file_size)
        assert judged(words, layout, file_size) == damaged, hex(words[0])
        assert judged_by_the_second_reader(words, layout, file_size) == damaged, hex(words[0])
        found = overwritten_l1(np.array(words, dtype=np.uint64), layout, file_size)
        assert bool(found) == damaged_l1(words, layout, file_size), hex(words[0])


def test_text_is_what_can_be_printed_and_the_white_space_of_lines() -> None:
    for value in range(256):
        printable = 32 <= value < 127 or chr(value) in "\t\n\r"
        assert (content_of(b"ab%c" % value * 50 + b"a", None) == Content.TEXT) == printable, value


@pytest.mark.parametrize("bits", [8, 16, 32])
def test_one_count_is_a_block_and_none_is_not(bits: int) -> None:
    width = bits // 8
    assert reads_as_refcount_block(bytes(width - 1) + b"\x01" + bytes(64), bits)
    assert not reads_as_refcount_block(bytes(64), bits)
    assert not reads_as_refcount_block(b"", bits)
    counts = [1, 0, 0, 1]  # half of those up to the last one that is not zero
    assert reads_as_refcount_block(b"".join(count.to_bytes(width, "big") for count in counts), bits)
    counts = [1, 0, 0, 0, 1]
    assert not reads_as_refcount_block(b"".join(count.to_bytes(width, "big") for count in counts), bits)


def spread(distinct: int, most: int, length: int) -> bytes:
    """So many bytes of so many values, of which one comes `most` times and no other more often."""
    others = [number % 255 + 1 for number in range(distinct - 1)]
    rest = (others * (length // len(others) + 1))[: length - most]
    return bytes([255] * most + [each if each != 255 else 0 for each in rest])


@pytest.mark.parametrize(
    ("sample", "content"),
    [
        (b"\x90" + bytes(63), Content.OTHER),
        (b"\x90" * 2 + bytes(62), Content.ONE_BYTE),
        (b"\x90" * 2 + b"\x91" + bytes(5), Content.OTHER),
        (b"a" * 94 + b"b" + b"\x01" * 5, Content.TEXT),
        (b"a" * 93 + b"b" + b"\x01" * 6, Content.OTHER),
        (b"QFI\xfb" + b"\x07" * 60, Content.HEADER),
        ((512).to_bytes(8, "big") + (1 << 63 | 1024).to_bytes(8, "big"), Content.TABLE),
        ((512).to_bytes(8, "big") + (1 << 62 | 1024).to_bytes(8, "big"), Content.OTHER),
        (spread(170, 7, 511), Content.OTHER),
        (spread(170, 7, 512), Content.HIGH_ENTROPY),
        (spread(161, 5, 640), Content.HIGH_ENTROPY),
        (spread(160, 5, 640), Content.OTHER),
        (spread(200, 24, 576), Content.OTHER),
        (spread(200, 24, 577), Content.HIGH_ENTROPY),
        (bytes([1, 2, 3, 200]) * 200, Content.OTHER),
    ],
)
def test_what_a_table_was_overwritten_by_is_told_at_its_limits(sample: bytes, content: Content) -> None:
    assert content_of(sample, None) == content


def test_the_numbers_of_the_rule() -> None:
    assert (overwritten_tables.FEWEST_IMPOSSIBLE, overwritten_tables.LARGEST_COUNT, overwritten_tables.LARGE_FILE) == (
        8,
        31,
        32 << 40,
    )
    assert (overwritten_tables.SAMPLE_BYTES, overwritten_tables.HIGHEST_OFFSET) == (4096, 1 << 56)
