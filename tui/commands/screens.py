"""The commands that work on one screen, or in one part of it."""

from __future__ import annotations

from tui.commands.command import EXTRACT, FILES, FINDINGS, HEX, MAP, OVERVIEW, RECOVERY, STRUCTURE, Command

COMMANDS_OF_SCREENS = (
    Command(
        "overview.compare", OVERVIEW, "d", "compare", "Differences", "List what a state of the disk changed.", True
    ),
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
    Command("structure.up", STRUCTURE, "circumflex_accent", "up", "Pointer", "Go to the pointer that leads here."),
    Command("structure.hits", STRUCTURE, "f", "hits", "Hits", "Show or hide the list of what a search found.", True),
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
    Command("findings.triage", FINDINGS, "t", "triage", "Triage", "Seen, explained, rejected, or none of these.", True),
    Command("findings.reason", FINDINGS, "T", "reason", "Reason", "Say why it is explained or rejected."),
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
    Command(
        "files.open", FILES, "right,l", "open", "Open", "Enter a volume or folder; of a file, list its places.", True
    ),
    Command("files.up", FILES, "left,h", "up", "Up", "Go to the folder that this one is in.", True),
    Command("files.where", FILES, "w", "where", "Where", "List where the content lies; Enter goes there.", True),
    Command("files.view", FILES, "t", "view", "Bytes / text", "Show how the file begins as bytes or as text.", True),
    Command("files.changed", FILES, "c", "changed", "Changed", "List the files that differ from another disk's.", True),
    Command("files.disk", FILES, "s", "disk", "Snapshot", "List the files of a snapshot or of the active disk.", True),
    Command("files.deleted", FILES, "d", "deleted", "Deleted", "List deleted entries as well, or leave them out."),
    Command("files.save", FILES, "x", "save", "Save", "Write the file with its hash to a path."),
    Command(
        "recovery.run",
        RECOVERY,
        "r",
        "run",
        "Search",
        "Search the file for tables, and place what lost its place.",
        True,
    ),
    Command(
        "recovery.target",
        RECOVERY,
        "s",
        "target",
        "Disk",
        "Choose the disk: the active one, a deleted or an older one.",
    ),
    Command(
        "recovery.accept",
        RECOVERY,
        "space",
        "accept",
        "Accept / refuse",
        "Refuse this decision, or accept it again.",
        True,
    ),
    Command("recovery.go", RECOVERY, "enter", "go", "Go there", "Go to the table that the decision is about."),
    Command("recovery.write", RECOVERY, "w", "write", "Write", "Write the plan to a file, for use with --plan.", True),
    Command("recovery.apply", RECOVERY, "a", "apply", "Apply", "Read the image by the plan from now on.", True),
    Command("recovery.back", RECOVERY, "t", "take_back", "Take back", "Read the image by its own tables again.", True),
    Command("recovery.stop", RECOVERY, "f8", "stop", "Stop", "Stop the search for tables."),
)
