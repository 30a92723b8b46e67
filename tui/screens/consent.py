"""Being asked before a file that an image names is read: No is the default, and the examiner names the file himself."""

from __future__ import annotations

from rich.text import Text

from tui.screens.prompts import Question
from tui.text import line, lines, plain

DANGER = (
    "The maker of the image chose this name. It may be a file of yours that has nothing to do with the case, a device, "
    "or an address. It is not opened. If you have the file that belongs here, say so, and type its path yourself; its "
    "hash and the path go into the report."
)


def consent(what: str, declared: Text) -> Question:
    """The question about a backing file or a data file."""
    name = what.replace("_", " ")
    words = lines([line("the image declares: ", ("“", "dim"), declared, ("”", "dim")), Text(), plain(DANGER)])
    return Question(f"Read a {name} beside the image?", words, "Yes, I name it")
