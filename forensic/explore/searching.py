"""Looking for bytes in the file or on the disk: hexadecimal, text, UTF-16 or a regular expression."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct

from forensic.finding import Range, Space

WINDOW_BYTES = 1 << 20
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
    """Where the search is now: the offset up to which everything has been looked at."""

    offset: int


def compile_pattern(text: str) -> Pattern:
    """Understand what was typed: `hex:4d 5a`, `u16:text`, `re:expression`, or text itself. Raises `BadPattern`."""
    kind, colon, rest = text.partition(":")
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
    """Every place from `start` on, in order, with a `Progress` after each window; bytes that cannot be read are
    skipped.

    A match does not cross from one range into another that is not its neighbour.
    """
    for begin, end in stretches:
        offset = max(begin, start)
        while offset < end:
            data = read(offset, min(WINDOW_BYTES + pattern.overlap, end - offset))
            step = min(WINDOW_BYTES, end - offset)
            if isinstance(data, bytes):
                for match in pattern.expression.finditer(data):
                    if match.end() > match.start() and match.start() < step:
                        yield Range(space, offset + match.start(), match.end() - match.start())
            offset += step
            yield Progress(offset)
