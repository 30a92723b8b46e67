"""What a reader of a disk must know besides its bytes: doubts about images, files that are not the declared ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from forensic.disk.disk import Input, Role
from forensic.disk.layer import Layer, RawLayer
from forensic.disk.qcow2_layer import Qcow2Layer
from forensic.mapping.extents import Reason
from forensic.qcow2.file_names import is_protocol, last_name
from forensic.qcow2.geometry import MIN_EXTENDED_L2_CLUSTER_BITS
from forensic.qcow2.header import Autoclear, CryptMethod, Incompatible
from forensic.qcow2.identify import RAW_DISK, ForeignFile, identify_metadata
from forensic.untrusted import Untrusted, shown

if TYPE_CHECKING:
    from forensic.qcow2.metadata import Qcow2Metadata

FORMATS_OF_NAMES = {b"raw": "raw", b"file": "raw", b"host_device": "raw", b"qcow2": "qcow2", b"qcow": "qcow"}


def contradictions(layers: Sequence[Layer], inputs: Sequence[Input]) -> Iterator[str]:
    """What says that a supplied file is not the one that its image declares, each as one sentence."""
    for one in inputs:
        what, path = _what(one), shown(one.evidence.path_as_given)
        if one.declared and one.declared.raw and not is_protocol(one.declared.raw) and not one.name_matches:
            name = Untrusted(last_name(one.declared.raw))
            yield f'{what} is declared as "{name}", but {path} was supplied'
        if one.role == Role.BACKING:
            yield from _format_contradicts(layers, one)
        elif one.role == Role.DATA_FILE:
            yield from _too_small(layers[one.depth], one)


def undeclared(layers: Sequence[Layer], inputs: Sequence[Input]) -> Iterator[str]:
    """What says that a backing file was supplied though no image declares one."""
    for one in inputs:
        if one.role != Role.BACKING or (one.declared and one.declared.raw):
            continue
        above = "the image" if one.depth == 1 else f"backing file {one.depth - 1}"
        path = shown(one.evidence.path_as_given)
        if one.declared is None:
            yield f"{above} declares no backing file; {path} was supplied and is read below it"
        else:
            yield f"the name of the backing file of {above} is damaged; {path} was supplied and is read below it"


def _what(one: Input) -> str:
    return f"backing file {one.depth}" if one.role == Role.BACKING else "the data file"


def _format_contradicts(layers: Sequence[Layer], one: Input) -> Iterator[str]:
    declared = layers[one.depth - 1].backing_format
    word = FORMATS_OF_NAMES.get(declared.raw.rstrip(b"\0")) if declared else None
    if word and word != one.format:
        yield f"{_what(one)} is declared as {word}, but is read as {one.format}"
    if one.format != "raw":
        return
    found = identify_metadata(one.evidence)
    if not isinstance(found, ForeignFile):
        yield f"{_what(one)} is read as raw, but its content is a {found.format} image"
    elif found.signature and found.description != RAW_DISK:
        yield f"{_what(one)} is read as raw, but {found.description}"


def _too_small(layer: Layer, one: Input) -> Iterator[str]:
    if one.evidence.size >= layer.size or not isinstance(layer, Qcow2Layer):
        return
    raw = layer.image.header.autoclear_features & Autoclear.RAW_EXTERNAL_DATA
    lacks = raw or any((rows["reason"] == Reason.ENTRY_BEYOND_EOF).any() for rows in layer.row_batches(0, layer.size))
    if lacks:
        yield (
            f"the data file is {one.evidence.size:,} bytes long, too short for what the image says of a disk of "
            f"{layer.size:,} bytes"
        )


def caveats(layers: Sequence[Layer], inputs: Sequence[Input], as_stored: bool, has_passphrase: bool) -> Iterator[str]:
    """Sentences that belong in every report of what is read from these layers, beside contradictions."""
    for depth, layer in enumerate(layers):
        name = f"backing file {depth}" if depth else "the image"
        if isinstance(layer, Qcow2Layer):
            yield from (f"{name} {doubt}" for doubt in header_caveats(layer.image, layer.l1_place.host_offset))
        elif not isinstance(layer, RawLayer):
            yield from (f"{name} {doubt}" for doubt in _doubts_of_version_1(layer))
        if depth and layer.size > layers[depth - 1].size:
            surplus = layer.size - layers[depth - 1].size
            yield f"{name} is {surplus:,} bytes longer than the image above it; these are not part of the disk"
        if layer.encryption and as_stored:
            yield f"{name}: data is given as it is stored, encrypted with {layer.encryption}, not as the guest saw it"
        elif layer.encryption == "aes" and has_passphrase:
            yield f"{name}: the old AES encryption cannot tell a wrong passphrase from the right one"
    for one in inputs:
        if one.format_from == "probed":
            yield (
                f"backing file {one.depth} is read as {one.format} because of its first bytes; neither the command "
                "line nor the image gives its format"
            )
        if one.role == Role.DATA_FILE and one.evidence.size > layers[one.depth].size:
            surplus = one.evidence.size - layers[one.depth].size
            yield f"the data file is {surplus:,} bytes longer than its disk; these are not part of the disk"


def _doubts_of_version_1(layer: Layer) -> Iterator[str]:
    from forensic.disk.v1_layer import Qcow1Layer  # loads numpy, which such a layer has done already

    if isinstance(layer, Qcow1Layer) and layer.image.header.crypt_method not in (CryptMethod.NONE, CryptMethod.AES):
        method = layer.image.header.crypt_method
        yield f"is encrypted by an unknown method ({method}); its data is given as it is stored"


def header_caveats(image: Qcow2Metadata, l1_host_offset: int) -> Iterator[str]:
    """Sentences without a subject, about an image read through the L1 table at this host offset."""
    header = image.header
    unknown = header.incompatible_features & ~sum(Incompatible)
    if unknown:
        yield f"sets unknown incompatible features ({unknown:#x}); its disk may not be what is read here"
    if header.crypt_method not in tuple(CryptMethod):
        yield f"is encrypted by an unknown method ({header.crypt_method}); its data is given as it is stored"
    if image.geometry.extended_l2 and header.cluster_bits < MIN_EXTENDED_L2_CLUSTER_BITS:
        yield "has extended L2 entries, but clusters too small for them; its tables are doubtful"
    if l1_host_offset % image.geometry.cluster_size:
        yield (
            f"has its L1 table at {l1_host_offset:#x}, which is not a cluster boundary; "
            "all that it maps, zeros included, is doubtful"
        )
