"""E01 written, and read back by a plain reader and by libewf's programs."""

import hashlib
import os
import random
import struct
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forensic.e01 import layout
from forensic.e01.layout import CaseData, error_sectors, extension
from forensic.e01.writer import E01Output, segments_after
from forensic.errors import OutputFailed
from tests.e01.reading import CHUNK, read
from tests.oracles import require

CASE = CaseData("2026-17", "3", "A. Exämple", "Laptop,\tvirtual\nmachine", "日本", "qcowscope 0", "Linux", 1790000000)


def write(
    base: Path,
    parts: list[bytes | int],
    level: int = 1,
    segment_size: int | None = None,
    unread: list[tuple[int, int]] | None = None,
    force: bool = False,
) -> E01Output:
    """A container of a disk that comes in these parts; a number is so many zeros."""
    size = sum(part if isinstance(part, int) else len(part) for part in parts)
    output = E01Output(base, size, CASE, lambda: unread or [], level, segment_size, force)
    at = 0
    for part in parts:
        output.take(at, part if isinstance(part, int) else memoryview(part))
        at += part if isinstance(part, int) else len(part)
    output.finish()
    output.complete()
    return output


def disk_of(parts: list[bytes | int]) -> bytes:
    disk = b"".join(bytes(part) if isinstance(part, int) else part for part in parts)
    return disk.ljust(-(-len(disk) // 512) * 512, b"\0")


SIZES = st.one_of(st.integers(1, 100), st.integers(1, 5 * CHUNK), st.sampled_from([CHUNK, 2 * CHUNK, 512]))
PARTS = st.lists(
    st.one_of(SIZES, st.builds(lambda size, seed: random.Random(seed).randbytes(size), SIZES, SIZES)),
    min_size=1,
    max_size=8,
)


@given(parts=PARTS, level=st.sampled_from([0, 1, 9]))
def test_the_disk_comes_back_with_its_hashes(
    parts: list[bytes | int], level: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    output = write(tmp_path_factory.mktemp("e01") / "x", parts, level)
    found, disk = read(output.files), disk_of(parts)
    assert found.disk == disk
    assert (found.md5, found.sha1) == (hashlib.md5(disk).hexdigest(), hashlib.sha1(disk).hexdigest())
    assert output.hashes == {"md5": found.md5, "sha1": found.sha1}
    (sections,) = found.sections
    assert sections == [
        "header2",
        "header2",
        "header",
        "volume",
        "sectors",
        "table",
        "table2",
        "digest",
        "hash",
        "done",
    ]


def test_segments_have_the_size_that_was_asked_for_and_one_identity(tmp_path: Path) -> None:
    size = 1 << 20
    noise = random.Random(1).randbytes(5 << 20)
    output = write(tmp_path / "x", [noise, 64 << 20], segment_size=size)
    assert [path.name for path in output.files] == [f"x.E{number:02}" for number in range(1, len(output.files) + 1)]
    sizes = [path.stat().st_size for path in output.files]
    assert len(sizes) > 5
    assert max(sizes) <= size
    assert min(sizes[:5]) > size - 2 * CHUNK
    found = read(output.files)
    assert found.disk == noise + bytes(64 << 20)
    assert len(set(found.volumes)) == 1
    assert [sections[0] for sections in found.sections[1:]] == ["data"] * (len(sizes) - 1)
    sectors = struct.unpack_from("<4xIIIQ", found.volumes[0])
    assert sectors == (69 * 32, 64, 512, 69 * 2048)


def test_a_table_and_a_section_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "MAX_TABLE_ENTRIES", 10)
    assert read(write(tmp_path / "x", [25 * CHUNK]).files).tables == [10, 10, 5]
    monkeypatch.setattr(layout, "MAX_SECTORS_SECTION", 76 + 3 * (CHUNK + 4))
    found = read(write(tmp_path / "y", [random.Random(1).randbytes(5 * CHUNK)]).files)
    assert found.tables == [3, 2]


def test_the_limits_are_those_of_the_format() -> None:
    assert layout.MAX_TABLE_ENTRIES == 65534
    assert layout.MAX_SECTORS_SECTION < 1 << 31


def test_a_terabyte_of_zeros_is_written_in_large_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    append = E01Output._append

    def counted(self: E01Output, data: bytes) -> None:
        calls.append(len(data))
        append(self, data)

    monkeypatch.setattr(E01Output, "_append", counted)
    output = write(tmp_path / "x", [1 << 28])
    assert len(calls) < 24
    assert sum(read(output.files).tables) == 8192


def test_what_was_not_read_is_listed_in_sectors(tmp_path: Path) -> None:
    unread = [(0, 512), (1000, 1030), (1030, 1500), (4096, 8192)]
    found = read(write(tmp_path / "x", [1 << 16], unread=unread).files)
    assert found.errors == [(0, 3), (8, 8)]
    assert "error2" in found.sections[0]


@given(st.lists(st.tuples(st.integers(0, 1 << 14), st.integers(1, 2000)), max_size=10))
def test_unread_sectors_are_those_that_hold_an_unread_byte(pairs: list[tuple[int, int]]) -> None:
    ranges, at = [], 0
    for gap, length in pairs:
        ranges.append((at + gap, at + gap + length))
        at += gap + length
    expected = {sector for start, end in ranges for sector in range(start // 512, -(-end // 512))}
    found = error_sectors(ranges)
    assert {sector for start, count in found for sector in range(start, start + count)} == expected
    assert all(first + count < after for (first, count), (after, _) in pairwise(found))


def test_sectors_past_what_a_number_can_hold_are_left_out() -> None:
    end = 1 << 32
    assert error_sectors([(512 * (end - 2), 512 * (end + 5)), (512 * (end + 9), 512 * (end + 10))]) == [(end - 2, 2)]
    assert error_sectors([(0, 512 * (end + 5))]) == [(0, end - 1)]


def test_case_data_cannot_leave_their_fields(tmp_path: Path) -> None:
    texts = read(write(tmp_path / "x", [512]).files).texts
    names, values = (line.split("\t") for line in texts["header2"].split("\n")[2:4])
    case = dict(zip(names, values, strict=True))
    assert (case["a"], case["c"], case["n"], case["e"]) == ("Laptop, virtual machine", "2026-17", "3", "A. Exämple")
    assert (case["t"], case["m"], case["av"]) == ("日本", "1790000000", "qcowscope 0")
    lines = texts["header"].split("\r\n")
    assert dict(zip(lines[2].split("\t"), lines[3].split("\t"), strict=True))["m"] == "2026 9 21 14 13 20"


def test_the_segments_are_numbered_and_then_lettered() -> None:
    named = {1: "E01", 99: "E99", 100: "EAA", 101: "EAB", 126: "EBA", 775: "EZZ", 776: "FAA", 14971: "ZZZ"}
    assert {number: extension(number) for number in named} == named
    with pytest.raises(ValueError, match="14,971"):
        extension(14972)


def test_what_is_there_is_left_alone_or_written_over_as_a_whole(tmp_path: Path) -> None:
    noise = random.Random(1).randbytes(3 << 20)
    write(tmp_path / "x", [noise], segment_size=1 << 20)
    assert len(segments_after(tmp_path / "x", 0)) == 4
    with pytest.raises(OutputFailed, match="exists"):
        write(tmp_path / "x", [512])
    assert len(segments_after(tmp_path / "x", 0)) == 4
    write(tmp_path / "x", [512], force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["x.E01"]
    assert read([tmp_path / "x.E01"]).disk == bytes(512)


def test_a_container_that_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    output = E01Output(tmp_path / "x", 5 << 20, CASE, list, segment_size=1 << 20)
    output.take(0, memoryview(random.Random(1).randbytes(3 << 20)))
    assert [path.name[-8:] for path in tmp_path.iterdir()] == [".partial"] * len(list(tmp_path.iterdir()))
    output.abandon(keep=False)
    assert list(tmp_path.iterdir()) == []


def test_the_same_disk_makes_the_same_container_if_the_time_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    once, again = (write(tmp_path / name, [b"x" * 5000]).files[0].read_bytes() for name in "ab")
    assert once != again  # a container has an identity
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    once, again = (write(tmp_path / name, [b"x" * 5000]).files[0].read_bytes() for name in "cd")
    assert once == again


def ewf(*command: str | os.PathLike[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("segment_size", [None, 1 << 20])
@pytest.mark.parametrize("level", [0, 1, 9])
def test_libewf_reads_it(segment_size: int | None, level: int, tmp_path: Path) -> None:
    require("ewfverify", "ewfinfo", "ewfexport")
    parts: list[bytes | int] = [b"boot" * 1000, 3 << 20, random.Random(2).randbytes(2 << 20), 10 << 20, b"end"]
    output = write(tmp_path / "x", parts, level, segment_size, [(512, 1024), (1 << 20, 1 << 21)])
    assert "ewfverify: SUCCESS" in ewf("ewfverify", output.files[0])
    said = ewf("ewfinfo", output.files[0])
    for line in (
        "File format:\t\tEnCase 6", "Case number:\t\t2026-17", "Examiner name:\t\tA. Exämple", "Notes:\t\t\t日本",
        "Description:\t\tLaptop, virtual machine", "total number: 2", "at sector(s): 1 - 1 number: 1",
        "at sector(s): 2048 - 4095 number: 2048", f"MD5:\t\t\t{output.hashes['md5']}",
        f"SHA1:\t\t\t{output.hashes['sha1']}",
    ):  # fmt: skip
        assert line in said
    ewf("ewfexport", "-q", "-u", "-f", "raw", "-t", tmp_path / "out", output.files[0])
    assert (tmp_path / "out.raw").read_bytes() == disk_of(parts)
