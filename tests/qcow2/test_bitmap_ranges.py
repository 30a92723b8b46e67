"""What a dirty bitmap marks, against the bits one after another, and against QEMU."""

import json
import shutil
import struct
import subprocess
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forensic.errors import WrongSupply
from forensic.evidence import Evidence, ReadFailed
from forensic.image import Qcow2Image
from forensic.qcow2.bitmap_ranges import Mark, MarkedRange, doubts, find_bitmap, marked_ranges, table_of
from tests.images import SOUND, header, opened, tiny
from tests.oracles import require

CLUSTER = 512
STRIDE = CLUSTER * 8
"""Bits in one cluster."""

DIRECTORY, TABLE, BITS = 6, 7, 8


def with_bitmap(
    entries: list[int],
    clusters: list[bytes],
    virtual_size: int,
    granularity_bits: int = 9,
    flags: int = 0,
    table_size: int | None = None,
    names: tuple[bytes, ...] = (b"marks",),
    kept: bool = True,
) -> bytes:
    """A tiny image whose bitmaps all have this table, and these clusters of bits from cluster 8 on."""
    directory = b""
    for name in names:
        size = len(entries) if table_size is None else table_size
        entry = struct.pack(">QIIBBHI", TABLE * CLUSTER, size, flags, 1, granularity_bits, len(name), 0) + name
        directory += entry.ljust(-(-len(entry) // 8) * 8, b"\0")
    extension = struct.pack(">IIIIQQ", 0x23852875, 24, len(names), 0, len(directory), DIRECTORY * CLUSTER)
    content = bytearray(tiny([], head=header(virtual_size=virtual_size), file_clusters=BITS + max(1, len(clusters))))
    content[88:96] = int(kept).to_bytes(8, "big")
    content[112 : 112 + len(extension)] = extension
    content[DIRECTORY * CLUSTER : DIRECTORY * CLUSTER + len(directory)] = directory
    table = struct.pack(f">{len(entries)}Q", *entries)
    content[TABLE * CLUSTER : (TABLE + 1) * CLUSTER] = table.ljust(CLUSTER, b"\0")
    for number, bits in enumerate(clusters):
        content[(BITS + number) * CLUSTER : (BITS + number + 1) * CLUSTER] = bits.ljust(CLUSTER, b"\0")
    return bytes(content)


def ranges(image: Qcow2Image, word: str = "marks") -> list[tuple[int, int, Mark]]:
    found = list(marked_ranges(table_of(image, find_bitmap(image, word))))
    assert [one.guest_offset for one in found[1:]] == [one.end for one in found[:-1]]
    return [(one.guest_offset, one.length, one.mark) for one in found]


def plainly(bits: list[bool], granularity: int, virtual_size: int) -> list[tuple[int, int, Mark]]:
    """The same by going one bit after the other."""
    found, at = [], 0
    for marked, group in groupby(bits):
        end = min(at + len(list(group)) * granularity, virtual_size)
        found.append((at, end - at, Mark.MARKED if marked else Mark.CLEAR))
        at = end
    return found


KINDS = st.sampled_from(["zeros", "ones", "bits"])


@given(kinds=st.lists(KINDS, min_size=1, max_size=4), data=st.data(), granularity_bits=st.integers(9, 16))
def test_the_ranges_are_those_of_the_bits(
    kinds: list[str], data: st.DataObject, granularity_bits: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    granularity = 1 << granularity_bits
    last = data.draw(st.integers(1, STRIDE))
    entries, clusters, bits = list[int](), list[bytes](), list[bool]()
    for kind in kinds:
        if kind == "bits":
            entries.append((BITS + len(clusters)) * CLUSTER)
            clusters.append(data.draw(st.binary(min_size=0, max_size=40)).ljust(CLUSTER, b"\0"))
            bits += [bool(byte >> bit & 1) for byte in clusters[-1] for bit in range(8)]
        else:
            entries.append(int(kind == "ones"))
            bits += [kind == "ones"] * STRIDE
    count = len(bits) - STRIDE + last
    size = (count - 1) * granularity + data.draw(st.integers(1, granularity))
    content = with_bitmap(entries, clusters, size, granularity_bits)
    with opened(tmp_path_factory.mktemp("bitmap"), content) as image:
        assert ranges(image) == plainly(bits[:count], granularity, size)


UNKNOWN = (0, STRIDE * 512, Mark.UNKNOWN)


@pytest.mark.parametrize(
    "entry",
    [1 << 60 | BITS * CLUSTER, BITS * CLUSTER | 1, BITS * CLUSTER | 2, 1 << 20, 2, 1 << 63],
    ids=["reserved", "offset-and-ones", "low-bits", "outside", "reserved-zero", "top"],
)
def test_what_an_entry_cannot_mean_is_unknown(entry: int, tmp_path: Path) -> None:
    content = with_bitmap([entry, 1], [b"\xff"], STRIDE * 512 + 1)
    with opened(tmp_path, content) as image:
        assert ranges(image) == [UNKNOWN, (STRIDE * 512, 1, Mark.MARKED)]


def test_what_a_table_that_is_too_short_leaves_out_is_unknown(tmp_path: Path) -> None:
    with opened(tmp_path, with_bitmap([1], [], STRIDE * 512 * 3 + 5)) as image:
        assert ranges(image) == [(0, STRIDE * 512, Mark.MARKED), (STRIDE * 512, STRIDE * 1024 + 5, Mark.UNKNOWN)]


def test_a_granularity_that_is_too_large_says_nothing(tmp_path: Path) -> None:
    for bits, mark in ((31, Mark.MARKED), (32, Mark.UNKNOWN), (255, Mark.UNKNOWN)):
        with opened(tmp_path, with_bitmap([1], [], 4096, granularity_bits=bits)) as image:
            assert ranges(image) == [(0, 4096, mark)]


def test_bits_that_the_file_is_too_short_for_are_unknown(tmp_path: Path) -> None:
    content = with_bitmap([BITS * CLUSTER], [b"\xff" * CLUSTER], STRIDE * 512)
    with opened(tmp_path, content[: BITS * CLUSTER + 10]) as image:
        assert ranges(image) == [(0, 80 * 512, Mark.MARKED), (80 * 512, (STRIDE - 80) * 512, Mark.UNKNOWN)]


def test_bits_that_cannot_be_read_are_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path, with_bitmap([BITS * CLUSTER], [b"\xff"], STRIDE * 512)) as image:
        table = table_of(image, find_bitmap(image, "marks"))

        def failing(self: Evidence, host_offset: int, length: int) -> bytes:
            raise ReadFailed(host_offset, length, "bad sector")

        monkeypatch.setattr(Evidence, "read_at", failing)
        assert list(marked_ranges(table)) == [MarkedRange(*UNKNOWN)]


def test_a_cluster_that_all_entries_lead_to_is_not_read_for_ever(tmp_path: Path) -> None:
    """There cannot be more clusters of bits than the file has clusters."""
    count = 40
    content = with_bitmap([BITS * CLUSTER] * count, [b"\xff" * CLUSTER], count * STRIDE * 512)
    clusters = len(content) // CLUSTER + 1
    assert clusters < count
    with opened(tmp_path, content) as image:
        marked = clusters * STRIDE * 512
        assert ranges(image) == [(0, marked, Mark.MARKED), (marked, count * STRIDE * 512 - marked, Mark.UNKNOWN)]


def test_a_bitmap_is_found_by_name_or_by_place(tmp_path: Path) -> None:
    names = (b"one", b"two", b"two", b"1")
    with opened(tmp_path, with_bitmap([1], [], 512, names=names)) as image:
        assert [find_bitmap(image, word).index for word in ("one", "#0", "1", "#2", "3")] == [0, 0, 3, 2, 3]
        with pytest.raises(WrongSupply, match="2 bitmaps have the name two: choose among #1, #2"):
            find_bitmap(image, "two")
        for word in ("three", "#4", "#", "-1", "٣"):
            with pytest.raises(WrongSupply, match="4 can be read"):
                find_bitmap(image, word)


def test_bits_that_need_not_be_up_to_date_are_said_to_be(tmp_path: Path) -> None:
    for flags, kept, count in ((0, True, 0), (1, True, 1), (0, False, 1), (1, False, 2)):
        with opened(tmp_path, with_bitmap([1], [], 512, flags=flags, kept=kept)) as image:
            assert len(doubts(image, find_bitmap(image, "marks"))) == count


def test_qemu_marks_the_same(tmp_path: Path) -> None:
    require("qemu-img", "qemu-io", "qemu-nbd", "nbdinfo")
    made = """
    qemu-img create -q -f qcow2 a.qcow2 64M; qemu-img bitmap --add -g 64k a.qcow2 since-backup
    qemu-io -c 'write -P 3 1M 1M' -c 'write -P 4 60M 2M' -c 'write -P 5 5000000 1' a.qcow2
    qemu-nbd -r -t -k $PWD/s -B since-backup a.qcow2 & for _ in $(seq 100); do [ -S s ] && break; sleep 0.05; done
    nbdinfo --json --map=qemu:dirty-bitmap:since-backup "nbd+unix:///?socket=$PWD/s" > map.json; kill $!; wait || true
    """
    subprocess.run(["bash", "-ec", made], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    expected = json.loads((tmp_path / "map.json").read_text())
    with Qcow2Image(Evidence(tmp_path / "a.qcow2")) as image:
        found = ranges(image, "since-backup")
    assert found == [(one["offset"], one["length"], Mark.MARKED if one["type"] else Mark.CLEAR) for one in expected]


def test_a_sample_marks_what_was_written(tmp_path: Path) -> None:
    shutil.copyfile(SOUND / "bitmaps-512.qcow2", tmp_path / "image.qcow2")
    with Qcow2Image(Evidence(tmp_path / "image.qcow2")) as image:
        marked = [one for one in ranges(image, "backup") if one[2] != Mark.CLEAR]
    assert marked == [(0x400, 0x200, Mark.MARKED), (0x8000, 0x400, Mark.MARKED)]
