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
    """Print lines, broken between words where the terminal ends; what follows is indented by two columns more."""
    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    for line in lines:
        # Text, not markup: what an image's names hold must not be read as instructions.
        whole = Text.assemble(*((piece, STYLES.get(style, "")) for piece, style in line))
        indent = len(whole.plain) - len(whole.plain.lstrip(" ")) + 2
        if whole.cell_len <= console.width or console.width < 2 * indent:
            console.print(whole, soft_wrap=True)
            continue
        first, *rest = whole.wrap(console, console.width - indent)
        console.print(first, soft_wrap=True)
        for part in rest:
            console.print(Text(" " * indent) + part, soft_wrap=True)
