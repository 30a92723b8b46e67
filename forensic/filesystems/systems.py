"""What every library has to answer about a file system, and which one reads which."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Protocol

from msgspec import Struct

from forensic.errors import ForensicError
from forensic.exit_status import ExitStatus
from forensic.filesystems.entries import About, Entry

OWN_XFS = "our own reader of XFS"
PACKAGES = {"tsk": "pytsk3"}
"""What reads for each library but our own: a package, and the module in it."""

TROUBLE = (OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError, SystemError, OverflowError)
"""What the libraries raise when a volume is not as they expect."""


class ReaderNotInstalled(ForensicError):
    """A library of the extra `fs` is missing."""

    exit_status = ExitStatus.USAGE

    def __init__(self, package: str) -> None:
        super().__init__(f"reading file systems needs {package}: pip install 'qcowscope[fs]'")
        self.package = package


class DiskUnreadable(ForensicError):
    """No volume can be found, since the beginning of the disk cannot be read."""

    exit_status = ExitStatus.RANGES_NOT_READ

    def __init__(self, reason_code: str) -> None:
        super().__init__(f"no volume is known: the beginning of the disk cannot be read: {reason_code}")
        self.reason_code = reason_code


class NothingReadable(ForensicError):
    """No volume of the disk can be read, so there are no files to be had."""

    exit_status = ExitStatus.NOT_COMPLETED


class Node(Struct):
    """An entry while its file system is read; `handle` is the library's own object, `fault` what is wrong already."""

    name: bytes
    inode: int
    is_directory: bool
    deleted: bool
    parent: int
    handle: object
    attribute: object = None
    stream: str = ""
    fault: str = ""


class System(Protocol):
    """One file system; every method may raise one of `TROUBLE`."""

    def about(self) -> About:
        """What is known of it as a whole."""

    def root(self) -> Node:
        """The root folder."""

    def children(self, folder: Node, deleted: bool) -> Iterator[Node]:
        """What a folder holds, in the order of the volume; deleted entries if asked for."""

    def by_inode(self, address: str) -> Node | None:
        """The entry of an inode, which has no name then."""

    def entry(self, node: Node, path: bytes, with_runs: bool) -> Entry:
        """All that is known of an entry."""

    def read(self, node: Node, offset: int, size: int) -> bytes:
        """Bytes of its content."""


def refuse_without(library: str) -> None:
    """Raise `ReaderNotInstalled` if a library is missing."""
    package = PACKAGES.get(library)
    if package and find_spec(package) is None:
        raise ReaderNotInstalled(package)
