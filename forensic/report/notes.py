"""The examiner's notes as every form of a report shows them; what was typed may hold anything, and is made harmless."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct, ValidationError, convert

from forensic.finding import Range
from forensic.report.values import place
from forensic.untrusted import Json, shown_whole

TRIAGE = "triage"
"""The label of notes that judge a finding."""

PLACE, BYTES, ROW = "place", "bytes", 16
_JUDGEMENT = r"finding (\S+): (seen|explained|rejected)(?:: (.*))?"


class Judged(Struct, frozen=True):
    """What the examiner makes of a finding: `seen`, `explained` or `rejected`, and the reason, if one was given."""

    state: str = "none"
    reason: str = ""


class NotedBytes(Struct, frozen=True):
    """The bytes that a note is about as they were read when it was made.

    `hex` are the first of them, `sha256` is of all of them; `reason` says why one is missing.
    """

    hex: str = ""
    sha256: str = ""
    reason: str = ""


class Noted(Struct, frozen=True):
    """A note: a range, what the examiner says of it, under which label, when (UTC) and who."""

    range: Range
    note: str
    created_at: str = ""
    author: str = ""
    label: str = ""
    bytes: NotedBytes = NotedBytes()

    @property
    def facts(self) -> Iterator[tuple[str, str]]:
        """Labels and values, without the words of the note itself."""
        yield PLACE, place(self.range)
        if self.label:
            yield "label", shown_whole(self.label)
        yield "written", shown_whole(f"{self.created_at} by {self.author}")
        if self.bytes.hex:
            more = " …" if len(self.bytes.hex) < 2 * self.range.length else ""
            yield BYTES, _spaced(shown_whole(self.bytes.hex)) + more
        if self.bytes.sha256:
            yield "sha256", shown_whole(self.bytes.sha256)
        if self.bytes.reason:
            yield "not read", shown_whole(self.bytes.reason)

    @property
    def dump(self) -> list[str]:
        """The first of the bytes as rows of sixteen: offset, hexadecimal, ASCII; empty where none were read."""
        try:
            data = bytes.fromhex(self.bytes.hex)
        except ValueError:
            return [shown_whole(self.bytes.hex)]
        return [
            f"{self.range.offset + at:#012x}  {_spaced(data[at : at + ROW].hex()):<{3 * ROW - 1}}  "
            + "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in data[at : at + ROW])
            for at in range(0, len(data), ROW)
        ]

    @property
    def words(self) -> str:
        """What the examiner wrote."""
        return shown_whole(self.note)


def notes_of(annotations: Sequence[Json]) -> list[Noted]:
    """The notes among the annotations of a report; what has another form is for programs that know it."""
    found = []
    for each in annotations:
        try:
            found.append(convert(each, Noted))
        except ValidationError:
            continue
    return found


def judgement_in(note: str, label: str) -> tuple[str, Judged] | None:
    """The code of the finding that a note judges, and how; None where it is about something else."""
    said = re.fullmatch(_JUDGEMENT, note, re.DOTALL) if label == TRIAGE else None
    return (said[1], Judged(said[2], said[3] or "")) if said else None


def triage_of(notes: Sequence[Noted]) -> dict[str, Judged]:
    """How findings are judged, by their codes; of two notes about one finding the later counts."""
    return dict(judged for note in notes if (judged := judgement_in(note.note, note.label)))


def session_lines(audit: Sequence[Json]) -> Iterator[str]:
    """What was done in a session, an entry a line."""
    for each in audit:
        if isinstance(each, Mapping):
            mark = "!" if each.get("bad") else " "
            yield f"  {each.get('at', '')} {mark} {each.get('place', ''):<24} {each.get('words', '')}"


def harmless(value: Json) -> Json:
    """The same with every text in its shown form: what was pasted into a note is printed on terminals later."""
    if isinstance(value, str):
        return shown_whole(value)
    if isinstance(value, Mapping):
        return {shown_whole(name): harmless(each) for name, each in value.items()}
    return [harmless(each) for each in value] if isinstance(value, Sequence) else value


def _spaced(digits: str) -> str:
    return " ".join(digits[at : at + 2] for at in range(0, len(digits), 2))
