"""The entries of the tables, one at a time through the compiled description of the format."""

from __future__ import annotations

from io import BytesIO
from typing import TypeVar

from kaitaistruct import KaitaiStream, KaitaiStruct, KaitaiStructError
from msgspec import Struct

from forensic.format.qcow2 import Qcow2

BROKEN = (KaitaiStructError, EOFError, ValueError, AttributeError, TypeError)
"""What the parser and a look at a structure that was not parsed to its end raise."""

Parsed = TypeVar("Parsed", bound=KaitaiStruct)


def parsed(kind: type[Parsed], raw: bytes, *parameters: object) -> Parsed:
    """The structure in these bytes. Raises one of `BROKEN`."""
    found: Parsed = kind(*parameters, KaitaiStream(BytesIO(raw)))
    found._read()
    return found


class ClusterEntry(Struct, frozen=True):
    """What an L2 entry says of a cluster that is stored as it is, or not at all; `host_offset` 0 may mean nowhere."""

    host_offset: int
    copied: bool
    zero_flag: bool
    subcluster_zero: tuple[bool, ...] = ()
    subcluster_allocated: tuple[bool, ...] = ()


class StreamEntry(Struct, frozen=True):
    """What an L2 entry says of a compressed cluster: where it begins, and the bytes to its last sector's end."""

    host_offset: int
    stored_length: int


def l2_table_offset(l1_entry: bytes) -> int:
    """The host offset in an L1 entry. Specification: "L1 table entry"."""
    return int(parsed(Qcow2.L1Entry, l1_entry).ofs_l2_table)


def l2_entry(raw: bytes, cluster_bits: int, extended: bool) -> ClusterEntry | StreamEntry:
    """An L2 entry of 8 bytes, or of 16 if it is `extended`. Specification: "L2 table entry"."""
    entry = parsed(Qcow2.L2Entry, raw[:8])
    if entry.is_compressed:
        stream = parsed(Qcow2.L2EntryCompressed, raw[:8], cluster_bits)
        return StreamEntry(int(stream.ofs_data), int(stream.len_data_max))
    offset = int(entry.ofs_host_cluster)
    if not extended:
        return ClusterEntry(offset, entry.is_copied, entry.is_zero)
    bitmap = parsed(Qcow2.SubclusterBitmap, raw[8:16])  # the highest subcluster comes first
    return ClusterEntry(
        offset, entry.is_copied, False, tuple(reversed(bitmap.is_zero)), tuple(reversed(bitmap.is_allocated))
    )


def version_1_entry(raw: bytes, cluster_bits: int) -> ClusterEntry | StreamEntry:
    """An L2 entry of version 1, which the description of the format leaves out; see QEMU's block/qcow.c."""
    word = int.from_bytes(raw, "big")
    if not word >> 63:
        return ClusterEntry(word, copied=False, zero_flag=False)
    offset_bits = 63 - cluster_bits
    return StreamEntry(word % (1 << offset_bits), (word >> offset_bits) % (1 << cluster_bits))
