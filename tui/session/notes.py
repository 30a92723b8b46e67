"""The examiner's notes: kept in the user's state folder, never beside the evidence."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct, ValidationError, convert, to_builtins
from msgspec.structs import replace

from forensic.explore import Json, NotedBytes, Range
from tui.session.times import now

LABELS = ("", "evidence", "question", "explained", "bookmark")
"""What a note may be labelled with; each has a colour of its own in the dump and on the map."""

BOOKMARK = "bookmark"

NOT_READ = NotedBytes()


class Note(Struct, frozen=True):
    """A remark about a range, with its time (UTC) and author, and the bytes that were there then."""

    place: Range
    text: str
    created_at: str
    author: str
    label: str = ""
    bytes: NotedBytes = NOT_READ

    def as_json(self) -> dict[str, Json]:
        """The object `annotations[]` of a report holds."""
        kept: dict[str, Json] = to_builtins(self)
        return {
            "range": kept["place"],
            "note": self.text,
            "created_at": self.created_at,
            "author": self.author,
            "label": self.label,
            "bytes": kept["bytes"],
        }


def state_folder() -> Path:
    """Where sessions are kept, by the rules of XDG."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "qcowscope"


class Notes:
    """The notes about one image, in the order they were made; written after each change."""

    def __init__(self, file: Path) -> None:
        """Read what was noted before; a session that cannot be read is kept and not written over."""
        self.file = file
        self.trouble = ""
        self.notes: list[Note] = []
        try:
            self.notes = convert(json.loads(file.read_text(encoding="utf-8"))["notes"], list[Note])
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
            self.trouble = f"the session file cannot be read: {error}"

    def add(self, place: Range, text: str, held: NotedBytes = NOT_READ, label: str = "") -> Note:
        """Make a note; one that is there already is not made twice. Raises `OSError` if it cannot be kept."""
        same = next((each for each in self.notes if (each.place, each.text, each.label) == (place, text, label)), None)
        if same:
            return same
        note = Note(place, text, now(), user_name(), label, held)
        self._keep([*self.notes, note])
        return note

    def change(self, note: Note, text: str, label: str) -> None:
        """Say something else of the same place, from now on. Raises `OSError` if it cannot be kept."""
        changed = replace(note, text=text, label=label, created_at=now(), author=user_name())
        self._keep([changed if each is note else each for each in self.notes])

    def remove(self, note: Note) -> None:
        """Take a note back. Raises `OSError` if that cannot be kept."""
        self._keep([each for each in self.notes if each is not note])

    def as_json(self) -> list[Json]:
        """What the report holds."""
        return [note.as_json() for note in self.notes]

    def _keep(self, notes: list[Note]) -> None:
        """Write them all; what cannot be written is not remembered either, so that the list says what is kept."""
        if self.trouble:
            raise OSError(self.trouble)
        self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        text = json.dumps({"notes": to_builtins(notes)}, indent=1)
        with tempfile.NamedTemporaryFile(
            "w", dir=self.file.parent, encoding="utf-8", delete=False, suffix=".partial"
        ) as stream:
            stream.write(text)
        Path(stream.name).replace(self.file)
        self.notes = notes


def session_file(image: Path, folder: Callable[[], Path] = state_folder) -> Path:
    """The session of an image, by its resolved path."""
    digest = hashlib.sha256(os.fsencode(image.resolve())).hexdigest()[:24]
    return folder() / "sessions" / f"{digest}.json"


def user_name() -> str:
    """Who works here, by the name of the account."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
