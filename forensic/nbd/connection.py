"""One client's socket: whole messages, with an end to every wait."""

from __future__ import annotations

import os
import socket
import struct
import time

HANDSHAKE_SECONDS = 10
"""In which a client has to have said what it wants."""

STALLED_AFTER = 300
"""Seconds in which the rest of a message has to come or go; a client may wait for as long as it likes between two."""

DISCARDED_AT_ONCE = 64 << 10


class ClientGone(Exception):
    """The client has ended the connection, said what is not NBD, or let us wait for too long; the text says which."""


class Connection:
    """Sends and receives; every method raises `ClientGone`."""

    def __init__(self, peer: socket.socket, server: int) -> None:
        """Begin the handshake; `server` is the process whose end is the end of the connection."""
        self._peer = peer
        self._server = server
        self._handshake_ends: float | None = time.monotonic() + HANDSHAKE_SECONDS

    def end_handshake(self) -> None:
        """From now on there is no limit to what the client does, but to how long it takes for one message."""
        self._handshake_ends = None
        self._peer.setblocking(True)
        limit = struct.pack("ll", STALLED_AFTER, 0)
        self._peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        self._peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)

    def receive(self, length: int) -> bytes:
        """So many bytes."""
        found = b""
        while len(found) < length:
            self._limit_wait()
            try:
                part = self._peer.recv(length - len(found))
            except TimeoutError:
                raise ClientGone(f"said nothing for {HANDSHAKE_SECONDS} s") from None
            except BlockingIOError:
                self._may_be_waited_for(bool(found))
                continue
            except OSError as error:
                raise ClientGone(_reason(error)) from error
            if not part:
                raise ClientGone("" if not found else "ended in the middle of a message")
            found = part if not found else found + part
        return found

    def discard(self, length: int) -> None:
        """Take so many bytes that nobody wants."""
        while length:
            length -= len(self.receive(min(length, DISCARDED_AT_ONCE)))

    def send(self, *parts: bytes | memoryview) -> None:
        """Send everything."""
        rest = [memoryview(part) for part in parts if part]
        while rest:
            self._limit_wait()
            try:
                sent = self._peer.sendmsg(rest)
            except (TimeoutError, BlockingIOError):
                raise ClientGone("takes no answers") from None
            except OSError as error:
                raise ClientGone(_reason(error)) from error
            while rest and sent >= len(rest[0]):
                sent -= len(rest.pop(0))
            if rest:
                rest[0] = rest[0][sent:]

    def _limit_wait(self) -> None:
        if self._handshake_ends is not None:
            left = self._handshake_ends - time.monotonic()
            if left <= 0:
                raise ClientGone(f"did not end the handshake in {HANDSHAKE_SECONDS} s")
            self._peer.settimeout(left)

    def _may_be_waited_for(self, in_a_message: bool) -> None:
        """A client may rest between two requests for as long as there is a server."""
        if in_a_message:
            raise ClientGone(f"did not end a message in {STALLED_AFTER} s")
        if os.getppid() != self._server:
            raise ClientGone("the server is gone")


def _reason(error: OSError) -> str:
    return f"is gone ({(error.strerror or str(error)).lower()})"
