"""Evidence that a server has: what is asked for is fetched in blocks, and kept in an unnamed file of this machine.

A URL is opened because the examiner typed it; one that an image names is never followed. The version of the object is
pinned when it is opened: what comes of another one is an error, not bytes.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit
from zlib import crc32

from msgspec import Struct

from forensic.errors import EvidenceUnreadable
from forensic.files.opened_file import Identity, OpenedFile, reason_of
from forensic.files.opened_files import OpenedFiles
from forensic.files.web_answers import RemoteError, refusing
from forensic.untrusted import without_query

REMOTE_BLOCK_BYTES = 1 << 16
"""Bytes that are fetched at least: tables are read as they are wanted, and larger blocks only multiply bytes."""

MAX_REQUEST_BYTES = 4 << 20
"""Bytes of one request; neighbouring blocks are fetched together up to this."""

REQUESTS_AT_ONCE = 16

_HTTP = ("http", "https")
_AS_IT_IS = {"Accept-Encoding": "identity"}

SILENT_SECONDS = 60

NOT_INSTALLED = "evidence on a server needs the extra: pip install 'qcowscope[remote]'"


class Connection:
    """Asks for parts of one object. Every process has a client of its own: those of fsspec do not survive a fork."""

    def __init__(self, url: str) -> None:
        """Nothing is asked yet. Raises `EvidenceUnreadable` for a URL that holds a password, or that nothing opens."""
        self._url, self._shown = url, without_query(url)
        self._protocol = url.partition("://")[0].lower()
        parts = urlsplit(url)
        if parts.password is not None or (self._protocol in _HTTP and parts.username is not None):
            raise EvidenceUnreadable(self._protocol + "://…", "a password in a URL would end up in reports")
        self._process, self._client = -1, None
        # A redirect could lead to a host that the examiner has not named.
        self._options: dict[str, object] = {}
        if self._protocol in _HTTP:
            self._options = {"allow_redirects": False, "headers": _AS_IT_IS}

    def identity(self) -> Identity:
        """Size and version of the object. Raises `RemoteError`."""
        found = self._ask("info", self._url, **self._options)
        size, etag = found.get("size"), str(found.get("ETag") or found.get("etag") or "").strip()
        if not isinstance(size, int) or size < 0:
            raise RemoteError("the server does not say how large it is")
        if self._protocol in _HTTP and not found.get("partial", True):
            raise RemoteError("the server does not serve parts of files")
        if self._protocol in _HTTP and not size:
            raise RemoteError("the server has nothing there, or leads elsewhere: name the place that it leads to")
        version = etag or str(found.get("VersionId") or found.get("LastModified") or found.get("mtime") or "")
        return Identity(0, crc32(self._url.encode()), size, 0, 0, 0, 0, version)

    def pin(self, version: str) -> None:
        """Ask for this version only, if the protocol can."""
        if self._protocol in _HTTP and version.startswith('"'):
            self._options["headers"] = {**_AS_IT_IS, "If-Match": version}

    def fetch(self, ranges: list[tuple[int, int]]) -> list[bytes]:
        """The bytes of these ranges, each (start, end), side by side. Raises `RemoteError`."""
        starts, ends = [start for start, _ in ranges], [end for _, end in ranges]
        paths = [self._url] * len(ranges)
        found = self._ask(
            "cat_ranges", paths, starts, ends, on_error="raise", batch_size=REQUESTS_AT_ONCE, **self._options
        )
        for part, (start, end) in zip(found, ranges, strict=True):
            if len(part) != end - start:
                raise RemoteError(f"the server gave {len(part):,} bytes where it was asked for {end - start:,}")
        return list(found)

    def _ask(self, method: str, *arguments: object, **options: object) -> Any:  # noqa: ANN401 - whatever it says
        try:
            return getattr(self._opened(), method)(*arguments, **options)
        except (EvidenceUnreadable, RemoteError, KeyboardInterrupt):
            raise
        except Exception as error:  # each protocol has exceptions of its own
            raise RemoteError(_why(error)) from error

    def _opened(self) -> Any:  # noqa: ANN401 - the library has no types
        if self._process != os.getpid():
            try:
                import fsspec

                self._client = fsspec.filesystem(self._protocol, skip_instance_cache=True, **self._bounds())
            except ImportError as error:
                raise EvidenceUnreadable(self._shown, f"{NOT_INSTALLED} ({error})") from error
            except ValueError as error:
                raise EvidenceUnreadable(self._shown, f"no {self._protocol}:// URL can be opened") from error
            self._process = os.getpid()
        return self._client

    def _bounds(self) -> dict[str, object]:
        """For how long a web server may say nothing, and what it may answer."""
        if self._protocol not in _HTTP:
            return {}
        from aiohttp import ClientTimeout

        waits = ClientTimeout(total=None, sock_connect=SILENT_SECONDS, sock_read=SILENT_SECONDS)
        return {"client_kwargs": {"timeout": waits, "trace_configs": [refusing()]}}


def _why(error: Exception) -> str:
    """Why a request failed, without the URL that the library's message may hold."""
    cause = error.__cause__
    if isinstance(error, FileNotFoundError) and isinstance(cause, Exception) and _is_of_the_web(cause):
        return _why(cause)  # fsspec says of whatever goes wrong with a web server that the object is not there
    status = getattr(error, "status", None)
    if isinstance(error, TimeoutError):
        return "the server did not answer in time"
    if status == 412:
        return "the object on the server is not the one any more that was opened"
    if isinstance(status, int):
        return f"the server answered {status}"
    if isinstance(error, FileNotFoundError):
        return "the server has no such object"
    if isinstance(error, PermissionError):
        return "the server does not permit it"
    if isinstance(error, OSError):
        # aiohttp tells in its message of the address as well; the reason of the system alone is wanted.
        reason = os.strerror(error.errno) if error.errno else ""
        return f"the server could not be asked: {reason.lower() or 'no connection was made'}"
    return "the server could not be asked, or gave an answer that was not understood"


def _is_of_the_web(error: Exception) -> bool:
    """Whether it is about the connection or the answer, and not that there is no such object."""
    about_the_web = isinstance(error, TimeoutError) or type(error).__module__.partition(".")[0] == "aiohttp"
    return about_the_web and getattr(error, "status", None) != 404


class RemoteFile(OpenedFile, frozen=True, kw_only=True):
    """The object; `descriptor` is that of the unnamed file in which its blocks are kept."""

    connection: Connection

    def now(self) -> Identity | None:
        """The identity of the object that the server has now; None if it has none any more."""
        try:
            return self.connection.identity()
        except (RemoteError, EvidenceUnreadable):
            return None


class RemoteFiles(OpenedFiles):
    """One object of a server, read like a file."""

    looks_up = True
    is_remote = True
    kind = "remote"
    method = "size and version (ETag) that the server gave when it was opened and when the report was made"

    def __init__(self, file: RemoteFile) -> None:
        """Nothing is fetched yet."""
        super().__init__([file])
        self._connection, self._descriptor = file.connection, file.descriptor
        # A byte for each block that is there, in memory that forks share, as they share the file.
        self._there = mmap.mmap(-1, max(1, -(-file.before.size // REMOTE_BLOCK_BYTES)))
        self._end = file.before.size

    def within(self, host_offset: int, buffer: memoryview) -> tuple[int, int, memoryview]:
        """See `OpenedFiles`; what is not there yet is fetched. Raises `RemoteError`."""
        self.expect([(host_offset, len(buffer))])
        return self._descriptor, host_offset + self.first.skip, buffer

    def expect(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Fetch what is not there of these ranges (host offset, length), many at a time. Raises `RemoteError`."""
        wanted = sorted(
            {
                block
                for host_offset, length in ranges
                for block in range(
                    (host_offset + self.first.skip) // REMOTE_BLOCK_BYTES,
                    -(-(host_offset + self.first.skip + length) // REMOTE_BLOCK_BYTES),
                )
                if block < len(self._there) and not self._there[block]
            }
        )
        requests = list(joined_blocks(wanted, self._end))
        for first in range(0, len(requests), REQUESTS_AT_ONCE):
            batch = requests[first : first + REQUESTS_AT_ONCE]
            for (start, end), found in zip(batch, self._connection.fetch(batch), strict=True):
                os.pwrite(self._descriptor, found, start)
                blocks = range(start // REMOTE_BLOCK_BYTES, -(-end // REMOTE_BLOCK_BYTES))
                self._there[blocks.start : blocks.stop] = b"\1" * len(blocks)

    def next_data_from(self, host_offset: int) -> int:
        """A server does not tell where an object has holes."""
        return min(host_offset, self.size)

    def hole_from(self, host_offset: int) -> int:
        """The end: see `next_data_from`."""
        return max(host_offset, self.size)

    def leave_cache(self) -> None:
        """There is no medium of ours to read it from again."""

    def locked(self) -> bool | None:
        """Not known of an object."""
        return None

    def writer(self) -> str | None:
        """Not known of an object."""
        return None


class _Run(Struct):
    start: int
    end: int


def joined_blocks(blocks: Iterable[int], file_size: int) -> Iterator[tuple[int, int]]:
    """Ranges of bytes for these blocks, in order; neighbours in one, up to `MAX_REQUEST_BYTES`."""
    run: _Run | None = None
    for block in blocks:
        start = block * REMOTE_BLOCK_BYTES
        end = min(start + REMOTE_BLOCK_BYTES, file_size)
        if run and run.end == start and end - run.start <= MAX_REQUEST_BYTES:
            run.end = end
            continue
        if run:
            yield run.start, run.end
        run = _Run(start, end)
    if run:
        yield run.start, run.end


def open_remote(url: str, image_offset: int) -> RemoteFiles:
    """Ask the server for size and version of an object. Raises `EvidenceUnreadable`."""
    connection = Connection(url)
    try:
        before = connection.identity()
    except RemoteError as error:
        raise EvidenceUnreadable(without_query(url), reason_of(error)) from error
    if image_offset > before.size:
        raise EvidenceUnreadable(
            without_query(url), f"there is no offset {image_offset:#x} in its {before.size:,} bytes"
        )
    connection.pin(before.etag)
    descriptor, path = tempfile.mkstemp(prefix="qcowscope-")
    os.unlink(path)
    file = RemoteFile(
        descriptor=descriptor,
        path="",
        flags=(),
        before=before,
        disk_usage=before.size,
        skip=image_offset,
        connection=connection,
    )
    try:
        return RemoteFiles(file)
    except (OSError, OverflowError) as error:
        os.close(descriptor)
        reason = f"no account can be kept of as many bytes as the server says it has: {before.size:,}"
        raise EvidenceUnreadable(without_query(url), reason) from error
