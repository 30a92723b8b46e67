"""The report of an extraction that was not started from the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct, field

from forensic.checking import check
from forensic.errors import Interrupted, OutputDiffers
from forensic.exit_status import ExitStatus
from forensic.extraction.account import Extraction
from forensic.extraction.inputs import InputHashes
from forensic.extraction.journal import journal_path
from forensic.extraction.new_file import NewFile
from forensic.extraction.output_paths import refuse
from forensic.qcow2.consent import inputs_of, references_of
from forensic.qcow2.describe import describe
from forensic.qcow2.disk import Disk
from forensic.qcow2.geometry import Geometry
from forensic.qcow2.image import Qcow2Image
from forensic.qcow2.qcow1 import Qcow1Image
from forensic.qcow2.ranges import known_ranges
from forensic.report.file_map import FileMap, file_map
from forensic.report.formats import DRAWS_MAP, render
from forensic.report.model import Report, case_data
from forensic.report.run import Run, tool
from forensic.untrusted import Json, shown


class ReportRequest(Struct, frozen=True):
    """What is to be written where (format and path), and what the examiner has to say."""

    targets: Sequence[tuple[str, Path]]
    case: Mapping[str, Json] = field(default_factory=dict)
    annotations: Sequence[Json] = ()
    force: bool = False

    def refuse(self, outputs: Sequence[Path], disk: Disk) -> None:
        """Before any work. Raises `OutputFailed` for a path that must not or cannot be written."""
        journals = [journal_path(output) for output in outputs]
        refuse([*outputs, *journals, *(path for _, path in self.targets)], disk.evidences, self.force)


def write_extraction_reports(
    request: ReportRequest,
    image: Qcow2Image | Qcow1Image,
    disk: Disk,
    extraction: Extraction,
    run: Run,
    cancelled: Callable[[], bool] | None = None,
) -> Report | None:
    """Judge the image, hash what was read, and write every report; None if none is wanted.

    Raises `OutputFailed`, and `Interrupted` once `cancelled` says so.
    """
    if not request.targets:
        return None
    hashes = InputHashes(disk.evidences, cancelled)
    try:
        report = _report(request, image, disk, extraction, run, hashes, cancelled)
    finally:
        hashes.stop()
    for name, path in request.targets:
        file = NewFile(path, request.force)
        try:
            file.append(render(name, report).encode("utf-8", "surrogateescape"))
            file.complete()
        finally:
            file.abandon()
    return report


def _report(
    request: ReportRequest,
    image: Qcow2Image | Qcow1Image,
    disk: Disk,
    extraction: Extraction,
    run: Run,
    hashes: InputHashes,
    cancelled: Callable[[], bool] | None,
) -> Report:
    def go_on(_: str) -> None:
        if cancelled and cancelled():
            raise Interrupted("the reports of the extraction were not written")

    judgement = check(image, go_on)
    result = describe(image, judgement.measured) | judgement.as_json()
    result["references"] = references_of(disk, lambda evidence: hashes.of(evidence) or "")
    result["extraction"] = extraction.as_json()
    result["hashes"] = extraction.hashes_json(hashes.of(image.evidence))
    artifacts: list[Json] = [
        {"role": "raw", "name": shown(part.path), "segment_index": part.index, "size": part.length}
        for part in extraction.segments
    ]
    inputs = inputs_of(disk, lambda evidence: hashes.of(evidence) or "")
    record = run.as_json(_exit_status(disk, extraction), artifacts, inputs)
    drawn = _map(image) if DRAWS_MAP.intersection(name for name, _ in request.targets) else None
    source = image.evidence.as_json()
    return Report(result, source, record, tool(), case_data(request.case), drawn, request.annotations)


def _exit_status(disk: Disk, extraction: Extraction) -> ExitStatus:
    """What `qcowscope extract` would have returned."""
    if not all(evidence.unchanged() for evidence in disk.evidences):
        return ExitStatus.NOT_COMPLETED
    if extraction.compared and not extraction.compared.agrees:
        return OutputDiffers.exit_status
    return ExitStatus.DONE if extraction.complete else ExitStatus.RANGES_NOT_READ


def _map(image: Qcow2Image | Qcow1Image) -> FileMap | None:
    if isinstance(image, Qcow1Image):
        return None
    geometry = image.header_cluster.geometry
    if not isinstance(geometry, Geometry):
        return None
    return file_map(image.evidence.size, known_ranges(image), geometry.cluster_size)
