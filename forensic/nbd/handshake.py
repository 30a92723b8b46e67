"""What a client wants: which export, in which form of replies, with which contexts (fixed newstyle)."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from forensic.nbd.connection import ClientGone, Connection
from forensic.nbd.contexts import CONTEXTS, matching
from forensic.nbd.exports import Export, Exports, as_string
from forensic.nbd.protocol import (
    BLOCK_SIZE_INFO,
    EXPORT_INFO,
    GREETING,
    MAX_OPTION_BYTES,
    MAX_OPTIONS,
    MAX_REQUEST_BYTES,
    MAX_STRING_BYTES,
    OPTION_HEAD,
    OPTION_MAGIC,
    PREFERRED_BYTES,
    READ_ONLY,
    U16,
    U32,
    U64,
    HandshakeFlag,
    Info,
    Option,
    OptionReply,
    option_reply,
)

OURS = HandshakeFlag.FIXED_NEWSTYLE | HandshakeFlag.NO_ZEROES


class Agreed(Struct, frozen=True):
    """What both sides know when the handshake is over; `contexts` are the numbers of those that were chosen."""

    export: Export
    structured: bool
    contexts: tuple[int, ...]


class _Malformed(Exception):
    """The data of an option is not what the protocol says."""


class Handshake:
    """The options of one client, one after another."""

    def __init__(self, connection: Connection, exports: Exports) -> None:
        self._connection = connection
        self._exports = exports
        self._structured = False
        self._chosen: tuple[str, tuple[int, ...]] | None = None
        self._no_zeroes = False

    def agree(self) -> Agreed:
        """Answer until the client begins with an export. Raises `ClientGone`."""
        self._connection.send(GREETING, U16.pack(OURS))
        (flags,) = U32.unpack(self._connection.receive(U32.size))
        if flags & ~OURS:
            raise ClientGone(f"set unknown handshake flags ({flags:#x})")
        self._no_zeroes = bool(flags & HandshakeFlag.NO_ZEROES)
        for _ in range(MAX_OPTIONS):
            magic, option, length = OPTION_HEAD.unpack(self._connection.receive(OPTION_HEAD.size))
            if magic != OPTION_MAGIC:
                raise ClientGone("does not speak NBD")
            if length > MAX_OPTION_BYTES:
                raise ClientGone(f"sent an option of {length:,} bytes, expected at most {MAX_OPTION_BYTES:,}")
            agreed = self._answer(option, self._connection.receive(length))
            if agreed:
                return agreed
        raise ClientGone(f"sent more than {MAX_OPTIONS} options")

    def _answer(self, option: int, data: bytes) -> Agreed | None:
        if option == Option.EXPORT_NAME:
            return self._begin_at_once(data)
        if option == Option.ABORT:
            self._reply(option, OptionReply.ACK)
            raise ClientGone("")
        try:
            if option in (Option.INFO, Option.GO):
                return self._tell_or_go(option, data)
            if option in (Option.LIST_META_CONTEXT, Option.SET_META_CONTEXT):
                self._contexts(option, data)
            elif option == Option.LIST:
                self._list(data)
            elif option == Option.STRUCTURED_REPLY:
                self._expect_nothing(data)
                self._structured = True
                self._reply(option, OptionReply.ACK)
            else:
                self._reply(option, OptionReply.UNSUPPORTED)
        except _Malformed as fault:
            self._reply(option, OptionReply.INVALID, str(fault).encode())
        return None

    def _begin_at_once(self, name: bytes) -> Agreed:
        """The oldest way to begin, in which a name that there is not can only be answered by leaving."""
        export = self._exports.find(_text(name))
        if export is None:
            raise ClientGone("asked for an export that there is not")
        padding = b"" if self._no_zeroes else bytes(124)
        self._connection.send(U64.pack(export.disk.size), U16.pack(READ_ONLY), padding)
        return self._agreed(_text(name), export)

    def _tell_or_go(self, option: int, data: bytes) -> Agreed | None:
        name, rest = _string(data)
        if len(rest) < 2 or len(rest) != 2 + 2 * U16.unpack_from(rest)[0]:
            raise _Malformed("the information requests do not fit their number")
        wanted = {U16.unpack_from(rest, at)[0] for at in range(2, len(rest), 2)}
        export = self._exports.find(name)
        if export is None:
            self._reply(option, OptionReply.UNKNOWN, b"there is no such export")
            return None
        told = [
            EXPORT_INFO.pack(Info.EXPORT, export.disk.size, READ_ONLY),
            BLOCK_SIZE_INFO.pack(Info.BLOCK_SIZE, 1, PREFERRED_BYTES, MAX_REQUEST_BYTES),
        ]
        if Info.NAME in wanted:
            told.append(U16.pack(Info.NAME) + as_string(export.name))
        if Info.DESCRIPTION in wanted:
            told.append(U16.pack(Info.DESCRIPTION) + as_string(export.description))
        for one in told:
            self._reply(option, OptionReply.INFO, one)
        self._reply(option, OptionReply.ACK)
        return self._agreed(name, export) if option == Option.GO else None

    def _agreed(self, name: str, export: Export) -> Agreed:
        """Contexts that were chosen for another export are forgotten."""
        contexts = self._chosen[1] if self._chosen and self._chosen[0] == name else ()
        return Agreed(export, self._structured, contexts)

    def _list(self, data: bytes) -> None:
        self._expect_nothing(data)
        for name, description in self._exports.names():
            raw = as_string(name)
            self._reply(Option.LIST, OptionReply.SERVER, U32.pack(len(raw)) + raw + as_string(description))
        self._reply(Option.LIST, OptionReply.ACK)

    def _contexts(self, option: int, data: bytes) -> None:
        name, rest = _string(data)
        choosing = option == Option.SET_META_CONTEXT
        if choosing:
            self._chosen = None
        if not self._structured:
            raise _Malformed("structured replies come before contexts")
        queries = list(_strings(rest))
        if self._exports.find(name) is None:
            self._reply(option, OptionReply.UNKNOWN, b"there is no such export")
            return
        everything = [] if choosing or queries else list(range(1, len(CONTEXTS) + 1))
        found = dict.fromkeys([*everything, *(one for query in queries for one in matching(query, not choosing))])
        for number in found:
            self._reply(option, OptionReply.META_CONTEXT, U32.pack(number) + CONTEXTS[number - 1][0].encode())
        if choosing:
            self._chosen = (name, tuple(found))
        self._reply(option, OptionReply.ACK)

    def _expect_nothing(self, data: bytes) -> None:
        if data:
            raise _Malformed("the option has no data")

    def _reply(self, option: int, kind: OptionReply, data: bytes = b"") -> None:
        self._connection.send(option_reply(option, kind, data))


def _string(data: bytes) -> tuple[str, bytes]:
    """A text that its length precedes, and what comes after it. Raises `_Malformed`."""
    if len(data) < U32.size:
        raise _Malformed("a length is cut short")
    end = U32.size + U32.unpack_from(data)[0]
    if end > len(data) or end > U32.size + MAX_STRING_BYTES:
        raise _Malformed("a text does not fit its length")
    return _text(data[U32.size : end]), data[end:]


def _strings(data: bytes) -> Iterator[str]:
    """As many texts as the number before them says. Raises `_Malformed`."""
    if len(data) < U32.size:
        raise _Malformed("the number of queries is cut short")
    (count,), data = U32.unpack_from(data), data[U32.size :]
    if count * U32.size > len(data):
        raise _Malformed("the queries do not fit their number")
    for _ in range(count):
        text, data = _string(data)
        yield text
    if data:
        raise _Malformed("more follows the last query")


def _text(raw: bytes) -> str:
    """A name that a client sends; what is not UTF-8 is no name of ours."""
    return raw.decode("utf-8", "surrogateescape")
