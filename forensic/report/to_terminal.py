"""Lines of text in colour; the only renderer that loads rich."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TextIO

from rich.console import Console
from rich.text import Text

from forensic.report.to_text import Line

STYLES = {
    "title": "bold",
    "label": "cyan",
    "code": "bold",
    "quiet": "dim",
    "info": "blue",
    "low": "cyan",
    "medium": "yellow",
    "high": "red",
    "critical": "bold white on red",
    "clean": "bold green",
    "leaks": "bold yellow",
    "suspicious": "bold magenta",
    "corrupt": "bold red",
    "undetermined": "bold yellow",
}
"""What each style of a line looks like."""


def print_in_colour(lines: Iterable[Line], stream: TextIO) -> None:
    """Print lines, broken between words where the terminal ends; what follows is indented by two columns more.

    A word that is longer than a line, such as a path, stays whole.
    """
    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    for line in lines:
        # Text, not markup: what an image's names hold must not be read as instructions.
        whole = Text.assemble(*((piece, STYLES.get(style, "")) for piece, style in line))
        indent = len(whole.plain) - len(whole.plain.lstrip(" ")) + 2
        for number, part in enumerate(whole.divide(_breaks(whole.plain, console.width, indent))):
            part.rstrip()
            console.print(Text(" " * indent) + part if number else part, soft_wrap=True)


def _breaks(line: str, width: int, indent: int) -> Iterator[int]:
    """Where the parts of a line begin after its first, each of which has to fit with so many columns before it."""
    begin, room = 0, width
    for word in re.finditer(r"\S+", line):
        if word.end() - begin > room and line[begin : word.start()].strip():
            yield word.start()
            begin, room = word.start(), max(1, width - indent)
