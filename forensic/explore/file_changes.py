"""Which files differ between two disks of an image, volume by volume."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from forensic.explore.guest_files import PATIENCE, GuestFiles
from forensic.filesystems.changes import Change
from forensic.filesystems.comparing import common_volumes, compare_volumes
from forensic.filesystems.matching import Rule
from forensic.numbers import counted
from forensic.volumes.listing import NamedVolume


class ChangedFile(Struct, frozen=True):
    """A change, and the volume of the later disk it is on."""

    volume: NamedVolume
    change: Change


class ChangedFiles(Struct, frozen=True):
    """The changes of all volumes that two disks have in common; `notes` are sentences about what was not compared."""

    changes: tuple[ChangedFile, ...]
    notes: tuple[str, ...]


def changed_files(before: GuestFiles, after: GuestFiles, tell: Callable[[str], object]) -> ChangedFiles:
    """Compare two disks; `tell` is called with what is read next, and may raise to end it.

    Raises `ReaderNotInstalled`.
    """
    readable = ([one for one in files.volumes.volumes if one.library] for files in (before, after))
    common = common_volumes(*readable)
    notes = list(common.notes)
    if not common.pairs:
        notes.append("the two disks have no volume in common that can be read")
    found: list[ChangedFile] = []
    for one in compare_volumes(
        (before.disk, after.disk), common.pairs, PATIENCE, tell=lambda reading: tell(reading.volume.name.text)
    ):
        found += [ChangedFile(one.volume, change) for change in one.changes]
        if one.rule == Rule.PATH:
            notes.append(f"volume {one.volume.name.text}: two different file systems, whose files are matched by path")
        for reading in one.readings:
            notes += [str(reading.failure)] if reading.failure else []
            if reading.fault_count:
                notes.append(f"volume {reading.volume.name.text}: {counted(reading.fault_count, 'fault')}; the first: "
                             f"{reading.faults[0]}")  # fmt: skip
    return ChangedFiles(tuple(found), tuple(notes))
