"""The one table of commands: keys, footer, palette and help all come from here, so that none can be undocumented."""

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
    Command("screen.overview", EVERYWHERE, "1", "show('overview')", "Overview", "What the image is, and the verdict."),
    Command(
        "screen.structure", EVERYWHERE, "2", "show('structure')", "Structure", "Tree, bytes and inspector, linked."
    ),
    Command("screen.map", EVERYWHERE, "3", "show('map')", "Map", "The file and the disk as grids of clusters."),
    Command("screen.findings", EVERYWHERE, "4", "show('findings')", "Findings", "Everything the rules found."),
    Command(
        "screen.extract", EVERYWHERE, "5", "show('extract')", "Extract", "Write the disk out, hashed and reported."
    ),
    Command("app.help", EVERYWHERE, "question_mark,f1", "help", "Help", "List every command; Enter runs it.", True),
    Command(
        "go.to",
        EVERYWHERE,
        "g,colon",
        "go_to",
        "Go to",
        "0x…, c123, v…, L1[3].L2[7], +n, header …; or a command.",
        True,
    ),
    Command("go.back", EVERYWHERE, "backspace,u", "go_back", "Back", "Return to where the last jump began.", True),
    Command("go.forward", EVERYWHERE, "U", "go_forward", "Forward", "Undo a return."),
    Command("go.other", EVERYWHERE, "O", "other_side", "Other side", "The same byte on the disk, or in the file."),
    Command("search.start", EVERYWHERE, "slash", "search", "Search", "hex:…, text, u16:…, re:… in file or disk.", True),
    Command("search.next", EVERYWHERE, "n", "match(1)", "Next match", "Go to the next place that was found."),
    Command("search.previous", EVERYWHERE, "N", "match(-1)", "Previous match", "Go to the place found before."),
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
        "Go to the place of a finding before this one.",
    ),
    Command(
        "orphan.next",
        EVERYWHERE,
        "greater_than_sign",
        "orphan(1)",
        "Next orphan",
        "Go to the next leaked cluster, or what lies where nothing refers to.",
    ),
    Command(
        "orphan.previous",
        EVERYWHERE,
        "less_than_sign",
        "orphan(-1)",
        "Previous orphan",
        "Go to the orphan before this one.",
    ),
    Command(
        "run.next", EVERYWHERE, "right_parenthesis", "run(1)", "Next run", "Go to the next allocated run of clusters."
    ),
    Command(
        "run.previous", EVERYWHERE, "left_parenthesis", "run(-1)", "Previous run", "Go to the allocated run before."
    ),
    Command(
        "cluster.next", EVERYWHERE, "right_curly_bracket", "cluster(1)", "Next cluster", "Start of the next cluster."
    ),
    Command(
        "cluster.previous",
        EVERYWHERE,
        "left_curly_bracket",
        "cluster(-1)",
        "Previous cluster",
        "Start of the one before.",
    ),
    Command("note.add", EVERYWHERE, "semicolon", "note", "Note", "Write a note about the cursor or the selection."),
    Command("note.mark", EVERYWHERE, "B", "bookmark", "Bookmark", "Bookmark this place without a note."),
    Command("note.list", EVERYWHERE, "apostrophe", "notes", "Notes", "List all notes; Enter goes there."),
    Command("select.copy", EVERYWHERE, "y", "copy('hex')", "Copy", "Copy the selection as hexadecimal."),
    Command("select.copy_as", EVERYWHERE, "Y", "copy_as", "Copy as", "Copy the selection in another form."),
    Command("select.export", EVERYWHERE, "x", "export", "Export", "Write the selection to a file with its hash."),
    Command("hash.file", EVERYWHERE, "H", "hash_file", "Hash the file", "Compute the SHA-256 of the image file."),
    Command(
        "app.exhibit", EVERYWHERE, "ctrl+e", "exhibit", "Exhibit", "Keep a picture of the screen beside the notes."
    ),
    Command("app.quit", EVERYWHERE, "q", "leave", "Quit", "Leave; asks only while an extraction runs.", True),
    Command("hex.select", HEX, "v", "select", "Select", "Begin or end a selection at the cursor.", True),
    Command("hex.follow", HEX, "enter", "follow", "Follow", "Go where the field or entry points.", True),
    Command("hex.endian", HEX, "e", "endian", "Endianness", "Read numbers in the other byte order."),
    Command("hex.squeeze", HEX, "z", "squeeze", "Squeeze", "Rows like the one above as one line, or all rows."),
    Command("hex.offsets", HEX, "o", "offsets", "Offsets", "Offsets in hexadecimal or in decimal."),
    Command("hex.width", HEX, "w", "width", "Width", "Fewer bytes in a row, then as many as fit."),
    Command("hex.characters", HEX, "t", "characters", "Characters", "ASCII, the PC's table, or EBCDIC."),
    Command("structure.explain", STRUCTURE, "i", "explain", "Explain", "Read all that is known of the byte.", True),
    Command("structure.view_back", STRUCTURE, "P", "rotate(-1)", "Disk / file", "The same, the other way round."),
    Command("structure.view", STRUCTURE, "p", "rotate(1)", "File / disk", "Show the file, the disk, or both.", True),
    Command(
        "map.in", MAP, "plus,equals_sign", "zoom(1)", "Zoom in", "Halve and halve again what a cell stands for.", True
    ),
    Command("map.out", MAP, "minus", "zoom(-1)", "Zoom out", "Let a cell stand for more.", True),
    Command("map.whole", MAP, "0", "whole", "Whole", "Show everything again."),
    Command("map.space", MAP, "m,tab", "swap", "File / disk", "Move to the other map.", True),
    Command("map.colour", MAP, "c", "colour", "Colour by", "By kind, refcount, owner, finding or entropy.", True),
    Command("map.open", MAP, "enter", "open", "Open", "Look at the bytes under the cursor.", True),
    Command("findings.filter", FINDINGS, "f", "filter", "Filter", "Words, sev>=medium, class:reference.", True),
    Command("findings.sort", FINDINGS, "s", "sort", "Sort", "By severity, code, class or count.", True),
    Command("findings.reverse", FINDINGS, "r", "reverse", "Reverse", "Turn the order round."),
    Command("extract.start", EXTRACT, "f5", "start", "Start", "Begin the extraction.", True, True),
    Command("extract.pause", EXTRACT, "f6", "pause", "Pause", "Pause or go on.", True, True),
    Command(
        "extract.cancel", EXTRACT, "f8", "cancel", "Stop", "Stop; nothing that looks complete is left.", True, True
    ),
    Command("extract.report", EXTRACT, "f7", "report", "Report", "Read the report of the last extraction.", True, True),
    Command(
        "extract.command", EXTRACT, "f9", "copy_command", "Copy command", "Copy the equal command line.", True, True
    ),
)


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
