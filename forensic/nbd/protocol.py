"""The numbers of the NBD protocol that are needed to serve a disk read-only, and its messages of fixed form.

Specification: doc/proto.md of the NBD project, "Values" (https://github.com/NetworkBlockDevice/nbd). All numbers are in
network byte order.
"""

from __future__ import annotations

import struct
from enum import IntEnum, IntFlag

GREETING = b"NBDMAGICIHAVEOPT"
OPTION_MAGIC = b"IHAVEOPT"
OPTION_REPLY_MAGIC = 0x3E889045565A9
REQUEST_MAGIC = 0x25609513
SIMPLE_REPLY_MAGIC = 0x67446698
STRUCTURED_REPLY_MAGIC = 0x668E33EF

MAX_OPTION_BYTES = 64 << 10
MAX_OPTIONS = 256
MAX_STRING_BYTES = 4096
MAX_REQUEST_BYTES = 32 << 20
"""The most that is read, or taken of a write that is refused, at once: what every server has to accept."""

PREFERRED_BYTES = 64 << 10


class HandshakeFlag(IntFlag):
    """What both sides say of the handshake, with the same numbers."""

    FIXED_NEWSTYLE = 1
    NO_ZEROES = 2


class Option(IntEnum):
    """What a client may ask for before it begins to read."""

    EXPORT_NAME = 1
    ABORT = 2
    LIST = 3
    INFO = 6
    GO = 7
    STRUCTURED_REPLY = 8
    LIST_META_CONTEXT = 9
    SET_META_CONTEXT = 10


class OptionReply(IntEnum):
    """How an option is answered."""

    ACK = 1
    SERVER = 2
    INFO = 3
    META_CONTEXT = 4
    UNSUPPORTED = 1 << 31 | 1
    INVALID = 1 << 31 | 3
    UNKNOWN = 1 << 31 | 6


class Info(IntEnum):
    """What is told about an export."""

    EXPORT = 0
    NAME = 1
    DESCRIPTION = 2
    BLOCK_SIZE = 3


class TransmissionFlag(IntFlag):
    """What can be done with an export."""

    HAS_FLAGS = 1
    READ_ONLY = 2
    SEND_DF = 128
    CAN_MULTI_CONN = 256


READ_ONLY = (
    TransmissionFlag.HAS_FLAGS | TransmissionFlag.READ_ONLY | TransmissionFlag.SEND_DF | TransmissionFlag.CAN_MULTI_CONN
)


class Command(IntEnum):
    """What a client may ask for then; everything but the first and the last two changes the disk."""

    WRITE = 1
    TRIM = 4
    WRITE_ZEROES = 6
    RESIZE = 8
    READ = 0
    DISCONNECT = 2
    BLOCK_STATUS = 7


class CommandFlag(IntFlag):
    """How."""

    DO_NOT_FRAGMENT = 4
    REQUEST_ONE = 8


class Chunk(IntEnum):
    """A part of a structured reply."""

    NONE = 0
    OFFSET_DATA = 1
    OFFSET_HOLE = 2
    BLOCK_STATUS = 5
    ERROR = 1 << 15 | 1
    ERROR_OFFSET = 1 << 15 | 2


DONE = 1
"""The flag of the last chunk of a reply."""


class Failure(IntEnum):
    """Why a command was not carried out."""

    NOT_PERMITTED = 1
    INPUT_OUTPUT = 5
    INVALID = 22
    OVERFLOW = 75
    NOT_SUPPORTED = 95


class Allocation(IntFlag):
    """What `base:allocation` says of a range; 0 is data."""

    HOLE = 1
    ZERO = 2


OPTION_HEAD = struct.Struct(">8sII")
OPTION_REPLY_HEAD = struct.Struct(">QIII")
REQUEST = struct.Struct(">IHHQQI")
SIMPLE_REPLY = struct.Struct(">IIQ")
CHUNK_HEAD = struct.Struct(">IHHQI")
U16, U32, U64 = struct.Struct(">H"), struct.Struct(">I"), struct.Struct(">Q")
DESCRIPTOR = struct.Struct(">II")
EXPORT_INFO = struct.Struct(">HQH")
BLOCK_SIZE_INFO = struct.Struct(">HIII")


def option_reply(option: int, kind: OptionReply, data: bytes = b"") -> bytes:
    """One answer to an option."""
    return OPTION_REPLY_HEAD.pack(OPTION_REPLY_MAGIC, option, kind, len(data)) + data


def chunk_head(cookie: int, kind: Chunk, length: int, done: bool) -> bytes:
    """What precedes the `length` bytes of a part of a structured reply."""
    return CHUNK_HEAD.pack(STRUCTURED_REPLY_MAGIC, DONE if done else 0, kind, cookie, length)


def error_chunk(cookie: int, failure: Failure, message: str, offset: int | None = None) -> bytes:
    """A structured reply that says why, and where on the disk."""
    text = message.encode("utf-8", "replace")[:MAX_STRING_BYTES]
    body = U32.pack(failure) + U16.pack(len(text)) + text
    if offset is None:
        return chunk_head(cookie, Chunk.ERROR, len(body), True) + body
    return chunk_head(cookie, Chunk.ERROR_OFFSET, len(body) + 8, True) + body + U64.pack(offset)


def simple_reply(cookie: int, failure: int = 0) -> bytes:
    """A reply without data, or what precedes the data of one."""
    return SIMPLE_REPLY.pack(SIMPLE_REPLY_MAGIC, failure, cookie)
