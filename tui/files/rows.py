"""How volumes, files, their places and their changes stand in a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.text import Text

from forensic.explore import (
    Beginning,
    ChangedFile,
    Entry,
    NamedVolume,
    Place,
    escaped,
    moment,
    permissions,
)
from tui.text import line, lines, plain, size
from tui.widgets.row_list import Column

VOLUMES = (
    Column("volume", 12),
    Column("file system", 14),
    Column("label", 16, from_width=60),
    Column("length", 10, right=True, from_width=48),
    Column("start", 14, right=True, from_width=92),
    Column("kind"),
)
FILES = (
    Column("name"),
    Column("size", 15, right=True),
    Column("modified (UTC)", 19, from_width=60),
    Column("mode", 11, from_width=76),
    Column("inode", 10, right=True, from_width=92),
)
PLACES = (
    Column("file offset", 14, right=True),
    Column("length", 12, right=True),
    Column("guest offset", 16, right=True),
    Column("host offset", 16, right=True, from_width=64),
    Column("state"),
)
CHANGES = (
    Column("what", 18),
    Column("path"),
    Column("size", 24, right=True, from_width=90),
)

Colours = Mapping[str, str]
"""The colours of the theme by name."""


def name_of(entry: Entry) -> bytes:
    """The name of an entry, without the folder it is in."""
    return entry.path.rpartition(b"/")[2]


def in_order(entries: Sequence[Entry]) -> list[Entry]:
    """Folders first, then by name."""
    return sorted(entries, key=lambda entry: (entry.kind != "directory", name_of(entry).lower(), entry.deleted))


def volume_cells(volume: NamedVolume, colours: Colours) -> list[Text]:
    """A volume; what reads none of it is said in place of its kind."""
    bold = f"bold {colours.get('primary', '')}" if volume.library else ""
    start = "-" if volume.guest_offset is None else f"{volume.guest_offset:#x}"
    kind = plain(volume.not_read, "italic") if volume.not_read else plain(volume.kind)
    return [
        line((f"{'▸' if volume.library else ' '} ", ""), (volume.name, bold)),
        plain(volume.file_system or "?"),
        plain(volume.label),
        plain(size(volume.length)),
        plain(start),
        kind,
    ]


def file_cells(entry: Entry, colours: Colours) -> list[Text]:
    """A file or folder; a deleted one is crossed, so that it shows without colour as well."""
    bad = f"{colours.get('severity-high', '')} strike" if entry.deleted else ""
    folder = entry.kind == "directory"
    mark = "✗ " if entry.deleted else "▸ " if folder else "  "
    style = bad or (f"bold {colours.get('primary', '')}" if folder else "")
    target = f" → {escaped(entry.target)}" if entry.target else ""
    fault = (" ▲", f"bold {colours.get('severity-high', '')}") if entry.faults else ("", "")
    return [
        line((mark, bad.replace(" strike", "")), (escaped(name_of(entry)), style), target, fault),
        plain("" if folder else f"{entry.size:,}"),
        plain(short_moment(entry.modified)),
        plain(permissions(entry)),
        plain(entry.address),
    ]


def short_moment(nanoseconds: int) -> str:
    """A time to the second, for a column."""
    return (moment(nanoseconds) or "-").partition(".")[0].rstrip("Z").replace("T", " ")


def place_cells(place: Place) -> list[Text]:
    """A place of a file's content."""
    words = [place.state.replace("_", " ")]
    words += [f"{place.stored_length:,} bytes stored"] if place.stored_length else []
    words += [f"level {place.depth} of the chain"] if place.depth else []
    words += [place.reason.replace("_", " ")] if place.reason else []
    words += [f"shared with {', '.join(name for name, _ in place.shared)}"] if place.shared else []
    offsets = (place.file_offset, place.length, place.guest_offset, place.host_offset)
    return [*(plain("-" if offset is None else f"{offset:#x}") for offset in offsets), plain(", ".join(words))]


def change_cells(changed: ChangedFile, colours: Colours) -> list[Text]:
    """What happened to a file, in the colour of that."""
    change = changed.change
    names = [what.value.replace("_", " ") for what in change.what]
    kind = {"new": "success", "deleted": "severity-high", "not compared": "severity-medium"}.get(names[0], "accent")
    before, after = change.before, change.after
    moved = f"{escaped(before.path)} → " if before and "renamed" in change.what else ""
    sizes = [f"{each.size:,}" for each in (before, after) if each and each.kind != "directory"]
    return [
        plain(", ".join(names), f"bold {colours.get(kind, '')}".strip()),
        plain(f"{changed.volume.name.text}:/{moved}{escaped(change.path)}"),
        plain(" → ".join(dict.fromkeys(sizes))),
    ]


def change_words(changed: ChangedFile) -> Text:
    """All that is known of a change, before and after side by side."""
    change, found = changed.change, []
    for name, entry in (("before", change.before), ("after", change.after)):
        if entry is None:
            found.append(line((f"{name:<8}", "dim"), "not there"))
        else:
            words = f"inode {entry.address}  {permissions(entry)}  {entry.size:,} bytes  modified "
            found.append(line((f"{name:<8}", "dim"), words, moment(entry.modified) or "-"))
    if change.fields:
        found.append(line(("differ  ", "dim"), ", ".join(change.fields)))
    if change.reason:
        found.append(line(("reason  ", "dim"), change.reason))
    return lines(found)


def about_file(entry: Entry, most: int, beginning: Beginning | None = None) -> Text:
    """All metadata of a file, a line each; `most` is how many bytes its volume holds, `beginning` what was read."""
    too_many = "  more than the volume holds" if entry.size > most else ""
    facts = [
        ("kind", f"{entry.kind}{', deleted' if entry.deleted else ''}{', of the file system' if entry.own else ''}"),
        ("path", "/" + escaped(entry.path)),
        ("size", f"{entry.size:,} bytes{too_many}"),
        ("inode", entry.address + (f", sequence {entry.sequence}" if entry.sequence else "")),
        ("mode", f"{permissions(entry)}  {entry.mode:04o}"),
        ("owner", f"uid {entry.uid}  gid {entry.gid}  {entry.links} link{'' if entry.links == 1 else 's'}"),
        ("modified", moment(entry.modified) or "-"),
        ("accessed", moment(entry.accessed) or "-"),
        ("changed", moment(entry.changed) or "-"),
        ("created", moment(entry.created) or "-"),
    ]
    facts += [("target", escaped(entry.target))] if entry.target else []
    facts += [("stored", "compressed or encrypted by the file system")] if entry.encoded else []
    if beginning and beginning.whole and not beginning.unread:
        facts.insert(3, ("sha256", beginning.sha256))
    facts += [("fault", fault.reason) for fault in entry.faults]
    return lines([line((f"{name:<10}", "dim"), words) for name, words in facts])


def about_volume(volume: NamedVolume) -> Text:
    """All that is known of a volume."""
    start = "pieces of other volumes" if volume.guest_offset is None else f"guest {volume.guest_offset:#x}"
    facts = [
        ("volume", volume.name.text),
        ("kind", volume.kind),
        ("title", volume.title.text),
        ("system", volume.file_system or "none that is known"),
        ("label", volume.label.text),
        ("start", start),
        ("length", f"{volume.length:,} bytes"),
        ("files", volume.not_read or "can be read: Enter lists them"),
    ]
    return lines([line((f"{name:<10}", "dim"), words) for name, words in facts if words])


def instead_of_beginning(entry: Entry | None) -> str:
    """What is said of that which has no bytes to show."""
    if entry is None:
        return "Enter lists the files of a volume"
    if entry.kind == "directory":
        return "Enter lists the folder"
    return "" if entry.size else "it has no content"


def title_of(beginning: Beginning, file_size: int) -> str:
    """What is seen of a file."""
    seen = f"all of {file_size:,} bytes" if beginning.whole else f"first {len(beginning.data):,} of {file_size:,} bytes"
    lost = f" · {beginning.unread:,} of them cannot be read" if beginning.unread else ""
    return seen + lost
