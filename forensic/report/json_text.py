"""A report as JSON: the same bytes for the same values, keys in order, nothing escaped that need not be."""

from __future__ import annotations

import msgspec

from forensic.untrusted import Json


def canonical(value: msgspec.Struct | Json) -> bytes:
    """The form of which a digest is taken: no blanks, UTF-8; RFC 8785, but that long whole numbers are written in full.

    Raises `ValueError` for a text with half of a surrogate pair, which has no form in UTF-8.
    """
    return msgspec.json.encode(value, order="sorted")


def one_line(value: msgspec.Struct | Json) -> str:
    """An object of JSON Lines: JSON escapes every line break inside it. Raises as `canonical` does."""
    return msgspec.json.format(canonical(value), indent=0).decode() + "\n"


def indented(value: msgspec.Struct | Json) -> str:
    """A document that people read, ending with a newline. Raises as `canonical` does."""
    return msgspec.json.format(canonical(value), indent=2).decode() + "\n"
