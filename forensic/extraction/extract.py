"""The extraction itself: plan → read → output and hashes, in guest order, every range entered in the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path

from forensic.disk.disk import Disk
from forensic.disk.planned import planned_of
from forensic.errors import OutputFailed, RangeNotRead, WrongSupply, stop_if
from forensic.extraction.certainties import Certainties
from forensic.extraction.container_output import account_of, container_output, touched_by
from forensic.extraction.ledger import Ledger, disk_totals
from forensic.extraction.output_checks import OutputChecks, container_notes, partials_of
from forensic.extraction.piece_reader import Filled, Missing
from forensic.extraction.pipeline import Done, FastDecodes, filled_steps
from forensic.extraction.plan import Hole
from forensic.extraction.range_lists import RangeWalk, RangeWriter
from forensic.extraction.recorder import Record, recording
from forensic.extraction.result import Extraction
from forensic.extraction.resume import (
    Journal,
    Resumption,
    begun_otherwise,
    decrypts_as_before,
    find_resumption,
    head_of,
    journal_path,
)
from forensic.extraction.settings import Settings
from forensic.extraction.sidecars import ListFiles
from forensic.image import Qcow1Image, Qcow2Image
from forensic.output.chunk import Chunk, in_parts, length_of
from forensic.output.hashes import leading_hash
from forensic.output.new_file import LineFile
from forensic.output.paths import refuse
from forensic.output.raw_output import Output, RawFile, StandardOutput, refuse_lack_of_space
from forensic.output.segments import left_beside, remove, segments, stale_segments
from forensic.untrusted import Json
from forensic.version import __version__

Progress = Callable[[int, int], None]
Missed = Callable[[Missing], None]
STANDARD_OUTPUT = 1


def extract(
    source: Disk | Qcow2Image | Qcow1Image,
    output: Path | None,
    settings: Settings | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    missed: Missed | None = None,
    lists: Sequence[tuple[str, Path]] = (),
) -> Extraction:
    """Write a disk, or the active disk of an image of which nothing else was supplied, to a raw file.

    Without `output` it goes to standard output. `progress` is called with the bytes done and the bytes in all, `missed`
    with every range that the tables promise and that could not be read or decoded. `lists` (format and path) are
    written while the disk is read: `ledger`, `map`, `manifest`. Raises
    `OutputFailed`, `OutputDiffers` and `RangeNotRead` (nothing that looks complete is left behind), `Unsupported` if
    the header gives no geometry, `Interrupted` once `cancelled` says so, `ValueError` for settings that cannot be.
    """
    disk = source if isinstance(source, Disk) else source.disk()
    wanted = settings or Settings()
    with ListFiles(lists, disk, wanted) as files:
        extractor = Extractor(disk, output, wanted)
        extractor.run(progress, cancelled, files.begin(), files.manifest, missed)
    return extractor.extraction


class Extractor:
    """One extraction, from the refusals before the first byte to the account of it, which is there however it ends."""

    def __init__(self, disk: Disk, output: Path | None, settings: Settings) -> None:
        """Look through the tables; nothing is written.

        Raises `OutputFailed`, `EvidenceInUse` and `RangeNotRead` if it cannot begin.
        """
        self._disk = disk
        self._settings = settings
        if not settings.in_use:
            disk.refuse_if_written_to()
        start, length = settings.guest_range or (0, disk.size)
        self._start, self._end = start, start + length
        if not 0 <= start <= self._end <= disk.size:
            raise ValueError(f"the disk has {disk.size:,} bytes; {start:,} to {self._end:,} is not within it")
        if settings.strict and disk.contradictions:
            raise WrongSupply(disk.inputs[0].evidence.path_as_given, f"{disk.contradictions[0]} (--strict)")
        raw = output is not None and settings.container is None
        parts = segments(output, length, settings.split) if output and raw else []
        self._stale: list[Path] = []
        if output is not None:
            self._stale = left_beside(output, parts) if raw else []
            if self._stale and not settings.force:
                raise stale_segments(self._stale)
            touched = [*(part.path for part in parts), *self._stale, journal_path(output)]
            if settings.container:
                touched = touched_by(output, settings.force)
            refuse(touched, disk.evidences, settings.force, settings.resume)
        found = disk_totals(disk, start, self._end)
        self._runs = found.runs
        if settings.strict and (first := found.missing.first_wanted):
            raise not_read(first)
        if output is not None and raw:
            refuse_lack_of_space(output, [part.path for part in parts], found.stored if settings.sparse else length)
        self.extraction = Extraction(disk.target, output, start, length, parts, Ledger(found), disk.caveats)
        self.extraction.leading_hash = leading_hash(settings.hashes)
        self._planned = planned_of(disk.layers[0])
        self.extraction.certainties = Certainties.by(self._planned) if self._planned else None
        self._fast = FastDecodes()
        self._checks = OutputChecks(disk, self.extraction, settings, found.places)

    @property
    def tables_unread(self) -> bool:
        """Whether something could not be read that is no range of the disk, such as a table."""
        return self._checks.tables_unread

    def run(
        self,
        progress: Progress | None = None,
        cancelled: Callable[[], bool] | None = None,
        writers: Sequence[RangeWriter] = (),
        manifest: LineFile | None = None,
        missed: Missed | None = None,
        begun: Callable[[], None] | None = None,
    ) -> None:
        """Write the output; raises as `extract` does. `writers` get every range, `manifest` the piecewise hashes.

        `begun` is called when the reading has begun: the time to start threads, since a process with threads reads in
        threads as well, which takes longer.
        """
        extraction = self.extraction
        with recording(self._disk, extraction, self._settings, writers, manifest, missed) as (record, walk):
            self._write(record, walk, progress, cancelled, begun)
        extraction.caveats = (*extraction.caveats, *container_notes(extraction))

    def _write(
        self,
        record: Record,
        walk: RangeWalk | None,
        progress: Progress | None,
        cancelled: Callable[[], bool] | None,
        begun: Callable[[], None] | None,
    ) -> None:
        keep = self._settings.keep_partial or self._settings.resume
        resumption = self._resumption(progress)
        with ExitStack() as undo:
            output = self._output(resumption)
            undo.callback(output.abandon, keep)
            journal = self._journal(resumption)
            if journal:
                undo.callback(journal.close, keep)
                if keep:
                    undo.callback(self._note_the_last, journal, record)
            with self._steps(output, resumption.done if resumption else 0) as steps:
                if begun:
                    begun()
                if resumption:
                    self._replay(resumption, record)
                read_from = self._start + self.extraction.done
                self._go_through(steps, record, output, journal, progress, cancelled)
            if self._fast.enough:
                self.extraction.decoded = (read_from, self._end)
            record.finish()
            output.finish()
            self._checks.before_completion(output, progress, cancelled)
            if walk:
                walk.finish(self.extraction.ledger)
            output.complete()
            undo.pop_all()
        remove(self._stale)
        if self._settings.container:
            self.extraction.container = account_of(output)
        if journal:
            journal.close(keep=False)

    def _steps(self, output: Output, done: int) -> AbstractContextManager[Iterator[Done]]:
        """The steps from where the extraction stands to the end of the range."""

        def write(step: Filled) -> None:
            offset = step.guest_offset - self._start
            for chunk in step.chunks():
                output.take(offset, chunk)
                offset += length_of(chunk)

        known = None if done else self._runs
        settings = self._settings
        kept = bool(settings.hashes or settings.hash_window or self._planned) or not output.any_order
        begin, writer = self._start + done, write if output.any_order else None
        return filled_steps(self._disk, begin, self._end, writer, kept, known, self._fast)

    def _go_through(
        self,
        steps: Iterator[Done],
        record: Record,
        output: Output,
        journal: Journal | None,
        progress: Progress | None,
        cancelled: Callable[[], bool] | None,
    ) -> None:
        extraction = self.extraction
        hashed = bool(self._settings.hashes or self._settings.hash_window)  # otherwise zeros cost nothing
        for step in steps:
            faults = () if isinstance(step, Hole) else step.faults
            chunk: Chunk = step.data if isinstance(step, Filled) else step.length
            if faults and self._settings.strict:
                raise not_read(faults[0])
            self._checks.take(step.guest_offset, chunk)
            record.faults(faults)
            if journal:
                journal.faults(faults)
            for part in in_parts(chunk) if hashed else (chunk,):
                stop_if(cancelled, f"extraction stopped at guest offset {step.guest_offset:#x}")
                if isinstance(step, Hole) or not output.any_order:
                    output.take(extraction.done, part)
                record.take(part, extraction.done + length_of(part))
                if journal:
                    journal.checkpoints(extraction.checkpoints)
                if progress:
                    progress(extraction.done, extraction.size)

    def _note_the_last(self, journal: Journal, record: Record) -> None:
        record.catch_up()
        with suppress(OutputFailed):  # the disk may be full, which is why it ended
            journal.checkpoints(self.extraction.checkpoints)

    def _replay(self, resumption: Resumption, record: Record) -> None:
        """Let the hashes and the ledger take what is there already."""
        for missing in resumption.faults():
            if self._settings.strict:
                raise not_read(missing)
            record.faults([missing])
        for chunk in head_of(self._partials(), resumption.done):
            record.take(chunk, self.extraction.done + length_of(chunk))

    def _output(self, resumption: Resumption | None) -> Output:
        if self.extraction.path is None:
            return StandardOutput(STANDARD_OUTPUT, self._disk.evidences)
        settings = self._settings
        if settings.container:
            return container_output(self.extraction, settings.container, settings.force)
        # A partial output that is not gone on with is written over if that was asked for, or if nothing of it holds.
        force = settings.force or settings.resume
        return RawFile(self.extraction.segments, settings.sparse, force, resumption.done if resumption else 0)

    def _journal(self, resumption: Resumption | None) -> Journal | None:
        """Without a hash there is nothing by which an interrupted extraction could be verified, so no journal."""
        path, settings = self.extraction.path, self._settings
        if path is None or settings.container or not settings.hashes:
            return None
        return resumption.journal() if resumption else Journal.begin(path, self._about())

    def _resumption(self, progress: Progress | None) -> Resumption | None:
        path = self.extraction.path
        if not self._settings.resume or path is None:
            return None
        found = find_resumption(path, [part.path for part in self.extraction.segments], self._about(), progress)
        if found and not decrypts_as_before(self._disk, self._start, found.done, self._partials()):
            raise begun_otherwise(path, "passphrase")
        return found

    def _about(self) -> dict[str, Json]:
        """What a later run must have in common with this one to continue where it ended."""
        inputs: list[Json] = [
            [before.inode, before.size, before.mtime_ns, before.ctime_ns]
            for before in (file.before for evidence in self._disk.evidences for file in evidence.files)
        ]
        return {
            "tool version": __version__,
            "image": inputs,
            "target": self._disk.target,
            "recovery plan": self._planned.digest if self._planned else None,
            "supply of files and keys": [
                *(layer.data_lacks.code for layer in self._disk.layers),
                *self._disk.caveats,
            ],
            "range": [self._start, self._end],
            "segment size": self._settings.split,
            "hash": self.extraction.leading_hash,
        }

    def _partials(self) -> list[Path]:
        return partials_of(self.extraction)


def not_read(missing: Missing) -> RangeNotRead:
    """The error for a range that cannot be read where every range has to be."""
    return RangeNotRead(missing.guest_offset, missing.length, missing.reason.code)
