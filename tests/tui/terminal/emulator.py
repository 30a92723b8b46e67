"""A terminal as small as can be: it knows what `Frame` sends, and fails at anything else."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.cells import cell_len

TOKEN = re.compile(r"\x1b\[(?P<numbers>[0-9;]*)(?P<final>[HCm])|(?P<text>[^\x1b])", re.DOTALL)
Cell = tuple[str, frozenset[str], str, str]
"""Character, attributes, colour, background."""

BLANK: Cell = (" ", frozenset(), "", "")


class Emulator:
    """Cells of a terminal; wide characters fill two, and writing over a half of one erases the other."""

    def __init__(self, width: int, height: int) -> None:
        self.cells = [[BLANK] * width for _ in range(height)]
        self._row = self._column = 0
        self._pen: tuple[frozenset[str], str, str] = (frozenset(), "", "")

    def feed(self, sequence: str) -> None:
        """Take what is sent."""
        at = 0
        while at < len(sequence):
            token = TOKEN.match(sequence, at)
            assert token, f"not known: {sequence[at : at + 20]!r}"
            at = token.end()
            if token["text"] is not None:
                self._write(token["text"])
            elif token["final"] == "m":
                self._paint(token["numbers"])
            elif token["final"] == "C":
                self._column += int(token["numbers"] or 1)
            else:
                row, column = map(int, token["numbers"].split(";"))
                self._row, self._column = row - 1, column - 1

    def _write(self, character: str) -> None:
        width, line = cell_len(character), self.cells[self._row]
        assert 0 <= self._column <= len(line) - width, "past the edge"
        if not width:
            column = self._column - (1 if line[self._column - 1][0] else 2)
            line[column] = (line[column][0] + character, *line[column][1:])
            return
        for column in range(self._column, self._column + width):
            if not line[column][0] and column:
                line[column - 1] = BLANK
            if cell_len(line[column][0]) == 2 and column + 1 < len(line):
                line[column + 1] = BLANK
        line[self._column] = (character, *self._pen)
        if width == 2:
            line[self._column + 1] = ("", *self._pen)
        self._column += width

    def _paint(self, numbers: str) -> None:
        attributes, colour, background = self._pen
        for code in _codes(numbers):
            if code in ("0", ""):
                attributes, colour, background = frozenset(), "", ""
            elif code == "39" or code == "49":
                colour, background = ("", background) if code == "39" else (colour, "")
            elif (code[0] == "3" and len(code) > 1) or code[0] == "9":
                colour = code
            elif (code[0] == "4" and len(code) > 1) or code[:2] == "10":
                background = code
            else:
                attributes |= {code}
        self._pen = attributes, colour, background


def _codes(numbers: str) -> Iterator[str]:
    """Codes, with those that belong to a colour together."""
    parts = numbers.split(";")
    while parts:
        count = {"38;2": 5, "48;2": 5, "38;5": 3, "48;5": 3}.get(";".join(parts[:2]), 1)
        yield ";".join(parts[:count])
        del parts[:count]
