"""A client that says exactly what it is told to, and a server to say it to."""

import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.transcripts import ROOT

OPTION_MAGIC, REPLY_MAGIC = b"IHAVEOPT", 0x3E889045565A9
EXPORT_NAME, ABORT, LIST, INFO, GO, STRUCTURED, LIST_CONTEXTS, SET_CONTEXTS = 1, 2, 3, 6, 7, 8, 9, 10
ACK, SERVER, INFORMATION, CONTEXT = 1, 2, 3, 4
UNSUPPORTED, INVALID, UNKNOWN = 1 << 31 | 1, 1 << 31 | 3, 1 << 31 | 6
READ, WRITE, DISCONNECT, FLUSH, TRIM, CACHE, WRITE_ZEROES, BLOCK_STATUS = range(8)
OFFSET_DATA, STATUS, ERROR, ERROR_OFFSET = 1, 5, 1 << 15 | 1, 1 << 15 | 2


class Client:
    """Speaks NBD over a UNIX socket, one message a call."""

    def __init__(self, path: str | os.PathLike[str], flags: int | None = 3) -> None:
        """Connect and read the greeting; `flags` are sent, unless they are None."""
        self.peer = socket.socket(socket.AF_UNIX)
        self.peer.settimeout(20)
        self.peer.connect(os.fspath(path))
        self.greeting = self.receive(18)
        self.cookie = 0
        if flags is not None:
            self.send(struct.pack(">I", flags))

    def send(self, data: bytes) -> None:
        self.peer.sendall(data)

    def receive(self, length: int) -> bytes:
        """So many bytes, or those until the server ends the connection."""
        found = b""
        with contextlib.suppress(ConnectionResetError):
            while len(found) < length and (part := self.peer.recv(length - len(found))):
                found += part
        return found

    @property
    def ended(self) -> bool:
        """Whether the server has ended the connection; waits for it to say something."""
        return self.receive(1) == b""

    def option(self, option: int, data: bytes = b"") -> list[tuple[int, bytes]]:
        """The replies to an option, up to the one that ends it."""
        self.send(OPTION_MAGIC + struct.pack(">II", option, len(data)) + data)
        found: list[tuple[int, bytes]] = []
        while not found or found[-1][0] in (SERVER, INFORMATION, CONTEXT):
            magic, answered, kind, length = struct.unpack(">QIII", self.receive(20))
            assert (magic, answered) == (REPLY_MAGIC, option)
            found.append((kind, self.receive(length)))
        return found

    def go(self, name: str = "", structured: bool = True, contexts: tuple[str, ...] = ()) -> dict[int, bytes]:
        """Begin with an export; what was told about it, by the kind of information."""
        if structured:
            assert self.option(STRUCTURED) == [(ACK, b"")]
        if contexts:
            assert self.option(SET_CONTEXTS, named(name) + queries(*contexts))[-1] == (ACK, b"")
        *told, end = self.option(GO, named(name) + struct.pack(">HHH", 2, 1, 2))
        assert end == (ACK, b"")
        return {struct.unpack_from(">H", data)[0]: data[2:] for _, data in told}

    def request(self, command: int, offset: int, length: int, flags: int = 0, payload: bytes = b"") -> None:
        self.cookie += 1
        self.send(struct.pack(">IHHQQI", 0x25609513, flags, command, self.cookie, offset, length) + payload)

    def chunk(self) -> tuple[int, int, bytes]:
        """Flags, kind and data of one part of a structured reply."""
        magic, flags, kind, cookie, length = struct.unpack(">IHHQI", self.receive(20))
        assert (magic, cookie) == (0x668E33EF, self.cookie)
        return flags, kind, self.receive(length)

    def simple(self) -> int:
        """The error of a simple reply."""
        magic, error, cookie = struct.unpack(">IIQ", self.receive(16))
        assert (magic, cookie) == (0x67446698, self.cookie)
        return int(error)

    def read(self, offset: int, length: int, flags: int = 0) -> bytes | tuple[int, str, int | None]:
        """Guest bytes, or error, message and offset."""
        self.request(READ, offset, length, flags)
        done, kind, data = self.chunk()
        assert done == 1
        if kind == OFFSET_DATA:
            assert struct.unpack_from(">Q", data)[0] == offset
            return data[8:]
        error, size = struct.unpack_from(">IH", data)
        message, rest = data[6 : 6 + size].decode(), data[6 + size :]
        assert kind == (ERROR_OFFSET if rest else ERROR)
        return error, message, struct.unpack(">Q", rest)[0] if rest else None

    def status(self, offset: int, length: int, flags: int = 0) -> dict[int, list[tuple[int, int]]]:
        """Length and status of ranges, by the number of the context."""
        self.request(BLOCK_STATUS, offset, length, flags)
        found: dict[int, list[tuple[int, int]]] = {}
        done = 0
        while not done:
            done, kind, data = self.chunk()
            assert kind == STATUS
            numbers = struct.unpack(f">{len(data) // 4}I", data)
            found[numbers[0]] = list(zip(numbers[1::2], numbers[2::2], strict=True))
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.peer.close()


def named(name: str) -> bytes:
    """A name with its length."""
    return struct.pack(">I", len(name.encode())) + name.encode()


def queries(*texts: str) -> bytes:
    """Queries with their number."""
    return struct.pack(">I", len(texts)) + b"".join(map(named, texts))


class Running:
    """A server that was started by its command."""

    def __init__(self, process: subprocess.Popen[bytes], path: Path) -> None:
        self.process, self.path = process, path

    def end(self, how: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Exit status, and what was said."""
        self.process.send_signal(how)
        _, said = self.process.communicate(timeout=30)
        return self.process.returncode, said.decode()


COMMAND = [sys.executable, "-m", "forensic.cli", "nbd"]


@contextlib.contextmanager
def running(image: Path, folder: Path, *options: str) -> Iterator[Running]:
    """A server of an image on `nbd.socket` in the folder."""
    path = folder / "nbd.socket"
    command = [*COMMAND, str(image), "--socket", str(path), *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == f"nbd+unix:///?socket={path}\n".encode()
            yield Running(process, path)
        finally:
            process.kill()
            path.unlink(missing_ok=True)
