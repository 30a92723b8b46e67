"""The question before a file is read beside the image: No is the default, and the examiner types the path."""

from __future__ import annotations

from rich.text import Text

from tui.screens.prompts import Question
from tui.text import line, lines, plain

DANGER = (
    "This name comes from the image. It may lead to an unrelated file of yours, a device or a network address, and is "
    "not opened. If you have the file that belongs here, answer yes and type its path yourself; the path and its hash "
    "go into the report."
)


def consent(what: str, declared: Text) -> Question:
    """The question about a backing file or a data file."""
    name = what.replace("_", " ")
    words = lines([line("the image declares: ", ("“", "dim"), declared, ("”", "dim")), Text(), plain(DANGER)])
    return Question(f"Read a {name} as well?", words, "Yes, enter its path")
