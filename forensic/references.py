"""The other files that an image names, as a report holds them."""

from __future__ import annotations

from forensic.qcow2.extensions import ExtensionType
from forensic.qcow2.file_names import scheme
from forensic.qcow2.header import Incompatible
from forensic.qcow2.metadata import HeaderCluster, Qcow1Metadata
from forensic.records.image import (
    ReferenceRecord,
)
from forensic.untrusted import Untrusted


def version_1_references(image: Qcow1Metadata) -> list[ReferenceRecord]:
    """The backing file, which is the only other file that version 1 can name."""
    return [reference("backing", image.backing_file, None)] if image.has_backing_file else []


def references(cluster: HeaderCluster) -> list[ReferenceRecord]:
    """The other files that an image names, as it names them."""
    references: list[ReferenceRecord] = []
    data_file = cluster.extensions.text(ExtensionType.DATA_FILE)
    if cluster.header.backing_file_offset or cluster.header.backing_file_size:
        declared_format = cluster.extensions.text(ExtensionType.BACKING_FORMAT)
        references.append(reference("backing", cluster.backing_file, declared_format))
    if data_file is not None or cluster.header.incompatible_features & Incompatible.EXTERNAL_DATA_FILE:
        references.append(reference("data_file", data_file, None))
    return references


def reference(kind: str, declared: Untrusted | None, declared_format: Untrusted | None) -> ReferenceRecord:
    """One file that an image names, or should name; `declared` is None where the name is damaged or missing."""
    return ReferenceRecord(
        kind=kind,
        declared=declared.record() if declared else None,
        declared_format=declared_format.record() if declared_format else None,
        scheme=scheme(declared.raw) if declared else None,
        followed=False,
        consent="none",
    )
