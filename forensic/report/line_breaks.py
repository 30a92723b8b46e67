"""Where lines of text are broken."""

from __future__ import annotations

import re
from collections.abc import Iterator


def line_breaks(line: str, width: int, indent: int) -> Iterator[int]:
    """Where the parts of a line begin after its first, so that each fits with `indent` columns before it.

    Lines are broken between words; a word that is longer than a line, such as a path, stays whole.
    """
    begin, room = 0, width
    for word in re.finditer(r"\S+", line):
        if word.end() - begin > room and line[begin : word.start()].strip():
            yield word.start()
            begin, room = word.start(), max(1, width - indent)
