"""What a comparison with a report amounts to, and where the first difference lies."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from forensic.extraction.verification import LISTED_WINDOWS, Differences, Verification, first_difference
from forensic.extraction.verify import raw_files
from forensic.output.hashes import Checkpoint
from forensic.output.segments import segment_path

SAME = Verification(10, 10, {"md5": "a", "sha1": "b"}, {"md5": "a", "sha1": "b"}, None)


@pytest.mark.parametrize(
    ("verification", "matches"),
    [
        (SAME, True),
        (replace(SAME, windows=Differences()), True),
        (replace(SAME, reservations=("something",), readings_differed=True), True),
        (replace(SAME, size_found=9), False),
        (replace(SAME, size_found=11), False),
        (replace(SAME, found={"md5": "a", "sha1": "c"}), False),
        (replace(SAME, found={"md5": "a"}), False),
        (replace(SAME, segments=(1,)), False),
        (replace(SAME, segment_sizes=((1, 5, 6),)), False),
        (replace(SAME, windows=Differences([(0, 512)])), False),
    ],
)
def test_everything_has_to_agree(verification: Verification, matches: bool) -> None:
    assert verification.matches is matches


def points(*digests: str) -> list[Checkpoint]:
    return [Checkpoint(100 * (number + 1), digest) for number, digest in enumerate(digests)]


@pytest.mark.parametrize(
    ("expected", "found", "sizes", "between"),
    [
        ("abc", "abc", (350, 350), (300, 350)),
        ("abc", "abc", (300, 350), (300, 350)),
        ("abc", "abc", (350, 300), (300, 350)),
        ("abc", "xbc", (350, 350), (0, 100)),
        ("abc", "abx", (350, 350), (200, 300)),
        ("abc", "ab", (350, 250), (200, 300)),
        ("", "", (50, 50), (0, 50)),
    ],
)
def test_the_first_difference_lies_behind_the_last_checkpoint_that_agrees(
    expected: str, found: str, sizes: tuple[int, int], between: tuple[int, int]
) -> None:
    assert first_difference(points(*expected), points(*found), *sizes) == between


def test_neighbouring_windows_are_one_and_the_rest_is_counted() -> None:
    found = Differences()
    for start in (0, 512, 2048, 2560, 8192):
        found.add(start, start + 512)
    assert found.ranges == [(0, 1024), (2048, 3072), (8192, 8704)]
    for number in range(LISTED_WINDOWS):
        found.add(10_000 + 1024 * number, 10_512 + 1024 * number)
    assert (len(found.ranges), found.not_listed) == (LISTED_WINDOWS, 3)


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_segments_are_found_by_the_common_name_or_the_first(count: int, tmp_path: Path) -> None:
    raw = tmp_path / "d.raw"
    parts = [segment_path(raw, number + 1, count) for number in range(count)]
    assert raw_files(raw, count) == [raw]  # nothing is there yet
    if count > 1:
        parts[-1].touch()
        assert raw_files(raw, count) == [raw]  # what has no first segment is no disk
    for part in parts:
        part.touch()
    assert raw_files(raw, count) == (parts or [raw])
    if count:
        assert raw_files(parts[0], count) == (parts if count > 1 else [parts[0]])
        assert raw_files(parts[-1], count) == (parts if count == 1 else [parts[-1]])
    raw.touch()
    assert raw_files(raw, count) == [raw]
    assert raw_files(tmp_path, count) == [tmp_path]
