"""What the examiner supplied for reading the disk: their own paths, and a key that is shown nowhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:  # what opens disks is loaded when something is supplied
    from forensic import Disk, Qcow1Image, Qcow2Image, Supplied

WHAT = {
    "backing": "backing file",
    "data_file": "data file",
    "key": "passphrase",
    "key_file": "key file",
}
"""What can be supplied, and what it is called."""


@dataclass(frozen=True)
class Supplies:
    """Each was supplied after a question; backing files nearest first."""

    backing: tuple[str, ...] = ()
    data_file: str = ""
    passphrase: str = field(default="", repr=False)
    key_file: str = ""
    allow_slow_key: bool = False
    formats: tuple[str, ...] = ()

    @property
    def chain(self) -> list[tuple[str, str]]:
        """The backing files, each with the format that it is read as; empty if that is declared or detected."""
        return [(path, self.formats[at] if at < len(self.formats) else "") for at, path in enumerate(self.backing)]

    def read_as(self, number: int, format_: str) -> Supplies:
        """The same with one of the backing files read as this."""
        formats = [format_ if at == number else given for at, (_, given) in enumerate(self.chain)]
        return replace(self, formats=tuple(formats))

    def with_one(self, what: str, given: str) -> Supplies:
        """The same with something of `WHAT`: a backing file below those there are, anything else in place of the old.

        A passphrase and a key file take each other's place.
        """
        if what == "backing":
            return replace(self, backing=(*self.backing, given))
        if what == "data_file":
            return replace(self, data_file=given)
        return (
            replace(self, passphrase=given, key_file="")
            if what == "key"
            else replace(self, passphrase="", key_file=given)
        )

    def without(self, what: str, number: int = 0) -> Supplies:
        """The same with that taken back; of backing files the one with this number."""
        if what == "backing":
            kept = [each for at, each in enumerate(self.chain) if at != number]
            return replace(self, backing=tuple(path for path, _ in kept), formats=tuple(each for _, each in kept))
        if what == "data_file":
            return replace(self, data_file="")
        return replace(self, passphrase="", key_file="", allow_slow_key=False)

    def listed(self) -> list[tuple[str, int, str]]:
        """What there is: of `WHAT`, its number, and words that do not show a passphrase."""
        found = [
            ("backing", number, f"{path}, read as {format_}" if format_ else path)
            for number, (path, format_) in enumerate(self.chain)
        ]
        found += [("data_file", 0, self.data_file)] if self.data_file else []
        found += [("key", 0, "entered; it is shown nowhere")] if self.passphrase else []
        return found + ([("key_file", 0, self.key_file)] if self.key_file else [])

    @property
    def files(self) -> list[str]:
        """The paths of all that is read beside the image."""
        paths = (*self.backing, self.data_file, self.key_file)
        return [os.path.expanduser(path) for path in paths if path]

    def supplied(self, salvage: bool = False, as_stored: bool = False) -> Supplied:
        """The same for the library, which may be asked for what broken streams give, or for data as it is encrypted.

        Raises `ForensicError` for a key file that cannot be read.
        """
        from forensic import BackingFile, Supplied
        from forensic.explore import Format, read_key_file

        backing = tuple(
            BackingFile(os.path.expanduser(path), Format(format_) if format_ else None) for path, format_ in self.chain
        )
        data_file = os.path.expanduser(self.data_file) if self.data_file else None
        passphrase = os.fsencode(self.passphrase) if self.passphrase and not as_stored else None
        if self.key_file and not as_stored:
            passphrase = read_key_file(os.path.expanduser(self.key_file))
        return Supplied(backing, data_file, passphrase, as_stored, self.allow_slow_key, salvage=salvage)


NOTHING = Supplies()


def backing_formats() -> list[str]:
    """What a backing file can be read as."""
    from forensic.explore import Format

    return [each.value for each in Format]


class Tried(Message):
    """Supplies were tried: the disk that can be read with them, or why there is none."""

    def __init__(self, supplies: Supplies, disk: Disk | None, reason: str = "", slow: bool = False) -> None:
        """`slow` is whether the reason is that deriving the key takes long."""
        super().__init__()
        self.slow = slow
        self.supplies = supplies
        self.disk = disk
        self.reason = reason


def try_supplies(post: Callable[[Message], bool], image: Qcow2Image | Qcow1Image, supplies: Supplies) -> None:
    """Open the disk with these, in a worker thread: to derive a key takes a while."""
    from forensic import ForensicError, open_disk
    from forensic.explore import SlowKey

    try:
        disk = open_disk(image, None, supplies.supplied()) if supplies != NOTHING else None
    except (ForensicError, OSError, ValueError) as error:
        post(Tried(supplies, None, str(error), isinstance(error, SlowKey)))
    else:
        post(Tried(supplies, disk))
