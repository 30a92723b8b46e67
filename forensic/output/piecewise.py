"""The piecewise hashes: SHA-256 of each window of the disk, so that a later comparison says where disks differ."""

from __future__ import annotations

import hashlib
import re
from binascii import unhexlify
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from forensic.errors import BadReport
from forensic.evidence import Evidence
from forensic.output.chunk import Chunk
from forensic.output.hashes import PieceHash, update_repeatedly
from forensic.output.new_file import LineFile
from forensic.output.worker_thread import Worker

ALGORITHM = "sha256"
SMALLEST_WINDOW = 512
MANIFEST_SCHEMA = "qcowscope-manifest/1"


class Piecewise(Struct, frozen=True):
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
        self._worker: Worker[Chunk] = Worker("window hash thread", self._pieces.take)
        self._pieces.stopped = lambda: self._worker.stopping

    def take(self, chunk: Chunk) -> None:
        """Pass a range on. Raises what ended the thread."""
        self._worker.give(chunk)

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
        update_repeatedly(self._list, digest, count, self._pieces.stopped)
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
        for offset in range(0, evidence.size, _CHUNK_BYTES):
            *lines, rest = (rest + evidence.read_at(offset, _CHUNK_BYTES)).split(b"\n")
            yield from (line[:_LONGEST_LINE] for line in lines)
            rest = rest[:_LONGEST_LINE]


_CHUNK_BYTES = 1 << 16
