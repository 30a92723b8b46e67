"""Names and places of segments, and reading them in a row."""

from pathlib import Path

import pytest

from forensic.output.segments import MAX_SEGMENTS, Segment, read_in_a_row, read_part, segments

OUT = Path("folder/out.raw")


def test_a_disk_that_is_not_split_is_one_file() -> None:
    assert segments(OUT, 1000, None) == [Segment(1, OUT, 0, 1000)]


def test_the_last_segment_holds_the_rest() -> None:
    assert segments(OUT, 1000, 400) == [
        Segment(1, Path("folder/out.raw.001"), 0, 400),
        Segment(2, Path("folder/out.raw.002"), 400, 400),
        Segment(3, Path("folder/out.raw.003"), 800, 200),
    ]


def test_an_empty_disk_has_one_empty_segment() -> None:
    assert segments(OUT, 0, 400) == [Segment(1, Path("folder/out.raw.001"), 0, 0)]


def test_numbers_have_as_many_digits_as_the_last_one_needs() -> None:
    assert [segment.path.name for segment in segments(OUT, 1000, 1)][::999] == ["out.raw.0001", "out.raw.1000"]
    assert segments(OUT, 999, 1)[-1].path.name == "out.raw.999"


def test_a_hostile_size_does_not_make_a_million_files() -> None:
    assert len(segments(OUT, MAX_SEGMENTS, 1)) == MAX_SEGMENTS
    with pytest.raises(ValueError, match="more than 100,000"):
        segments(OUT, MAX_SEGMENTS + 1, 1)


def test_files_are_read_as_if_they_were_one(tmp_path: Path) -> None:
    first, second, empty = (tmp_path / name for name in ("first", "second", "empty"))
    with first.open("wb") as stream:
        stream.truncate(3 << 20)
        stream.seek(1 << 20)
        stream.write(b"x" * 4096)
    second.write_bytes(b"yz")
    empty.touch()
    content, position, zeros = b"", 0, 0
    for offset, chunk in read_in_a_row([first, empty, second]):
        assert offset == position
        content += bytes(chunk)
        zeros += chunk if isinstance(chunk, int) else 0
        position = len(content)
    assert content == first.read_bytes() + second.read_bytes()
    assert zeros > 2 << 20


@pytest.mark.parametrize("offset", range(8))
@pytest.mark.parametrize("length", range(8))
def test_a_part_of_several_files_is_that_of_all_in_a_row(offset: int, length: int, tmp_path: Path) -> None:
    contents = {"a": b"012", "b": b"", "c": b"3", "d": b"45"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    found = read_part([tmp_path / name for name in contents], offset, length)
    assert found == b"012345"[offset : offset + length]
