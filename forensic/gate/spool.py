"""A stream taken into a file that has no name: private, and gone when it is closed, whatever happens."""

from __future__ import annotations

import hashlib
import os
import select
import tempfile
import time
from types import TracebackType
from typing import Self

from forensic.errors import EvidenceUnreadable, OutputFailed
from forensic.evidence import Evidence
from forensic.files.opened_files import OpenedFiles

TAKEN_AT_ONCE = 1 << 20


class OutOfTime(Exception):
    """The stream did not end in the time that there was."""


class Spool:
    """What was taken of a stream so far, with its SHA-256.

    The file is created without a name where the file system can do that (`O_TMPFILE`), and loses its name at once
    elsewhere; no one but its owner may open it.
    """

    def __init__(self, stream: int, name: str, folder: str | None = None, seconds: float | None = None) -> None:
        """Take from the descriptor `stream`, which messages call `name`, into a file in `folder`.

        `folder` is the system's folder for temporary files if none is named; `seconds` is the time to take it in.
        Raises `OutputFailed`.
        """
        self.name = name
        self._stream = stream
        self._folder = folder or tempfile.gettempdir()
        self._give_up = None if seconds is None else time.monotonic() + seconds
        self._digest = hashlib.sha256()
        self.size = 0
        self.ended = False
        try:
            self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115 - closed with the object
        except OSError as error:
            raise OutputFailed(self._folder, (error.strerror or "cannot be written to").lower()) from error

    def take_until(self, size: int) -> None:
        """Take until there are so many bytes or the stream ends, and no byte more.

        Raises `OutOfTime`, `EvidenceUnreadable` if the stream breaks, `OutputFailed` if there is no room for it.
        """
        while not self.ended and self.size < size:
            self._wait()
            try:
                taken = os.read(self._stream, min(TAKEN_AT_ONCE, size - self.size))
            except OSError as error:
                raise EvidenceUnreadable(self.name, (error.strerror or "cannot be read").lower()) from error
            self.ended = not taken
            self._digest.update(taken)
            self._write(taken)
            self.size += len(taken)

    def evidence(self) -> Evidence:
        """What was taken so far, as a file to look at; close it when it is looked at."""
        return Evidence.of_opened(OpenedFiles.of_descriptor(os.dup(self._file.fileno())), self.name)

    @property
    def seconds_left(self) -> float | None:
        """Of the time there was; None if there is no limit."""
        return None if self._give_up is None else max(0.001, self._give_up - time.monotonic())

    def sha256(self) -> str:
        """Of what was taken, in hexadecimal."""
        return self._digest.hexdigest()

    def _wait(self) -> None:
        """Wait until there is something to read, for as long as there is time."""
        if self._give_up is None:
            return
        left = self._give_up - time.monotonic()
        if left <= 0 or not select.select([self._stream], [], [], left)[0]:
            raise OutOfTime

    def _write(self, taken: bytes) -> None:
        rest = memoryview(taken)
        while rest:
            try:
                rest = rest[os.write(self._file.fileno(), rest) :]
            except OSError as error:
                raise OutputFailed(self._folder, (error.strerror or "cannot be written to").lower()) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
