"""A manifest of piecewise hashes read back, to be compared with a disk."""

from __future__ import annotations

import re
from binascii import unhexlify
from collections.abc import Iterator
from pathlib import Path

from forensic.errors import BadReport
from forensic.evidence import Evidence
from forensic.extraction.windows import ALGORITHM, MANIFEST_SCHEMA, SMALLEST_WINDOW


class Manifest:
    """A manifest read back, line after line: the digest that each window of a disk must have."""

    def __init__(self, path: Path) -> None:
        """Read the first line. Raises `BadReport`, `EvidenceUnreadable`."""
        self.path = path
        self._lines = _lines(path)
        head = _HEAD.fullmatch(next(self._lines, b""))
        if head is None:
            raise BadReport(path, "not a manifest of an extraction")
        self.window, self.size = int(head["window"]), int(head["size"])
        if self.window < SMALLEST_WINDOW:
            raise BadReport(path, f"has windows of {self.window} bytes; the smallest are {SMALLEST_WINDOW}")

    def runs(self) -> Iterator[tuple[bytes, int]]:
        """Digests, and how many windows in a row have each. Raises `BadReport` for a file that is damaged or cut."""
        end = 0
        for line in self._lines:
            if line.startswith(b"# end "):
                break
            entry = _ENTRY.fullmatch(line)
            if entry is None or int(entry["offset"]) != end or not 0 < int(entry["length"]) <= self.size - end:
                raise BadReport(self.path, f"the line for offset {end} is damaged or missing")
            end += int(entry["length"])
            yield unhexlify(entry["digest"]), -(-int(entry["length"]) // self.window)
        else:
            raise BadReport(self.path, "ends before its last line")
        if end != self.size:
            raise BadReport(self.path, f"lists {end} of {self.size} bytes")


_FIRST_LINE = f"# {MANIFEST_SCHEMA} algorithm {ALGORITHM} ".encode("ascii")
_HEAD = re.compile(re.escape(_FIRST_LINE) + rb"window (?P<window>[1-9][0-9]{0,18}) size (?P<size>[0-9]{1,20})")
_ENTRY = re.compile(rb"(?P<offset>[0-9]{1,20}) (?P<length>[0-9]{1,20}) (?P<digest>[0-9a-f]{64})")
_LONGEST_LINE = 256


def _lines(path: Path) -> Iterator[bytes]:
    """The lines of a text file, none longer than `_LONGEST_LINE`."""
    with Evidence(path) as evidence:
        rest = b""
        for offset in range(0, evidence.size, _CHUNK):
            *lines, rest = (rest + evidence.read_at(offset, _CHUNK)).split(b"\n")
            yield from (line[:_LONGEST_LINE] for line in lines)
            rest = rest[:_LONGEST_LINE]


_CHUNK = 1 << 16
