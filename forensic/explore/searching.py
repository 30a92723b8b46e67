"""Looking for bytes in the file or on the disk: hexadecimal, text, UTF-16, letters of any case, or an expression."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct

from forensic.finding import Range, Space

WINDOW_BYTES = 1 << 20
PIECE_BYTES = 4096
"""Bytes that are tried one after the other where a window cannot be read at once."""

REGEX_OVERLAP = 4096
"""Bytes by which windows overlap for an expression whose length is not known."""

Read = Callable[[int, int], bytes | str]


class BadPattern(ValueError):
    """A pattern that cannot be understood; the text says why."""


class Pattern(Struct, frozen=True):
    """What is looked for; `overlap` bytes of a window are looked at again with the next."""

    expression: re.Pattern[bytes]
    overlap: int


class Progress(Struct, frozen=True):
    """Where the search is now: the offset up to which everything has been looked at.

    `unread` bytes before it could not be read, and may hold what is looked for.
    """

    offset: int
    unread: int = 0


def compile_pattern(text: str) -> Pattern:
    """Understand what was typed: `hex:4d 5a`, `u16:text`, `nocase:text`, `re:expression`, or text itself.

    Raises `BadPattern`.
    """
    kind, colon, rest = text.partition(":")
    if colon and kind in ("re", "nocase") and not rest:
        raise BadPattern("nothing to look for")
    if colon and kind == "nocase":
        return Pattern(re.compile(re.escape(rest.encode()), re.DOTALL | re.IGNORECASE), len(rest.encode()) - 1)
    if colon and kind == "re":
        try:
            return Pattern(re.compile(rest.encode(), re.DOTALL), REGEX_OVERLAP)
        except (re.error, OverflowError) as error:
            raise BadPattern(f"not a regular expression: {error}") from error
    wanted = _literal(kind, rest) if colon and kind in ("hex", "u16") else text.encode()
    if not wanted:
        raise BadPattern("nothing to look for")
    return Pattern(re.compile(re.escape(wanted), re.DOTALL), len(wanted) - 1)


def _literal(kind: str, text: str) -> bytes:
    if kind == "u16":
        return text.encode("utf-16-le")
    try:
        return bytes.fromhex(text.replace("\\x", " "))
    except ValueError as error:
        raise BadPattern("not hexadecimal: expected pairs of digits such as hex:51 46 49 fb") from error


def search(
    read: Read, space: Space, stretches: Iterable[tuple[int, int]], pattern: Pattern, start: int = 0
) -> Iterator[Range | Progress]:
    """Every place from `start` on, in order, with a `Progress` after each window, which counts what cannot be read.

    A match does not cross from one range into another that is not its neighbour.
    """
    unread = 0
    for begin, end in stretches:
        offset = max(begin, start)
        while offset < end:
            stop = min(offset + WINDOW_BYTES, end)
            unread += stop - offset
            for place, data in _readable(read, offset, min(stop + pattern.overlap, end)):
                unread -= max(0, min(place + len(data), stop) - place)
                for match in pattern.expression.finditer(data):
                    if match.end() > match.start() and place + match.start() < stop:
                        yield Range(space, place + match.start(), match.end() - match.start())
            offset = stop
            yield Progress(offset, unread)


def _readable(read: Read, offset: int, end: int) -> list[tuple[int, bytes | bytearray]]:
    """The parts of a window that can be read, each with where it begins; one bad cluster does not lose the others."""
    data = read(offset, end - offset)
    if isinstance(data, bytes) and len(data) == end - offset:
        return [(offset, data)]
    parts: list[tuple[int, bytearray]] = []
    for place in range(offset, end, PIECE_BYTES):
        piece = read(place, min(PIECE_BYTES, end - place))
        if not isinstance(piece, bytes) or not piece:
            continue
        if parts and parts[-1][0] + len(parts[-1][1]) == place:
            parts[-1][1].extend(piece)
        else:
            parts.append((place, bytearray(piece)))
    return [*parts]
