"""What a command is, and the places where one works."""

from __future__ import annotations

from msgspec import Struct

EVERYWHERE, STRUCTURE, MAP, FINDINGS, EXTRACT, HEX = "everywhere", "structure", "map", "findings", "extract", "hex"
OVERVIEW, FILES, RECOVERY = "overview", "files", "recovery"


class Command(Struct, frozen=True):
    """A command: `keys` as Textual writes them, the `action` it runs, a short title and a sentence of help.

    `footer` says whether it stands in the line of keys; `priority` that it comes before what has the focus.
    """

    id: str
    where: str
    keys: str
    action: str
    title: str
    help: str
    footer: bool = False
    priority: bool = False
