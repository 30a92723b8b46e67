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
            return replace(self, backing=self.backing[:number] + self.backing[number + 1 :])
        return replace(self, data_file="") if what == "data_file" else replace(self, passphrase="", key_file="")

    def listed(self) -> list[tuple[str, int, str]]:
        """What there is: of `WHAT`, its number, and words that do not show a passphrase."""
        found = [("backing", number, path) for number, path in enumerate(self.backing)]
        found += [("data_file", 0, self.data_file)] if self.data_file else []
        found += [("key", 0, "entered; it is shown nowhere")] if self.passphrase else []
        return found + ([("key_file", 0, self.key_file)] if self.key_file else [])

    @property
    def files(self) -> list[str]:
        """The paths of all that is read beside the image."""
        paths = (*self.backing, self.data_file, self.key_file)
        return [os.path.expanduser(path) for path in paths if path]

    def supplied(self, salvage: bool = False) -> Supplied:
        """The same for the library, which may be asked for what broken streams give.

        Raises `ForensicError` for a key file that cannot be read.
        """
        from forensic import BackingFile, Supplied
        from forensic.explore import read_key_file

        backing = tuple(BackingFile(os.path.expanduser(path)) for path in self.backing)
        data_file = os.path.expanduser(self.data_file) if self.data_file else None
        passphrase = os.fsencode(self.passphrase) if self.passphrase else None
        if self.key_file:
            passphrase = read_key_file(os.path.expanduser(self.key_file))
        return Supplied(backing, data_file, passphrase, salvage=salvage)


NOTHING = Supplies()


class Tried(Message):
    """Supplies were tried: the disk that can be read with them, or why there is none."""

    def __init__(self, supplies: Supplies, disk: Disk | None, reason: str = "") -> None:
        super().__init__()
        self.supplies = supplies
        self.disk = disk
        self.reason = reason


def try_supplies(post: Callable[[Message], bool], image: Qcow2Image | Qcow1Image, supplies: Supplies) -> None:
    """Open the disk with these, in a worker thread: to derive a key takes a while."""
    from forensic import ForensicError, open_disk

    try:
        disk = open_disk(image, None, supplies.supplied()) if supplies != NOTHING else None
    except (ForensicError, OSError, ValueError) as error:
        post(Tried(supplies, None, str(error)))
    else:
        post(Tried(supplies, disk))
