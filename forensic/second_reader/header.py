"""The header of an image and the L1 table to read, through the compiled description of the format."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO

from kaitaistruct import KaitaiStream
from msgspec import Struct

from forensic.errors import Unsupported
from forensic.evidence import Evidence, ReadFailed
from forensic.format.qcow2 import Qcow2
from forensic.second_reader.entries import BROKEN, parsed

AES, LUKS = 1, 2
CLUSTER_BITS = range(9, 22)
LONGEST_L1 = (32 << 20) // 8
"""Entries of an L1 table, by QEMU's limit."""

LUKS_HEADER_BYTES = 592
SNAPSHOT_HEAD_BYTES = 40
LONGEST_SNAPSHOT = 1 << 20


class Header(Struct, frozen=True):
    """What is needed of a header; offsets are host offsets, sizes in bytes."""

    version: int
    cluster_bits: int
    size: int
    l1_offset: int
    l1_entries: int
    has_backing_file: bool
    encryption: int
    extended_l2: bool
    external_data_file: bool
    compression_type: int
    snapshots_offset: int
    l2_bits: int
    refcount_table_clusters: int = 0
    refcount_order: int = 4

    @property
    def cluster_size(self) -> int:
        """Bytes of a cluster."""
        return 1 << self.cluster_bits

    @property
    def l2_entry_size(self) -> int:
        """Bytes of an L2 entry."""
        return 16 if self.extended_l2 else 8

    @property
    def l2_entries(self) -> int:
        """Entries of an L2 table; in version 1 the header says how many, later a table fills a cluster."""
        return 1 << self.l2_bits if self.version == 1 else self.cluster_size // self.l2_entry_size

    @property
    def l1_coverage(self) -> int:
        """Guest bytes that an L1 entry stands for."""
        return self.cluster_size * self.l2_entries


class L1(Struct, frozen=True):
    """An L1 table: its disk of `size` bytes begins at guest offset `base` of what the table maps."""

    host_offset: int
    entries: int
    size: int
    base: int = 0


def read_header(evidence: Evidence, in_place: bytes = b"") -> Header:
    """The header of a version 1, 2 or 3 image. Raises `Unsupported` for one by which nothing can be located.

    With `in_place` these bytes stand for the file's first cluster.
    """
    image = _parsed(in_place) if in_place else _image(evidence)
    version = getattr(image, "version", 0)
    try:
        found = _version_1(image, evidence) if version == 1 else _later_version(image)
    except BROKEN as error:
        raise Unsupported(evidence.path_as_given, "the header cannot be read a second time") from error
    if found.version not in (1, 2, 3) or found.cluster_bits not in CLUSTER_BITS:
        raise Unsupported(evidence.path_as_given, "the header gives no geometry")
    return found


def active_l1(header: Header) -> L1:
    """The L1 table of the active disk."""
    return L1(header.l1_offset, header.l1_entries, header.size)


def snapshot_l1(evidence: Evidence, header: Header, index: int, saved_state: bool) -> L1:
    """The L1 table of a snapshot, or of the machine state saved with it. Raises `Unsupported` if it is not there."""
    offset = header.snapshots_offset
    try:
        for _ in range(index):
            offset += _snapshot_length(evidence, offset)
        entry = parsed(Qcow2.Snapshot, evidence.read_at(offset, _snapshot_length(evidence, offset)))
    except (*BROKEN, ReadFailed) as error:
        raise Unsupported(evidence.path_as_given, f"snapshot {index} cannot be read a second time") from error
    size = getattr(entry.extra_data, "disk_size", header.size)
    if not saved_state:
        return L1(entry.ofs_l1_table, entry.num_l1_entries, size)
    # The state lies past the end of the disk, where the next L1 entry begins.
    base = -(-size // header.l1_coverage) * header.l1_coverage
    state = getattr(entry.extra_data, "len_vm_state_large", entry.len_vm_state)
    return L1(entry.ofs_l1_table, entry.num_l1_entries, state, base)


def luks_at(evidence: Evidence, in_place: bytes = b"") -> Qcow2.Luks1Header:
    """The LUKS header to which an extension points. Raises `Unsupported` if there is none."""
    image = _parsed(in_place) if in_place else _image(evidence)
    try:
        for node in image.header_extensions.extensions:
            if node.extension.type == Qcow2.HeaderExtensionType.encryption_header:
                host_offset = int(node.extension.data.ofs_header)
                return parsed(Qcow2.Luks1Header, evidence.read_at(host_offset, LUKS_HEADER_BYTES))
    except (*BROKEN, ReadFailed) as error:
        raise Unsupported(evidence.path_as_given, "the LUKS header cannot be read a second time") from error
    raise Unsupported(evidence.path_as_given, "no extension points to a LUKS header")


def _image(evidence: Evidence) -> Qcow2:
    """The first cluster, parsed as far as that goes."""
    try:
        cluster_bits = int.from_bytes(evidence.read_at(20, 4), "big")
        raw = evidence.read_at(0, 1 << cluster_bits if cluster_bits in CLUSTER_BITS else 512)
    except ReadFailed as failure:
        raise Unsupported(evidence.path_as_given, f"the header cannot be read: {failure.reason}") from failure
    return _parsed(raw)


def _parsed(raw: bytes) -> Qcow2:
    image = Qcow2(KaitaiStream(BytesIO(raw)))
    with suppress(*BROKEN):  # what was read so far may be all that is needed
        image._read()
    return image


def _later_version(image: Qcow2) -> Header:
    common, newer = image.header_v2, getattr(image, "header_v3", None)
    incompatible = getattr(newer, "incompatible_features", None)
    return Header(
        version=image.version,
        cluster_bits=common.cluster_bits,
        size=common.size,
        l1_offset=common.ofs_l1_table,
        l1_entries=common.num_l1_entries,
        has_backing_file=bool(common.ofs_backing_file or common.len_backing_file),  # one alone is a damaged reference
        encryption=_number(common.crypt_method),
        extended_l2=bool(getattr(incompatible, "has_extended_l2_entries", False)),
        external_data_file=bool(getattr(incompatible, "has_external_data_file", False)),
        compression_type=_number(getattr(newer, "compression_type", 0)),
        snapshots_offset=common.ofs_snapshots,
        l2_bits=0,
        refcount_table_clusters=common.num_refcount_table_clusters,
        refcount_order=_number(getattr(newer, "refcount_order", 4)) if newer else 4,
    )


def _version_1(image: Qcow2, evidence: Evidence) -> Header:
    old = image.header_v1
    return Header(
        version=1,
        cluster_bits=old.cluster_bits,
        size=old.size,
        l1_offset=old.ofs_l1_table,
        l1_entries=-(-old.size // (1 << (old.cluster_bits + old.l2_bits))),
        has_backing_file=bool(old.ofs_backing_file or old.len_backing_file),
        encryption=_number(old.crypt_method),
        extended_l2=False,
        external_data_file=False,
        compression_type=0,
        snapshots_offset=0,
        l2_bits=old.l2_bits,
    )


def _number(value: object) -> int:
    """The number of a member of an enumeration, or of a value that none of its members has."""
    number = getattr(value, "value", value)
    return number if isinstance(number, int) else 0


def _snapshot_length(evidence: Evidence, host_offset: int) -> int:
    """Bytes of an entry of the snapshot table with its padding. Raises `EOFError`, `ReadFailed`, `ValueError`."""
    entry = Qcow2.Snapshot(KaitaiStream(BytesIO(evidence.read_at(host_offset, SNAPSHOT_HEAD_BYTES))))
    with suppress(*BROKEN):  # only the fixed part was given to it
        entry._read()
    length: int = SNAPSHOT_HEAD_BYTES + entry.len_extra_data + entry.len_id + entry.len_name
    if length > LONGEST_SNAPSHOT:
        raise ValueError("a snapshot's entry is too long")
    return -(-length // 8) * 8
