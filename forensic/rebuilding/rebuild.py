"""A disk to a new qcow2 image: its bytes copied, or referred to where they lie, under tables of the image's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from forensic.disk.disk import Disk
from forensic.disk.opening import Supplied, open_disk
from forensic.disk.planned import planned_of
from forensic.disk.qcow2_layer import Qcow2Layer
from forensic.disk.v1_layer import Qcow1Layer
from forensic.errors import InternalError, stop_if
from forensic.evidence import Evidence
from forensic.extraction.certainties import Certainties
from forensic.extraction.ledger import Ledger, disk_totals
from forensic.extraction.output_checks import output_differs
from forensic.extraction.piece_reader import Filled
from forensic.extraction.pipeline import filled_steps
from forensic.extraction.plan import Hole
from forensic.extraction.range_lists import RangeWalk, RangeWriter
from forensic.extraction.recorder import Record, recording
from forensic.extraction.result import Extraction, NewImage
from forensic.extraction.settings import Settings
from forensic.image import Qcow1Image, Qcow2Image, identify
from forensic.mapping.extents import Run
from forensic.output.chunk import Chunk, in_parts, length_of
from forensic.output.hashes import leading_hash
from forensic.output.new_file import LineFile, NewFile, flush_to_disk, partial_of
from forensic.output.paths import refuse
from forensic.output.raw_output import refuse_lack_of_space
from forensic.output.segments import Segment
from forensic.qcow2.entries import SECTOR_SIZE
from forensic.qcow2.identify import ForeignFile
from forensic.rebuilding.composer import Composer
from forensic.rebuilding.image_writer import ImageWriter, name_of_data_file
from forensic.rebuilding.reference import data_file_of
from forensic.rebuilding.self_check import compared, refuse_faults
from forensic.rebuilding.spans import spans
from forensic.untrusted import shown

Progress = Callable[[int, int], None]

USUAL_CLUSTER_BITS = 16

LAST_SECTOR = "the new disk ends with a whole sector, since QEMU leaves out a part of one; the old one has"


def rebuild(
    source: Disk | Qcow2Image | Qcow1Image,
    output: Path,
    settings: Settings | None = None,
    refer: bool = False,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Extraction:
    """Write a disk, or the active disk of an image, to a new qcow2 image. Raises as `extract` does."""
    disk = source if isinstance(source, Disk) else source.disk()
    rebuilder = Rebuilder(disk, output, settings or Settings(), refer)
    rebuilder.run(progress, cancelled)
    return rebuilder.extraction


class Rebuilder:
    """One new image, from the refusals before the first byte to the account of it, which is that of an extraction.

    With `refer` no data is copied: the new image names the file in which it lies as its external data file.
    """

    def __init__(self, disk: Disk, output: Path, settings: Settings, refer: bool = False) -> None:
        """Look through the tables; nothing is written.

        Raises `OutputFailed` and `EvidenceInUse` if it cannot begin, `Unsupported` where data cannot be referred to.
        """
        self._disk, self._settings, self._output = disk, settings, output
        if not settings.in_use:
            disk.refuse_if_written_to()
        refuse([output], disk.evidences, settings.force)
        self._cluster_bits, self._compression_type = _format_of(disk)
        self._data_file = data_file_of(disk, 1 << self._cluster_bits) if refer else None
        found = disk_totals(disk, 0, disk.size)
        self._runs = found.runs
        stored = 0 if refer else found.stored
        refuse_lack_of_space(output, [output], stored + disk.size // (1 << self._cluster_bits) // 64)
        self.extraction = Extraction(
            disk.target, output, 0, disk.size, [Segment(1, output, 0, disk.size)], Ledger(found), disk.caveats
        )
        self.extraction.leading_hash = leading_hash(settings.hashes)
        if disk.size % SECTOR_SIZE:
            self.extraction.caveats = (*disk.caveats, f"{LAST_SECTOR}: {disk.size:,} bytes")
        planned = planned_of(disk.layers[0])
        self.extraction.certainties = Certainties.by(planned) if planned else None
        self._places = found.places
        self.tables_unread = any(evidence.unread for evidence in disk.evidences)

    def run(
        self,
        progress: Progress | None = None,
        cancelled: Callable[[], bool] | None = None,
        writers: Sequence[RangeWriter] = (),
        manifest: LineFile | None = None,
        begun: Callable[[], None] | None = None,
    ) -> None:
        """Write the image, read it back, and give it its name. Raises as `Extractor.run` does."""
        hashed = bool(self._settings.hashes)
        recorded = recording(self._disk, self.extraction, self._settings, writers, manifest, certain_hash=hashed)
        with recorded as (record, walk):
            self._write(record, walk, progress, cancelled, begun)

    def _write(
        self,
        record: Record,
        walk: RangeWalk | None,
        progress: Progress | None,
        cancelled: Callable[[], bool] | None,
        begun: Callable[[], None] | None,
    ) -> None:
        with ExitStack() as undo:
            file = NewFile(self._output, self._settings.force)
            undo.callback(file.abandon)
            name = name_of_data_file(self._output, self._data_file.path) if self._data_file else None
            size = self._disk.size + -self._disk.size % SECTOR_SIZE
            writer = ImageWriter(file, self._cluster_bits, size, self._compression_type, name)
            found = spans(self._all_runs(), writer.cluster_size, self._disk.size)
            composer = Composer(self._disk, found, writer, self._compression_type, self._data_file is not None)
            with filled_steps(self._disk, 0, self._disk.size, known=self._runs) as steps:
                if begun:
                    begun()
                for step in steps:
                    if isinstance(step, Filled | Hole):
                        self._take(step, record, composer, progress, cancelled)
            record.finish()
            writer.finish()
            self._check(writer, cancelled)
            if walk:
                walk.finish(self.extraction.ledger)
            file.complete()
            undo.pop_all()

    def _all_runs(self) -> Iterator[Run]:
        return (run for runs in (self._runs or self._disk.readable_runs()) for run in runs)

    def _take(
        self,
        step: Filled | Hole,
        record: Record,
        composer: Composer,
        progress: Progress | None,
        cancelled: Callable[[], bool] | None,
    ) -> None:
        extraction = self.extraction
        record.faults(step.faults if isinstance(step, Filled) else ())
        composer.take(step)
        chunk: Chunk = step.data if isinstance(step, Filled) else step.length
        for part in in_parts(chunk) if self._settings.hashes else (chunk,):
            stop_if(cancelled, f"rebuilding stopped at guest offset {step.guest_offset:#x}")
            record.take(part, extraction.done + length_of(part))
            if progress:
                progress(extraction.done, extraction.size)

    def _check(self, writer: ImageWriter, cancelled: Callable[[], bool] | None) -> None:
        """Read the new image back: its metadata have to be clean, and its disk that of a second reading."""
        partial = partial_of(self._output)
        flush_to_disk(partial)
        with ExitStack() as opened:
            evidence = opened.enter_context(Evidence(partial))
            extraction = self.extraction
            extraction.new_image = NewImage(
                writer.cluster_size,
                evidence.size,
                writer.data_clusters,
                writer.streams,
                writer.tables,
                evidence.sha256(),
                shown(self._data_file.path) if self._data_file else None,
            )
            extraction.segments = [Segment(1, self._output, 0, evidence.size)]
            extraction.segment_hashes = [{"sha256": extraction.new_image.sha256}]
            image = identify(evidence)
            refuse_faults(image)
            if isinstance(image, ForeignFile):
                raise InternalError("the image that was written is none")
            data_file = self._data_file.path if self._data_file else None
            disk = opened.enter_context(open_disk(image, None, Supplied(data_file=data_file)))
            whole = self._settings.verify
            extraction.compared = compared(self._disk, disk, extraction, self._places, whole, cancelled)
            if any(one.unread for one in self._disk.evidences):
                extraction.compared.leave_out_what_was_not_read()
            if not extraction.compared.agrees:
                raise output_differs(self._disk, self._output, extraction.compared.sentence)


def _format_of(disk: Disk) -> tuple[int, int]:
    """Cluster bits and compression type of the new image: those of the image, so that streams can be copied."""
    for level in disk.layers:
        if isinstance(level, Qcow2Layer):
            geometry = level.image.geometry
            return geometry.cluster_bits, geometry.compression_type if geometry.compression_type in (0, 1) else 0
        if isinstance(level, Qcow1Layer):
            break
    return USUAL_CLUSTER_BITS, 0
