"""Header extensions and the backing file name: what the header cluster holds after the header."""

from __future__ import annotations

from enum import IntEnum

from msgspec import Struct

from forensic.format.qcow2 import Qcow2
from forensic.qcow2.header import V3_LENGTH, Header
from forensic.structure import Structure, parse
from forensic.untrusted import Untrusted, c_string

MAX_EXTENSIONS = 1024
"""Extensions that are listed; a header cluster could hold a quarter of a million empty ones."""

MAX_BACKING_NAME = 1023
FEATURE_NAME_SIZE = 48


class ExtensionType(IntEnum):
    """The extension types that the specification defines."""

    END = 0
    BACKING_FORMAT = 0xE2792ACA
    FEATURE_NAMES = 0x6803F857
    BITMAPS = 0x23852875
    ENCRYPTION_HEADER = 0x0537BE77
    DATA_FILE = 0x44415441


class Extension(Struct, frozen=True):
    """One header extension: `data` are its bytes without padding, as far as they lie within the limit."""

    structure: Structure
    type: int
    length: int
    host_offset: int
    data: bytes
    padding: bytes = b""

    @property
    def known(self) -> ExtensionType | None:
        """The type, if the specification defines it."""
        return ExtensionType(self.type) if self.type in list(ExtensionType) else None

    @property
    def complete(self) -> bool:
        """Whether all of the data lies before the end of the extension area."""
        return len(self.data) == self.length


class ExtensionList(Struct, frozen=True):
    """The extensions in file order.

    `ended` is False where no end marker was found within the limit, `capped` is True where the list stops at
    `MAX_EXTENSIONS`; `end_offset` is where it stops.
    """

    extensions: tuple[Extension, ...]
    ended: bool
    end_offset: int
    capped: bool = False

    def first(self, kind: ExtensionType) -> Extension | None:
        """The first extension of a type; None if there is none."""
        return next((extension for extension in self.extensions if extension.type == kind), None)

    def text(self, kind: ExtensionType) -> Untrusted | None:
        """The text an extension holds."""
        found = self.first(kind)
        return Untrusted(found.data) if found else None


def parse_extensions(header: Header, data: bytes) -> ExtensionList:
    """The extensions between the header and the backing file name (or the cluster's end), in `data`.

    `data` are the bytes of the header cluster. Specification: "Header extensions".
    """
    limit = len(data)
    # A name that begins inside the header would leave no room: QEMU then sees no extension, an examiner wants to.
    if header.header_length <= header.backing_file_offset < limit:
        limit = header.backing_file_offset
    found: list[Extension] = []
    offset = max(header.header_length, V3_LENGTH) if header.version >= 3 else header.header_length
    while offset + 8 <= limit and len(found) < MAX_EXTENSIONS:
        extension = _parse_extension(data[offset:limit], offset)
        if extension.type == ExtensionType.END:
            return ExtensionList((*found, extension), True, offset + 8)
        found.append(extension)
        if not extension.complete:
            break
        offset += 8 + (extension.length + 7) // 8 * 8
    capped = len(found) == MAX_EXTENSIONS and offset + 8 <= limit
    return ExtensionList(tuple(found), False, min(offset, limit), capped)


def backing_file_name(header: Header, data: bytes) -> Untrusted | None:
    """The backing file's name as far as it lies in the header cluster; None if the header declares none."""
    if not header.backing_file_offset or not header.backing_file_size:
        return None
    end = header.backing_file_offset + min(header.backing_file_size, MAX_BACKING_NAME)
    return Untrusted(data[header.backing_file_offset : end])


def without_padding(name: Untrusted | None) -> Untrusted | None:
    """The name without zeros at its end, with which some writers pad it; what comes after a zero is kept."""
    return None if name is None else Untrusted(name.raw.rstrip(b"\0"))


class FeatureName(Struct, frozen=True):
    """One entry of the feature name table."""

    feature_type: int
    bit: int
    name: Untrusted


def feature_names(extensions: ExtensionList) -> tuple[FeatureName, ...]:
    """What the image itself calls the feature bits."""
    table = extensions.first(ExtensionType.FEATURE_NAMES)
    data = table.data if table else b""
    return tuple(
        FeatureName(data[start], data[start + 1], c_string(data[start + 2 : start + FEATURE_NAME_SIZE]))
        for start in range(0, len(data) - FEATURE_NAME_SIZE + 1, FEATURE_NAME_SIZE)
    )


def _parse_extension(data: bytes, host_offset: int) -> Extension:
    length = int.from_bytes(data[4:8], "big")
    padded = 8 + (length + 7) // 8 * 8
    structure = parse(Qcow2.HeaderExtension, data[: min(padded, len(data))], host_offset, "header extension")
    kind = int.from_bytes(data[:4], "big")
    return Extension(structure, kind, length, host_offset, data[8 : 8 + length], data[8 + length : padded])
