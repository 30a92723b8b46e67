"""Lines of text in colour; the only renderer that loads rich."""

from __future__ import annotations

from collections.abc import Iterable
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
    """Print lines; the terminal wraps what is too long, so that copying gives the line back."""
    console = Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=True)
    for line in lines:
        # Text, not markup: what an image's names hold must not be read as instructions.
        console.print(Text.assemble(*((piece, STYLES.get(style, "")) for piece, style in line)))
