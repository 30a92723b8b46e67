"""The one table of commands: keys, footer, palette and help all come from it, so none is undocumented."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from tui.commands.command import EVERYWHERE as EVERYWHERE
from tui.commands.command import EXTRACT as EXTRACT
from tui.commands.command import FILES as FILES
from tui.commands.command import FINDINGS as FINDINGS
from tui.commands.command import HEX as HEX
from tui.commands.command import MAP as MAP
from tui.commands.command import OVERVIEW as OVERVIEW
from tui.commands.command import RECOVERY as RECOVERY
from tui.commands.command import STRUCTURE as STRUCTURE
from tui.commands.command import Command as Command
from tui.commands.everywhere import COMMANDS_OF_ALL
from tui.commands.screens import COMMANDS_OF_SCREENS

COMMANDS = (*COMMANDS_OF_ALL, *COMMANDS_OF_SCREENS)

MOVEMENT = (
    (HEX, "← ↓ ↑ →  h j k l", "by bytes and rows of the dump"),
    (HEX, "PgUp PgDn  ^U ^D", "by windows of the dump"),
    (HEX, "Home End  G", "to the first and the last byte"),
    (MAP, "← ↓ ↑ →  h j k l", "by cells of the map"),
    (MAP, "Home End  G", "to the first and the last cell"),
    (MAP, "wheel", "zoom"),
    (STRUCTURE, "Tab", "from the tree to the bytes and the inspector"),
    (STRUCTURE, "← →  j k", "close, open and walk the tree"),
    (OVERVIEW, "Tab", "from the facts to the verdict, the contents and the time line"),
    (FILES, "↓ ↑  j k  PgUp PgDn  Home End", "by lines of the list"),
    (FILES, "Tab", "from the list to the metadata and the beginning of a file"),
    (RECOVERY, "↓ ↑  j k  PgUp PgDn  Home End", "by lines of the list"),
)
"""Keys that move and are no commands: where, which, and what they do."""

SCREEN_NAMES = {
    OVERVIEW: "Overview",
    STRUCTURE: "Structure",
    HEX: "Bytes",
    MAP: "Map",
    FINDINGS: "Findings",
    EXTRACT: "Extract",
    FILES: "Files",
    RECOVERY: "Recovery",
}
"""What the places of commands are called where commands of several are listed."""


def bindings(where: str) -> list[BindingType]:
    """The bindings of a screen or widget."""
    return [
        Binding(
            each.keys, each.action, each.title, show=each.footer, priority=each.priority, id=each.id, tooltip=each.help
        )
        for each in COMMANDS
        if each.where == where
    ]


def commands_of(*places: str) -> list[Command]:
    """The commands that work in these places, in the order of the table."""
    return [each for each in COMMANDS if each.where in places]
