"""What a reader of a file system says, message by message; everything in them comes out of a hostile volume."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

Extent = tuple[int, int, int]
"""Offset in the file, offset in the volume, length; all in bytes."""

RUNS_IN_A_MESSAGE = 4096
MAX_RUNS = 1 << 22
"""Runs of one file that are followed."""

MAX_ENTRIES = 1 << 23
"""Entries of one volume that are listed."""

MAX_DEPTH = 256
"""Folders within one another that are entered."""

MAX_DIGESTED = 1 << 20
"""Bytes of a file without runs that are hashed; what fits into an inode or a record is far smaller."""

PAST_THE_END = "a run of it leads past the end of the volume"
"""What is said of a file whose blocks are not there."""

REALLOCATED = "its inode belongs to another file now"
"""What is said of a deleted name of which nothing but the name is left."""


class Kind(StrEnum):
    """What an entry is; the value is what listings print."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "link"
    FIFO = "fifo"
    SOCKET = "socket"
    CHARACTER = "character device"
    BLOCK = "block device"
    STREAM = "stream"
    VIRTUAL = "virtual"
    UNKNOWN = "unknown"


LETTERS = {
    Kind.FILE: "r", Kind.DIRECTORY: "d", Kind.LINK: "l", Kind.FIFO: "p", Kind.SOCKET: "h", Kind.CHARACTER: "c",
    Kind.BLOCK: "b", Kind.STREAM: "r", Kind.VIRTUAL: "v", Kind.UNKNOWN: "-",
}  # fmt: skip
"""The letters that Sleuth Kit and DFXML use."""


class Fault(Struct, frozen=True):
    """Why something of a file or folder is not known; `absent` says that the disk lacks the bytes."""

    reason: str
    absent: bool = False


class Entry(Struct, frozen=True, tag="entry", forbid_unknown_fields=True):
    """A file, folder or whatever else has a name; `path` counts from the root of the volume, without a leading slash.

    Times are nanoseconds since 1970, 0 where the file system keeps none. `runs` are where the content lies, what is in
    no run is zeros; `digest` is the SHA-256 of content that lies in the inode or record itself. `attribute` is type and
    id of an NTFS attribute. Of a deleted name whose inode another file has since, which is `reallocated`, all but the
    name is the other file's. `encoded` content is not stored as it is read. `own` files are the file system's. `tables`
    are runs in which its list of blocks lies.
    """

    path: bytes
    inode: int
    kind: Kind
    size: int
    parent: int = 0
    sequence: int = 0
    attribute: str = ""
    deleted: bool = False
    reallocated: bool = False
    own: bool = False
    encoded: bool = False
    mode: int = 0
    uid: int = 0
    gid: int = 0
    links: int = 0
    modified: int = 0
    accessed: int = 0
    changed: int = 0
    created: int = 0
    target: bytes = b""
    digest: str = ""
    runs: tuple[Extent, ...] = ()
    tables: tuple[Extent, ...] = ()
    faults: tuple[Fault, ...] = ()

    @property
    def address(self) -> str:
        """Inode, and attribute if there are several, as Sleuth Kit writes them."""
        return f"{self.inode}-{self.attribute}" if self.attribute else str(self.inode)


class At(Struct, frozen=True, tag="at", forbid_unknown_fields=True):
    """What is looked at next, so that it is known if that ends the reader."""

    path: bytes


class Runs(Struct, frozen=True, tag="runs", forbid_unknown_fields=True):
    """Runs of the entry that comes next, where they are too many for one message."""

    runs: tuple[Extent, ...]


class FolderFault(Struct, frozen=True, tag="fault", forbid_unknown_fields=True):
    """A folder that could not be listed to its end."""

    path: bytes
    fault: Fault


class Unread(Struct, frozen=True, tag="unread", forbid_unknown_fields=True):
    """A range of a file that cannot be read; the bytes that are sent for it are zeros."""

    offset: int
    length: int
    fault: Fault


class About(Struct, frozen=True, tag="about", forbid_unknown_fields=True):
    """What is known of the file system as a whole; sizes in bytes, 0 where the library does not say.

    With `journal_open` its journal holds changes that are not in the files.
    """

    library: str
    block_size: int = 0
    block_count: int = 0
    journal_open: bool = False


class NotFound(Struct, frozen=True, tag="not_found", forbid_unknown_fields=True):
    """There is no entry of the path or inode that was asked for."""

    what: bytes


Message = Entry | At | Runs | FolderFault | Unread | About | NotFound
