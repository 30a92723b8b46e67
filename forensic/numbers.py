"""Sizes and places as people write them (`2G`, `1MiB`, `0x8000`, `63s`), one grammar for all; counts and dates."""

from __future__ import annotations

import re
import time

SECTOR_SIZE = 512
NANOSECONDS = 1_000_000_000
"""Of a second."""

EARLIEST, LATEST = -62135596800, 253402300799
"""The first second of the year 1 and the last of 9999, after 1970; what lies outside has no date here."""

UNITS: dict[str, int] = {
    "": 1,
    "b": 1,
    "s": SECTOR_SIZE,
    **{letter: 1 << 10 * power for power, letter in enumerate("kmgtpe", 1)},
    **{letter + "ib": 1 << 10 * power for power, letter in enumerate("kmgtpe", 1)},
    **{letter + "b": 1000**power for power, letter in enumerate("kmgtpe", 1)},
}
"""Bytes of a unit, in lower case. `K` and `KiB` are 1024 and `KB` is 1000, as for dd and split; `s` is a sector."""

# Without IGNORECASE, which would take in more than ASCII. Compiled by the first size: most commands are given none.
_NUMBER = "(?P<hexadecimal>0[xX][0-9a-fA-F]+)|(?P<decimal>[0-9]+) ?(?P<unit>[a-zA-Z]*)"


def parse_size(text: str) -> int:
    """Bytes. Raises `ValueError` with a sentence that can be shown to the user."""
    match = re.fullmatch(_NUMBER, text.strip())
    if match is None or (match["unit"] or "").lower() not in UNITS:
        raise ValueError(f"{text!r} is not a size; sizes look like 4096, 0x1000, 64KiB, 2G, 1GB or 63s (sectors)")
    if match["hexadecimal"]:
        return int(match["hexadecimal"], 16)
    if len(match["decimal"]) > 20:
        raise ValueError(f"{text[:40]!r} is larger than any disk")
    return int(match["decimal"]) * UNITS[match["unit"].lower()]


def parse_range(text: str) -> tuple[int, int | None]:
    """Start and length of `START:LENGTH`; a negative start counts from the end, without a length it is the rest.

    Raises `ValueError`.
    """
    start, colon, length = text.partition(":")
    if not colon:
        raise ValueError(f"{text!r} is not a range; ranges look like START:LENGTH, as in 1MiB:512 or 63s:0x1000")
    sign = -1 if start.startswith("-") else 1
    return sign * parse_size(start.removeprefix("-")), parse_size(length) if length else None


def plain(number: float) -> float:
    """The number, as a whole one where it is one: RFC 8785 has no `1.0`, and a digest over it would be ours alone."""
    return int(number) if number.is_integer() else number


def counted(count: int, one: str, many: str = "") -> str:
    """A number and what it counts; `many` is the plural where that is not just an s more."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def in_utc(seconds: float, form: str = "%Y-%m-%dT%H:%M:%SZ") -> str:
    """Seconds after 1970 as a date; datetime is slow to load, and knows no more of such a date."""
    return time.strftime(form, time.gmtime(seconds))


def moment(nanoseconds: int) -> str | None:
    """Nanoseconds after 1970 as a date in UTC; None for 0, which stands for no time, and for what has no date."""
    import datetime  # not needed at start

    seconds, rest = divmod(nanoseconds, NANOSECONDS)
    if not nanoseconds or not EARLIEST <= seconds <= LATEST:
        return None
    text = (datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)).isoformat()  # noqa: DTZ001 - UTC, any year
    return f"{text}.{rest:09d}".rstrip("0") + "Z" if rest else f"{text}Z"
