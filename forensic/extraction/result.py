"""The result of one extraction: what was asked, how far it got, and what it gave."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field

from forensic.extraction.ledger import Ledger, missing_records
from forensic.numbers import counted
from forensic.output.hashes import Checkpoint
from forensic.output.piecewise import ALGORITHM, Piecewise
from forensic.output.segments import Segment

if TYPE_CHECKING:
    from forensic.extraction.certainties import Certainties
    from forensic.extraction.second_reading import Comparison
    from forensic.records.extraction import ExtractionRecord, HashFamilies, NewImageRecord, SegmentRecord

REPORTED_CHECKPOINTS = 256


class Status(StrEnum):
    """How an extraction ended."""

    COMPLETE = "complete"
    COMPLETE_WITH_UNREADABLE = "complete_with_unreadable"
    FAILED = "failed"
    ABORTED = "aborted"


class ContainerFiles(Struct, frozen=True):
    """The files of a container with their sizes, and what it says of the disk: hashes, and zeros to whole sectors."""

    files: Sequence[tuple[Path, int]]
    hashes: dict[str, str]
    padding: int


class NewImage(Struct, frozen=True):
    """What a new qcow2 image consists of: clusters of data and streams, L2 tables; sizes in bytes.

    `data_file` is the name of the external data file that it refers to, if no data was copied.
    """

    cluster_size: int
    file_size: int
    data_clusters: int
    compressed_clusters: int
    l2_tables: int
    sha256: str
    data_file: str | None = None

    @property
    def sentence(self) -> str:
        """What it consists of, in words."""
        where = f" that stay in {self.data_file}" if self.data_file else ""
        parts = (
            f"{counted(self.data_clusters, 'cluster')} of data{where}",
            f"{self.compressed_clusters:,} compressed",
            counted(self.l2_tables, "L2 table"),
        )
        return f"new image: {self.file_size:,} bytes, {', '.join(parts)}; sha256 {self.sha256}"

    def record(self) -> NewImageRecord:
        """What `result.extraction.new_image` of a report holds."""
        from forensic.records.extraction import NewImageRecord

        return NewImageRecord(
            cluster_size=self.cluster_size,
            file_size=self.file_size,
            data_clusters=self.data_clusters,
            compressed_clusters=self.compressed_clusters,
            l2_tables=self.l2_tables,
            data_file=self.data_file,
            sha256=self.sha256,
        )


class Extraction(Struct):
    """Filled in while the extraction goes on; what it says when it was stopped is true as well.

    `path` is None for standard output. `size` and `done` are in bytes of the output; the guest range begins at
    `guest_start`. `caveats` are what a reader must know beside the numbers. `hashes` are those of the bytes as they
    were extracted, `verified_output` those of the output read again. `compared` is what a second reading of the disk,
    independent of the first, had in common with the output; None if it did not get that far. A `container` has files
    in place of segments; `new_image` is what was written where that is a qcow2 image. `decoded` is the guest range in
    which the fast codecs made a cluster of each stream, but for those that the ledger calls unreadable.
    """

    target: str
    path: Path | None
    guest_start: int
    size: int
    segments: Sequence[Segment]
    ledger: Ledger
    caveats: Sequence[str] = ()
    status: Status = Status.FAILED
    done: int = 0
    hashes: dict[str, str] = field(default_factory=dict)
    segment_hashes: list[dict[str, str]] = field(default_factory=list)
    leading_hash: str | None = None
    checkpoints: Sequence[Checkpoint] = ()
    piecewise: Piecewise | None = None
    verified_output: dict[str, str] | None = None
    compared: Comparison | None = None
    certainties: Certainties | None = None
    container: ContainerFiles | None = None
    new_image: NewImage | None = None
    decoded: tuple[int, int] | None = None

    @property
    def complete(self) -> bool:
        """Whether the whole range was written and every byte of it was read; by a plan: and is certain."""
        sure = self.certainties is None or self.certainties.complete
        return self.status == Status.COMPLETE and sure

    def record(self) -> ExtractionRecord:
        """What `result.extraction` of a report holds."""
        from msgspec import UNSET

        from forensic.records.extraction import ContainerRecord, ExtractionRecord, FillRecord, VirtualRangeRecord

        unreadable = self.ledger.unreadable()
        held = self.container
        container = ContainerRecord(format="e01", padding=held.padding, hashes=held.hashes) if held else UNSET
        return ExtractionRecord(
            target=self.target,
            virtual_range=VirtualRangeRecord(offset=self.guest_start, length=self.size),
            status=self.status.value,
            bytes_expected=self.size,
            bytes_done=self.done,
            bytes_read=self.ledger.bytes_read,
            bytes_zero=self.ledger.bytes_zero,
            bytes_filled=self.ledger.bytes_missing,
            bytes_by_state=self.ledger.bytes_by_state,
            caveats=self.caveats,
            fill=FillRecord(pattern_hex="00", reason_counts=self.ledger.bytes_by_reason),
            unreadable=missing_records(unreadable),
            unreadable_not_listed=unreadable.not_listed,
            hashes=self.hashes,
            checkpoints=self._checkpoints(),
            segments=self._segments(),
            compared=self.compared.record() if self.compared else None,
            container=container,
            recovery=self.certainties.record() if self.certainties else UNSET,
            new_image=self.new_image.record() if self.new_image else UNSET,
        )

    def hash_families(self, container_sha256: str | None, verified_sha256: str | None = None) -> HashFamilies:
        """What `result.hashes` holds: the hashes of the image file and those of the disk in it, kept apart.

        `verified_sha256` is that of the image file read again after the extraction.
        """
        from forensic.records.extraction import HashFamilies, HashMoments, PiecewiseRecord

        piecewise = None
        if self.piecewise:
            piecewise = PiecewiseRecord(
                algorithm=ALGORITHM,
                window=self.piecewise.window,
                windows=self.piecewise.count,
                digest_of_list=self.piecewise.digest_of_list,
            )
        return HashFamilies(
            container=HashMoments(
                acquired={"sha256": container_sha256} if container_sha256 else {},
                verified_source={"sha256": verified_sha256} if verified_sha256 else None,
            ),
            virtual_disk=HashMoments(acquired=self.hashes, verified_output=self.verified_output),
            piecewise=piecewise,
        )

    def _checkpoints(self) -> list[dict[str, int | str]]:
        every = max(1, -(-len(self.checkpoints) // REPORTED_CHECKPOINTS))
        return [
            {"length": point.length, str(self.leading_hash): point.digest}
            for point in self.checkpoints[every - 1 :: every]
        ]

    def _segments(self) -> list[SegmentRecord]:
        from forensic.records.extraction import SegmentRecord

        verified = "not_done" if self.verified_output is None else "match"
        if self.verified_output is not None and self.verified_output != self.hashes:
            verified = "mismatch"
        return [
            SegmentRecord(
                index=segment.index,
                format="qcow2" if self.new_image else "raw",
                virtual_offset=self.guest_start + segment.offset,
                size=segment.length,
                hashes=hashes,
                verified=verified,
            )
            for segment, hashes in zip(self.segments, self.segment_hashes, strict=False)
        ]
