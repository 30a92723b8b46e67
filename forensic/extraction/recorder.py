"""What is kept of a disk while it passes by: hashes, piecewise hashes, the ledger, and the list of every range."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress

from forensic.errors import ForensicError
from forensic.extraction.certainties import CertainHash
from forensic.extraction.piece_reader import Missing
from forensic.extraction.range_lists import RangeWalk
from forensic.extraction.result import Extraction
from forensic.extraction.settings import Settings
from forensic.output.chunk import Chunk
from forensic.output.hashes import Hashes
from forensic.output.new_file import LineFile
from forensic.output.piecewise import WindowHashes


class Record:
    """Takes the disk in guest order; `stop` must be called in the end, since hashes have threads of their own."""

    def __init__(
        self,
        extraction: Extraction,
        settings: Settings,
        walk: RangeWalk | None,
        manifest: LineFile | None,
        missed: Callable[[Missing], None] | None = None,
        certain: CertainHash | None = None,
    ) -> None:
        """Start the threads; `missed` is told of every range that could not be read."""
        self._extraction = extraction
        self._walk = walk
        self._missed = missed
        self._running = ExitStack()
        self._certain = certain
        self._hashes = Hashes(settings.hashes, extraction.size, settings.split)
        self._running.callback(self._hashes.stop)
        self._windows: WindowHashes | None = None
        extraction.checkpoints = self._hashes.checkpoints
        if settings.hash_window:
            self._windows = WindowHashes(settings.hash_window, extraction.size, manifest)
            self._running.callback(self._windows.stop)

    def faults(self, faults: Sequence[Missing]) -> None:
        """Enter ranges that could not be read; they come after those entered before."""
        for missing in faults:
            self._extraction.ledger.fault(missing)
            if self._walk:
                self._walk.fault(missing)
            if self._missed:
                self._missed(missing)
            if self._certain:
                self._certain.fault(missing)

    def take(self, chunk: Chunk, done: int) -> None:
        """What comes next, after which `done` bytes are done. Raises what ended a thread."""
        self._hashes.take(chunk)
        if self._windows:
            self._windows.take(chunk)
        if self._certain:
            self._certain.take(chunk)
        self._extraction.done = done
        if self._walk:
            self._walk.reached(self._extraction.guest_start + done)

    def finish(self) -> None:
        """Wait for the hashes and put them into the account. Raises what ended a thread."""
        self._hashes.finish()
        self._extraction.hashes = self._hashes.hexdigests()
        self._extraction.segment_hashes = self._hashes.of_segments(len(self._extraction.segments))
        if self._windows:
            self._extraction.piecewise = self._windows.finish()
        if self._certain and self._extraction.certainties:
            self._extraction.certainties.sha256 = self._certain.hexdigest()

    def catch_up(self) -> None:
        """Let what was taken be hashed, so that an extraction that was stopped can go on from there."""
        with suppress(ForensicError):
            self._hashes.catch_up()

    def stop(self) -> None:
        """End the threads, finished or not."""
        self._running.close()
