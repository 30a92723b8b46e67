"""A new text file of short lines, written in large parts."""

from __future__ import annotations

from pathlib import Path

from forensic.extraction.new_file import NewFile

BUFFERED = 1 << 16
"""Characters that are collected before they are written."""


class LineFile:
    """Takes lines of ASCII; every method raises `OutputFailed`."""

    def __init__(self, path: Path, force: bool = False) -> None:
        """Create the file under its partial name."""
        self.file = NewFile(path, force)
        self._lines: list[str] = []
        self._length = 0

    def add(self, line: str) -> None:
        """Write one line, now or soon."""
        self._lines.append(line + "\n")
        self._length += len(line) + 1
        if self._length >= BUFFERED:
            self.flush()

    def flush(self) -> None:
        """Write what was collected."""
        self.file.append("".join(self._lines).encode("ascii"))
        self._lines, self._length = [], 0

    def complete(self) -> None:
        """Write what was collected, and give the file its name."""
        self.flush()
        self.file.complete()

    def abandon(self) -> None:
        """Remove what was written so far; does nothing after `complete`."""
        self.file.abandon()
