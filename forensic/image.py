"""An image of any version: what its metadata say, where its guest bytes lie, and its disk as a file to read from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Self

from forensic.errors import NotAnImage
from forensic.evidence import Evidence
from forensic.qcow2.extensions import parse_extensions
from forensic.qcow2.geometry import ACTIVE, Unusable
from forensic.qcow2.header import parse_header
from forensic.qcow2.identify import ForeignFile, has_tables_after_header, identify_metadata
from forensic.qcow2.metadata import HeaderCluster, Qcow1Metadata, Qcow2Metadata

if TYPE_CHECKING:  # numpy is loaded to walk tables, not to look at the header
    from forensic.disk.disk import Disk
    from forensic.disk.reader import DiskReader
    from forensic.mapping.extents import Extent
    from forensic.mapping.rows import Rows


class _WithDisk:
    """What images of all versions can do beside showing their metadata."""

    evidence: Evidence

    def disk(self) -> Disk:
        """The active disk, with nothing but this file to read from. Raises `Unsupported`; see `forensic.disk.disk`."""
        raise NotImplementedError

    def row_batches(self, guest_start: int = 0, guest_end: int | None = None) -> Iterator[Rows]:
        """The extents of the active disk as numpy rows; see `forensic.mapping.rows`."""
        return self.disk().row_batches(guest_start, guest_end)

    def extents(self, guest_start: int = 0, guest_end: int | None = None) -> Iterator[Extent]:
        """The extents of the active disk in guest order, without gap or overlap."""
        return self.disk().extents(guest_start, guest_end)

    def reader(self, fill_missing: bool = False) -> DiskReader:
        """The active disk as a seekable binary file for other libraries; see `DiskReader`."""
        return self.disk().reader(fill_missing)

    def close(self) -> None:
        """Close the evidence file."""
        self.evidence.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Qcow2Image(Qcow2Metadata, _WithDisk):
    """An image of version 2 or 3."""

    def disk(self) -> Disk:
        """The active disk, with nothing but this file to read from. Raises `Unsupported`."""
        from forensic.disk.disk import Disk
        from forensic.disk.qcow2_layer import Qcow2Layer, active_l1

        return Disk(ACTIVE, self.virtual_size, (Qcow2Layer(self, active_l1(self), self.virtual_size),))


class Qcow1Image(Qcow1Metadata, _WithDisk):
    """An image of version 1."""

    def disk(self) -> Disk:
        """The disk, with nothing but this file to read from. Raises `Unsupported`."""
        from forensic.disk.disk import Disk
        from forensic.disk.v1_layer import Qcow1Layer

        return Disk(ACTIVE, self.virtual_size, (Qcow1Layer(self, self.l1),))


class HeadlessImage(Qcow2Image):
    """A file that does not begin as an image does, looked at as one whose header is lost: its bytes are all there is.

    Nothing of its first cluster is taken for a header, not even where only the magic is lost: what the header said has
    to come from a recovery plan.
    """

    def __init__(self, foreign: ForeignFile) -> None:
        """`foreign` says what the first bytes look like."""
        super().__init__(foreign.evidence)
        self.foreign = foreign

    @cached_property
    def header_cluster(self) -> HeaderCluster:
        """A header without fields and without a geometry."""
        header = parse_header(b"")
        return HeaderCluster(
            b"",
            header,
            Unusable(self.foreign.description),
            parse_extensions(header, b""),
            None,
            self.evidence.size,
            self.evidence.path,
        )


Image = Qcow2Image | Qcow1Image
"""An image of any version."""

Identified = Image | ForeignFile
"""What a file turns out to be."""


def identify(evidence: Evidence) -> Identified:
    """The image in a file, or what else the file's first bytes look like."""
    found = identify_metadata(evidence)
    if isinstance(found, ForeignFile):
        return found
    return Qcow1Image(evidence) if isinstance(found, Qcow1Metadata) else Qcow2Image(evidence)


def open_image(path: str | os.PathLike[str]) -> Qcow2Image:
    """Open an image of version 2 or 3 read-only; nothing that it names is opened.

    Raises `EvidenceUnreadable` if the file cannot be read, `NotAnImage` if it is something else.
    """
    image = open_any(path)
    if isinstance(image, Qcow1Image):
        image.close()
        raise NotAnImage(path, "it is a qcow version 1 image")
    return image


def open_any(path: str | os.PathLike[str]) -> Image:
    """Open an image of any version read-only. Raises as `open_image` does."""
    evidence = Evidence(path)
    try:
        return open_in(evidence)
    except BaseException:
        evidence.close()
        raise


def open_in(evidence: Evidence) -> Image:
    """The image of any version in a file that is open. Raises `NotAnImage` or `EvidenceUnreadable`."""
    image = identify(evidence)
    if isinstance(image, ForeignFile):
        raise image.refusal()
    return image


def open_to_look_at(evidence: Evidence) -> Image:
    """The image in a file that is open, or, where its header may have been lost, its bytes as a `HeadlessImage`.

    Raises `NotAnImage` for an empty file, for one in which nothing of an image is to be seen, and for one that is known
    to be something else unless tables of an image follow its first cluster.
    """
    image = identify(evidence)
    if not isinstance(image, ForeignFile):
        return image
    from forensic.qcow2.traces import nothing_of_an_image  # for files that begin as no image does

    if not has_tables_after_header(evidence) and (
        image.signature or not evidence.size or nothing_of_an_image(evidence)
    ):
        raise image.refusal()
    return HeadlessImage(image)
