"""The times of all files for other programs: Sleuth Kit's body file, DFXML, and JSON Lines.

Names are hostile: a line feed in one would forge a line, a `|` would shift every column after it. What could do that is
escaped as `\\xNN` or `<U+NNNN>`, and so is the backslash, so that no two names look the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from xml.sax.saxutils import escape

from forensic.filesystems.documents import entry_json, escaped, permission_letters, type_letter
from forensic.filesystems.entries import REALLOCATED, Entry, Kind
from forensic.filesystems.reading import Reading
from forensic.numbers import NANOSECONDS, moment
from forensic.report import dfxml
from forensic.untrusted import shown

Lines = Callable[[Iterable[Reading], str, bool], Iterator[str]]
"""Readings, the name of the image, and whether paths begin with the volume, to lines."""

BODY_HEAD = (
    "# qcowscope: in names, \\ | control and invisible characters stand as \\xNN or <U+NNNN>; times of FAT as if UTC"
)


def body_lines(readings: Iterable[Reading], image: str, with_volume: bool) -> Iterator[str]:
    """The body file that `mactime -b` reads; there are no hashes in it."""
    yield BODY_HEAD
    for reading in readings:
        prefix = f"{escaped(reading.volume.name.raw, '|')}:/" if with_volume else "/"
        for entry in reading.entries():
            yield _body_line(entry, prefix)


def _body_line(entry: Entry, prefix: str) -> str:
    name = prefix + escaped(entry.path, "|")
    if entry.target:
        name += f" -> {escaped(entry.target, '|')}"
    if entry.deleted:
        name += " (deleted-realloc)" if entry.reallocated else " (deleted)"
    letter = type_letter(entry.kind)
    mode = f"{letter}/{letter}{permission_letters(entry.mode)}"
    times = (entry.accessed, entry.modified, entry.changed, entry.created)
    seconds = "|".join(str(time // NANOSECONDS) for time in times)
    return f"0|{name}|{entry.address}|{mode}|{entry.uid}|{entry.gid}|{entry.size}|{seconds}"


def json_lines(readings: Iterable[Reading], image: str, with_volume: bool) -> Iterator[str]:
    """One JSON object an entry."""
    for reading in readings:
        for entry in reading.entries():
            found = {"volume": reading.volume.name.text, **entry_json(entry, reading.most_bytes)}
            yield json.dumps(found)


def dfxml_lines(readings: Iterable[Reading], image: str, with_volume: bool) -> Iterator[str]:
    """Digital Forensics XML, one file a line."""
    yield from dfxml.head()
    yield "<metadata/>" + dfxml.creator()
    yield dfxml.source([image])
    for reading in readings:
        yield from _volume_lines(reading)
    yield "</dfxml>"


def _volume_lines(reading: Reading) -> Iterator[str]:
    volume = reading.volume
    yield from dfxml.volume_head(volume.name.text, volume.guest_offset, volume.file_system)
    for entry in reading.entries():
        yield _file_object(entry, reading)
    wrong = [str(reading.failure)] if reading.failure else [str(fault) for fault in reading.faults[:1]]
    yield from (f"<error>{escape(reason)}</error>" for reason in wrong)
    yield "</volume>"


def _file_object(entry: Entry, reading: Reading) -> str:
    """One file; the order of elements is that of the schema."""
    name = escaped(entry.path)
    hexadecimal = f' q:name_hex="{entry.path.hex()}"' if name.encode() != entry.path else ""
    parts = [f"<filename>{escape(name)}</filename>"]
    faults = [fault.reason for fault in entry.faults]
    if entry.reallocated:
        faults.insert(0, REALLOCATED)
    parts += [f"<error>{escape(shown(reason))}</error>" for reason in faults[:1]]
    parts += [
        f"<name_type>{type_letter(entry.kind)}</name_type>",
        f"<filesize>{entry.size}</filesize>",
        f"<alloc>{int(not entry.deleted)}</alloc>",
        f"<inode>{entry.inode}</inode>",
        f"<mode>{entry.mode}</mode>",
        f"<nlink>{entry.links}</nlink>",
        f"<uid>{entry.uid}</uid>",
        f"<gid>{entry.gid}</gid>",
    ]
    for element, time in (
        ("mtime", entry.modified), ("ctime", entry.changed), ("atime", entry.accessed), ("crtime", entry.created)
    ):  # fmt: skip
        parts += [f"<{element}>{text}</{element}>"] if (text := moment(time)) else []
    if entry.sequence:
        parts.append(f"<seq>{entry.sequence}</seq>")
    if entry.kind == Kind.LINK:
        parts.append(f"<link_target>{escape(escaped(entry.target))}</link_target>")
    parts += _byte_runs(entry, reading)
    return f"<fileobject{hexadecimal}>{''.join(parts)}</fileobject>"


def _byte_runs(entry: Entry, reading: Reading) -> Iterator[str]:
    if not entry.runs:
        return
    yield "<byte_runs>"
    for file_offset, place, length in entry.runs:
        for piece in reading.volume.layout.pieces(place, length):
            here = "" if piece.guest_offset is None else f' img_offset="{piece.guest_offset}"'
            start = file_offset + piece.offset - place
            yield f'<byte_run file_offset="{start}" fs_offset="{piece.offset}"{here} len="{piece.length}"/>'
    yield "</byte_runs>"


FORMATS: dict[str, Lines] = {"body": body_lines, "dfxml": dfxml_lines, "jsonl": json_lines}
