"""Reads and block status for one client, until it goes."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from forensic.disk.reader import DiskReader, RangeUnreadable
from forensic.mapping.extents import Reason
from forensic.nbd.connection import ClientGone, Connection
from forensic.nbd.contexts import block_status
from forensic.nbd.handshake import Agreed
from forensic.nbd.kept import Kept, Session
from forensic.nbd.protocol import (
    DESCRIPTOR,
    MAX_REQUEST_BYTES,
    REQUEST,
    REQUEST_MAGIC,
    U32,
    U64,
    Chunk,
    Command,
    CommandFlag,
    Failure,
    chunk_head,
    error_chunk,
    simple_reply,
)


class Request(Struct, frozen=True):
    """One request; `offset` and `length` are guest bytes."""

    flags: int
    command: int
    cookie: int
    offset: int
    length: int


class Tally(Struct):
    """What a client was given so far."""

    reads: int = 0
    bytes: int = 0
    unread: int = 0
    """Reads that were answered with EIO."""

    first_unread: str = ""


class Transmission:
    """Answers the requests about one export."""

    def __init__(
        self, connection: Connection, agreed: Agreed, zeros: bool, failed: Callable[[], None], kept: Kept
    ) -> None:
        """With `zeros` what cannot be read is given as zeros; `failed` is called before the first EIO is sent.

        `kept` is what another process needs to go on if this one crashes, or has from one that did.
        """
        self._connection = connection
        self._agreed = agreed
        self._disk = agreed.export.disk
        self._reader: DiskReader = self._disk.reader(fill_missing=zeros)
        self._buffer = bytearray()
        self._failed = failed
        self._kept = kept
        self.tally = Tally(*kept.sums)
        self._session = kept.session or Session()
        self.tally.first_unread = self._session.first_unread

    def answer_interrupted(self) -> None:
        """Answer the read at which the process before this one crashed with EIO. Raises `ClientGone`."""
        _, *fields = REQUEST.unpack(self._kept.interrupted)
        request = Request(*fields)
        self.tally.reads += 1
        where = f"guest offset {request.offset:#x}, {request.length:,} bytes, cannot be read"
        self._note(f"{where}: {Reason.DECODER_FAILED.code}")
        self._kept.read(self.tally.reads, self.tally.bytes, self.tally.unread)
        self._fail(request, Failure.INPUT_OUTPUT, f"{where}: {Reason.DECODER_FAILED.code}", request.offset)

    def serve(self) -> None:
        """Until the client says that it is done. Raises `ClientGone` if it goes without, or must."""
        while True:
            raw = self._connection.receive(REQUEST.size)
            magic, *fields = REQUEST.unpack(raw)
            if magic != REQUEST_MAGIC:
                raise ClientGone("sent what is no request")
            request = Request(*fields)
            if request.command == Command.DISCONNECT:
                return
            if request.command == Command.READ:
                self._read(request, raw)
            elif request.command == Command.BLOCK_STATUS:
                self._block_status(request)
            else:
                self._refuse(request)

    def _read(self, request: Request, raw: bytes) -> None:
        if fault := self._fault(request, CommandFlag.DO_NOT_FRAGMENT):
            self._fail(request, Failure.INVALID, fault)
            return
        if request.length > MAX_REQUEST_BYTES:
            self._fail(request, Failure.OVERFLOW, f"more than {MAX_REQUEST_BYTES:,} bytes at once")
            return
        if len(self._buffer) < request.length:
            self._buffer = bytearray(request.length)
        data = memoryview(self._buffer)[: request.length]
        self._kept.reading(raw)
        try:
            self._reader.read_at(request.offset, data)
        except RangeUnreadable as missing:
            self.tally.reads += 1
            self._note(str(missing.strerror))
            self._kept.read(self.tally.reads, self.tally.bytes, self.tally.unread)
            self._fail(request, Failure.INPUT_OUTPUT, str(missing.strerror), missing.guest_offset)
            return
        self.tally.reads += 1
        self.tally.bytes += request.length
        self._kept.read(self.tally.reads, self.tally.bytes, self.tally.unread)
        if self._agreed.structured:
            head = chunk_head(request.cookie, Chunk.OFFSET_DATA, 8 + request.length, True)
            self._connection.send(head + U64.pack(request.offset), data)
        else:
            self._connection.send(simple_reply(request.cookie), data)

    def _block_status(self, request: Request) -> None:
        contexts = self._agreed.contexts
        if not contexts:
            self._fail(request, Failure.INVALID, "no context was chosen for this export")
            return
        if fault := self._fault(request, CommandFlag.REQUEST_ONE):
            self._fail(request, Failure.INVALID, fault)
            return
        one = bool(request.flags & CommandFlag.REQUEST_ONE)
        for context in contexts:
            found = block_status(self._disk, context, request.offset, request.length, one)
            body = U32.pack(context) + b"".join(DESCRIPTOR.pack(*each) for each in found)
            head = chunk_head(request.cookie, Chunk.BLOCK_STATUS, len(body), context == contexts[-1])
            self._connection.send(head, body)

    def _refuse(self, request: Request) -> None:
        """Everything else changes the disk, or is not known; what is to be written is taken and forgotten."""
        if request.command == Command.WRITE:
            if request.length > MAX_REQUEST_BYTES:
                raise ClientGone(f"wants to write {request.length:,} bytes at once")
            self._connection.discard(request.length)
        changes = (Command.WRITE, Command.TRIM, Command.WRITE_ZEROES, Command.RESIZE)
        failure = Failure.NOT_PERMITTED if request.command in changes else Failure.INVALID
        self._connection.send(simple_reply(request.cookie, failure))

    def _fault(self, request: Request, allowed: CommandFlag) -> str:
        """Why a request is not one that can be answered; empty if it is."""
        if request.flags & ~allowed:
            return f"unknown flags ({request.flags:#x})"
        if not request.length:
            return "no bytes are asked for"
        if request.offset + request.length > self._disk.size:
            return f"the range goes past the end of the disk at {self._disk.size:#x}"
        return ""

    def _fail(self, request: Request, failure: Failure, message: str, offset: int | None = None) -> None:
        if self._agreed.structured:
            self._connection.send(error_chunk(request.cookie, failure, message, offset))
        else:
            self._connection.send(simple_reply(request.cookie, failure))

    def _note(self, message: str) -> None:
        if not self.tally.unread:
            self.tally.first_unread = self._session.first_unread = message
            self._kept.keep(self._session)
            self._failed()
        self.tally.unread += 1
