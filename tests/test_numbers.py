"""Sizes and ranges as people write them, and dates."""

import pytest

from forensic.numbers import counted, moment, parse_range, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("4096", 4096),
        ("4096B", 4096),
        ("0x1000", 4096),
        ("0XfF", 255),
        ("63s", 63 * 512),
        ("2K", 2048),
        ("2k", 2048),
        ("2KiB", 2048),
        ("2KB", 2000),
        ("1M", 1 << 20),
        ("1 MiB", 1 << 20),
        ("1MB", 10**6),
        ("3G", 3 << 30),
        ("3GiB", 3 << 30),
        ("3GB", 3 * 10**9),
        ("1T", 1 << 40),
        ("1TB", 10**12),
        (" 5 ", 5),
    ],
)
def test_a_size_has_an_optional_unit(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "K", "1.5G", "-1", "1X", "1KBB", "0x", "0x10K", "1_000", "٣", "1" * 30])
def test_what_is_not_a_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"size|disk"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0:512", (0, 512)),
        ("1M:2K", (1 << 20, 2048)),
        ("63s:", (63 * 512, None)),
        ("-1M:512", (-(1 << 20), 512)),
        ("0x200:0x10", (512, 16)),
    ],
)
def test_a_range_is_start_and_length(text: str, found: tuple[int, int | None]) -> None:
    assert parse_range(text) == found


@pytest.mark.parametrize("text", ["", "512", ":512", "1:2:3", "a:1", "1:-1"])
def test_what_is_not_a_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"size|range"):
        parse_range(text)


def test_a_count_has_its_noun_in_the_right_number() -> None:
    assert [counted(count, "cluster") for count in (0, 1, 1234)] == ["0 clusters", "1 cluster", "1,234 clusters"]
    assert [counted(count, "entry", "entries") for count in (1, 2)] == ["1 entry", "2 entries"]


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, None), (1, "1970-01-01T00:00:00.000000001Z"), (1_767_225_600 * 10**9, "2026-01-01T00:00:00Z"),
        (-(10**9), "1969-12-31T23:59:59Z"), (253402300799 * 10**9, "9999-12-31T23:59:59Z"),
        (253402300800 * 10**9, None), (-(1 << 63) * 10**9, None), (1_500_000_000, "1970-01-01T00:00:01.5Z"),
    ],
)  # fmt: skip
def test_times_have_nanoseconds_and_no_bound_breaks_them(nanoseconds: int, text: str | None) -> None:
    assert moment(nanoseconds) == text
