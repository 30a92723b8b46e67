"""The one table of commands: keys, footer, palette and help all come from it, so none is undocumented."""

from __future__ import annotations

from msgspec import Struct
from textual.binding import Binding, BindingType

EVERYWHERE, STRUCTURE, MAP, FINDINGS, EXTRACT, HEX = "everywhere", "structure", "map", "findings", "extract", "hex"


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


COMMANDS = (
    Command(
        "screen.overview",
        EVERYWHERE,
        "1",
        "show('overview')",
        "Overview",
        "Show what the image is, and the verdict.",
    ),
    Command(
        "screen.structure",
        EVERYWHERE,
        "2",
        "show('structure')",
        "Structure",
        "Show tree, bytes and inspector, linked.",
    ),
    Command("screen.map", EVERYWHERE, "3", "show('map')", "Map", "Show the file and the disk as grids of clusters."),
    Command("screen.findings", EVERYWHERE, "4", "show('findings')", "Findings", "Show everything the rules found."),
    Command(
        "screen.extract",
        EVERYWHERE,
        "5",
        "show('extract')",
        "Extract",
        "Write the disk to a raw image, with hashes.",
    ),
    Command("app.help", EVERYWHERE, "question_mark,f1", "help", "Help", "List every command; Enter runs it.", True),
    Command(
        "go.to",
        EVERYWHERE,
        "g,colon",
        "go_to",
        "Go to",
        "Go to 0x…, c123, v…, L1[3].L2[7], +n, header …; or run a command.",
        True,
    ),
    Command("go.back", EVERYWHERE, "backspace,u", "go_back", "Back", "Return to the place before the last jump.", True),
    Command("go.forward", EVERYWHERE, "U", "go_forward", "Forward", "Go forward again after a return."),
    Command("go.other", EVERYWHERE, "O", "other_side", "Other side", "Go to the same byte on disk or in the file."),
    Command(
        "search.start",
        EVERYWHERE,
        "slash",
        "search",
        "Search",
        "Search file or disk: hex:…, text, u16:…, re:…",
        True,
    ),
    Command("search.next", EVERYWHERE, "n", "match(1)", "Next match", "Go to the next match."),
    Command("search.previous", EVERYWHERE, "N", "match(-1)", "Previous match", "Go to the previous match."),
    Command(
        "search.cancel", EVERYWHERE, "escape,ctrl+x", "cancel_search", "Stop search", "Stop the search that is running."
    ),
    Command(
        "finding.next",
        EVERYWHERE,
        "right_square_bracket",
        "finding(1)",
        "Next finding",
        "Go to the next place of a finding.",
    ),
    Command(
        "finding.previous",
        EVERYWHERE,
        "left_square_bracket",
        "finding(-1)",
        "Previous finding",
        "Go to the previous place of a finding.",
    ),
    Command(
        "orphan.next",
        EVERYWHERE,
        "greater_than_sign",
        "orphan(1)",
        "Next orphan",
        "Go to the next orphan: a leaked cluster, or data in a free one.",
    ),
    Command(
        "orphan.previous",
        EVERYWHERE,
        "less_than_sign",
        "orphan(-1)",
        "Previous orphan",
        "Go to the previous orphan.",
    ),
    Command(
        "run.next", EVERYWHERE, "right_parenthesis", "run(1)", "Next run", "Go to the next allocated run of clusters."
    ),
    Command(
        "run.previous", EVERYWHERE, "left_parenthesis", "run(-1)", "Previous run", "Go to the previous allocated run."
    ),
    Command(
        "cluster.next",
        EVERYWHERE,
        "right_curly_bracket",
        "cluster(1)",
        "Next cluster",
        "Go to the next cluster.",
    ),
    Command(
        "cluster.previous",
        EVERYWHERE,
        "left_curly_bracket",
        "cluster(-1)",
        "Previous cluster",
        "Go to the previous cluster.",
    ),
    Command("note.add", EVERYWHERE, "semicolon", "note", "Note", "Write a note about the cursor or the selection."),
    Command("note.mark", EVERYWHERE, "B", "bookmark", "Bookmark", "Bookmark this place without a note."),
    Command(
        "note.list", EVERYWHERE, "apostrophe", "notes", "Notes", "List all notes: go there, edit, label or delete."
    ),
    Command("app.log", EVERYWHERE, "L", "log", "Case log", "Read what was done and said in this session, with times."),
    Command("select.copy", EVERYWHERE, "y", "copy('hex')", "Copy", "Copy the selection as hexadecimal."),
    Command("select.copy_as", EVERYWHERE, "Y", "copy_as", "Copy as", "Copy the selection in another form."),
    Command("select.export", EVERYWHERE, "x", "export", "Export", "Write the selection to a file with its hash."),
    Command("supply", EVERYWHERE, "S", "supply", "Supplies", "Supply a key or files, or take them back.", True),
    Command("hash.file", EVERYWHERE, "H", "hash_file", "Hash the file", "Compute the SHA-256 of the image file."),
    Command(
        "app.exhibit", EVERYWHERE, "ctrl+e", "exhibit", "Exhibit", "Save a picture of the screen beside the notes."
    ),
    Command(
        "app.redraw",
        EVERYWHERE,
        "ctrl+l",
        "redraw",
        "Redraw",
        "Send the whole screen again, after something wrote on it.",
    ),
    Command("app.quit", EVERYWHERE, "q", "leave", "Quit", "Quit; asks only while an extraction is running.", True),
    Command("hex.select", HEX, "v", "select", "Select", "Start or end a selection at the cursor.", True),
    Command(
        "hex.deselect",
        HEX,
        "escape",
        "deselect",
        "Give up",
        "Give the selection up; what is done next is about the cursor.",
    ),
    Command("hex.follow", HEX, "enter", "follow", "Follow", "Follow the field or entry to where it points.", True),
    Command("hex.endian", HEX, "e", "endian", "Endianness", "Read numbers in the other byte order."),
    Command("hex.squeeze", HEX, "z", "squeeze", "Squeeze", "Fold rows that repeat the one above, or show all rows."),
    Command("hex.offsets", HEX, "o", "offsets", "Offsets", "Show offsets in hexadecimal or in decimal."),
    Command("hex.width", HEX, "w", "width", "Width", "Fewer bytes a row; after the fewest, as many as fit."),
    Command("hex.characters", HEX, "t", "characters", "Characters", "Characters of ASCII, code page 437 or EBCDIC."),
    Command("structure.explain", STRUCTURE, "i", "explain", "Explain", "Read everything known about the byte.", True),
    Command("structure.view_back", STRUCTURE, "P", "rotate(-1)", "Disk / file", "The same in reverse order."),
    Command("structure.view", STRUCTURE, "p", "rotate(1)", "File / disk", "Show the file, the disk, or both.", True),
    Command("map.in", MAP, "plus,equals_sign", "zoom(1)", "Zoom in", "Let a cell stand for less.", True),
    Command("map.out", MAP, "minus", "zoom(-1)", "Zoom out", "Let a cell stand for more.", True),
    Command("map.whole", MAP, "0", "whole", "Whole", "Show everything again."),
    Command("map.space", MAP, "m,tab", "swap", "File / disk", "Move to the other map.", True),
    Command("map.colour", MAP, "c", "colour", "Colour by", "By kind, refcount, owner, finding or entropy.", True),
    Command("map.open", MAP, "enter", "open", "Open", "Show the bytes under the cursor.", True),
    Command("findings.filter", FINDINGS, "f", "filter", "Filter", "By words, or sev>=medium, class:reference.", True),
    Command("findings.sort", FINDINGS, "s", "sort", "Sort", "Sort by severity, code, class or count.", True),
    Command("findings.reverse", FINDINGS, "r", "reverse", "Reverse", "Reverse the order."),
    Command("extract.start", EXTRACT, "f5", "start", "Start", "Start the extraction.", True, True),
    Command("extract.pause", EXTRACT, "f6", "pause", "Pause", "Pause or resume.", True, True),
    Command(
        "extract.cancel", EXTRACT, "f8", "cancel", "Stop", "Stop; no output that looks complete is left.", True, True
    ),
    Command("extract.report", EXTRACT, "f7", "report", "Report", "Read the report of the last extraction.", True, True),
    Command(
        "extract.command",
        EXTRACT,
        "f9",
        "copy_command",
        "Copy command",
        "Copy the command line that does the same.",
        True,
        True,
    ),
)


MOVEMENT = (
    (HEX, "← ↓ ↑ →  h j k l", "by bytes and rows of the dump"),
    (HEX, "PgUp PgDn  ^U ^D", "by windows of the dump"),
    (HEX, "Home End  G", "to the first and the last byte"),
    (MAP, "← ↓ ↑ →  h j k l", "by cells of the map"),
    (MAP, "Home End  G", "to the first and the last cell"),
    (MAP, "wheel", "zoom"),
    (STRUCTURE, "Tab", "from the tree to the bytes and the inspector"),
    (STRUCTURE, "← →  j k", "close, open and walk the tree"),
)
"""Keys that move and are no commands: where, which, and what they do."""

SCREEN_NAMES = {STRUCTURE: "Structure", HEX: "Bytes", MAP: "Map", FINDINGS: "Findings", EXTRACT: "Extract"}
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
