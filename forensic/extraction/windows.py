"""The piecewise hashes: SHA-256 of each window of the disk, so that a later comparison says where disks differ."""

from __future__ import annotations

import hashlib

from msgspec import Struct

from forensic.extraction.digests import PieceHash, update_repeatedly
from forensic.extraction.line_file import LineFile
from forensic.extraction.stretch import Stretch
from forensic.extraction.worker import Worker

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
        self._worker: Worker[Stretch] = Worker("window hash thread", self._pieces.take)
        self._pieces.stopped = lambda: self._worker.stopping

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
