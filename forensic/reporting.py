"""The report of an extraction, for the command line and for users of the library."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from forensic.accounting.streams import DecodedRange
from forensic.checking import check
from forensic.description import describe
from forensic.disk.contents import contents_of_disk
from forensic.disk.disk import Disk
from forensic.disk.planned import planned_of
from forensic.errors import OutputDiffers, OutputFailed, stop_if
from forensic.evidence import Evidence
from forensic.exit_status import ExitStatus
from forensic.extraction.container_output import sha256_of_file
from forensic.extraction.result import Extraction
from forensic.extraction.resume import journal_path
from forensic.extraction.source_hashes import InputHashes
from forensic.image import Qcow1Image, Qcow2Image
from forensic.inputs import Sha256Of, inputs_of, references_of
from forensic.mapped_report import drawing_of, with_drawings, with_map
from forensic.output.new_file import NewFile
from forensic.output.paths import refuse
from forensic.records.run import ArtifactRecord
from forensic.report.formats import LISTS, render
from forensic.report.model import Report, case_data
from forensic.report.notes import harmless
from forensic.report.run import Run, source_record, tool
from forensic.untrusted import Json, shown


class ReportRequest(Struct, frozen=True):
    """What is to be written where (format and path), and what the examiner has to say.

    `also_read` are files that are read beside the disk, such as a plan or a key file, and must not be written over;
    `audit` is what was done in the session before.
    """

    targets: Sequence[tuple[str, Path]]
    case: Mapping[str, str | None] = field(default_factory=dict)
    annotations: Sequence[Json] = ()
    force: bool = False
    also_read: Sequence[str] = ()
    audit: Sequence[Json] = ()

    def refuse(self, outputs: Sequence[Path], disk: Disk) -> None:
        """Before any work. Raises `OutputFailed` for a path that must not or cannot be written."""
        journals = [journal_path(output) for output in outputs]
        read: list[Evidence | str] = [*disk.evidences, *self.also_read]
        refuse([*outputs, *journals, *(path for _, path in self.targets)], read, self.force)


def write_extraction_reports(
    request: ReportRequest,
    image: Qcow2Image | Qcow1Image,
    disk: Disk,
    extraction: Extraction,
    run: Run,
    cancelled: Callable[[], bool] | None = None,
) -> Report | None:
    """Judge the image, hash what was read, and write every report; None if none is wanted.

    Those of `LISTS` were written while the disk was read.

    Raises `OutputFailed`, and `Interrupted` once `cancelled` says so.
    """
    targets = [(name, path) for name, path in request.targets if name not in LISTS]
    if not targets:
        return None
    hashes = InputHashes(disk.evidences, cancelled)
    try:
        status = _exit_status(disk, extraction)
        report = extraction_report(request, image, disk, extraction, run, status, hashes, cancelled=cancelled)
    finally:
        hashes.stop()
    for name, path in targets:
        file = NewFile(path, request.force)
        try:
            file.append(render(name, report).encode("utf-8", "surrogateescape"))
            file.complete()
        finally:
            file.abandon()
    return report


def extraction_report(
    request: ReportRequest,
    image: Qcow2Image | Qcow1Image,
    disk: Disk,
    extraction: Extraction,
    run: Run,
    status: ExitStatus,
    hashes: InputHashes | None,
    sparse: bool = True,
    cancelled: Callable[[], bool] | None = None,
) -> Report:
    """The report, with a judgement of the image; `status` is that of the run if the judgement meets no read error.

    Without `hashes` the extraction was stopped before its inputs were hashed. Raises `Interrupted` once `cancelled`
    says so.
    """

    def go_on(_: str) -> None:
        stop_if(cancelled, "the reports of the extraction were not written")

    sha256_of: Sha256Of = hashes.of if hashes else _not_hashed
    sha256_again: Sha256Of = hashes.again if hashes else _not_hashed
    formats = [name for name, _ in request.targets]
    drawing = drawing_of(image, formats, disk)
    guest = contents_of_disk(disk)
    seen = drawing.see if drawing else None
    judgement = check(image, go_on, seen=seen, decoded=_decoded(image, disk, extraction))
    result = replace(
        judgement.add_to(describe(image, judgement.measured, guest)),
        references=references_of(disk, sha256_of),
        extraction=extraction.record(),
        hashes=extraction.hash_families(sha256_of(image.evidence), sha256_again(image.evidence)),
    )
    inputs = inputs_of(disk, sha256_of, sha256_again)
    # Looking through the image once more may meet what cannot be read.
    if status == ExitStatus.DONE and any(evidence.unread for evidence in disk.evidences):
        status = ExitStatus.NOT_COMPLETED
    record = run.record(status, _artifacts(request, extraction, sparse), inputs)
    source, case = source_record(image.evidence), case_data(request.case)
    notes, audit = (tuple(map(harmless, each)) for each in (request.annotations, request.audit))
    report = Report(result, source, record, tool(), case, annotations=notes, audit=audit)
    if not drawing:
        return report
    report = with_drawings(report, image, formats, (disk, extraction.ledger.faults), cancelled, drawing.cells)
    return with_map(report, drawing.known)


def _decoded(image: Qcow2Image | Qcow1Image, disk: Disk, extraction: Extraction) -> DecodedRange | None:
    """What the judgement need not decode again, if the tables of the extraction were those that it looks through."""
    by_the_tables = disk.target == "active" and type(disk) is Disk and planned_of(disk.layers[0]) is None
    missing = extraction.ledger.unreadable()
    if not by_the_tables or extraction.decoded is None or missing.not_listed:
        return None
    return DecodedRange(*extraction.decoded, [(one.guest_offset, one.end) for one in missing.ranges])


def _not_hashed(evidence: Evidence) -> None:
    return None


def _exit_status(disk: Disk, extraction: Extraction) -> ExitStatus:
    """What `qcowscope extract` would have returned."""
    if not all(evidence.unchanged() for evidence in disk.evidences):
        return ExitStatus.NOT_COMPLETED
    if extraction.compared and not extraction.compared.agrees:
        return OutputDiffers.exit_status
    return ExitStatus.DONE if extraction.complete else ExitStatus.RANGES_NOT_READ


def _artifacts(request: ReportRequest, extraction: Extraction, sparse: bool) -> list[ArtifactRecord]:
    raw = [
        ArtifactRecord(
            role="qcow2" if extraction.new_image else "raw",
            name=shown(segment.path),
            segment_index=segment.index,
            size=segment.length,
            sparse=sparse,
            sha256=hashes.get("sha256"),
        )
        for segment, hashes in zip(extraction.segments, extraction.segment_hashes, strict=False)
    ]
    container = [
        ArtifactRecord(role="e01", name=shown(path), segment_index=number, size=size, sha256=_hash_of_written(path))
        for number, (path, size) in enumerate(extraction.container.files if extraction.container else (), 1)
    ]
    return [*raw, *container, *(ArtifactRecord(role=name, name=shown(path)) for name, path in request.targets)]


def _hash_of_written(path: Path) -> str:
    """The SHA-256 of a file that was written; it is read once more, for the report alone. Raises `OutputFailed`."""
    try:
        return sha256_of_file(path)
    except OSError as error:
        raise OutputFailed(path, (error.strerror or "is gone").lower()) from error
