"""Lines that fit the terminal."""

from __future__ import annotations

import sys
from itertools import pairwise


def wrapped(line: str, indent: int, longest: int | None = None) -> str:
    """The line broken between words where the terminal ends, with further lines indented.

    A word that is longer than a line, such as a path, stays whole.

    Where standard output is no terminal it stays one line, or is broken at `longest` columns.
    """
    on_terminal = sys.stdout.isatty()
    if not on_terminal and longest is None:
        return line
    import shutil  # slow to load, and needed for terminals alone

    from forensic.report.line_breaks import line_breaks

    width = shutil.get_terminal_size().columns if on_terminal else longest or len(line)
    width = max(min(width, longest or width), indent + 20)
    parts = pairwise([0, *line_breaks(line, width, indent), len(line)])
    return ("\n" + " " * indent).join(line[begin:end].rstrip() for begin, end in parts)
