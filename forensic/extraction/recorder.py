"""What is kept of a disk while it passes by: hashes, piecewise hashes, the ledger, and the list of every range."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

from forensic.disk.disk import Disk
from forensic.disk.planned import planned_of
from forensic.errors import ForensicError, Interrupted
from forensic.extraction.certainties import CertainHash, CertaintySums
from forensic.extraction.piece_reader import Missing
from forensic.extraction.range_lists import RangeWalk, RangeWriter
from forensic.extraction.result import Extraction, Status
from forensic.extraction.settings import Settings
from forensic.output.chunk import Chunk
from forensic.output.hashes import Hashes
from forensic.output.new_file import LineFile
from forensic.output.piecewise import WindowHashes


@contextmanager
def recording(
    disk: Disk,
    extraction: Extraction,
    settings: Settings,
    writers: Sequence[RangeWriter],
    manifest: LineFile | None,
    missed: Callable[[Missing], None] | None = None,
    certain_hash: bool = True,
) -> Iterator[tuple[Record, RangeWalk | None]]:
    """The record of a disk while it is written, and the walk beside it that `writers` want; in the end, the status.

    What ends the context early is in the status as well, and the lists end where it stopped; after an interrupt they
    are not kept. By a recovery plan the sums of certainty are taken, and with `certain_hash` the hash of certain bytes.
    """
    start, end, certain = extraction.guest_start, extraction.guest_start + extraction.size, None
    planned = planned_of(disk.layers[0])
    if extraction.certainties and planned:
        writers = [*writers, CertaintySums(extraction.certainties)]
        certain = CertainHash.of(planned, extraction.ledger, start) if certain_hash else None
    walk = RangeWalk(disk, start, end, writers) if writers else None
    record = Record(extraction, settings, walk, manifest, missed, certain)
    try:
        yield record, walk
    except BaseException as error:
        interrupted = isinstance(error, Interrupted | KeyboardInterrupt)
        if interrupted or isinstance(error, BrokenPipeError):
            extraction.status = Status.ABORTED
        if walk and not interrupted:
            walk.give_up(extraction.ledger)
        raise
    finally:
        record.stop()
    incomplete = extraction.ledger.bytes_missing > extraction.ledger.bytes_not_wanted
    extraction.status = Status.COMPLETE_WITH_UNREADABLE if incomplete else Status.COMPLETE


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
