"""What a reader process does: walk through a file system, or read a file of it, and say what it finds.

Everything here runs in a process that may crash or be ended at any point; what was sent before that is kept.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from msgspec.json import encode
from msgspec.structs import replace

from forensic.filesystems.entries import (
    MAX_DEPTH,
    MAX_ENTRIES,
    RUNS_IN_A_MESSAGE,
    At,
    Entry,
    Fault,
    FolderFault,
    Kind,
    Message,
    NotFound,
    Runs,
    Unread,
)
from forensic.filesystems.systems import TROUBLE, Node, System
from forensic.filesystems.volume_reader import VolumeReader
from forensic.processes.limited import CannotWork, Send

PIECE = 1 << 20
SMALL_PIECE = 4096
"""Bytes of a file that are read at once, and around what cannot be read."""

DATA_MARK = b"="
"""Before the bytes of a file; what begins otherwise is JSON."""


class Task(Struct, frozen=True):
    """What to do: list what `path` or `address` leads to, the folder's content or the whole tree; or read one file.

    `address` is an inode. `deleted` lists deleted entries as well, `with_runs` says where contents lie. At most `most`
    bytes of a file are read.
    """

    path: bytes = b""
    address: str = ""
    recursive: bool = False
    deleted: bool = False
    with_runs: bool = False
    only_itself: bool = False
    content: bool = False
    most: int = 0


def perform(task: Task, library: str, file_system: str, volume: VolumeReader, send: Send) -> None:
    """Do a task, in the process that was started for it. Raises `CannotWork`."""
    worker = _Worker(task, volume, send)
    worker.say(At(b""))
    try:
        system = _open_system(library, file_system, volume)
    except TROUBLE as trouble:
        absent = volume.take_faults(True)
        raise CannotWork(f"the file system cannot be opened: {absent[0] if absent else trouble}") from trouble
    worker.say(system.about())
    found = system.by_inode(task.address) if task.address else worker.at_path(system, task.path)
    if found is None:
        worker.say(NotFound(task.address.encode() or task.path))
    elif task.content:
        worker.read(system, found)
    elif task.only_itself or not found.is_directory:
        worker.entry(system, found, task.path)
    else:
        worker.walk(system, found)


class _Worker:
    def __init__(self, task: Task, volume: VolumeReader, send: Send) -> None:
        self._task, self._volume, self._send = task, volume, send

    def say(self, message: Message) -> None:
        self._send(encode(message))

    def at_path(self, system: System, path: bytes) -> Node | None:
        """Where a path leads, name by name; where a name stands for several, the one that is not deleted."""
        node, so_far = system.root(), b""
        for name in [part for part in path.split(b"/") if part]:
            self.say(At(so_far))
            if not node.is_directory:
                return None
            found = [one for one in self._children(system, node, so_far) if one.name == name]
            if not found:
                return None
            node = min(found, key=lambda one: one.deleted)
            so_far = _joined(so_far, name)
        return node

    def walk(self, system: System, start: Node) -> None:
        """Every entry below a folder, or of that folder alone; no folder is entered twice."""
        waiting: list[tuple[Node, bytes, int]] = [(start, b"/".join(p for p in self._task.path.split(b"/") if p), 0)]
        entered, count = {start.inode}, 0
        while waiting:
            folder, path, depth = waiting.pop()
            self.say(At(path))
            inner: list[tuple[Node, bytes, int]] = []
            for node in self._children(system, folder, path):
                own_path = _joined(path, node.name)
                self.entry(system, node, own_path)
                count += 1
                if count >= MAX_ENTRIES:
                    self.say(FolderFault(own_path, Fault(f"more than {MAX_ENTRIES:,} entries: the rest is not listed")))
                    return
                if not self._task.recursive or not node.is_directory or node.stream:
                    continue
                if node.inode in entered:
                    if not node.deleted:
                        self.say(FolderFault(own_path, Fault("this folder was listed already, under another path")))
                elif depth + 1 >= MAX_DEPTH:
                    self.say(FolderFault(own_path, Fault(f"more than {MAX_DEPTH} folders within one another")))
                else:
                    entered.add(node.inode)
                    inner.append((node, own_path, depth + 1))
            waiting += reversed(inner)

    def entry(self, system: System, node: Node, path: bytes) -> None:
        """Say all that is known of one entry."""
        self.say(At(path))
        faults: list[Fault] = []
        try:
            found = system.entry(node, path, self._task.with_runs)
        except TROUBLE as trouble:
            kind = Kind.DIRECTORY if node.is_directory else Kind.UNKNOWN
            found = Entry(path, node.inode, kind, 0, parent=node.parent, deleted=node.deleted)
            faults.append(Fault(f"its metadata cannot be read: {trouble}"))
        faults = self._absent(bool(faults)) or faults
        runs = found.runs
        while len(runs) > RUNS_IN_A_MESSAGE:
            self.say(Runs(runs[:RUNS_IN_A_MESSAGE]))
            runs = runs[RUNS_IN_A_MESSAGE:]
        self.say(replace(found, runs=runs, tables=found.tables[:RUNS_IN_A_MESSAGE], faults=(*found.faults, *faults)))

    def read(self, system: System, node: Node) -> None:
        """Say what a file is, and send its bytes; what cannot be read is left out and said."""
        self.entry(system, node, self._task.path)
        size = min(system.entry(node, b"", False).size, self._task.most)
        offset = 0
        while offset < size:
            offset += self._read_piece(system, node, offset, min(PIECE, size - offset))

    def _read_piece(self, system: System, node: Node, offset: int, length: int) -> int:
        """Send a piece of a file, a little at a time if it cannot be read at once; how many bytes of it."""
        content, faults = self._bytes(system, node, offset, length)
        if not faults:
            self._send(DATA_MARK + content)
        elif length > SMALL_PIECE:
            for start in range(offset, offset + length, SMALL_PIECE):
                self._read_piece(system, node, start, min(SMALL_PIECE, offset + length - start))
        else:
            self.say(Unread(offset, length, faults[0]))
            self._send(DATA_MARK + bytes(length))
        return length

    def _bytes(self, system: System, node: Node, offset: int, length: int) -> tuple[bytes, list[Fault]]:
        """Bytes of a file, or why there are none."""
        try:
            content = system.read(node, offset, length)
        except TROUBLE as trouble:
            return b"", self._absent(True) or [Fault(f"the file system gives no content: {trouble}")]
        if len(content) != length:
            return b"", self._absent(True) or [Fault(f"{len(content):,} bytes of {length:,} were read")]
        return content, self._absent()

    def _children(self, system: System, folder: Node, path: bytes) -> Iterator[Node]:
        """What a folder holds; that it could not be listed to its end is said."""
        iterator = iter(system.children(folder, self._task.deleted))
        while True:
            node, faults = None, []
            try:
                node = next(iterator, None)
            except TROUBLE as trouble:
                faults = [Fault(f"the folder cannot be listed: {trouble}")]
            for fault in self._absent(bool(faults)) or faults:
                self.say(FolderFault(path, fault))
            if node is None:
                return
            yield node

    def _absent(self, failed: bool = False) -> list[Fault]:
        """What the disk lacked since this was last asked, whatever the library made of it.

        If something has `failed`, that includes what was read ahead.
        """
        return [Fault(reason, absent=True) for reason in self._volume.take_faults(failed)]


def _joined(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name


def _open_system(library: str, file_system: str, volume: VolumeReader) -> System:
    """The file system of a volume. Raises one of `TROUBLE`."""
    if library == "xfs":
        from forensic.filesystems.xfs import XfsSystem

        return XfsSystem(volume)
    from forensic.filesystems.tsk import TskSystem

    return TskSystem(volume, file_system)
