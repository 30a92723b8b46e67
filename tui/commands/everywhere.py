"""The commands that work on every screen."""

from __future__ import annotations

from tui.commands.command import EVERYWHERE, Command

COMMANDS_OF_ALL = (
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
    Command("screen.files", EVERYWHERE, "6", "show('files')", "Files", "Show the files of the guest."),
    Command(
        "screen.recovery",
        EVERYWHERE,
        "7",
        "show('recovery')",
        "Recovery",
        "Find what can be recovered, and read the image by it.",
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
)
