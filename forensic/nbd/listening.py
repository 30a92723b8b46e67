"""Where a server listens: a UNIX socket of its owner's, or TCP on this machine alone unless told otherwise."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import socket
import stat
import tempfile
from types import TracebackType
from typing import Self
from urllib.parse import quote

from forensic.errors import BadAddress, OutputFailed

BACKLOG = 64
MODE_OF_SOCKET = 0o177
"""The umask by which a socket is its owner's alone (mode 0600)."""

DEFAULT_PORT = 10809


class Place:
    """A listening socket with its address; leaving the context removes what was made for it."""

    def __init__(self, listener: socket.socket, uri: str, path: str = "", folder: str = "") -> None:
        self.listener, self.uri, self.path = listener, uri, path
        self._folder = folder

    @property
    def port(self) -> int | None:
        """The TCP port; None for a UNIX socket."""
        return None if self.path else int(self.listener.getsockname()[1])

    def close(self) -> None:
        """Listen no longer."""
        self.listener.close()
        if self.path:
            with contextlib.suppress(OSError):
                os.unlink(self.path)
        if self._folder:
            with contextlib.suppress(OSError):
                os.rmdir(self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def on_unix_socket(path: str | None = None) -> Place:
    """Listen on a new UNIX socket of mode 0600, in a new private folder if no path is given. Raises `OutputFailed`."""
    folder = ""
    if path is None:
        folder = tempfile.mkdtemp(prefix="qcowscope-")
        path = os.path.join(folder, "nbd.socket")
    path = os.path.abspath(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(MODE_OF_SOCKET)
    try:
        listener.bind(path)
    except OSError as error:
        listener.close()
        if folder:
            os.rmdir(folder)
        raise OutputFailed(path, _why_not(path, error)) from error
    finally:
        os.umask(before)
    listener.listen(BACKLOG)
    return Place(listener, f"nbd+unix:///?socket={quote(path)}", path, folder)


def on_tcp(text: str, allow_network: bool) -> Place:
    """Listen on `HOST:PORT`, where HOST is an address or `localhost` and port 0 any that is free.

    Raises `BadAddress` for what is no such address, or one of the network that was not allowed; `OutputFailed` if it
    is in use.
    """
    address, port = _address(text)
    if not (address.is_loopback or allow_network):
        raise BadAddress(
            text, "is not an address of this machine alone; --allow-network serves it to everyone, unencrypted"
        )
    listener = socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Answers are sent in one piece each; waiting for more to send would only make clients wait. Inherited on accept.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind((str(address), port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise OutputFailed(text, (error.strerror or "cannot be listened on").lower()) from error
    host = f"[{address}]" if address.version == 6 else str(address)
    return Place(listener, f"nbd://{host}:{listener.getsockname()[1]}")


def _address(text: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]:
    host, colon, port = text.rpartition(":")
    if not colon:
        host, port = text, str(DEFAULT_PORT)
    host = host.removeprefix("[").removesuffix("]")
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
        number = int(port) if port.isascii() and port.isdigit() else -1
        if not 0 <= number < 1 << 16:
            raise ValueError(f"{port} is no port")
    except ValueError as error:
        raise BadAddress(text, "expected ADDRESS:PORT, such as 127.0.0.1:10809 or [::1]:10809") from error
    return address, number


def _why_not(path: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        if os.path.islink(path) or not _is_socket(path):
            return "exists already"
        return "is in use by another server" if _answers(path) else "is left from a server that has ended; remove it"
    return (error.strerror or str(error) or "cannot be listened on").lower()


def _is_socket(path: str) -> bool:
    return stat.S_ISSOCK(os.lstat(path).st_mode)


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        try:
            client.connect(path)
        except OSError:
            return False
    return True
