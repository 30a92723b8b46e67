"""Searching: every form of pattern, matches across windows, and none across what does not hang together."""

import pytest

from forensic.explore.searching import WINDOW_BYTES, BadPattern, Progress, compile_pattern, search
from forensic.finding import Range, Space


def found(content: bytes, text: str, stretches: list[tuple[int, int]] | None = None) -> list[int]:
    read = lambda offset, length: content[offset : offset + length]  # noqa: E731
    events = search(read, Space.HOST, stretches or [(0, len(content))], compile_pattern(text))
    return [event.offset for event in events if isinstance(event, Range)]


@pytest.mark.parametrize(
    ("text", "places"),
    [("QFI", [2]), ("hex:51 46 49", [2]), (r"hex:\x51\x46", [2]), ("u16:ab", [9]), ("re:[X-Z]{2}", [6]), ("Z.", [])],
)
def test_the_forms_of_a_pattern(text: str, places: list[int]) -> None:
    assert found(b"..QFI.XY.a\0b\0", text) == places


@pytest.mark.parametrize("text", ["", "hex:5", "hex:zz", "re:[", "u16:"])
def test_a_pattern_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(BadPattern):
        compile_pattern(text)


@pytest.mark.parametrize("text", ["needle", "re:need.e"])
def test_a_match_across_two_windows_is_found_once(text: str) -> None:
    content = bytearray(2 * WINDOW_BYTES + 100)
    for place in (WINDOW_BYTES - 3, WINDOW_BYTES, 2 * WINDOW_BYTES - 6):
        content[place : place + 6] = b"needle"
    assert found(bytes(content), text) == [WINDOW_BYTES, 2 * WINDOW_BYTES - 6]
    content[WINDOW_BYTES - 3 : WINDOW_BYTES + 3] = b"needle"
    assert found(bytes(content), text) == [WINDOW_BYTES - 3, 2 * WINDOW_BYTES - 6]


def test_holes_are_not_read_and_unreadable_bytes_are_passed_over() -> None:
    content = b"needle" + bytes(94) + b"needle"
    assert found(content, "needle", [(50, 106)]) == [100]
    events = list(search(lambda offset, length: "bad sector", Space.GUEST, [(0, 10)], compile_pattern("x")))
    assert events == [Progress(10, 10)]
