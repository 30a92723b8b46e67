"""The examiner's notes: kept in the user's state folder, never beside the evidence."""

from __future__ import annotations

import datetime
import getpass
import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct, to_builtins

from forensic.explore import Json, Range, Space


class Note(Struct, frozen=True):
    """A remark about a range, with its time (UTC) and author."""

    place: Range
    text: str
    created_at: str
    author: str

    def as_json(self) -> dict[str, Json]:
        """The object `annotations[]` of a report holds."""
        place: Json = {"space": self.place.space.value, "offset": self.place.offset, "length": self.place.length}
        return {"range": place, "note": self.text, "created_at": self.created_at, "author": self.author}


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
            self.notes = [_note(each) for each in json.loads(file.read_text(encoding="utf-8"))["notes"]]
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError) as error:
            self.trouble = f"the session file cannot be read: {error}"

    def add(self, place: Range, text: str) -> Note:
        """Make a note. Raises `OSError` if it cannot be kept."""
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        note = Note(place, text, now, _author())
        self.notes.append(note)
        self._write()
        return note

    def as_json(self) -> list[Json]:
        """What the report holds."""
        return [note.as_json() for note in self.notes]

    def _write(self) -> None:
        if self.trouble:
            raise OSError(self.trouble)
        self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        text = json.dumps({"notes": [to_builtins(note) for note in self.notes]}, indent=1)
        with tempfile.NamedTemporaryFile(
            "w", dir=self.file.parent, encoding="utf-8", delete=False, suffix=".partial"
        ) as stream:
            stream.write(text)
        Path(stream.name).replace(self.file)


def session_file(image: Path, folder: Callable[[], Path] = state_folder) -> Path:
    """The session of an image, by its resolved path."""
    digest = hashlib.sha256(os.fsencode(image.resolve())).hexdigest()[:24]
    return folder() / "sessions" / f"{digest}.json"


def _note(each: dict[str, object]) -> Note:
    place = each["place"]
    if not isinstance(place, dict):
        raise ValueError("a note without a place")
    where = Range(Space(place["space"]), int(place["offset"]), int(place["length"]))
    return Note(where, str(each["text"]), str(each["created_at"]), str(each["author"]))


def _author() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
