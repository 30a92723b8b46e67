"""What the process of a connection keeps in memory that it shares with the server, so that another can go on."""

from __future__ import annotations

import mmap
import struct

from msgspec import Struct
from msgspec.json import decode, encode

from forensic.nbd.protocol import REQUEST

_SUMS = struct.Struct("<QQQ")
_SUMS_AT, _SESSION_AT, _BYTES = 64, 128, 8192
_READING, _IDLE = b"\1", b"\0"

MOST_CRASHES = 4096
"""Crashes of one connection after which it is ended: each costs some milliseconds."""


class Session(Struct):
    """What was agreed with a client, and the first read that was answered with EIO."""

    export: str = ""
    structured: bool = False
    contexts: tuple[int, ...] = ()
    first_unread: str = ""
    crashes: int = 0


class Kept:
    """The request whose bytes are being read, what was agreed, and the sums."""

    def __init__(self) -> None:
        """Nothing is agreed yet."""
        self._memory = mmap.mmap(-1, _BYTES)

    def reading(self, request: bytes) -> None:
        """The bytes for a request are read from now on; nothing of an answer was sent."""
        self._memory[1 : 1 + len(request)] = request
        self._memory[:1] = _READING

    def read(self, reads: int, length: int, unread: int) -> None:
        """They were; the sums with them."""
        _SUMS.pack_into(self._memory, _SUMS_AT, reads, length, unread)
        self._memory[:1] = _IDLE

    @property
    def interrupted(self) -> bytes:
        """The request whose bytes were being read; nothing if none was."""
        return self._memory[1 : 1 + REQUEST.size] if self._memory[:1] == _READING else b""

    @property
    def sums(self) -> tuple[int, int, int]:
        """Reads, bytes, and reads that were answered with EIO."""
        reads, length, unread = _SUMS.unpack_from(self._memory, _SUMS_AT)
        return reads, length, unread

    @property
    def session(self) -> Session | None:
        """What was agreed; None as long as nothing is."""
        length = int.from_bytes(self._memory[_SESSION_AT : _SESSION_AT + 2], "little")
        return decode(self._memory[_SESSION_AT + 2 : _SESSION_AT + 2 + length], type=Session) if length else None

    def keep(self, session: Session) -> None:
        """Note what was agreed."""
        raw = encode(session)
        self._memory[_SESSION_AT : _SESSION_AT + 2 + len(raw)] = len(raw).to_bytes(2, "little") + raw

    def close(self) -> None:
        """Let go of the memory."""
        self._memory.close()
