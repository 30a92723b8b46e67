"""XFS through libfsxfs."""

from __future__ import annotations

from collections.abc import Iterator

import pyfsxfs

from forensic.filesystems.entries import MAX_RUNS, About, Entry, Extent, Fault, Kind
from forensic.filesystems.journals import xfs_is_open
from forensic.filesystems.systems import TROUBLE, Node
from forensic.filesystems.volume_reader import VolumeReader

KINDS = {
    0o100000: Kind.FILE,
    0o040000: Kind.DIRECTORY,
    0o120000: Kind.LINK,
    0o010000: Kind.FIFO,
    0o140000: Kind.SOCKET,
    0o020000: Kind.CHARACTER,
    0o060000: Kind.BLOCK,
}
"""By the upper bits of the mode."""

TYPE_BITS = 0o170000
SPARSE = 1
"""The flag of an extent that lies nowhere."""


class XfsSystem:
    """See `forensic.filesystems.systems.System`."""

    def __init__(self, volume: VolumeReader) -> None:
        """Open the file system of a volume. Raises one of `TROUBLE`."""
        self._reader = volume
        self._volume = pyfsxfs.volume()
        self._volume.open_file_object(volume)
        head = volume.read_at(0, 16)
        self._block_size = int.from_bytes(head[4:8], "big")
        self._block_count = int.from_bytes(head[8:16], "big")

    def about(self) -> About:
        """What is known of it as a whole."""
        is_open = self._reader.told(xfs_is_open)
        return About(f"libfsxfs {pyfsxfs.get_version()}", self._block_size, self._block_count, is_open)

    def root(self) -> Node:
        """The root folder."""
        entry = self._volume.get_root_directory()
        inode = int(entry.get_inode_number())
        return Node(b"", inode, True, False, inode, entry)

    def children(self, folder: Node, deleted: bool) -> Iterator[Node]:
        """What a folder holds; deleted entries are not known."""
        parent: pyfsxfs.file_entry = folder.handle
        for index in range(parent.get_number_of_sub_file_entries()):
            entry = parent.get_sub_file_entry(index)
            inode = int(entry.get_inode_number())
            name, fault = _name(entry, inode)
            yield Node(name, inode, _kind(entry) == Kind.DIRECTORY, False, folder.inode, entry, fault=fault)

    def by_inode(self, address: str) -> Node | None:
        """The entry of an inode, which has no name then."""
        if not address.isdecimal() or int(address) >= 1 << 63:
            return None
        entry = self._volume.get_file_entry_by_inode(int(address))
        if entry is None:
            return None
        return Node(b"", int(address), _kind(entry) == Kind.DIRECTORY, False, 0, entry)

    def entry(self, node: Node, path: bytes, with_runs: bool) -> Entry:
        """All that is known of an entry."""
        handle: pyfsxfs.file_entry = node.handle
        kind = _kind(handle)
        faults = (Fault(node.fault),) if node.fault else ()
        runs = tuple(_extents(handle)) if with_runs and kind in (Kind.FILE, Kind.DIRECTORY, Kind.LINK) else ()
        if len(runs) >= MAX_RUNS:
            faults = (
                *faults,
                Fault(f"it has more than {MAX_RUNS:,} runs"),
            )
        target = handle.get_symbolic_link_target() if kind == Kind.LINK else None
        return Entry(
            path=path,
            inode=node.inode,
            kind=kind,
            size=int(handle.get_size()),
            parent=node.parent,
            mode=int(handle.get_file_mode()) & 0o7777,
            uid=int(handle.get_owner_identifier()),
            gid=int(handle.get_group_identifier()),
            links=int(handle.get_number_of_links()),
            modified=int(handle.get_modification_time_as_integer() or 0),
            accessed=int(handle.get_access_time_as_integer() or 0),
            changed=int(handle.get_inode_change_time_as_integer() or 0),
            created=int(handle.get_creation_time_as_integer() or 0),
            target=(target or "").encode("utf-8", "surrogateescape"),
            runs=runs,
            faults=faults,
        )

    def read(self, node: Node, offset: int, size: int) -> bytes:
        """Bytes of its content."""
        handle: pyfsxfs.file_entry = node.handle
        return bytes(handle.read_buffer_at_offset(size, offset))


def _name(entry: pyfsxfs.file_entry, inode: int) -> tuple[bytes, str]:
    """The name; one that is not UTF-8 the library cannot give, and the inode stands in its place."""
    try:
        return str(entry.get_name() or "").encode("utf-8", "surrogateescape"), ""
    except TROUBLE:
        return b"[inode %d]" % inode, "its name is not valid UTF-8, and libfsxfs does not give it"


def _kind(entry: pyfsxfs.file_entry) -> Kind:
    return KINDS.get(int(entry.get_file_mode()) & TYPE_BITS, Kind.UNKNOWN)


def _extents(entry: pyfsxfs.file_entry) -> Iterator[Extent]:
    """Where the content lies; of what lies in the inode itself the library knows no extents."""
    try:
        count = min(int(entry.get_number_of_extents()), MAX_RUNS)
    except TROUBLE:
        return
    place = 0
    for index in range(count):
        offset, size, flags = entry.get_extent(index)
        if not flags & SPARSE:
            yield place, int(offset), int(size)
        place += int(size)
