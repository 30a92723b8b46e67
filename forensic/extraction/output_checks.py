"""The checks before an output is called complete: it is read back, and compared with a second reading."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from forensic.disk.disk import Disk
from forensic.errors import EvidenceUnreadable, ForensicError, OutputDiffers, OutputFailed, stop_if
from forensic.evidence import Evidence, ReadFailed
from forensic.extraction.container_output import read_back
from forensic.extraction.output_comparison import compare
from forensic.extraction.result import Extraction
from forensic.extraction.second_reading import OutputBytes, Unread
from forensic.extraction.settings import Settings
from forensic.extraction.spot_checks import Places
from forensic.mapping.extents import Reason
from forensic.output.chunk import Chunk, length_of
from forensic.output.hashes import Hashes
from forensic.output.new_file import flush_to_disk, partial_of
from forensic.output.raw_output import Output
from forensic.output.read_back import KeptBytes
from forensic.output.segments import read_in_a_row
from forensic.qcow2.identify import SIGNATURE_BYTES, container_at
from forensic.untrusted import shown

if TYPE_CHECKING:
    from forensic.e01.reader import E01Bytes

Progress = Callable[[int, int], None]
Cancelled = Callable[[], bool]


class OutputChecks:
    """The checks of one output; of a stream or a container the places that are compared are kept as they pass."""

    def __init__(self, disk: Disk, extraction: Extraction, settings: Settings, places: Places) -> None:
        """`places` are those of the disk from which the ones to compare are chosen."""
        self._disk, self._extraction, self._settings, self._places = disk, extraction, settings, places
        self._start, self._end = extraction.guest_start, extraction.guest_start + extraction.size
        # Nothing that went to standard output can be read back, a container only if it is verified, and no hash is
        # known beforehand.
        self._passing: KeptBytes | None = None
        if not extraction.segments and not settings.verify:
            self._passing = KeptBytes(places.chosen(self._start, self._end, self._end))
        self.tables_unread = any(evidence.unread for evidence in disk.evidences)

    def take(self, guest_offset: int, chunk: Chunk) -> None:
        """What passes to standard output or into a container, in guest order."""
        if self._passing:
            self._passing.take(guest_offset, chunk)

    def before_completion(self, output: Output, progress: Progress | None, cancelled: Cancelled | None) -> None:
        """Make all checks that the settings ask for. Raises `OutputDiffers`, `OutputFailed`, `Interrupted`."""
        if not self._settings.verify:
            self._compare(self._passing or self._partials(), progress, cancelled)
        elif self._settings.container:
            with closing(self._container_read_back(output, progress, cancelled)) as container:
                self._compare(container, progress, cancelled)
        else:
            self._read_back(progress, cancelled)
            self._compare(self._partials(), progress, cancelled)

    def _read_back(self, progress: Progress | None, cancelled: Cancelled | None) -> None:
        """Read the output again, from the medium as far as the system lets us.

        Raises `OutputDiffers`, and `OutputFailed` where it cannot be read: that says nothing of its bytes.
        """
        for path in self._partials():
            flush_to_disk(path)
        hashes = Hashes(self._settings.hashes, self._extraction.size)
        try:
            for offset, chunk in read_in_a_row(self._partials()):
                self._read_to(offset + length_of(chunk), progress, cancelled)
                hashes.take(chunk)
            hashes.finish()
        except ReadFailed as error:
            raise self._unreadable(error) from error
        finally:
            hashes.stop()
        self._verified(hashes.hexdigests())

    def _container_read_back(self, output: Output, progress: Progress | None, cancelled: Cancelled | None) -> E01Bytes:
        """Read a container again in the same way; the disk in it, which has to be closed."""
        from forensic.e01.reader import ContainerDamaged

        names = self._settings.hashes
        try:
            found, hashes = read_back(
                output, self._extraction, names, lambda done: self._read_to(done, progress, cancelled)
            )
        except ContainerDamaged as error:
            raise self._differs(f"reads back differently from what was written to it: {error}") from error
        except ReadFailed as error:
            raise self._unreadable(error) from error
        self._verified(hashes)
        return found

    def _read_to(self, done: int, progress: Progress | None, cancelled: Cancelled | None) -> None:
        stop_if(cancelled, "the output was written and not verified")
        if progress:
            progress(done, self._extraction.size)

    def _unreadable(self, error: ReadFailed) -> OutputFailed:
        return OutputFailed(self._extraction.path or "-", f"cannot be read back: {error}")

    def _verified(self, hashes: dict[str, str]) -> None:
        self._extraction.verified_output = hashes
        if hashes != self._extraction.hashes:
            raise self._differs("reads back differently from what was written to it")

    def _compare(
        self, output: OutputBytes | Sequence[Path], progress: Progress | None, cancelled: Cancelled | None
    ) -> None:
        """Compare the output with a second reading of the disk, all of it or some places. Raises `OutputDiffers`."""
        extraction = self._extraction
        extraction.compared = compare(
            self._disk,
            output,
            self._passing.places if self._passing else self._places.chosen(self._start, self._end, self._seed()),
            (self._start, self._end),
            self._settings.verify,
            Unread.of(extraction.ledger.unreadable()),
            progress,
            cancelled,
        )
        if any(evidence.unread for evidence in self._disk.evidences):
            extraction.compared.leave_out_what_was_not_read()
            # What lies in the ledger as unreadable is known already; anything else was met by the second reading alone.
            self.tables_unread |= Reason.IO_ERROR.code not in extraction.ledger.bytes_by_reason
        if not extraction.compared.agrees:
            raise self._differs(extraction.compared.sentence)

    def _differs(self, reason: str) -> OutputDiffers:
        return output_differs(self._disk, self._extraction.path or "-", reason)

    def _seed(self) -> int:
        """A number that follows from the hash of the output."""
        return int(next(iter(self._extraction.hashes.values()), f"{self._end:x}"), 16)

    def _partials(self) -> list[Path]:
        return partials_of(self._extraction)


def output_differs(disk: Disk, output: str | os.PathLike[str], reason: str) -> OutputDiffers:
    """The error; if what was read has changed in the meantime, nothing can be said of the readers."""
    changed = [evidence for evidence in disk.evidences if not evidence.unchanged()]
    if changed:
        reason += f"; {shown(changed[0].path_as_given)} has changed in the meantime"
    error = OutputDiffers(output, reason)
    if changed:
        error.exit_status = ForensicError.exit_status
    return error


def partials_of(extraction: Extraction) -> list[Path]:
    """The files of an output while it is written."""
    return [partial_of(part.path) for part in extraction.segments]


def container_notes(extraction: Extraction) -> Iterator[str]:
    """Whether the disk itself begins like a disk image: a program that probes it opens what that image names."""
    path, parts = extraction.path, extraction.segments
    if path is None or extraction.guest_start or not parts:
        return
    try:
        with Evidence(parts[0].path) as written:
            kind = container_at(written.read_at(0, SIGNATURE_BYTES))
    except (EvidenceUnreadable, ReadFailed):
        return
    if kind:
        yield (
            f"the disk that was written begins like {kind}: always open it as raw, or its content "
            "decides which files are read"
        )
