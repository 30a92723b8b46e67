"""What was supplied for a disk and what the images say about it, as a report holds it."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from forensic.disk.disk import Disk, Input, Role
from forensic.disk.layer import Layer
from forensic.disk.qcow2_layer import Qcow2Layer
from forensic.disk.v1_layer import Qcow1Layer
from forensic.evidence import Evidence
from forensic.records.image import ReferenceRecord
from forensic.records.run import InputRecord
from forensic.references import reference, references, version_1_references
from forensic.untrusted import shown

Sha256Of = Callable[[Evidence], str | None]
"""Gives the hash of a file; None where it cannot be read to its end."""


def references_of(disk: Disk, sha256_of: Sha256Of) -> list[ReferenceRecord]:
    """The list `result.references` of a report: every file that an image of the chain names, layer by layer.

    The path under which a file was supplied stands in the run record, not here: two laboratories keep their files in
    different places and are to get the same digest.
    """
    found: list[ReferenceRecord] = []
    for depth, layer in enumerate(disk.layers):
        named = _named_by(layer)
        if _input(disk, Role.BACKING, depth + 1) and not any(one.kind == Role.BACKING for one in named):
            named.append(reference("backing", None, None))  # supplied though nothing is declared
        for each in named:
            role = Role(each.kind)
            supplied = _input(disk, role, depth + 1 if role == Role.BACKING else depth)
            placed = replace(each, level=depth)
            found.append(_followed(placed, supplied, sha256_of) if supplied else placed)
    return found


def inputs_of(disk: Disk, sha256_of: Sha256Of, sha256_again: Sha256Of = lambda evidence: None) -> list[InputRecord]:
    """The list `run.inputs` of a report: the image and what was supplied beside it, with the proof it did not change.

    `sha256_again` gives the hash of a second reading after the work; None where there was none.
    """
    roles = [("image", disk.layers[0].evidences[0]), *((one.role.value, one.evidence) for one in disk.inputs)]
    return [
        InputRecord(
            role=role,
            path=shown(evidence.path_as_given),
            size=evidence.size,
            hashes={"sha256": found} if (found := sha256_of(evidence)) else {},
            verified_source={"sha256": again} if (again := sha256_again(evidence)) else None,
            integrity=evidence.integrity(),
            notes=evidence.notes(),
        )
        for role, evidence in roles
    ]


def _named_by(layer: Layer) -> list[ReferenceRecord]:
    if isinstance(layer, Qcow2Layer):
        return references(layer.image.header_cluster)
    return version_1_references(layer.image) if isinstance(layer, Qcow1Layer) else []


def _input(disk: Disk, role: Role, depth: int) -> Input | None:
    return next((one for one in disk.inputs if (one.role, one.depth) == (role, depth)), None)


def _followed(reference: ReferenceRecord, supplied: Input, sha256_of: Sha256Of) -> ReferenceRecord:
    return replace(
        reference,
        followed=True,
        consent="cli",
        format=supplied.format,
        format_from=supplied.format_from,
        supplied_size=supplied.evidence.size,
        supplied_sha256=sha256_of(supplied.evidence),
        declared_name_matches=supplied.name_matches,
    )
