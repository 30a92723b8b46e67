"""The files that `qcowscope extract` writes beside the disk, and what it prints in the end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from forensic.cli.cautions import cautioned
from forensic.cli.parser import UsageError
from forensic.cli.reports import ReportTarget, write_reports
from forensic.exit_status import ExitStatus
from forensic.report.formats import FORMATS, LISTS, OF_EXTRACTIONS
from forensic.untrusted import Json, shown

if TYPE_CHECKING:
    from forensic.disk.disk import Disk
    from forensic.extraction.certainties import Certainties
    from forensic.extraction.range_lists import RangeWriter
    from forensic.extraction.result import ContainerFiles, Extraction
    from forensic.extraction.settings import Settings
    from forensic.extraction.source_hashes import InputHashes
    from forensic.image import Qcow1Image, Qcow2Image
    from forensic.output.new_file import LineFile
    from forensic.output.segments import Segment
    from forensic.report.run import Run

SALVAGED = "salvaged"
NOT_MARKED = "not_marked"
LISTED_DIFFERENCES = 20
"""Ranges on which two readings differ that are printed; the report lists them all."""

EXTRACTION_FORMATS = (*FORMATS, *OF_EXTRACTIONS, *LISTS)


def _holds_more(image: Qcow2Image | Qcow1Image) -> bool:
    """Whether a file whose tables lead to nothing goes on after what a new image has: header, refcounts, L1 table.

    What an image with snapshots has there may be theirs; whether it is, only a look at all tables can tell.
    """
    from forensic.image import Qcow2Image

    if not isinstance(image, Qcow2Image):
        return False
    if image.header.nb_snapshots:
        from forensic.checking import check

        return any(finding.rule == "l1-table-wiped" for finding in check(image, with_streams=False).findings)
    geometry = image.geometry
    end = geometry.l1_table_offset + 8 * geometry.l1_entry_count
    return image.evidence.next_data_from(end + geometry.cluster_size) < image.evidence.size


def _written_to(extraction: Extraction) -> str:
    """The files that were written, by their names."""
    held = extraction.container
    paths = [path for path, _ in held.files] if held else [segment.path for segment in extraction.segments]
    if not paths or len(paths) == 1:
        return shown(paths[0] if paths else extraction.path or "-")
    return f"{shown(paths[0])} to {shown(paths[-1].name)}"


class ExtractionReports:
    """The reports of one extraction; as a context manager it removes those that were begun and not completed."""

    def __init__(
        self,
        targets: Sequence[ReportTarget],
        image: Qcow2Image | Qcow1Image,
        disk: Disk,
        output: Path | None,
        settings: Settings,
        sidecars: bool,
    ) -> None:
        """Raises `UsageError` for a manifest without windows."""
        from forensic.extraction.sidecars import ListFiles, sidecar_paths

        self._targets = targets
        self._image, self._disk, self._output, self._settings = image, disk, output, settings
        self._sidecars = sidecar_paths(output, settings.hashes) if sidecars and output else {}
        self._input_hashes: InputHashes | None = None
        self._undo = ExitStack()
        try:
            self._lists = ListFiles([(target.format, target.path) for target in targets], disk, settings)
        except ValueError as error:
            raise UsageError(f"qcowscope extract: {error}") from error

    def refuse(self, segments: Sequence[Segment], files_read: Sequence[str] = (), can_resume: bool = True) -> None:
        """Before any work: no report may land on an input, on the output, or on what exists. Raises `OutputFailed`.

        `files_read` are those that are read beside the disk.
        """
        from forensic.extraction.resume import journal_path
        from forensic.output.paths import Input, refuse

        outputs = [segment.path for segment in segments]
        if self._output:
            outputs.append(journal_path(self._output))
        reports = [*(target.path for target in self._targets), *self._sidecars.values()]
        inputs: list[Input] = [*self._disk.evidences, *files_read]
        resume = self._settings.resume if can_resume and not self._settings.container else None
        refuse([*outputs, *reports], inputs, self._settings.force, resume)

    def options(self) -> dict[str, Json]:
        """The settings in effect, for the record."""
        return self._settings.in_effect()

    @property
    def manifest(self) -> LineFile | None:
        """The piecewise hashes, once it is begun."""
        return self._lists.manifest

    def begin(self) -> list[RangeWriter]:
        """Create the files that are written on the way. Raises `OutputFailed`."""
        return self._lists.begin()

    def hash_inputs(self) -> None:
        """Begin to hash the inputs, if anything is to be said of them in the end."""
        if self._written_in_the_end() or self._settings.verify:
            from forensic.extraction.source_hashes import InputHashes  # loads what makes threads

            self._input_hashes = InputHashes(self._disk.evidences)
            self._undo.callback(self._input_hashes.stop)

    def verify_sources(self, progress: Callable[[int, int], None] | None) -> ExitStatus:
        """Read every input again if that was asked for; the exit status that this alone would give."""
        if not self._settings.verify or self._input_hashes is None:
            return ExitStatus.DONE
        self._input_hashes.verify(progress)
        if self._input_hashes.unverified:
            return ExitStatus.NOT_COMPLETED
        return ExitStatus.MISMATCH if self._input_hashes.differing else ExitStatus.DONE

    def write(self, extraction: Extraction, run: Run, status: ExitStatus, case: Mapping[str, str | None]) -> ExitStatus:
        """Write everything that is written in the end. Raises `OutputFailed`.

        The exit status: looking through the image once more, for the report, may meet what cannot be read.
        """
        from forensic.extraction.sidecars import write_sidecars

        if self._sidecars:
            write_sidecars(extraction, tuple(self._sidecars), self._settings.force)
        targets = self._written_in_the_end()
        if not targets:
            return status
        from forensic.reporting import ReportRequest, extraction_report

        written = [(target.format, target.path) for target in self._targets]
        request = ReportRequest(written, case)
        hashes, sparse = self._input_hashes, self._settings.sparse
        report = extraction_report(request, self._image, self._disk, extraction, run, status, hashes, sparse)
        write_reports(targets, report, self._settings.force)
        return ExitStatus(report.complete_run.exit_code)

    def print_summary(self, extraction: Extraction) -> None:
        """What was done; on standard error if the disk itself went to standard output."""
        from forensic.extraction.result import Status

        if extraction.status in (Status.FAILED, Status.ABORTED):
            self._print_differences(extraction)
            return
        stream = sys.stdout if extraction.path else sys.stderr
        ledger = extraction.ledger
        print(f"{_written_to(extraction)}: {extraction.size:,} bytes", end="", file=stream)
        print(f", {ledger.bytes_read:,} read, {ledger.bytes_zero:,} recorded as zero", end="", file=stream)
        unwanted = ledger.bytes_not_wanted
        print(f", {ledger.bytes_missing - unwanted:,} not read", end="", file=stream)
        print(f", {unwanted:,} not marked" if unwanted else "", file=stream)
        for name, value in extraction.hashes.items():
            print(f"{name}  {value}", file=stream)
        if held := extraction.container:
            self._print_container(held, stream)
        if extraction.new_image:
            print(extraction.new_image.sentence, file=stream)
        if extraction.compared:
            print(extraction.compared.sentence, file=stream)
        for code, length in ledger.bytes_by_reason.items():
            if code == NOT_MARKED:
                continue
            what = "left unallocated" if extraction.new_image else "filled with zeros"
            what = "decoded up to the break in a stream" if code == SALVAGED else what
            print(f"not read: {length:,} bytes, {what}: {code}", file=sys.stderr)
        if extraction.certainties:
            self._print_certainties(extraction.certainties, stream)
        for caveat in extraction.caveats:
            print(f"note: {caveat}", file=sys.stderr)
        for hint in (self._recovery_hint(extraction), self._salvage_hint(extraction)):
            if hint:
                print(hint, file=sys.stderr)
        stream.flush()
        cautioned(self._disk.evidences, ExitStatus.DONE)
        self._print_sources()

    def print_interrupted(self, extraction: Extraction) -> None:
        """What stays after an interrupt that came when the output was complete."""
        what = "not all of its reports were written"
        if self._settings.verify:
            what += ", and the files it was read from were not all read again"
        if extraction.path:
            print(f"{shown(extraction.path)} is complete and stays, but {what}", file=sys.stderr)

    def _recovery_hint(self, extraction: Extraction) -> str:
        """The line that says that `recover` may read more, where tables are lost or none leads to anything."""
        ledger = extraction.ledger
        lost = ledger.bytes_by_reason.keys() & {"l2_unreadable", "entry_doubtful"}
        whole = self._settings.guest_range is None
        nothing = whole and not ledger.bytes_read and not ledger.bytes_missing and _holds_more(self._image)
        if extraction.certainties or not (lost or nothing) or self._disk.target != "active":
            return ""
        why = "some tables cannot be trusted" if lost else "the file holds data that its tables do not lead to"
        return f"recover may read more: {why}"

    def _salvage_hint(self, extraction: Extraction) -> str:
        """The line that says that `--salvage` reads more, where streams are broken and it was not given."""
        broken = extraction.ledger.bytes_by_reason.keys() & {"decompress_failed", "decompress_short"}
        if extraction.new_image or not broken or any(getattr(layer, "salvage", False) for layer in self._disk.layers):
            return ""
        return "--salvage may read more: what compressed clusters hold before they break"

    def _print_certainties(self, found: Certainties, stream: TextIO) -> None:
        """How sure the bytes are, and the hash of those that are certain."""
        sums = ", ".join(f"{length:,} {word}" for word, length in found.as_sums().items())
        print(f"by the plan: {sums}", file=stream)
        if found.sha256:
            print(f"sha256 of the certain bytes alone  {found.sha256}", file=stream)
        if found.by_class["inferred"]:
            print(f"note: {found.sentence}", file=sys.stderr)
        if not found.size_certain and found.sentence_on_size:
            print(f"note: {found.sentence_on_size}", file=sys.stderr)

    def _print_container(self, container: ContainerFiles, stream: TextIO) -> None:
        """The files of a container, and what it says of the disk."""
        sizes = sum(size for _, size in container.files)
        last = shown(container.files[-1][0].name)
        count = len(container.files)
        print(f"{count:,} {'file' if count == 1 else 'files'}, the last {last}; {sizes:,} bytes", file=stream)
        for name, value in container.hashes.items():
            print(f"{name} in the container  {value}", file=stream)
        if container.padding:
            print(f"note: {container.padding:,} zeros were added to make whole sectors", file=sys.stderr)

    def _print_differences(self, extraction: Extraction) -> None:
        """Where a second reading gave something else."""
        compared = extraction.compared
        for one in compared.differences[:LISTED_DIFFERENCES] if compared else ():
            reason = f" ({one.reason})" if one.reason else ""
            print(f"differs: {one.length:,} bytes at guest offset {one.guest_offset:#x}{reason}", file=sys.stderr)

    def __enter__(self) -> ExtractionReports:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._undo.close()
        self._lists.__exit__(kind, error, trace)

    def _print_sources(self) -> None:
        """What reading the inputs again has shown."""
        if self._input_hashes is None:
            return
        for evidence in self._input_hashes.differing:
            complaint = "now reads differently than during the extraction; the output is not reliable"
            print(f"qcowscope: {shown(evidence.path_as_given)} {complaint}", file=sys.stderr)
        for evidence in self._input_hashes.unverified:
            print(f"qcowscope: {shown(evidence.path_as_given)} could not be read again in full", file=sys.stderr)

    def _written_in_the_end(self) -> list[ReportTarget]:
        return [target for target in self._targets if target.format not in LISTS]
