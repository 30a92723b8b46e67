"""The piecewise hashes: SHA-256 of each window of the disk, so that a later comparison says where disks differ."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from forensic.errors import BadReport
from forensic.evidence import Evidence
from forensic.extraction.digests import PieceHash
from forensic.extraction.line_file import LineFile
from forensic.extraction.stretch import Stretch
from forensic.extraction.worker import Worker

ALGORITHM = "sha256"
DIGESTS_AT_ONCE = 1 << 15
MANIFEST_SCHEMA = "qcowscope-manifest/1"


@dataclass(frozen=True)
class Piecewise:
    """The windows in one number: SHA-256 over the digests of all windows, one after the other."""

    window: int
    count: int
    digest_of_list: str


class WindowHashes:
    """Hashes windows in a thread of its own, and lists them in a manifest if one is wanted.

    Windows of nothing but zeros cost nothing where they come as a run of zeros: hash and manifest know their digest.
    """

    def __init__(self, window: int, size: int, manifest: LineFile | None = None) -> None:
        """Start the thread; `stop` must be called in the end. `size` is that of the disk, in bytes."""
        self._window = window
        self._size = size
        self._count = 0
        self._list = hashlib.sha256()
        self._pieces = PieceHash(ALGORITHM, window, self._listed)
        self._manifest = manifest
        self._run: tuple[int, int, bytes] = (0, 0, b"")
        self._append(f"# {MANIFEST_SCHEMA} algorithm {ALGORITHM} window {window} size {size}")
        self._worker: Worker[Stretch] = Worker("window hash", self._pieces.take)

    def take(self, stretch: Stretch) -> None:
        """Pass a stretch on. Raises what ended the thread."""
        self._worker.give(stretch)

    def finish(self) -> Piecewise:
        """Wait until everything is hashed; the manifest gets its name. Raises what ended the thread."""
        self._worker.finish()
        self._pieces.finish()
        self._end_run()
        result = Piecewise(self._window, self._count, self._list.hexdigest())
        self._append(f"# end windows {result.count} digest_of_list {result.digest_of_list}")
        if self._manifest:
            self._manifest.complete()
        return result

    def stop(self) -> None:
        """End the thread, finished or not."""
        self._worker.stop()

    def _listed(self, digest: bytes, count: int) -> None:
        whole, rest = divmod(count, DIGESTS_AT_ONCE)
        many = digest * DIGESTS_AT_ONCE if whole else b""
        for _ in range(whole):
            self._list.update(many)
        self._list.update(digest * rest)
        first, before, same = self._run
        if digest == same and digest == self._pieces.of_zeros():
            self._run = (first, before + count, same)
        else:
            self._end_run()
            self._run = (self._count, count, digest)
        self._count += count

    def _end_run(self) -> None:
        """One line: offset, length and digest; consecutive windows of zeros share a line, with the digest of one."""
        first, count, digest = self._run
        if count:
            offset = first * self._window
            length = min(count * self._window, self._size - offset)
            self._append(f"{offset} {length} {digest.hex()}")

    def _append(self, line: str) -> None:
        if self._manifest:
            self._manifest.add(line)


class Manifest:
    """A manifest read back, line after line: the digest that each window of a disk must have."""

    def __init__(self, path: Path) -> None:
        """Read the first line. Raises `BadReport`, `EvidenceUnreadable`."""
        self._path = path
        self._lines = _lines(path)
        head = _HEAD.fullmatch(next(self._lines, ""))
        if head is None:
            raise BadReport(path, "not a manifest of an extraction")
        self.window, self.size = int(head["window"]), int(head["size"])

    def windows(self) -> Iterator[str]:
        """The digest of each window, in hexadecimal. Raises `BadReport` where the file is damaged or cut short."""
        end = 0
        for line in self._lines:
            if line.startswith("# end "):
                break
            entry = _ENTRY.fullmatch(line)
            if entry is None or int(entry["offset"]) != end or not 0 < int(entry["length"]) <= self.size - end:
                raise BadReport(self._path, f"the line for offset {end} is damaged or missing")
            end += int(entry["length"])
            for _ in range(-(-int(entry["length"]) // self.window)):
                yield entry["digest"]
        else:
            raise BadReport(self._path, "ends before its last line")
        if end != self.size:
            raise BadReport(self._path, f"lists {end} of {self.size} bytes")


_HEAD = re.compile(
    rf"# {MANIFEST_SCHEMA} algorithm {ALGORITHM} window (?P<window>[1-9][0-9]{{0,18}}) size (?P<size>[0-9]{{1,20}})"
)
_ENTRY = re.compile(r"(?P<offset>[0-9]{1,20}) (?P<length>[0-9]{1,20}) (?P<digest>[0-9a-f]{64})")
_LONGEST_LINE = 256


def _lines(path: Path) -> Iterator[str]:
    """The lines of a text file, none longer than `_LONGEST_LINE`."""
    with Evidence(path) as evidence:
        rest = b""
        for offset in range(0, evidence.size, _CHUNK):
            *lines, rest = (rest + evidence.read_at(offset, _CHUNK)).split(b"\n")
            yield from (line[:_LONGEST_LINE].decode("ascii", "replace") for line in lines)
            rest = rest[:_LONGEST_LINE]


_CHUNK = 1 << 16
