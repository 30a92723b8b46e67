"""ext2/3/4, NTFS, FAT and exFAT through The Sleuth Kit (pytsk3)."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator

import pytsk3

from forensic.filesystems.entries import MAX_DIGESTED, MAX_RUNS, About, Entry, Extent, Fault, Kind
from forensic.filesystems.ext_names import MAX_DIRECTORY, names_in
from forensic.filesystems.journals import NTFS_LOG_BYTES, ext_is_open, ntfs_is_open
from forensic.filesystems.systems import TROUBLE, Node
from forensic.filesystems.volume_reader import VolumeReader

TYPES = {
    "NTFS": pytsk3.TSK_FS_TYPE_NTFS_DETECT,
    "exFAT": pytsk3.TSK_FS_TYPE_EXFAT,
    **dict.fromkeys(("FAT12", "FAT16", "FAT32"), pytsk3.TSK_FS_TYPE_FAT_DETECT),
    **dict.fromkeys(("ext2", "ext3", "ext4", "ext2/3/4"), pytsk3.TSK_FS_TYPE_EXT_DETECT),
}
"""What Sleuth Kit is told to expect, by our names."""

KINDS = {
    int(pytsk3.TSK_FS_META_TYPE_REG): Kind.FILE,
    int(pytsk3.TSK_FS_META_TYPE_DIR): Kind.DIRECTORY,
    int(pytsk3.TSK_FS_META_TYPE_LNK): Kind.LINK,
    int(pytsk3.TSK_FS_META_TYPE_FIFO): Kind.FIFO,
    int(pytsk3.TSK_FS_META_TYPE_SOCK): Kind.SOCKET,
    int(pytsk3.TSK_FS_META_TYPE_CHR): Kind.CHARACTER,
    int(pytsk3.TSK_FS_META_TYPE_BLK): Kind.BLOCK,
    int(pytsk3.TSK_FS_META_TYPE_VIRT): Kind.VIRTUAL,
    int(pytsk3.TSK_FS_META_TYPE_VIRT_DIR): Kind.VIRTUAL,
}

NAME_KINDS = {
    int(pytsk3.TSK_FS_NAME_TYPE_REG): Kind.FILE,
    int(pytsk3.TSK_FS_NAME_TYPE_DIR): Kind.DIRECTORY,
    int(pytsk3.TSK_FS_NAME_TYPE_LNK): Kind.LINK,
}
"""By the folder alone, where the inode says nothing any more."""

DATA = int(pytsk3.TSK_FS_ATTR_TYPE_NTFS_DATA)
INDEX_ROOT = int(pytsk3.TSK_FS_ATTR_TYPE_NTFS_IDXROOT)
INDEX_BLOCKS = int(pytsk3.TSK_FS_ATTR_TYPE_NTFS_IDXALLOC)
CONTENT = int(pytsk3.TSK_FS_ATTR_TYPE_DEFAULT)
TABLES = (int(pytsk3.TSK_FS_ATTR_TYPE_UNIX_INDIR), int(pytsk3.TSK_FS_ATTR_TYPE_UNIX_EXTENT))

ALLOCATED_NAME = int(pytsk3.TSK_FS_NAME_FLAG_ALLOC)
ALLOCATED_INODE = int(pytsk3.TSK_FS_META_FLAG_ALLOC)
NOWHERE = int(pytsk3.TSK_FS_ATTR_RUN_FLAG_SPARSE) | int(pytsk3.TSK_FS_ATTR_RUN_FLAG_FILLER)
RESIDENT, ENCODED = int(pytsk3.TSK_FS_ATTR_RES), int(pytsk3.TSK_FS_ATTR_COMP) | int(pytsk3.TSK_FS_ATTR_ENC)

FIRST_OF_NTFS_USERS = 24
"""Records below this number belong to NTFS itself."""

LOG_FILE = 2
"""The record of `$LogFile`, the journal."""

EXTEND = 11
"""The record of `$Extend`, a folder of NTFS itself."""


class _Image(pytsk3.Img_Info):
    """What Sleuth Kit asks for: a size, and bytes from an offset."""

    def __init__(self, volume: VolumeReader) -> None:
        self._volume = volume
        super().__init__(url="", type=pytsk3.TSK_IMG_TYPE_EXTERNAL)

    def close(self) -> None:
        """Nothing to close."""

    def read(self, offset: int, size: int) -> bytes:
        """Bytes of the volume."""
        return self._volume.read_ahead(offset, size)

    def get_size(self) -> int:
        """Bytes of the volume."""
        return self._volume.length


class TskSystem:
    """See `forensic.filesystems.systems.System`."""

    def __init__(self, volume: VolumeReader, file_system: str) -> None:
        """Open the file system of a volume. Raises one of `TROUBLE`."""
        os.environ["TZ"] = "UTC"  # FAT keeps local times of an unknown zone, which are read as they stand
        time.tzset()
        self._volume = volume
        self._image = _Image(volume)
        self._system = pytsk3.FS_Info(self._image, type=TYPES[file_system])
        self._block_size = int(self._system.info.block_size)
        self._is_ntfs = file_system == "NTFS"
        self._is_ext = file_system.startswith("ext")

    def about(self) -> About:
        """What is known of it as a whole."""
        library = f"The Sleuth Kit by pytsk3 {pytsk3.get_version()}"
        return About(library, self._block_size, int(self._system.info.block_count), self._journal_open())

    def _journal_open(self) -> bool:
        if self._is_ntfs:
            return self._volume.told(lambda _: ntfs_is_open(self._log()), False)
        return self._is_ext and self._volume.told(ext_is_open, False)

    def _log(self) -> bytes:
        file = self._system.open_meta(inode=LOG_FILE)
        return bytes(file.read_random(0, NTFS_LOG_BYTES))

    def root(self) -> Node:
        """The root folder."""
        inode = int(self._system.info.root_inum)
        return Node(b"", inode, True, False, inode, self._system.open_meta(inode=inode))

    def children(self, folder: Node, deleted: bool) -> Iterator[Node]:
        """What a folder holds, streams of NTFS as entries of their own."""
        known = self._names(folder) if self._is_ext else None
        for file in self._system.open_dir(inode=folder.inode):
            name = file.info.name
            if name is None or name.name in (None, b".", b".."):
                continue
            is_deleted = not int(name.flags) & ALLOCATED_NAME
            if is_deleted and not deleted:
                continue
            kind = _kind(file)
            inode = int(name.meta_addr)
            if not (is_deleted or known is None or kind == Kind.VIRTUAL or (bytes(name.name), inode) in known):
                continue
            # To list what has lost its folder, all inodes are read.
            is_directory = kind == Kind.DIRECTORY or (deleted and name.name == b"$OrphanFiles")
            node = Node(bytes(name.name), inode, is_directory, is_deleted, folder.inode, file)
            if self._is_ntfs and file.info.meta is not None:
                yield from _streams(node)
            else:
                yield node

    def _names(self, folder: Node) -> set[tuple[bytes, int]] | None:
        """What a folder of ext2, ext3 or ext4 that may have an index holds; None if that is not known."""
        file = self._system.open_meta(inode=folder.inode)
        size = int(file.info.meta.size) if file.info.meta else 0
        if not self._block_size < size <= MAX_DIRECTORY:
            return None
        content = self._volume.told(lambda _: bytes(file.read_random(0, size)), b"")
        return names_in(content, self._block_size) if len(content) == size else None

    def by_inode(self, address: str) -> Node | None:
        """The entry of an inode, or of one attribute of an NTFS record (`64-128-1`)."""
        inode, _, attribute = address.partition("-")
        if not inode.isdecimal() or not int(inode) <= int(self._system.info.last_inum):
            return None
        file = self._system.open_meta(inode=int(inode))
        node = Node(b"", int(inode), _kind(file) == Kind.DIRECTORY, False, 0, file)
        if not self._is_ntfs:
            return None if attribute else node
        wanted = [one for one in _streams(node) if attribute in ("", _address(one.attribute))]
        return wanted[0] if wanted else None

    def entry(self, node: Node, path: bytes, with_runs: bool) -> Entry:
        """All that is known of an entry."""
        file: pytsk3.File = node.handle
        meta = file.info.meta
        if meta is None:
            return Entry(path, node.inode, _kind(file), 0, parent=node.parent, deleted=node.deleted)
        kind = Kind.STREAM if node.stream else _kind(file)
        attribute: pytsk3.Attribute | None = node.attribute
        size = int(attribute.info.size) if attribute and kind != Kind.DIRECTORY else int(meta.size)
        runs, tables, digest, encoded = self._places(node, size) if with_runs else ((), (), "", False)
        fault = () if len(runs) < MAX_RUNS else (Fault(f"it has more than {MAX_RUNS:,} runs"),)
        return Entry(
            path=path,
            inode=node.inode,
            kind=kind,
            size=size,
            parent=node.parent,
            sequence=int(meta.seq),
            attribute=_address(attribute) if attribute else "",
            deleted=node.deleted,
            reallocated=_is_reallocated(node),
            own=kind == Kind.VIRTUAL or self._is_own(node),
            encoded=encoded,
            mode=int(meta.mode) & 0o7777,
            uid=int(meta.uid),
            gid=int(meta.gid),
            links=int(meta.nlink),
            modified=_nanoseconds(meta.mtime, meta.mtime_nano),
            accessed=_nanoseconds(meta.atime, meta.atime_nano),
            changed=_nanoseconds(meta.ctime, meta.ctime_nano),
            created=_nanoseconds(meta.crtime, meta.crtime_nano),
            target=_target(file) if kind == Kind.LINK else b"",
            digest=digest,
            runs=runs,
            tables=tables,
            faults=fault,
        )

    def read(self, node: Node, offset: int, size: int) -> bytes:
        """Bytes of its content."""
        file: pytsk3.File = node.handle
        attribute: pytsk3.Attribute | None = node.attribute
        if target := _target(file):  # what lies in the inode of a link Sleuth Kit gives as zeros
            return target[offset : offset + size]
        if attribute is None:
            return bytes(file.read_random(offset, size))
        return bytes(file.read_random(offset, size, attribute.info.type, attribute.info.id))

    def _is_own(self, node: Node) -> bool:
        return self._is_ntfs and (node.inode < FIRST_OF_NTFS_USERS or node.parent == EXTEND)

    def _places(self, node: Node, size: int) -> tuple[tuple[Extent, ...], tuple[Extent, ...], str, bool]:
        """Runs of the content and of its tables, the digest of content that has none, and whether it is encoded."""
        runs: list[Extent] = []
        tables: list[Extent] = []
        digest, encoded = "", False
        file: pytsk3.File = node.handle
        for attribute in file:
            kind, flags = int(attribute.info.type), int(attribute.info.flags)
            if kind in TABLES:
                tables += self._extents(attribute)
            elif not self._is_content(node, attribute, kind):
                continue
            elif flags & RESIDENT:
                if kind != INDEX_ROOT and size <= MAX_DIGESTED:
                    digest = hashlib.sha256(self.read(node, 0, size) if size else b"").hexdigest()
            else:
                runs += self._extents(attribute)
                encoded = bool(flags & ENCODED)
        return tuple(runs[:MAX_RUNS]), tuple(tables[:MAX_RUNS]), digest, encoded

    def _is_content(self, node: Node, attribute: pytsk3.Attribute, kind: int) -> bool:
        if not self._is_ntfs:
            return kind == CONTENT
        if node.is_directory and not node.stream:
            return kind == INDEX_BLOCKS
        return node.attribute is not None and _address(attribute) == _address(node.attribute)

    def _extents(self, attribute: pytsk3.Attribute) -> list[Extent]:
        found: list[Extent] = []
        for run in attribute:
            if not int(run.flags) & NOWHERE and len(found) < MAX_RUNS:
                start, address, length = (int(number) * self._block_size for number in (run.offset, run.addr, run.len))
                found.append((start, address, length))
        return found


def _target(file: pytsk3.File) -> bytes:
    """Where a symbolic link leads; empty for all else."""
    meta = file.info.meta
    return bytes(meta.link) if meta is not None and _kind(file) == Kind.LINK and meta.link else b""


def _is_reallocated(node: Node) -> bool:
    """Whether the inode of a deleted name is in use, by another file therefore, as `fls` says `realloc`."""
    file: pytsk3.File = node.handle
    meta = file.info.meta
    return node.deleted and meta is not None and bool(int(meta.flags) & ALLOCATED_INODE)


def _kind(file: pytsk3.File) -> Kind:
    meta, name = file.info.meta, file.info.name
    if meta is not None:
        return KINDS.get(int(meta.type), Kind.UNKNOWN)
    return NAME_KINDS.get(int(name.type), Kind.UNKNOWN) if name is not None else Kind.UNKNOWN


def _streams(node: Node) -> Iterator[Node]:
    """An NTFS record as itself and as each further stream or index that has a name, as `fls` lists them."""
    file: pytsk3.File = node.handle
    named: list[Node] = []
    plain: list[pytsk3.Attribute] = []
    try:
        for attribute in file:
            kind, raw = int(attribute.info.type), attribute.info.name
            if kind not in (DATA, INDEX_ROOT):
                continue
            name = bytes(raw or b"")
            if name in (b"", b"$Data" if kind == DATA else b"$I30"):
                plain.append(attribute)
            else:
                path = node.name + b":" + name
                named.append(
                    Node(path, node.inode, False, node.deleted, node.parent, file, attribute, _address(attribute))
                )
    except TROUBLE:  # the record itself is listed all the same
        pass
    # Not while they are looked for: to look at the attributes of a node would end the loop, which is the file's own.
    yield from named
    node.attribute = plain[0] if plain else None
    if plain or not named:
        yield node


def _address(attribute: pytsk3.Attribute) -> str:
    return f"{int(attribute.info.type)}-{int(attribute.info.id)}"


def _nanoseconds(seconds: int, rest: int) -> int:
    return int(seconds) * 1_000_000_000 + int(rest) if seconds else 0
