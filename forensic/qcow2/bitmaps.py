"""Persistent dirty bitmaps: the extension that announces them and the directory that lists them."""

from __future__ import annotations

import struct
from enum import IntFlag
from functools import cached_property

from msgspec import Struct

from forensic.evidence import Evidence, ReadFailed
from forensic.format.qcow2 import Qcow2
from forensic.qcow2.extensions import Extension
from forensic.structure import Structure, parse
from forensic.untrusted import Untrusted

ENTRY_HEADER = struct.Struct(">QIIBBHI")
ENTRY_HEADER_SIZE = ENTRY_HEADER.size
MAX_BITMAPS = 65535
MAX_DIRECTORY_BYTES = 1024 * MAX_BITMAPS


class BitmapFlag(IntFlag):
    """The flags of a directory entry."""

    IN_USE = 1 << 0
    AUTO = 1 << 1
    EXTRA_DATA_COMPATIBLE = 1 << 2


class Bitmap(Struct, frozen=True, dict=True):
    """One directory entry, of which `data` are all bytes. Specification: "Bitmap directory"."""

    data: bytes
    index: int
    host_offset: int
    length: int
    table_offset: int
    table_size: int
    flags: int
    type: int
    granularity_bits: int
    extra_data_size: int
    name_length: int

    @property
    def name(self) -> Untrusted:
        """The name; cut out of the entry when it is asked for, since thousands of names may have 64 KiB each."""
        begin = ENTRY_HEADER_SIZE + self.extra_data_size
        return Untrusted(self.data[begin : begin + self.name_length])

    @property
    def padding(self) -> bytes:
        """The bytes that fill the entry up to a multiple of 8, as far as the directory holds them."""
        return self.data[ENTRY_HEADER_SIZE + self.extra_data_size + self.name_length :]

    @cached_property
    def structure(self) -> Structure:
        """The entry with its fields; parsed when it is asked for, since a bomb has 65535 entries."""
        return parse(Qcow2.BitmapDirectoryEntry, self.data, self.host_offset, f"bitmap {self.index}")


class BitmapDirectory(Struct, frozen=True):
    """The directory as far as it could be read; `missing` says what stopped it."""

    extension: Structure
    extension_length: int
    claimed: int
    reserved: int
    host_offset: int
    size: int
    bitmaps: tuple[Bitmap, ...]
    missing: str | None
    cluster_size: int
    file_size: int
    unread: bool = False


def read_bitmaps(evidence: Evidence, extension: Extension, cluster_size: int) -> BitmapDirectory:
    """Read the bitmap directory, bounded by the file and by QEMU's limits."""
    structure = parse(Qcow2.BitmapsExtension, extension.data, extension.host_offset + 8, "bitmaps extension")
    claimed, size = structure.integer("num_bitmaps"), structure.integer("len_bitmap_directory")
    host_offset = structure.integer("ofs_bitmap_directory")
    missing: str | None
    unread = False
    try:
        placed = host_offset and host_offset % cluster_size == 0
        data = evidence.read_at(host_offset, min(size, MAX_DIRECTORY_BYTES)) if placed else b""
    except ReadFailed as failure:
        data, missing, unread = b"", failure.reason, True
    else:
        missing = "the file ends inside the directory" if len(data) < min(size, MAX_DIRECTORY_BYTES) else None
    bitmaps: list[Bitmap] = []
    offset = 0
    while offset + ENTRY_HEADER_SIZE <= len(data) and len(bitmaps) < min(claimed, MAX_BITMAPS):
        bitmap = _bitmap(data, offset, host_offset, len(bitmaps))
        if bitmap is None:
            missing = f"entry {len(bitmaps)} does not fit into the directory"
            break
        bitmaps.append(bitmap)
        offset += bitmap.length
    if missing is None and len(bitmaps) < min(claimed, MAX_BITMAPS):
        missing = f"the directory ends before entry {len(bitmaps)}"
    return BitmapDirectory(
        extension=structure,
        extension_length=extension.length,
        claimed=claimed,
        reserved=structure.integer("reserved"),
        host_offset=host_offset,
        size=size,
        bitmaps=tuple(bitmaps),
        missing=missing,
        cluster_size=cluster_size,
        file_size=evidence.size,
        unread=unread,
    )


def _bitmap(data: bytes, offset: int, directory_offset: int, index: int) -> Bitmap | None:
    fields = ENTRY_HEADER.unpack_from(data, offset)
    table_offset, table_size, flags, kind, granularity_bits, name_length, extra_length = fields
    end = ENTRY_HEADER_SIZE + extra_length + name_length
    length = (end + 7) // 8 * 8
    if offset + end > len(data):
        return None
    entry = data[offset : offset + length]
    return Bitmap(
        data=entry,
        index=index,
        host_offset=directory_offset + offset,
        length=length,
        table_offset=table_offset,
        table_size=table_size,
        flags=flags,
        type=kind,
        granularity_bits=granularity_bits,
        extra_data_size=extra_length,
        name_length=name_length,
    )
