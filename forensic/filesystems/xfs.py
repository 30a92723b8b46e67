"""XFS, read by `xfs_inodes`: no library that is known reads all of it right."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from itertools import islice

from forensic.filesystems.contents import bytes_of_runs
from forensic.filesystems.entries import MAX_RUNS, About, Entry, Extent, Fault, Kind
from forensic.filesystems.journals import xfs_is_open
from forensic.filesystems.systems import OWN_XFS, Node
from forensic.filesystems.volume_reader import VolumeReader
from forensic.filesystems.xfs_inodes import Inode, XfsInodes

KINDS = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFLNK: Kind.LINK,
    stat.S_IFIFO: Kind.FIFO,
    stat.S_IFSOCK: Kind.SOCKET,
    stat.S_IFCHR: Kind.CHARACTER,
    stat.S_IFBLK: Kind.BLOCK,
}
"""By the upper bits of the mode."""

HAS_CONTENT = (Kind.FILE, Kind.DIRECTORY, Kind.LINK)


class XfsSystem:
    """See `forensic.filesystems.systems.System`."""

    def __init__(self, volume: VolumeReader) -> None:
        """Open the file system of a volume. Raises one of `TROUBLE`."""
        self._volume = volume
        self._inodes = XfsInodes(volume.read_at)
        self._runs_read: dict[int, tuple[Extent, ...]] = {}

    def about(self) -> About:
        """What is known of it as a whole."""
        is_open = self._volume.told(xfs_is_open, False)
        return About(OWN_XFS, self._inodes.block_size, self._inodes.block_count, is_open)

    def root(self) -> Node:
        """The root folder."""
        return Node(b"", self._inodes.root, True, False, self._inodes.root, None)

    def children(self, folder: Node, deleted: bool) -> Iterator[Node]:
        """What a folder holds; deleted entries are not known."""
        for name, number, is_directory in self._inodes.names(self._inodes.inode(folder.inode)):
            yield Node(name, number, is_directory, False, folder.inode, None)

    def by_inode(self, address: str) -> Node | None:
        """The entry of an inode, which has no name then."""
        if not address.isdecimal() or int(address) >= 1 << 63:
            return None
        inode = self._inodes.find(int(address))
        return Node(b"", int(address), _kind(inode) == Kind.DIRECTORY, False, 0, None) if inode else None

    def entry(self, node: Node, path: bytes, with_runs: bool) -> Entry:
        """All that is known of an entry."""
        inode = self._inodes.inode(node.inode)
        kind, target = _kind(inode), b""
        runs: tuple[Extent, ...] = ()
        faults: list[Fault] = []
        try:
            if with_runs and kind in HAS_CONTENT:
                runs = self._runs(inode)
            if kind == Kind.LINK:
                target = self._inodes.target(inode)
        except ValueError as error:
            faults.append(Fault(str(error)))
        except OSError:  # the volume remembers
            pass
        if node.is_directory != (kind == Kind.DIRECTORY):
            faults.append(Fault("its inode and its name do not agree whether it is a folder"))
        if len(runs) >= MAX_RUNS:
            faults.append(Fault(f"it has more than {MAX_RUNS:,} runs"))
        return Entry(
            path=path,
            inode=node.inode,
            kind=kind,
            size=inode.size,
            parent=node.parent,
            mode=inode.mode & 0o7777,
            uid=inode.uid,
            gid=inode.gid,
            links=inode.links,
            modified=inode.modified,
            accessed=inode.accessed,
            changed=inode.changed,
            created=inode.created,
            target=target,
            runs=runs,
            faults=tuple(faults),
        )

    def read(self, node: Node, offset: int, size: int) -> bytes:
        """Bytes of its content."""
        inode = self._inodes.inode(node.inode)
        if _kind(inode) == Kind.LINK:
            return self._inodes.target(inode)[offset : offset + size]
        if node.inode not in self._runs_read:
            self._runs_read = {node.inode: tuple(sorted(self._runs(inode)))}
        return bytes_of_runs(self._volume.read_at, self._runs_read[node.inode], offset, size)

    def _runs(self, inode: Inode) -> tuple[Extent, ...]:
        return tuple(islice(self._inodes.runs(inode), MAX_RUNS))


def _kind(inode: Inode) -> Kind:
    return KINDS.get(stat.S_IFMT(inode.mode), Kind.UNKNOWN)
