"""Entries as JSON, and the parts of a line of text: times, permissions, and names that can harm nothing."""

from __future__ import annotations

from forensic.filesystems.entries import LETTERS, Entry, Kind
from forensic.numbers import moment
from forensic.untrusted import Json, Untrusted, shown_field


def escaped(raw: bytes, quoted: str = "") -> str:
    """A name with everything escaped that could harm a terminal, and each backslash and character of `quoted` as well.

    So no two names look the same.
    """
    mark = "<" if b"<U+" in raw else ""  # it would look like one that stands for a character
    return shown_field(raw, "\\" + mark + quoted)


def name_json(raw: bytes) -> Json:
    """A name: the bytes in hex are the truth, however many they are; the text is safe to show."""
    return {"text": escaped(raw), "hex": raw.hex(), "sanitised": escaped(raw).encode() != raw}


def entry_json(entry: Entry, most_bytes: int) -> dict[str, Json]:
    """The object of an entry; `most_bytes` is how many its volume holds."""
    found: dict[str, Json] = {
        "path": name_json(entry.path),
        "inode": entry.address,
        "kind": entry.kind.value,
        "size": entry.size,
        "deleted": entry.deleted,
        "mode": f"{entry.mode:04o}",
        "uid": entry.uid,
        "gid": entry.gid,
        "links": entry.links,
        "modified": moment(entry.modified),
        "accessed": moment(entry.accessed),
        "changed": moment(entry.changed),
        "created": moment(entry.created),
    }
    if entry.reallocated:
        found["reallocated"] = True
    if entry.sequence:
        found["sequence"] = entry.sequence
    if entry.size > most_bytes:
        found["exceeds_volume"] = True
    if entry.target:
        found["target"] = name_json(entry.target)
    if entry.faults:
        found["faults"] = [Untrusted(fault.reason.encode()).text for fault in entry.faults]
    return found


def permissions(entry: Entry) -> str:
    """Kind and permissions as `ls -l` has them; `*` for a deleted entry."""
    letter = {"r": "-", "h": "s"}.get(LETTERS[entry.kind], LETTERS[entry.kind])
    return letter + permission_letters(entry.mode) + ("*" if entry.deleted else "")


def permission_letters(mode: int) -> str:
    """The nine letters of a mode, with set-id and sticky bits."""
    letters = "".join(letter if mode >> 8 - place & 1 else "-" for place, letter in enumerate("rwxrwxrwx"))
    for bit, place, on, off in ((0o4000, 2, "s", "S"), (0o2000, 5, "s", "S"), (0o1000, 8, "t", "T")):
        if mode & bit:
            letters = letters[:place] + (off if letters[place] == "-" else on) + letters[place + 1 :]
    return letters


def type_letter(kind: Kind) -> str:
    """The letter that Sleuth Kit and DFXML use."""
    return LETTERS[kind]
