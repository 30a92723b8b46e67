"""The files on a disk, looked at piece by piece: what a folder holds, how a file begins, where it lies, its bytes.

Every question is answered by a process of its own that a hostile volume may crash; how that ended is part of the
answer, not an error.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

from msgspec import Struct

from forensic.disk.disk import Disk
from forensic.errors import OutputFailed
from forensic.explore.saved_range import Saved
from forensic.extraction.sidecars import sum_line
from forensic.filesystems.entries import Entry
from forensic.filesystems.places import Place, disks_beside, places_of
from forensic.filesystems.reading import Reading, volumes_on
from forensic.filesystems.walking import Task
from forensic.image import Qcow1Image, Qcow2Image
from forensic.numbers import counted
from forensic.output.new_file import NewFile
from forensic.output.paths import refuse
from forensic.processes.limited import Bounds
from forensic.volumes.listing import NamedVolume, Volumes

MAX_LISTED = 200_000
"""Entries of one folder that are kept; all are counted."""

MAX_PLACES = 100_000
"""Places of one file that are kept."""

PATIENCE = Bounds(seconds=120, silence=30)
"""What a process may take while somebody waits for its answer."""

Cancelled = Callable[[], bool]


class Listing(Struct, frozen=True):
    """What a folder holds, in the order of the volume; `trouble` are sentences about what is not known of it.

    `more` entries were counted and not kept.
    """

    entries: tuple[Entry, ...]
    more: int = 0
    trouble: tuple[str, ...] = ()


class Beginning(Struct, frozen=True):
    """The first bytes of a file, in which `unread` bytes are zeros for want of others, and their SHA-256.

    `whole` says that the file has no more than these.
    """

    data: bytes
    sha256: str
    whole: bool
    unread: int = 0
    trouble: tuple[str, ...] = ()


class Whereabouts(Struct, frozen=True):
    """The places of a file's content, in its order; without any, `words` says where else the content is."""

    places: tuple[Place, ...]
    words: str = ""
    more: int = 0
    trouble: tuple[str, ...] = ()


class GuestFiles:
    """The files on one disk of an image."""

    def __init__(self, image: Qcow2Image | Qcow1Image, disk: Disk) -> None:
        """Nothing is read yet; `disk` has to stay open."""
        self.disk = disk
        self._image = image

    @cached_property
    def volumes(self) -> Volumes:
        """The volumes of the disk."""
        return volumes_on(self.disk)

    def folder(self, volume: NamedVolume, folder: Entry | None, deleted: bool, cancelled: Cancelled) -> Listing:
        """What a folder holds (None: the root). Raises `ReaderNotInstalled`."""
        task = Task(folder.path if folder else b"", folder.address if folder else "", deleted=deleted)
        reading = self._reading(volume, task)
        entries: list[Entry] = []
        more = 0
        for entry in reading.entries():
            if cancelled():
                break
            if len(entries) < MAX_LISTED:
                entries.append(entry)
            else:
                more += 1
        return Listing(tuple(entries), more, _trouble(reading))

    def beginning(self, volume: NamedVolume, entry: Entry, most: int, cancelled: Cancelled) -> Beginning:
        """How a file begins. Raises `ReaderNotInstalled`."""
        reading = self._reading(volume, _content_of(entry, most))
        data = b"".join(_bytes_in(reading, cancelled))[:most]
        unread = sum(one.length for one in reading.unread)
        return Beginning(
            data, hashlib.sha256(data).hexdigest(), entry.size <= len(data), min(unread, len(data)), _trouble(reading)
        )

    def places(self, volume: NamedVolume, entry: Entry) -> Whereabouts:
        """Where the content of a file lies, and which other disks share it. Raises `ReaderNotInstalled`."""
        task = Task(entry.path, entry.address, with_runs=True, only_itself=True)
        reading = self._reading(volume, task)
        found = next(iter([*reading.entries()]), None)
        if found is None:
            return Whereabouts((), "it was not found again", trouble=_trouble(reading))
        places: list[Place] = []
        more = 0
        for place in places_of(found, volume.layout, self.disk, disks_beside(self._image, self.disk)):
            if len(places) < MAX_PLACES:
                places.append(place)
            else:
                more += 1
        words = "the content is in the inode" if found.digest else "the file has no content"
        return Whereabouts(tuple(places), "" if places else words, more, _trouble(reading))

    def save(self, volume: NamedVolume, entry: Entry, path: Path, cancelled: Cancelled) -> tuple[Saved, list[str]]:
        """Write a file of the guest to a new file, and `PATH.sha256` beside it; with what has to be said of it.

        What cannot be read is zeros. Raises `OutputFailed` if one of the files exists or is evidence, or if the reader
        fails; then neither is left behind. Raises `ReaderNotInstalled`.
        """
        beside = path.with_name(path.name + ".sha256") if path.name else path
        refuse([path, beside], self.disk.evidences, force=False)
        reading = self._reading(volume, _content_of(entry, min(volume.length, self.disk.size)))
        digest, length = hashlib.sha256(), 0
        with ExitStack() as undo:
            file, file_of_hash = NewFile(path), NewFile(beside)
            undo.callback(file.abandon)
            undo.callback(file_of_hash.abandon)
            for data in _bytes_in(reading, cancelled):
                file.append(data)
                digest.update(data)
                length += len(data)
            if reading.failure or not reading.found or cancelled():
                raise OutputFailed(path, "; ".join(_trouble(reading)) or "it was stopped")
            file_of_hash.append(os.fsencode(sum_line(digest.hexdigest(), path.name)))
            file.complete()
            file_of_hash.complete()
        said = list(_trouble(reading))
        if unread := sum(one.length for one in reading.unread):
            said.append(f"{unread:,} bytes cannot be read and are zeros")
        if length < entry.size:
            said.append(f"it claims {entry.size:,} bytes, more than its volume holds")
        return Saved(path, length, digest.hexdigest()), said

    def _reading(self, volume: NamedVolume, task: Task) -> Reading:
        return Reading(self.disk, volume, task, PATIENCE)


def _content_of(entry: Entry, most: int) -> Task:
    return Task(entry.path, entry.address, deleted=entry.deleted, content=True, most=most)


def _bytes_in(reading: Reading, cancelled: Cancelled) -> Iterator[bytes]:
    for item in reading.items():
        if cancelled():
            return
        if isinstance(item, bytes):
            yield item


def _trouble(reading: Reading) -> tuple[str, ...]:
    """What has to be said of how a reading went."""
    said = [str(reading.failure)] if reading.failure else []
    said += [str(fault) for fault in reading.faults[:20]]
    if reading.fault_count > 20:
        said.append(counted(reading.fault_count - 20, "more fault"))
    if not reading.found:
        said.append("it was not found again")
    return tuple(said)
