"""What is written is what was given, with holes where zeros fill whole blocks."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forensic.errors import OutputFailed
from forensic.output.chunk import Chunk, length_of
from forensic.output.raw_output import SPARSE_BLOCK, RawFile, StandardOutput, nonzero_runs
from forensic.output.segments import segments

BLOCKS = st.lists(st.sampled_from([bytes(SPARSE_BLOCK), b"\1" + bytes(SPARSE_BLOCK - 1), bytes(100), b"x"]), max_size=8)
STRETCHES = st.lists(
    st.one_of(st.integers(1, 9000), st.binary(min_size=1, max_size=300), BLOCKS.map(b"".join)), max_size=8
)


@given(BLOCKS.map(b"".join), st.integers(0, 3 * SPARSE_BLOCK))
def test_runs_cover_every_byte_that_is_not_zero_and_nothing_but_blocks(data: bytes, offset: int) -> None:
    kept = bytearray(len(data))
    end_before = -1
    for start, end in nonzero_runs(memoryview(data), offset):
        assert end_before < start < end <= len(data)
        assert start == 0 or (offset + start) % SPARSE_BLOCK == 0
        assert end == len(data) or (offset + end) % SPARSE_BLOCK == 0
        kept[start:end] = data[start:end]
        end_before = end
    assert bytes(kept) == data
    whole = range(-offset % SPARSE_BLOCK, len(data) - SPARSE_BLOCK + 1, SPARSE_BLOCK)
    runs = nonzero_runs(memoryview(data), offset)
    for start in whole:
        if not any(data[start : start + SPARSE_BLOCK]):
            assert not any(first <= start < last for first, last in runs)


@given(STRETCHES, st.one_of(st.none(), st.integers(1, 5000)), st.booleans())
def test_files_hold_what_was_given(
    tmp_path_factory: pytest.TempPathFactory, given_: list[int | bytes], segment: int | None, sparse: bool
) -> None:
    folder = tmp_path_factory.mktemp("raw")
    chunks: list[Chunk] = [entry if isinstance(entry, int) else memoryview(entry) for entry in given_]
    disk = b"".join(bytes(chunk) for chunk in chunks)
    parts = segments(folder / "d.raw", len(disk), segment)
    raw = RawFile(parts, sparse, force=False)
    offset = 0
    for chunk in chunks:
        raw.take(offset, chunk)
        offset += length_of(chunk)
    assert not any(part.path.exists() for part in parts)
    raw.complete()
    assert b"".join(part.path.read_bytes() for part in parts) == disk
    assert sorted(folder.iterdir()) == [part.path for part in parts]


def test_a_file_that_appeared_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    parts = segments(tmp_path / "d.raw", 3, None)
    raw = RawFile(parts, True, force=False)
    raw.take(0, memoryview(b"abc"))
    (tmp_path / "d.raw").write_bytes(b"precious")
    with pytest.raises(OutputFailed, match="file exists"):
        raw.complete()
    raw.abandon(keep=False)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"d.raw": b"precious"}


def test_a_link_in_place_of_the_partial_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "d.raw.partial").symlink_to(tmp_path / "precious")
    with pytest.raises(OutputFailed, match="exists"):
        RawFile(segments(tmp_path / "d.raw", 3, None), True, force=False)
    RawFile(segments(tmp_path / "d.raw", 3, None), True, force=True).complete()
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_standard_output_gets_zeros_as_zeros() -> None:
    reader, writer = os.pipe()
    output = StandardOutput(writer, [])
    output.take(0, memoryview(b"abc"))
    output.take(3, 5)
    output.complete()
    os.close(writer)
    assert os.read(reader, 100) == b"abc" + bytes(5)
    os.close(reader)


def test_a_terminal_is_no_place_for_a_disk() -> None:
    master, slave = os.openpty()
    with pytest.raises(OutputFailed, match="is a terminal"):
        StandardOutput(slave, [])
    os.close(slave)
    os.close(master)
