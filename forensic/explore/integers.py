"""Bytes as integers and times, in either order: what an inspector shows where no structure is known."""

from __future__ import annotations

import struct

from forensic.numbers import in_utc
from forensic.untrusted import Untrusted

WANTED_BYTES = 8
"""Bytes that are looked at."""

_DATE = "%Y-%m-%d %H:%M:%S UTC"
_EARLIEST, _LATEST = 315532800, 4102444800  # 1980 and 2100: outside of them a number is hardly a time
_WINDOWS_EPOCH = -11644473600


def numbers_of(data: bytes, little_endian: bool = False) -> list[tuple[str, str]]:
    """Name and value of each way to read the first bytes; ways that need more bytes than there are are left out."""
    order = "little" if little_endian else "big"
    found: list[tuple[str, str]] = []
    for length in (1, 2, 4, 8):
        if len(data) < length:
            break
        number = int.from_bytes(data[:length], "little" if little_endian else "big")
        negative = number - (1 << 8 * length) if number >> (8 * length - 1) else None
        words = f"{number:#x}  {number:,}" + (f"  or {negative:,}" if negative is not None else "")
        found.append((f"{8 * length} bits", words))
        if length == 4 and _EARLIEST <= number < _LATEST:
            found.append(("Unix time", in_utc(number, _DATE)))
        if length == 8:
            found += _of_eight(data[:8], number, order)
    text = Untrusted(data[:WANTED_BYTES]).text
    return [*found, ("text", text)] if data else []


def _of_eight(data: bytes, number: int, order: str) -> list[tuple[str, str]]:
    found = []
    (real,) = struct.unpack("<d" if order == "little" else ">d", data)
    if 1e-9 < abs(real) < 1e15:
        found.append(("double", f"{real:.12g}"))
    seconds = number // 10_000_000 + _WINDOWS_EPOCH
    if _EARLIEST <= seconds < _LATEST:
        found.append(("FILETIME", in_utc(seconds, _DATE)))
    return found
