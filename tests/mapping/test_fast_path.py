"""Decoded without arrays or with them, a disk has the same extents; numpy is loaded for those that need it."""

import os
import random
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forensic.disk.disk import Disk
from forensic.evidence import Evidence, ReadFailed
from forensic.image import Qcow2Image, open_image
from forensic.mapping import fast_path
from forensic.mapping.extents import Extent, Run, extent
from forensic.mapping.rows import joined
from samples.kinds import KINDS, Kind
from tests.images import COMPRESSED, COPIED, L2, QCOW2, SOUND, ZERO, header, opened, sample, tiny

ROOT = Path(__file__).resolve().parent.parent.parent
SIZE = 1 << 16
"""Of the disks made here: two L2 tables of 64 clusters of 512 bytes."""


def with_arrays(disk: Disk, start: int, end: int) -> list[Extent]:
    return [extent(run) for rows in joined(disk.row_batches(start, end)) for run in rows.tolist()]


def few(image: Qcow2Image, start: int, end: int) -> list[Run]:
    return [run for runs in image.disk().layers[0].few_runs(start, end) for run in runs]


def assert_alike(image: Qcow2Image, start: int, end: int) -> None:
    """What few entries give is the beginning of what arrays give, and all of it together the whole."""
    disk = image.disk()
    expected = with_arrays(disk, start, end)
    early = [extent(run) for run in few(image, start, end)]
    assert early == expected[: len(early)]
    assert list(disk.extents(start, end)) == expected


@pytest.mark.parametrize("kind", QCOW2, ids=lambda kind: kind.name)
def test_samples_have_the_same_extents_in_every_part(kind: Kind) -> None:
    numbers = random.Random(kind.name)
    with open_image(sample(kind)) as image:
        size = image.virtual_size
        parts = [(0, size), *(sorted((numbers.randrange(size), numbers.randrange(size + 1))) for _ in range(20))]
        for start, end in parts:
            assert_alike(image, start, end)


COMPLETE_WITHOUT_ARRAYS = ["data-512", "data-v2-512", "deflate-4k", "zstd-4k", "empty-512", "luks-4k", "grown"]


@pytest.mark.parametrize("name", COMPLETE_WITHOUT_ARRAYS)
def test_a_sound_disk_is_decoded_to_its_end(name: str) -> None:
    with open_image(sample(KINDS[name])) as image:
        *_, last = few(image, 0, image.virtual_size)
        assert last[0] + last[1] == image.virtual_size


HOSTS = st.integers(0, 20).map(lambda cluster: cluster * 512)
SOUND_ENTRIES = st.one_of(
    st.just(0),
    HOSTS,
    HOSTS.map(lambda host: host | COPIED),
    HOSTS.map(lambda host: host | ZERO),
    st.builds(lambda host, sectors: COMPRESSED | sectors << 61 | host, st.integers(0, 9000), st.integers(0, 1)),
)
ANY_ENTRY = st.one_of(SOUND_ENTRIES, st.integers(0, (1 << 64) - 1))


def runs_of(entries: st.SearchStrategy[int]) -> st.SearchStrategy[list[int]]:
    """Tables in which some entries go on where those before them end, some with a reserved bit in the last of them."""
    stretches = st.tuples(entries, st.integers(1, 9), st.sampled_from((0, 512, 512)), st.sampled_from((0, 0, 0, 58)))
    return st.lists(stretches, max_size=12).map(_spread)


def _spread(stretches: Iterable[tuple[int, int, int, int]]) -> list[int]:
    return [
        (first + number * step) % (1 << 64) | (1 << bit if bit and number == count - 1 else 0)
        for first, count, step, bit in stretches
        for number in range(count)
    ][:128]


@settings(deadline=None, max_examples=300)
@given(
    runs_of(st.one_of(SOUND_ENTRIES, SOUND_ENTRIES, ANY_ENTRY)),
    st.sampled_from((2, 3)),
    st.sampled_from(([COPIED | L2 * 512, 5 * 512], [0, L2 * 512], [L2 * 512, 0], [L2 * 512, L2 * 512], [7, L2 * 512])),
    st.tuples(st.integers(0, SIZE), st.integers(0, SIZE)).map(sorted),
)
def test_any_table_gives_the_same_extents(
    tmp_path_factory: pytest.TempPathFactory, words: list[int], version: int, l1: list[int], part: Sequence[int]
) -> None:
    head = header(version=version, virtual_size=SIZE, l1_size=2)
    with opened(tmp_path_factory.mktemp("few"), tiny(words, l1_entries=l1, head=head)) as image:
        assert_alike(image, *part)


WHOLE = (1 << 32) - 1
CLUSTER = 1 << 14
EXTENDED_ENTRIES = st.one_of(
    st.just((0, 0)),
    st.integers(5, 12).map(lambda number: (COPIED | number * CLUSTER, WHOLE)),
    st.integers(5, 12).map(lambda number: (number * CLUSTER, WHOLE)),
    st.just((COMPRESSED | 5 * CLUSTER, 0)),
    st.tuples(st.sampled_from((0, 5 * CLUSTER, ZERO)), st.sampled_from((0, 1, WHOLE, WHOLE << 32, 1 << 63))),
)


@settings(deadline=None, max_examples=200)
@given(st.lists(EXTENDED_ENTRIES, max_size=12), st.tuples(st.integers(0, 1 << 20), st.integers(0, 1 << 20)).map(sorted))
def test_any_table_of_extended_entries_gives_the_same_extents(
    tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[int, int]], part: Sequence[int]
) -> None:
    head = header(cluster_bits=14, virtual_size=1 << 20, features=1 << 4)
    words = [word for entry in entries for word in entry]
    with opened(tmp_path_factory.mktemp("few"), tiny(words, cluster_bits=14, head=head)) as image:
        assert_alike(image, *part)


@settings(deadline=None, max_examples=100)
@given(
    st.sampled_from((9, 12, 14)),
    st.dictionaries(st.integers(0, 2047), st.sampled_from((5, 6, COPIED, COMPRESSED, ZERO)), max_size=8),
    st.booleans(),
)
def test_entries_anywhere_in_a_table_of_any_size_give_the_same_extents(
    tmp_path_factory: pytest.TempPathFactory, bits: int, entries: dict[int, int], extended: bool
) -> None:
    bits, width = (14, 2) if extended else (bits, 1)
    count = (1 << bits) // 8 // width
    words = [0] * (count * width)
    for place, kind in entries.items():
        index = place % count * width
        words[index] = kind << bits if kind < 8 else kind | 5 << bits
        words[index + width - 1] |= WHOLE if extended and not words[index] & (COMPRESSED | ZERO) else 0
    head = header(cluster_bits=bits, virtual_size=count << bits, features=extended << 4)
    with opened(tmp_path_factory.getbasetemp(), tiny(words, cluster_bits=bits, head=head)) as image:
        assert_alike(image, 0, count << bits)
        assert_alike(image, 3, (count << bits) - 5)


def test_any_two_entries_side_by_side_give_the_same_extents(tmp_path: Path) -> None:
    """At the start of a table, and where one table ends and the next begins; each also past the end of the file."""
    places = [5 << 9, 6 << 9, 20 << 9]
    entries = [0, COPIED, ZERO, *places, *(place | ZERO for place in places), *(place | COMPRESSED for place in places)]
    head = header(virtual_size=SIZE, l1_size=2)
    for first in entries:
        for second in entries:
            for at in (0, 63):
                words = [0] * at + [first, second, second]
                with opened(tmp_path, tiny(words, l1_entries=[L2 * 512, 5 * 512], head=head)) as image:
                    assert_alike(image, 0, SIZE)


def test_whole_clusters_of_extended_entries_need_no_arrays(tmp_path: Path) -> None:
    head = header(cluster_bits=14, virtual_size=4 * CLUSTER, features=1 << 4)
    words = [5 * CLUSTER, WHOLE, 6 * CLUSTER, WHOLE, 0, 0, COMPRESSED | 7 * CLUSTER, 0]
    with opened(tmp_path, tiny(words, cluster_bits=14, head=head)) as image:
        assert [run[1] // CLUSTER for run in few(image, 0, 4 * CLUSTER)] == [2, 1, 1]


@pytest.mark.parametrize("bad", [7 * 512 | 1 << 58, 7 * 512 + 8, 1 << 40, 1 << 40 | ZERO, COMPRESSED | 1 << 40])
@pytest.mark.parametrize("at", [2, 64, 65, 127])
def test_a_table_that_needs_a_closer_look_is_left_to_the_arrays_and_so_is_the_run_before_it(
    tmp_path: Path, bad: int, at: int
) -> None:
    words = [0, 5 * 512, 6 * 512, 0, 8 * 512] + [9 * 512 + 512 * number for number in range(3)] + [0] * 120
    words[60:64] = [5 * 512 + 512 * number for number in range(4)]
    words[64:66] = [9 * 512, 10 * 512]  # the run goes on in the second table
    words[at] = bad
    content = tiny(words, l1_entries=[L2 * 512, 5 * 512], head=header(virtual_size=SIZE, l1_size=2))
    with opened(tmp_path, content) as image:
        found = few(image, 0, SIZE)
        assert sum(run[1] for run in found) in ((0,) if at < 64 else (60 * 512, 64 * 512))
        assert_alike(image, 0, SIZE)
        assert_alike(image, 40 * 512, 70 * 512)


def test_offsets_that_run_into_the_reserved_bits_are_left_to_the_arrays(tmp_path: Path) -> None:
    highest = 0x00FF_FFFF_FFFF_FE00
    with opened(tmp_path, tiny([highest | ZERO, highest + 512 | ZERO, 5 * 512])) as image:
        assert few(image, 0, 3 * 512) == []
        assert_alike(image, 0, 3 * 512)


def test_many_entries_are_left_to_the_arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_path, "FEW_ENTRIES", 64)
    head = header(virtual_size=SIZE, l1_size=2)
    with opened(tmp_path, tiny([5 * 512, 0, 6 * 512, 0] * 32, l1_entries=[L2 * 512, 5 * 512], head=head)) as image:
        assert len(few(image, 0, SIZE)) == 63
        assert_alike(image, 0, SIZE)


@pytest.mark.parametrize("seed", range(20))
def test_tables_that_are_not_there_continue_the_run_before_them(seed: int, tmp_path: Path) -> None:
    """L1 entries that lead to a table of data, to one of zeros, or nowhere, in any order; runs are never in parts."""
    rng = random.Random(seed)
    l1 = [rng.choice([0, COPIED | 4 * 512, COPIED | 6 * 512]) for _ in range(8)]
    content = bytearray(tiny([COPIED | 5 * 512] * rng.choice([1, 64]), head=header(virtual_size=1 << 18, l1_size=8)))
    content[6 * 512 : 7 * 512] = bytes(512)
    content[3 * 512 : 3 * 512 + 64] = b"".join(entry.to_bytes(8, "big") for entry in l1)
    with opened(tmp_path, bytes(content)) as image:
        expected = with_arrays(image.disk(), 0, 1 << 18)
        assert [extent(run) for run in few(image, 0, 1 << 18)] == expected


def image_at(folder: Path, l1_offset: int, l1: list[int], size: int, features: int = 0) -> Qcow2Image:
    """An image of 16 clusters and of an L1 table that may begin anywhere."""
    head = header(virtual_size=size, l1_size=len(l1), l1_offset=l1_offset, features=features)
    content = bytearray(tiny([COPIED | 5 * 512], head=head))
    content[15 * 512 :] = bytes(512)  # may be taken for an L2 table
    content[l1_offset : l1_offset + len(l1) * 8] = b"".join(entry.to_bytes(8, "big") for entry in l1)
    return opened(folder, bytes(content[: 16 * 512]))


LEADING = COPIED | L2 * 512
LAST = 16 * 512 - 8


@pytest.mark.parametrize(
    ("l1_offset", "l1", "size", "features", "taken"),
    [
        (3 * 512, [LEADING], 1 << 15, 0, True),
        (3 * 512, [LEADING], 1 << 15, 4, False),  # data lies in another file
        (3 * 512, [LEADING], (1 << 15) + 1, 0, False),  # an L1 entry is missing
        (3 * 512, [LEADING, 0], (1 << 15) + 1, 0, True),
        (3 * 512 + 8, [LEADING], 1 << 15, 0, False),  # no cluster boundary
        (3 * 512 + 256, [LEADING], 1 << 15, 0, False),
        (15 * 512, [LEADING] + [0] * 63, 1 << 15, 0, True),  # ends where the file ends
        (15 * 512, [LEADING] + [0] * 64, 1 << 15, 0, False),
        (3 * 512, [15 * 512], 1 << 15, 0, True),
        (3 * 512, [16 * 512], 1 << 15, 0, False),  # leads behind the file
        (3 * 512, [LEADING | 1], 1 << 15, 0, False),
        (3 * 512, [LEADING | 1 << 56], 1 << 15, 0, False),
        (3 * 512, [LEADING, 16 * 512], 1 << 15, 0, False),  # also where the disk does not need the entry
    ],
)
def test_an_l1_table_that_a_rule_would_report_is_left_to_the_arrays(
    l1_offset: int, l1: list[int], size: int, features: int, taken: bool, tmp_path: Path
) -> None:
    with image_at(tmp_path, l1_offset, l1, size, features) as image:
        assert bool(list(image.disk().layers[0].few_runs(0, size))) == taken
        if not features:
            assert_alike(image, 0, size)


@pytest.mark.parametrize("kept", [0, 1, 511, 512])
def test_a_table_that_the_file_end_cuts_is_left_to_the_arrays(kept: int, tmp_path: Path) -> None:
    content = tiny([0] * 64, head=header(virtual_size=1 << 15))[: L2 * 512 + kept]
    with opened(tmp_path, content) as image:
        assert bool(few(image, 0, 1 << 15)) == (kept == 512)
        assert_alike(image, 0, 1 << 15)


@pytest.mark.parametrize("by", [-1, 0, 1])
@pytest.mark.parametrize("limited", ["entries of the L1 table", "clusters of the file"])
def test_a_large_table_or_file_is_left_to_the_arrays(
    limited: str, by: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    l1 = [0] * (16 if limited == "clusters of the file" else 32 + by)
    clusters = 32 + by if limited == "clusters of the file" else 16
    monkeypatch.setattr(fast_path, "FEW_ENTRIES", 32)
    head = header(virtual_size=1 << 15, l1_size=len(l1))
    with opened(tmp_path, tiny([], l1_entries=l1, head=head, file_clusters=clusters)) as image:
        assert bool(few(image, 0, 1 << 15)) == (by <= 0)
        assert_alike(image, 0, 1 << 15)


def test_tables_of_many_bytes_are_left_to_the_arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_path, "FEW_TABLE_BYTES", 512)
    head = header(virtual_size=SIZE, l1_size=2)
    with opened(tmp_path, tiny([5 * 512], l1_entries=[L2 * 512, L2 * 512], head=head)) as image:
        assert few(image, 0, SIZE) == [(0, 512, 5 * 512, 0, 1, 0, 0, 0)]
        assert_alike(image, 0, SIZE)


def test_a_bad_sector_is_left_to_the_arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_at(self: Evidence, host_offset: int, length: int) -> bytes:
        raise ReadFailed(host_offset, length, "input/output error")

    with opened(tmp_path, tiny([5 * 512])) as image:
        disk = image.disk()
        monkeypatch.setattr(Evidence, "read_at", read_at)
        assert list(disk.layers[0].few_runs(0, SIZE)) == []


LOADED = """
import sys
from forensic.cli import main
status = main(sys.argv[1:])
print(status, "numpy" in sys.modules, file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("name", "loaded"),
    [("data-512", False), ("deflate-4k", False), ("zstd-4k", False), ("snapshots-512", False), ("extended-16k", True)],
)
@pytest.mark.parametrize("command", ["map", "extract"])
def test_arrays_are_loaded_for_those_who_need_them(command: str, name: str, loaded: bool, tmp_path: Path) -> None:
    output = ["-o", str(tmp_path / "disk.raw")] if command == "extract" else ["--json"]
    arguments = [command, str(SOUND / f"{name}.qcow2"), *output]
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments],
        cwd=ROOT, env=os.environ, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr.split() == ["0", str(loaded)]


@pytest.mark.parametrize("count", [1, 7, 8, 9])
@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    "entry",
    [
        0x5200,  # no cluster boundary
        0x5200 | ZERO,
        1 << 57 | 5 << 12,
        1 << 57 | 5 << 12 | ZERO,
        5 << 12 | 2,
        5 << 12 | 2 | ZERO,
        1 << 50,
        1 << 50 | ZERO,
        ZERO,
        COMPRESSED | 1 << 53,
        COMPRESSED | 5 << 12,
    ],
    ids=hex,
)
def test_what_may_be_damaged_as_a_whole_is_judged_with_arrays(
    entry: int, version: int, count: int, tmp_path: Path
) -> None:
    """From eight impossible entries on none is believed, be they sound by themselves or zeros."""
    head = header(version=version, cluster_bits=12, virtual_size=512 << 12)
    with opened(tmp_path, tiny([entry] * count, cluster_bits=12, head=head)) as image:
        assert_alike(image, 0, 512 << 12)


def reaches(image: Qcow2Image) -> int:
    """How far the disk is decoded without arrays."""
    runs = few(image, 0, image.virtual_size)
    return runs[-1][0] + runs[-1][1] if runs else 0


@pytest.mark.parametrize("by", [-1, 0, 1])
@pytest.mark.parametrize("last", ["data", "data of a run", "zeros", "stream", "L2 table", "L1 table"])
def test_what_ends_with_the_file_needs_no_arrays_and_what_the_file_end_cuts_does(
    by: int, last: str, tmp_path: Path
) -> None:
    head = header(virtual_size=64 * 512, l1_offset=5 * 512 if last == "L1 table" else None)
    words = {
        "data": [7 << 9],
        "data of a run": [6 << 9, 7 << 9],
        "zeros": [7 << 9 | ZERO],
        "stream": [COMPRESSED | (8 << 9) - 1],
    }.get(last, [])
    content = tiny(words, head=head, file_clusters={"L2 table": 5, "L1 table": 5}.get(last, 8))
    if last == "L1 table":
        content += (COPIED | L2 * 512).to_bytes(8, "big")
    content = content + b"\0" * by if by >= 0 else content[:by]
    with opened(tmp_path, content) as image:
        assert_alike(image, 0, 64 * 512)
        assert (reaches(image) == 64 * 512) == (by >= 0)


@pytest.mark.parametrize("by", [-1, 0, 1])
def test_so_many_entries_and_bytes_of_tables_are_few(by: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tables of 64 entries in use; an empty one, the first or between them, costs its bytes alone."""
    size = 4 * 64 * 512
    head = header(virtual_size=size, l1_size=4)
    content = tiny([5 << 9], head=head, l1_entries=[15 * 512, L2 * 512, 15 * 512, L2 * 512])
    content = content[: 15 * 512] + bytes(512)
    for name, limit in (("FEW_ENTRIES", 2 * 64 + by), ("FEW_TABLE_BYTES", 4 * 512 + by)):
        with monkeypatch.context() as patched, opened(tmp_path, content) as image:
            patched.setattr(fast_path, name, limit)
            assert_alike(image, 0, size)
            assert (reaches(image) == size) == (by >= 0), name


@pytest.mark.parametrize("by", [-1, 0, 1])
def test_so_many_clusters_of_file_and_l1_entries_are_few(
    by: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for l1_size, clusters in ((1, 200), (300, 16)):
        head = header(virtual_size=64 * 512, l1_size=l1_size, l1_offset=6 * 512)
        content = bytearray(tiny([], head=head, file_clusters=clusters))
        content[6 * 512 : 6 * 512 + 8 * l1_size] = (L2 * 512).to_bytes(8, "big") * l1_size
        monkeypatch.setattr(fast_path, "FEW_ENTRIES", max(l1_size, clusters) + by)
        with opened(tmp_path, bytes(content)) as image:
            assert_alike(image, 0, 64 * 512)
            assert (reaches(image) == 64 * 512) == (by >= 0)


@pytest.mark.parametrize("extended", [False, True])
def test_the_largest_tables_are_few_entries(extended: bool, tmp_path: Path) -> None:
    """A cluster of 64 KiB holds 8192 entries, or 4096 with subclusters."""
    head = header(cluster_bits=16, virtual_size=1 << 28, l1_size=1, features=extended << 4)
    words = [5 << 16, WHOLE] * 4096 if extended else [5 << 16] * 8192
    with opened(tmp_path, tiny(words, cluster_bits=16, head=head)) as image:
        assert_alike(image, 0, 1 << 28)
        assert reaches(image) == 1 << 28


@pytest.mark.parametrize("first", [14, 15, 16, 17])
@pytest.mark.parametrize("kind", ["data", "zeros", "stream"])
def test_of_a_table_whose_last_run_leaves_the_file_nothing_is_decoded_without_arrays(
    first: int, kind: str, tmp_path: Path
) -> None:
    """The run ends the second of three tables; the file has 16 clusters. What is before that table is given."""
    head = header(virtual_size=3 * 64 * 512, l1_size=3)
    count = 1 if kind == "stream" else 2
    flag = ZERO if kind == "zeros" else 0
    run = [COMPRESSED | first << 9] if kind == "stream" else [(first + number) << 9 | flag for number in range(count)]
    words = [6 << 9, *[0] * 63, 7 << 9, *[0] * (63 - count), *run]
    content = tiny(words, head=head, l1_entries=[4 * 512, 5 * 512, 4 * 512])
    leaves = first + count > 16
    with opened(tmp_path, content) as image:
        assert_alike(image, 0, 3 * 64 * 512)
        assert reaches(image) == (64 * 512 if leaves else 3 * 64 * 512)


@pytest.mark.parametrize("place", [3 * 512, 4 * 512, 5 * 512 + 100])
def test_a_table_on_a_bad_sector_is_left_to_the_arrays(
    place: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Evidence.read_into

    def failing(self: Evidence, host_offset: int, buffer: memoryview) -> None:
        if host_offset <= place < host_offset + len(buffer):
            raise ReadFailed(place, 1, "input/output error")
        real(self, host_offset, buffer)

    head = header(virtual_size=2 * 64 * 512, l1_size=2)
    with opened(tmp_path, tiny([6 << 9, 0], head=head, l1_entries=[4 * 512, 5 * 512])) as image:
        monkeypatch.setattr(Evidence, "read_into", failing)
        assert reaches(image) == (512 if place > 5 * 512 else 0)  # the run in hand might go on
        assert_alike(image, 0, 2 * 64 * 512)


@pytest.mark.parametrize("by", [-1, 0, 1])
def test_streams_that_begin_side_by_side_are_runs_of_their_own(by: int, tmp_path: Path) -> None:
    head = header(virtual_size=64 * 512)
    words = [COMPRESSED | 0xA10 + by * number for number in range(3)]
    with opened(tmp_path, tiny(words, head=head)) as image:
        assert_alike(image, 0, 64 * 512)
        assert [run[2] for run in few(image, 0, 64 * 512)][:3] == [0xA10 + by * number for number in range(3)]


@pytest.mark.parametrize("bitmap", [0, 1, WHOLE])
def test_a_stream_of_an_extended_entry_has_no_subclusters(bitmap: int, tmp_path: Path) -> None:
    head = header(cluster_bits=14, virtual_size=4 * CLUSTER, features=1 << 4)
    for place in (0, 5 * CLUSTER):
        with opened(tmp_path, tiny([COMPRESSED | place, bitmap], cluster_bits=14, head=head)) as image:
            assert_alike(image, 0, 4 * CLUSTER)
            assert bool(few(image, 0, 4 * CLUSTER)) == (bitmap == 0)
