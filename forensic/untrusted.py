"""Text that came out of an image: the raw bytes, and a shown form that can harm no terminal.

Nothing else in the project turns image bytes into something a person sees. The shown form has no control
character, no bidirectional override, no invisible character and no pile of combining marks, so it may stand in
a terminal, a log or an exception; a renderer for a markup language still applies that language's own quoting.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, to_builtins

Json = Mapping[str, "Json"] | Sequence["Json"] | str | int | float | bool | None
"""What a report is made of."""

SHOWN_LIMIT = 1024
"""Characters of one string that are shown; the rest is counted. The longest name qcow2 allows QEMU is 1023 bytes."""

HEX_LIMIT = 4096
"""Bytes of one string that a report holds: thousands of snapshots may have names of 64 KiB each."""

COMBINING_LIMIT = 2
"""Marks that may follow one base character; more would paint over the neighbouring lines of a screen."""

_ESCAPED_CATEGORIES = frozenset({"Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})
# Letters, symbols and marks that are drawn as nothing; variation selectors can carry a whole hidden message.
_INVISIBLE = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    + "".join(map(chr, [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]))
)


class UntrustedRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Text that stands in the image: the bytes in hex are the truth, the text is safe to show."""

    encoding: Annotated[str, Meta(extra_json_schema={"enum": ["utf-8", "invalid"]})]
    hex: Annotated[str, Meta(pattern="^([0-9a-f]{2})*$")]
    sanitised: Annotated[bool, Meta(description="Whether the text differs from the bytes.")]
    text: str
    length: (
        Annotated[int, Meta(ge=0, description="Bytes in all; only where they are more than `hex` holds.")] | UnsetType
    ) = UNSET


class Untrusted(Struct, frozen=True):
    """Bytes of an image that are meant to be read as text."""

    raw: bytes

    @property
    def text(self) -> str:
        """The shown form: UTF-8 where it is valid, `\\xNN` and `<U+NNNN>` for everything that could do harm."""
        return _shown(self.raw.decode("utf-8", "surrogateescape"))

    @property
    def valid_utf8(self) -> bool:
        """Whether the raw bytes are UTF-8."""
        try:
            self.raw.decode("utf-8")
        except UnicodeDecodeError:
            return False
        return True

    @property
    def sanitised(self) -> bool:
        """Whether the shown form differs from the raw bytes."""
        return self.text.encode("utf-8") != self.raw

    def record(self) -> UntrustedRecord:
        """What a report holds in place of a string; `hex` keeps the truth, and `length` says if it is longer."""
        return UntrustedRecord(
            encoding="utf-8" if self.valid_utf8 else "invalid",
            hex=self.raw[:HEX_LIMIT].hex(),
            sanitised=self.sanitised,
            text=self.text,
            length=len(self.raw) if len(self.raw) > HEX_LIMIT else UNSET,
        )

    def as_json(self) -> Json:
        """The same as plain values."""
        plain: Json = to_builtins(self.record())
        return plain

    def __str__(self) -> str:
        return self.text


def c_string(raw: bytes) -> Untrusted:
    """A fixed-size field up to its first NUL, as C reads it."""
    return Untrusted(raw.split(b"\0", 1)[0])


def utf_16(raw: bytes) -> Untrusted:
    """A fixed-size field of little-endian UTF-16 up to its first NUL; what is no character is U+FFFD."""
    return Untrusted(raw.decode("utf-16-le", "replace").partition("\0")[0].encode())


def shown(path: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> str:
    """A path or any other text from outside in its shown form; file names may hold anything but NUL."""
    name = os.fspath(path)
    return _shown(name) if isinstance(name, str) else Untrusted(name).text


def is_url(name: str) -> bool:
    """Whether what the examiner names lies on a server; an absolute path, or one with ./, is always a file."""
    return "://" in name and re.match("[a-zA-Z][a-zA-Z0-9+.-]*://", name) is not None


def without_query(name: str) -> str:
    """A name; of a URL without its query, which may hold a secret: links that are signed carry their key there."""
    return name.partition("?")[0] + "?…" if is_url(name) and "?" in name else name


def shown_whole(text: str) -> str:
    """The shown form of a text that someone wrote on purpose: nothing of it is left out, however long it is."""
    return "".join(_shown(text[start : start + SHOWN_LIMIT]) for start in range(0, len(text), SHOWN_LIMIT))


def shown_field(raw: bytes, quoted: str) -> str:
    """All of a name as a field of a line: the shown form, with each character of `quoted` escaped as well."""
    text = raw.decode("utf-8", "surrogateescape")
    if text.isascii() and text.isprintable() and not any(character in text for character in quoted):
        return text
    return _made_harmless(text, quoted)


def _shown(text: str) -> str:
    begin = text[:SHOWN_LIMIT]
    more = f"… (+{len(text) - SHOWN_LIMIT} more)" if len(text) > SHOWN_LIMIT else ""
    if begin.isascii() and begin.isprintable():  # as nearly every name is
        return begin + more
    return _made_harmless(begin) + more


def _made_harmless(text: str, quoted: str = "") -> str:
    pieces: list[str] = []
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character).startswith("M") else 0
        harmful = character in quoted or _is_harmful(character) or marks > COMBINING_LIMIT
        pieces.append(_escaped(character) if harmful else character)
    return "".join(pieces)


def _is_harmful(character: str) -> bool:
    if character == " ":
        return False
    category = unicodedata.category(character)
    return category == "Cc" or category in _ESCAPED_CATEGORIES or character in _INVISIBLE


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was not UTF-8, kept by surrogateescape
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x80 else f"<U+{code:04X}>"
