"""Lines of text in colour; the only renderer that loads rich."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from rich.console import Console
from rich.text import Text

from forensic.report.line_breaks import line_breaks
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
        for number, part in enumerate(whole.divide(line_breaks(whole.plain, console.width, indent))):
            part.rstrip()
            console.print(Text(" " * indent) + part if number else part, soft_wrap=True)
