"""The text in which LVM2 keeps its metadata: sections in braces, numbers, strings and lists."""

from __future__ import annotations

import re
from typing import TypeAlias

MAX_DEPTH = 16
"""Sections within sections; LVM2 writes five."""

Value: TypeAlias = "int | bytes | list[Value] | dict[bytes, Value]"

_TOKEN = re.compile(
    rb'\s+|#[^\n]*|(?P<string>"(?:[^"\\]|\\.)*")|(?P<number>-?[0-9]+(?:\.[0-9]+)?)(?![A-Za-z0-9_+.\-])'
    rb"|(?P<name>[A-Za-z0-9_+.\-]+)|(?P<mark>[={}\[\],])",
    re.DOTALL,
)


class BadText(Exception):
    """The text does not follow its grammar."""


def parse(text: bytes) -> dict[bytes, Value]:
    """The sections and values of a text. Raises `BadText`."""
    reader = _Reader(_tokens(text))
    return reader.section(0, outermost=True)


def _tokens(text: bytes) -> list[tuple[str, bytes]]:
    found, place = [], 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise BadText(f"byte {place} of the text is none that can stand there")
        if match.lastgroup:
            found.append((match.lastgroup, match[0]))
        place = match.end()
    return found


class _Reader:
    def __init__(self, tokens: list[tuple[str, bytes]]) -> None:
        self._tokens, self._place = tokens, 0

    def section(self, depth: int, outermost: bool = False) -> dict[bytes, Value]:
        """What stands until the closing brace, or the end of the text."""
        if depth > MAX_DEPTH:
            raise BadText(f"more than {MAX_DEPTH} sections within one another")
        found: dict[bytes, Value] = {}
        while self._place < len(self._tokens):
            kind, name = self._next()
            if (kind, name) == ("mark", b"}") and not outermost:
                return found
            if kind not in ("name", "number"):
                raise BadText("a name was expected")
            _, mark = self._next()
            if mark == b"{":
                found[name] = self.section(depth + 1)
            elif mark == b"=":
                found[name] = self._value()
            else:
                raise BadText("= or { was expected after a name")
        if not outermost:
            raise BadText("a section does not end")
        return found

    def _value(self) -> Value:
        kind, token = self._next()
        if token == b"[":
            return self._list()
        if kind == "string":
            return re.sub(rb"\\(.)", rb"\1", token[1:-1], flags=re.DOTALL)
        if kind == "number":
            return int(token.partition(b".")[0][:20])
        raise BadText("a value was expected")

    def _list(self) -> list[Value]:
        found: list[Value] = []
        while True:
            kind, token = self._next()
            if token == b"]" and kind == "mark":
                return found
            if token == b"," and kind == "mark":
                continue
            self._place -= 1
            if token == b"[" and kind == "mark":
                raise BadText("a list within a list")
            found.append(self._value())

    def _next(self) -> tuple[str, bytes]:
        if self._place >= len(self._tokens):
            raise BadText("the text ends too early")
        self._place += 1
        return self._tokens[self._place - 1]
