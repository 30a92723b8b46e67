"""The header of versions 2 and 3 through the Kaitai parser, as numbers with the specification's names."""

from __future__ import annotations

from enum import IntEnum, IntFlag

from msgspec import Struct
from msgspec.structs import replace

from forensic.format.qcow2 import Qcow2
from forensic.structure import Structure, parse

MAGIC = b"QFI\xfb"
V1_LENGTH, V2_LENGTH, V3_LENGTH = 48, 72, 104
PADDING_OFFSET, PADDED_LENGTH = 105, 112
MIN_CLUSTER_SIZE = 512


class Incompatible(IntFlag):
    """Feature bits that a reader must know."""

    DIRTY = 1 << 0
    CORRUPT = 1 << 1
    EXTERNAL_DATA_FILE = 1 << 2
    COMPRESSION_TYPE = 1 << 3
    EXTENDED_L2 = 1 << 4


class Compatible(IntFlag):
    """Feature bits that a reader may ignore."""

    LAZY_REFCOUNTS = 1 << 0


class Autoclear(IntFlag):
    """Feature bits that a writer clears when it does not know them."""

    BITMAPS = 1 << 0
    RAW_EXTERNAL_DATA = 1 << 1


class CryptMethod(IntEnum):
    """How the guest's data is encrypted."""

    NONE = 0
    AES = 1
    LUKS = 2


class Header(Struct, frozen=True):
    """The header; offsets are host offsets, sizes in bytes unless the name says otherwise.

    `truncated` says that the file ends before the header does; fields it is too short to hold are 0. Version 2 has
    neither feature words nor a refcount order: they are 0 and 4, its header is 72 bytes long. Follows the
    specification's section "Header".
    """

    structure: Structure
    truncated: bool
    version: int
    backing_file_offset: int
    backing_file_size: int
    cluster_bits: int
    size: int
    crypt_method: int
    l1_size: int
    l1_table_offset: int
    refcount_table_offset: int
    refcount_table_clusters: int
    nb_snapshots: int
    snapshots_offset: int
    incompatible_features: int
    compatible_features: int
    autoclear_features: int
    refcount_order: int
    header_length: int
    compression_type: int

    @property
    def truncated_v2(self) -> bool:
        """Whether the file ends before the fields that every version has."""
        return self.structure.field("ofs_snapshots") is None

    def field_range(self, name: str) -> tuple[int, int]:
        """Host offset and length of a field by its name in the `.ksy`; (0, 0) if the file does not hold it."""
        found = self.structure.field(name)
        return (found.host_offset, found.length) if found else (0, 0)


def parse_header(data: bytes) -> Header:
    """The header at the start of `data`, the first bytes of the file (up to a cluster)."""
    structure = without_type_names(parse(Qcow2, data, 0, "header"))
    version = structure.integer("version")
    v3 = version >= 3
    header_length = structure.integer("len_header", absent=V3_LENGTH) if v3 else V2_LENGTH
    return Header(
        structure=structure,
        truncated=len(data) < min(max(header_length, V3_LENGTH if v3 else V2_LENGTH), MIN_CLUSTER_SIZE),
        version=version,
        backing_file_offset=structure.integer("ofs_backing_file"),
        backing_file_size=structure.integer("len_backing_file"),
        cluster_bits=structure.integer("cluster_bits"),
        size=structure.integer("size"),
        crypt_method=structure.integer("crypt_method"),
        l1_size=structure.integer("num_l1_entries"),
        l1_table_offset=structure.integer("ofs_l1_table"),
        refcount_table_offset=structure.integer("ofs_refcount_table"),
        refcount_table_clusters=structure.integer("num_refcount_table_clusters"),
        nb_snapshots=structure.integer("num_snapshots"),
        snapshots_offset=structure.integer("ofs_snapshots"),
        incompatible_features=_word(data, 72) if v3 else 0,
        compatible_features=_word(data, 80) if v3 else 0,
        autoclear_features=_word(data, 88) if v3 else 0,
        refcount_order=structure.integer("refcount_order", absent=4) if v3 else 4,
        header_length=header_length,
        compression_type=structure.integer("compression_type"),
    )


def unknown_bits(word: int, known: type[IntFlag]) -> list[int]:
    """The numbers of the bits set in a feature word that this version of the format does not define."""
    mask = 0
    for bit in known:
        mask |= bit.value
    return [number for number in range(64) if (word & ~mask) >> number & 1]


def _word(data: bytes, offset: int) -> int:
    """A feature word as one number; its single bits are fields of the structure."""
    return int.from_bytes(data[offset : offset + 8], "big") if len(data) >= offset + 8 else 0


def without_type_names(structure: Structure) -> Structure:
    """`header_v2.size` → `size`: to an examiner the header is one, whatever version added which part."""
    fields = tuple(
        replace(field, name=field.name.partition(".")[2]) if field.name.startswith("header_v") else field
        for field in structure.fields
    )
    return replace(structure, fields=fields)
