"""One volume, read by a process of its own; what that says is checked here, and its end is a value, not an error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from msgspec import MsgspecError, Struct
from msgspec.json import Decoder
from msgspec.structs import replace

from forensic.disk.contents import read_of
from forensic.exit_status import ExitStatus
from forensic.filesystems.entries import (
    MAX_RUNS,
    PAST_THE_END,
    About,
    At,
    Entry,
    Extent,
    Fault,
    FolderFault,
    Message,
    NotFound,
    Runs,
    Unread,
)
from forensic.filesystems.systems import OWN_XFS, PACKAGES, refuse_without
from forensic.processes.limited import Bounds, ProcessFailed, Send, messages_from
from forensic.untrusted import Json, Untrusted, shown
from forensic.volumes.listing import NamedVolume, Volumes, volumes_of

if TYPE_CHECKING:
    from forensic.disk.disk import Disk
    from forensic.filesystems.walking import Task

READER_FAILED = "file-system-reader-failed"

MAX_FAULTS = 10_000
"""Faults of one volume that are kept; all are counted."""

MAX_NUMBER = 1 << 64
"""No size, offset or inode of any file system reaches it."""


class ReaderFailure(Struct, frozen=True):
    """The finding about a process that did not get to the end of a volume."""

    volume: Untrusted
    library: str
    reason: str
    signal_number: int
    last_path: Untrusted

    def __str__(self) -> str:
        where = f" at {self.last_path.text}" if self.last_path.raw else ""
        return f"volume {self.volume.text}: {READER_FAILED}: {self.library}{where}: {shown(self.reason)}"

    def as_json(self) -> dict[str, Json]:
        """The object that documents hold."""
        return {
            "rule": READER_FAILED,
            "volume": self.volume.text,
            "library": self.library,
            "signal": self.signal_number or None,
            "last_path": self.last_path.as_json(),
            "reason": shown(self.reason),
        }


class PathFault(Struct, frozen=True):
    """Why something of a path is not known."""

    volume: Untrusted
    path: Untrusted
    fault: Fault

    def __str__(self) -> str:
        path = self.path.text or "/"
        return f"volume {self.volume.text}: {path}: {shown(self.fault.reason)}"

    def as_json(self) -> dict[str, Json]:
        """The object that documents hold."""
        return {
            "volume": self.volume.text,
            "path": self.path.as_json(),
            "reason": shown(self.fault.reason),
            "absent": self.fault.absent,
        }


class Reading:
    """What a task gives of a volume; after it was gone through, `failure`, `faults` and `status` say how it went.

    `most_bytes` is how many a file there can have, but for holes.
    """

    def __init__(self, disk: Disk, volume: NamedVolume, task: Task, bounds: Bounds) -> None:
        """Nothing is started yet. Raises `ReaderNotInstalled`."""
        refuse_without(volume.library)
        self.volume = volume
        self.most_bytes = min(volume.length, disk.size)  # a partition may claim any length
        self.about: About | None = None
        self.failure: ReaderFailure | None = None
        self.faults: list[PathFault] = []
        self.fault_count = 0
        self.unread: list[Unread] = []
        self.found = True
        fetched = max((evidence.before.size for evidence in disk.evidences if evidence.is_remote), default=0)
        self._disk, self._task, self._bounds = disk, task, replace(bounds, file=fetched)
        self._absent = self._broken = False

    @property
    def status(self) -> ExitStatus:
        """1 if something went wrong but that the disk lacks bytes, 5 for that."""
        if self.failure or self._broken:
            return ExitStatus.NOT_COMPLETED
        return ExitStatus.RANGES_NOT_READ if self._absent else ExitStatus.DONE

    @property
    def journal_open(self) -> bool:
        """Whether the file system's journal holds changes that are not in the files."""
        return bool(self.about and self.about.journal_open)

    def entries(self) -> Iterator[Entry]:
        """The entries, as they come."""
        return (one for one in self.items() if isinstance(one, Entry))

    def items(self) -> Iterator[Entry | bytes]:
        """The entries, and the bytes of a file, as they come."""
        last_path = b""
        runs: list[Extent] = []
        try:
            with closing(messages_from(self._perform, self._bounds)) as messages:
                for raw in messages:
                    if raw.startswith(b"="):
                        yield raw[1:]
                        continue
                    message = _checked(raw)
                    if isinstance(message, At):
                        last_path = message.path
                    elif isinstance(message, Runs):
                        runs += message.runs[: MAX_RUNS - len(runs)]
                    elif isinstance(message, Entry):
                        yield self._complete(message, runs)
                        runs = []
                    else:
                        self._note(message)
        except ProcessFailed as failed:
            library = self.about.library if self.about else PACKAGES.get(self.volume.library, OWN_XFS)
            path = Untrusted(last_path)
            self.failure = ReaderFailure(self.volume.name, shown(library), failed.reason, failed.signal_number, path)

    def _perform(self, send: Send) -> None:
        from forensic.filesystems.volume_reader import VolumeReader
        from forensic.filesystems.walking import perform

        volume = self.volume
        perform(self._task, volume.library, volume.file_system, VolumeReader(self._disk, volume.layout), send)

    def _complete(self, entry: Entry, runs: list[Extent]) -> Entry:
        """An entry with all of its runs, in the order of the file; what is wrong with it is noted."""
        if runs or len(entry.runs) > 1:
            entry = replace(entry, runs=tuple(sorted((*runs, *entry.runs))))
        faults = entry.faults
        if any(place + length > self.volume.length for _, place, length in entry.runs):
            faults += (Fault(PAST_THE_END),)
        for fault in faults:
            if fault.absent or not entry.deleted:
                self._add(entry.path, fault)
        return entry

    def _note(self, message: Message) -> None:
        if isinstance(message, About):
            self.about = message
        elif isinstance(message, NotFound):
            self.found = False
        elif isinstance(message, FolderFault):
            self._add(message.path, message.fault)
        elif isinstance(message, Unread):
            self._absent, self._broken = True, self._broken or not message.fault.absent
            if len(self.unread) < MAX_FAULTS:
                self.unread.append(message)

    def _add(self, path: bytes, fault: Fault) -> None:
        self._absent, self._broken = self._absent or fault.absent, self._broken or not fault.absent
        self.fault_count += 1
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(PathFault(self.volume.name, Untrusted(path), fault))


def volumes_on(disk: Disk) -> Volumes:
    """The volumes of a disk."""
    return volumes_of(read_of(disk), disk.size)


_DECODER = Decoder(Message)


def _checked(raw: bytes) -> Message:
    """A message whose numbers are possible. Raises `ProcessFailed`: the process is not what was started any more."""
    try:
        message: Message = _DECODER.decode(raw)
    except MsgspecError as error:
        raise ProcessFailed("it sent what it cannot have meant") from error
    if isinstance(message, Entry | Runs):
        numbers = [number for run in message.runs for number in run]
        if isinstance(message, Entry):
            numbers += [message.size, message.inode, *(number for run in message.tables for number in run)]
        if numbers and not 0 <= min(numbers) <= max(numbers) < MAX_NUMBER:
            raise ProcessFailed("it sent numbers that cannot be")
    return message
