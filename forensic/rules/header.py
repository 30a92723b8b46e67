"""Rules about the header: magic, version, feature bits, sizes and the places it points to."""

from __future__ import annotations

from collections.abc import Iterator

from forensic.finding import FindingClass, Problem, Severity, host_range
from forensic.numbers import counted
from forensic.qcow2.geometry import (
    MAX_CLUSTER_BITS,
    MAX_REFCOUNT_ORDER,
    MIN_CLUSTER_BITS,
    Geometry,
)
from forensic.qcow2.header import (
    PADDED_LENGTH,
    PADDING_OFFSET,
    V3_LENGTH,
    CryptMethod,
)
from forensic.qcow2.identify import ForeignFile
from forensic.qcow2.metadata import HeaderCluster
from forensic.qcow2.v1 import Qcow1Header
from forensic.rules.places import in_header
from forensic.rules.registry import rule

MAX_VIRTUAL_SIZE = (1 << 63) - (1 << 30)
"""QEMU's limit: bytes that a signed 64-bit offset can address, in whole blocks of the largest alignment it knows."""

MAX_COUNTED_L1_ENTRIES = (1 << 31) - 1
"""QEMU counts L1 entries in a signed 32-bit number."""

FILLED_BY_QEMU_1 = bytes(96) + bytes.fromhex("00000004 00000068")
"""What QEMU 1.x leaves after the extensions of a version 2 header; only the last eight bytes are not zero."""


@rule(ForeignFile, Severity.INFO, FindingClass.INFO)
def not_qcow2(file: ForeignFile) -> Iterator[Problem]:
    """The file is not a qcow2 image of version 2 or 3.

    Why: the rules of this format do not apply to it, so the verdict is undetermined.
    Spec: Header, bytes 0-7
    QEMU: probes the file and may treat it as an image of another format, or as a raw disk.
    Next: identify the file before opening it with anything that guesses the format.
    """
    if not file.unreadable:
        yield Problem(f"not a qcow2 image: {file.description}", (host_range(0, min(8, len(file.start))),), "file")


VERSION_END = 8
"""Bytes of the file up to the end of its version."""


@rule(HeaderCluster, Severity.CRITICAL, FindingClass.CORRUPTION)
def header_version(cluster: HeaderCluster) -> Iterator[Problem]:
    """The version is neither 2 nor 3.

    Why: the layout of the header and of every table depends on the version, so nothing after it was examined.
    Spec: Header, bytes 4-7
    QEMU: refuses the image, though its probing still calls it qcow2.
    Next: compare the header with a sound one; a single flipped bit in the version can be undone on a copy.
    """
    version = cluster.header.version
    if version not in (2, 3) and cluster.file_size >= VERSION_END:
        yield Problem(f"version is {version}, expected 2 or 3", in_header(cluster, "version"), "header")


@rule(HeaderCluster, Severity.CRITICAL, FindingClass.CORRUPTION)
def header_truncated(cluster: HeaderCluster) -> Iterator[Problem]:
    """The file ends inside the header.

    Why: the missing fields are unknown, not zero.
    Spec: Header
    QEMU: reads missing bytes as zeros; a version 2 header cut short opens, and the disk reads as zeros.
    Next: look for the rest of the file; this is only its beginning.
    """
    if cluster.header.truncated:
        yield Problem(
            f"the file is {cluster.file_size} bytes long and ends inside the header",
            (host_range(0, cluster.file_size),),
            "header",
        )


@rule(HeaderCluster, Severity.CRITICAL, FindingClass.CORRUPTION)
def header_cluster_bits(cluster: HeaderCluster) -> Iterator[Problem]:
    """The cluster size is outside what the format or QEMU allows.

    Why: all offsets depend on the cluster size, so nothing after the header was examined.
    Spec: Header, bytes 20-23 (at least 9; QEMU stops at 21)
    QEMU: refuses the image.
    Next: try the usual 16 (64 KiB) on a copy; tables that then fall on cluster boundaries support that value.
    """
    bits = cluster.header.cluster_bits
    if not cluster.header.truncated_v2 and not MIN_CLUSTER_BITS <= bits <= MAX_CLUSTER_BITS:
        yield Problem(
            f"cluster_bits is {bits}, expected {MIN_CLUSTER_BITS} to {MAX_CLUSTER_BITS}",
            in_header(cluster, "cluster_bits"),
            "header",
        )


@rule(HeaderCluster, Severity.HIGH, FindingClass.CORRUPTION)
def header_length(cluster: HeaderCluster) -> Iterator[Problem]:
    """The header length is too small or too large.

    Why: it decides where header extensions begin; a wrong one hides them or makes others appear.
    Spec: Header, bytes 100-103
    QEMU: refuses the image.
    Next: read the header cluster as hex; known extension types show where the extensions really begin.
    """
    length = _stored_length(cluster)
    limit = 1 << min(max(cluster.header.cluster_bits, MIN_CLUSTER_BITS), MAX_CLUSTER_BITS)
    if length is not None and not V3_LENGTH <= length <= limit:
        yield Problem(
            f"header_length is {length}, expected {V3_LENGTH} to the cluster size of {limit}",
            in_header(cluster, "len_header"),
            "header",
        )


@rule(HeaderCluster, Severity.HIGH, FindingClass.SPEC_VIOLATION)
def header_length_unaligned(cluster: HeaderCluster) -> Iterator[Problem]:
    """The header length is not a multiple of 8.

    Why: every extension is then read at a shifted offset, so known ones vanish and others appear.
    Spec: Header, bytes 100-103; Header padding
    QEMU: opens the image silently and reads the extensions from the wrong offset.
    Next: read the header cluster as hex; known extension types show where the extensions really begin.
    """
    length = _stored_length(cluster)
    if length is not None and length >= V3_LENGTH and length % 8:
        yield Problem(f"header_length is {length}, not a multiple of 8", in_header(cluster, "len_header"), "header")


@rule(HeaderCluster, Severity.MEDIUM, FindingClass.HIDDEN_DATA)
def header_unknown_fields(cluster: HeaderCluster) -> Iterator[Problem]:
    """The header has fields that the specification does not define.

    Why: they come from a newer format, or they hold something that no tool shows.
    Spec: Additional fields
    QEMU: keeps the bytes and reports nothing.
    Next: examine the bytes; compare with the newest specification.
    """
    found = cluster.header.structure.raw("additional_fields")
    if any(found):
        yield Problem(
            f"{len(found)} bytes of unknown header fields are not all zero: {found[:16].hex(' ')}",
            in_header(cluster, "additional_fields"),
            "header",
        )


@rule(HeaderCluster, Severity.MEDIUM, FindingClass.HIDDEN_DATA)
def header_padding(cluster: HeaderCluster) -> Iterator[Problem]:
    """The padding of the header is not zero.

    Why: seven bytes that must be zero are a place to hide something, or a sign of another writer.
    Spec: Header padding
    QEMU: does not check this.
    Next: examine the bytes.
    """
    header = cluster.header
    if header.version < 3 or header.header_length < PADDED_LENGTH:
        return
    padding = cluster.data[PADDING_OFFSET:PADDED_LENGTH]
    if any(padding):
        yield Problem(
            f"header padding is {padding.hex(' ')}, expected zeros",
            (host_range(PADDING_OFFSET, len(padding)),),
            "header",
        )


@rule(HeaderCluster, Severity.CRITICAL, FindingClass.CORRUPTION)
def header_refcount_order(cluster: HeaderCluster) -> Iterator[Problem]:
    """The refcount order is larger than 6.

    Why: no refcount is wider than 64 bits; refcounts were not judged.
    Spec: Header, bytes 96-99
    QEMU: refuses the image.
    Next: 4 (16 bits) is what nearly every image has.
    """
    order = cluster.header.refcount_order
    if order > MAX_REFCOUNT_ORDER:
        yield Problem(
            f"refcount_order is {order}, expected 0 to {MAX_REFCOUNT_ORDER}",
            in_header(cluster, "refcount_order"),
            "header",
        )


@rule(HeaderCluster, Severity.HIGH, FindingClass.CORRUPTION, also=(Qcow1Header,))
def header_crypt_method(cluster: HeaderCluster | Qcow1Header) -> Iterator[Problem]:
    """The encryption method is unknown.

    Why: whether the data is encrypted cannot be determined; it is read as it is stored.
    Spec: Header, bytes 32-35
    QEMU: refuses the image.
    Next: look at the data: a partition table at guest offset 0 indicates unencrypted data.
    """
    if isinstance(cluster, Qcow1Header):
        offset, length = cluster.field_range("crypt_method")
        if cluster.crypt_method not in (CryptMethod.NONE, CryptMethod.AES):
            text = f"crypt_method is {cluster.crypt_method}, expected 0 (none) or 1 (AES) in version 1"
            yield Problem(text, (host_range(offset, length),) if length else (), "header")
        return
    method = cluster.header.crypt_method
    if method not in list(CryptMethod):
        yield Problem(
            f"crypt_method is {method}, expected 0 (none), 1 (AES) or 2 (LUKS)",
            in_header(cluster, "crypt_method"),
            "header",
        )


@rule(HeaderCluster, Severity.MEDIUM, FindingClass.ANOMALY)
def header_size_unaligned(cluster: HeaderCluster) -> Iterator[Problem]:
    """The virtual size is not a multiple of 512.

    Why: QEMU rounds it down, so up to 511 bytes at the end of the disk are not shown by any tool that does the same.
    Spec: Header, bytes 24-31
    QEMU: rounds down and reports nothing.
    Next: the extraction keeps all bytes; look at the last of them.
    """
    size = cluster.header.size
    if size % 512:
        yield Problem(
            f"size is {size} bytes, {size % 512} more than a multiple of 512", in_header(cluster, "size"), "header"
        )


@rule(HeaderCluster, Severity.CRITICAL, FindingClass.CORRUPTION)
def header_size_too_large(cluster: HeaderCluster) -> Iterator[Problem]:
    """The virtual size is larger than any disk can be.

    Why: its offsets do not fit in a signed 64-bit number, or its L1 table would have too many entries to count.
    Spec: Header, bytes 24-31 (the limits are QEMU's)
    QEMU: refuses the image.
    Next: the L1 table says how much of the disk is mapped at all.
    """
    size, geometry = cluster.header.size, cluster.geometry
    if size > MAX_VIRTUAL_SIZE:
        text = f"size is {size:#x} bytes, more than {MAX_VIRTUAL_SIZE:#x}"
    elif isinstance(geometry, Geometry) and geometry.l1_entries_needed > MAX_COUNTED_L1_ENTRIES:
        text = f"size is {size:#x} bytes and would need {counted(geometry.l1_entries_needed, 'L1 entry', 'L1 entries')}"
    else:
        return
    yield Problem(text, in_header(cluster, "size"), "header")


@rule(HeaderCluster, Severity.HIGH, FindingClass.CORRUPTION)
def header_l1_too_small(cluster: HeaderCluster) -> Iterator[Problem]:
    """The L1 table has fewer entries than the virtual size needs.

    Why: nothing maps the end of the disk; those ranges are absent, not zero.
    Spec: Header, bytes 36-39
    QEMU: refuses the image.
    Next: either the size or l1_size was changed; the extraction lists the range that is not mapped.
    """
    geometry = cluster.geometry
    if isinstance(geometry, Geometry) and geometry.l1_entry_count < geometry.l1_entries_needed:
        yield Problem(
            f"l1_size is {counted(geometry.l1_entry_count, 'entry', 'entries')}, "
            f"the virtual size needs {geometry.l1_entries_needed}",
            in_header(cluster, "num_l1_entries"),
            "header",
        )


@rule(HeaderCluster, Severity.LOW, FindingClass.SPEC_VIOLATION)
def header_version_2_with_version_3_fields(cluster: HeaderCluster) -> Iterator[Problem]:
    """A version 2 header has bytes where version 3 has its fields.

    Why: the extensions of version 2 begin there and have ended, so the bytes mean nothing; consistent with a version
    that was changed by hand. QEMU 1.x wrote a refcount order of 4 and a header length of 104 there in ordinary work,
    which is no finding.
    Spec: Header, bytes 72-103
    QEMU: does not check this.
    Next: read the bytes as version 3 fields; if they make sense, compare the refcounts and zero flags with them.
    """
    header, ended = cluster.header, cluster.extensions.end_offset
    if header.version != 2 or not cluster.extensions.ended:
        return
    left = cluster.data[ended:V3_LENGTH]
    named = 0 < header.backing_file_offset < V3_LENGTH
    if any(left) and not named and left != FILLED_BY_QEMU_1[ended:]:
        yield Problem(
            f"bytes {ended} to {V3_LENGTH - 1} of a version 2 header are not zero: {left.hex(' ')}",
            (host_range(ended, len(left)),),
            "header",
        )


def _stored_length(cluster: HeaderCluster) -> int | None:
    """The header length field of a version 3 header; None if there is none."""
    header = cluster.header
    if header.version < 3 or header.truncated_v2 or header.structure.field("len_header") is None:
        return None
    return header.header_length
