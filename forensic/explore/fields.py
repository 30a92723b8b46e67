"""What an explanation of a place is made of, and that of a field which the Kaitai parser read."""

from __future__ import annotations

from msgspec import Struct, field

from forensic.evidence import Evidence
from forensic.explore.regions import Kind, Region
from forensic.finding import Range, host_range
from forensic.format.documentation import Words, words_of
from forensic.qcow2.extensions import ExtensionType
from forensic.structure import Field, Structure
from forensic.untrusted import Untrusted

POINTERS = {
    "ofs_backing_file": "len_backing_file",
    "ofs_l1_table": "num_l1_entries",
    "ofs_refcount_table": "",
    "ofs_snapshots": "",
    "ofs_bitmap_table": "num_bitmap_table_entries",
    "data.ofs_header": "data.len_header",
    "data.ofs_bitmap_directory": "data.len_bitmap_directory",
}
"""Fields that hold a host offset."""

EXTENSION_TYPES = {
    ExtensionType.BITMAPS: "bitmaps_extension",
    ExtensionType.ENCRYPTION_HEADER: "encryption_header_pointer",
    ExtensionType.FEATURE_NAMES: "feature_name_table",
    ExtensionType.BACKING_FORMAT: "string_extension",
    ExtensionType.DATA_FILE: "string_extension",
}

HEADER_TYPES = {"qcow2": ("header_v2", "header_v3", "qcow2"), "header_v1": ("header_v1", "qcow2")}
"""One header to an examiner, several types to the parser; what the whole computes from them comes last."""


class Row(Struct, frozen=True):
    """One line: a field or a group of bits, its value in its shown form, and the words of the specification."""

    name: str
    value: str
    words: str = ""
    here: bool = False


class Inspection(Struct, frozen=True):
    """What holds a byte. `target` is where it points, `guest_offset` the place on the disk that it applies to.

    `known` says that it is a part of the format, and not guest data or nothing.
    """

    title: str
    path: str
    place: Range
    rows: tuple[Row, ...] = ()
    target: Range | None = None
    guest_offset: int | None = None
    words: Words = field(default_factory=lambda: Words("", "", ""))
    known: bool = True


def field_at(region: Region, structure: Structure, host_offset: int) -> Inspection:
    """The field, and with the bits of a word all others of that word."""
    hit = next((part for part in structure.fields if is_within_field(part, host_offset)), None)
    if hit is None:
        return Inspection(region.name, region.name, host_range(region.host_offset, region.length))
    group = [part for part in structure.fields if _stem(part) == _stem(hit)] if "." in hit.name else [hit]
    rows = tuple(
        Row(
            words_in(region, structure, part.name).name or part.name,
            value_of(part),
            words_in(region, structure, part.name).text,
            is_within_field(part, host_offset),
        )
        for part in group
    )
    start = min(part.host_offset for part in group)
    length = max(part.host_offset + part.length for part in group) - start
    name = _stem(hit) or hit.name
    words = words_in(region, structure, hit.name if len(group) == 1 else name)
    title = words.name if len(group) == 1 else name
    title = title or name
    return Inspection(
        title, f"{region.name} · {title}", host_range(start, length), rows, _pointer(structure, hit), words=words
    )


def _stem(part: Field) -> str:
    return part.name.rpartition(".")[0]


def is_within_field(part: Field, host_offset: int) -> bool:
    """Whether a field has this byte."""
    return part.host_offset <= host_offset < part.host_offset + part.length


def value_of(part: Field) -> str:
    """A field's value for reading: numbers in both bases where they differ, bytes as escaped text."""
    if isinstance(part.value, bytes):
        return Untrusted(part.value).text if any(part.value) else f"{len(part.value)} zero bytes"
    return str(part.value) if part.value < 10 else f"{part.value:#x} ({part.value:,})"


def words_in(region: Region, structure: Structure, name: str) -> Words:
    """The words of a field of a region, by dotted name."""
    if region.ksy_type in HEADER_TYPES:
        found = (words_of(ksy_type, name) for ksy_type in HEADER_TYPES[region.ksy_type])
        return next((words for words in found if words.text), words_of(""))
    if region.kind == Kind.EXTENSION and name.startswith("data."):
        kind = structure.integer("type")
        known = EXTENSION_TYPES[ExtensionType(kind)] if kind in list(EXTENSION_TYPES) else ""
        return words_of(known, name.partition(".")[2])
    return words_of(region.ksy_type, name)


def _pointer(structure: Structure, part: Field) -> Range | None:
    if part.name not in POINTERS or not isinstance(part.value, int) or not part.value:
        return None
    return host_range(part.value, max(1, structure.integer(POINTERS[part.name], 1)))


def big_endian_at(evidence: Evidence, host_offset: int) -> int:
    """Eight bytes of the file as a number; what cannot be read is zero."""
    return int.from_bytes(evidence.read_or_nothing(host_offset, 8).ljust(8, b"\0"), "big")
