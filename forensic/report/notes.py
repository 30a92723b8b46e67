"""The examiner's notes as every form of a report shows them; what was typed may hold anything, and is made harmless."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct, ValidationError, convert

from forensic.finding import Range
from forensic.report.values import place
from forensic.untrusted import Json, shown_whole


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
        yield "place", place(self.range)
        if self.label:
            yield "label", shown_whole(self.label)
        yield "written", shown_whole(f"{self.created_at} by {self.author}")
        if self.bytes.hex:
            more = " …" if len(self.bytes.hex) < 2 * self.range.length else ""
            yield "bytes", _spaced(shown_whole(self.bytes.hex)) + more
        if self.bytes.sha256:
            yield "sha256", shown_whole(self.bytes.sha256)
        if self.bytes.reason:
            yield "not read", shown_whole(self.bytes.reason)

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
