"""Tables that are damaged as a whole: the rule in plain words decides, everywhere the same."""

import random
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forensic.checking import check
from forensic.image import open_image
from forensic.mapping.extents import Extent, Reason, State, extent
from forensic.mapping.rows import joined
from forensic.qcow2.geometry import Geometry
from forensic.qcow2.overwritten_tables import Content, content_of, overwritten_l1, overwritten_l2, reach
from samples.kinds import Kind
from tests.images import COMPRESSED, COPIED, L2, QCOW2, geometry, header, opened, sample, tiny
from tests.qcow2.plain_overwritten import damaged_l1, damaged_l2

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
    assert judged(words, layout) == (bad * 4 >= 32 * 3)
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
    assert judged(padded, layout, file_size) == damaged_l2(padded, layout, file_size)
    found = overwritten_l1(np.array(padded, dtype=np.uint64), layout, file_size)
    assert bool(found) == damaged_l1(padded, layout, file_size)


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
