"""Rules about the header: magic, version, feature bits, sizes and the places it points to."""

from __future__ import annotations

from collections.abc import Iterator

from forensic.finding import FindingClass, Problem, Range, Severity, host
from forensic.qcow2.extensions import MAX_BACKING_NAME
from forensic.qcow2.foreign import ForeignFile
from forensic.qcow2.geometry import (
    MAX_CLUSTER_BITS,
    MAX_L1_ENTRIES,
    MAX_REFCOUNT_ORDER,
    MIN_CLUSTER_BITS,
    Geometry,
)
from forensic.qcow2.header import (
    PADDED_LENGTH,
    PADDING_OFFSET,
    V3_LENGTH,
    Autoclear,
    Compatible,
    CryptMethod,
    Incompatible,
    unknown_bits,
)
from forensic.qcow2.image import HeaderCluster
from forensic.rules.registry import rule

MIN_EXTENDED_L2_CLUSTER_BITS = 14
MAX_VIRTUAL_SIZE = (1 << 63) - 512
"""Bytes that a signed 64-bit offset, as used by QEMU and by file systems, can address in whole sectors."""


def in_header(cluster: HeaderCluster, field: str) -> tuple[Range, ...]:
    """Where a field of the header lies, by its name in the `.ksy`."""
    offset, length = cluster.header.field_range(field)
    return (host(offset, length),) if length else ()


@rule(ForeignFile, Severity.INFO, FindingClass.INFO)
def not_qcow2(file: ForeignFile) -> Iterator[Problem]:
    """The file is not a qcow2 image of version 2 or 3.

    Why: nothing can be said about it with the rules of this format; the verdict stays undetermined.
    Spec: Header, bytes 0-7
    QEMU: probes the file and may take it for an image of another format, or for a raw disk.
    Next: find out what the file is before it is opened with anything that guesses.
    """
    yield Problem(f"not a qcow2 image: {file.description}", (host(0, min(8, len(file.start))),), "file")


@rule(HeaderCluster, Severity.CRITICAL, FindingClass.CORRUPTION)
def header_version(cluster: HeaderCluster) -> Iterator[Problem]:
    """The version is neither 2 nor 3.

    Why: the layout of the header and of every table depends on the version, so nothing behind it was looked at.
    Spec: Header, bytes 4-7
    QEMU: refuses the image, though its probing still calls it qcow2.
    Next: compare the header with a sound one; a single flipped bit in the version can be undone on a copy.
    """
    version = cluster.header.version
    if version not in (2, 3):
        yield Problem(f"version is {version}, expected 2 or 3", in_header(cluster, "version"), "header")


@rule(HeaderCluster, Severity.CRITICAL, FindingClass.CORRUPTION)
def header_truncated(cluster: HeaderCluster) -> Iterator[Problem]:
    """The file ends inside the header.

    Why: the missing fields are unknown, not zero.
    Spec: Header
    QEMU: reads missing bytes as zeros; a version 2 header cut short opens, and the disk reads as zeros.
    Next: look for the rest of the file; only a start of it is here.
    """
    if cluster.header.truncated:
        yield Problem(
            f"the file is {cluster.file_size} bytes long and ends inside the header",
            (host(0, cluster.file_size),),
            "header",
        )


@rule(HeaderCluster, Severity.CRITICAL, FindingClass.CORRUPTION)
def header_cluster_bits(cluster: HeaderCluster) -> Iterator[Problem]:
    """The cluster size is outside what the format or QEMU allows.

    Why: every offset counts in clusters, so nothing behind the header was looked at.
    Spec: Header, bytes 20-23 (at least 9; QEMU stops at 21)
    QEMU: refuses the image.
    Next: try the usual 16 (64 KiB) on a copy; tables that then fall on cluster boundaries speak for it.
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
    """The header length is too small, too large or not a multiple of 8.

    Why: it decides where header extensions begin; a wrong one hides them or makes others appear.
    Spec: Header, bytes 100-103; Header padding
    QEMU: refuses less than 104 or more than a cluster; takes a length that is no multiple of 8 without a word.
    Next: read the header cluster as hex; known extension types show where the extensions really begin.
    """
    header = cluster.header
    if header.version < 3 or header.truncated_v2 or header.structure.field("len_header") is None:
        return
    length = header.header_length
    limit = 1 << min(max(header.cluster_bits, MIN_CLUSTER_BITS), MAX_CLUSTER_BITS)
    if not V3_LENGTH <= length <= limit:
        text = f"header_length is {length}, expected {V3_LENGTH} to the cluster size of {limit}"
    elif length % 8:
        text = f"header_length is {length}, not a multiple of 8"
    else:
        return
    yield Problem(text, in_header(cluster, "len_header"), "header")


@rule(HeaderCluster, Severity.MEDIUM, FindingClass.HIDDEN_DATA)
def header_unknown_fields(cluster: HeaderCluster) -> Iterator[Problem]:
    """The header has fields that the specification does not define.

    Why: they come from a newer format, or they hold something that no tool shows.
    Spec: Additional fields
    QEMU: keeps the bytes and says nothing.
    Next: look at the bytes; compare with the newest specification.
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
    QEMU: does not look.
    Next: look at the bytes.
    """
    header = cluster.header
    if header.version < 3 or header.header_length < PADDED_LENGTH:
        return
    padding = cluster.data[PADDING_OFFSET:PADDED_LENGTH]
    if any(padding):
        yield Problem(
            f"header padding is {padding.hex(' ')}, expected zeros", (host(PADDING_OFFSET, len(padding)),), "header"
        )


@rule(HeaderCluster, Severity.CRITICAL, FindingClass.CORRUPTION)
def header_unknown_incompatible_features(cluster: HeaderCluster) -> Iterator[Problem]:
    """An incompatible feature bit is set that the specification does not define.

    Why: a reader that does not know the feature reads wrong bytes; what is said about the tables is a reading under
    the known features only.
    Spec: Header, bytes 72-79
    QEMU: refuses the image and prints the name that the image's own feature table gives.
    Next: find out which writer made the image; treat extracted bytes with reserve.
    """
    yield from _unknown(cluster, "incompatible_features", Incompatible)


@rule(HeaderCluster, Severity.LOW, FindingClass.SPEC_VIOLATION)
def header_unknown_compatible_features(cluster: HeaderCluster) -> Iterator[Problem]:
    """A compatible feature bit is set that the specification does not define.

    Why: it may safely be ignored, but it tells of another writer or of damage.
    Spec: Header, bytes 80-87
    QEMU: says nothing.
    Next: none needed for reading.
    """
    yield from _unknown(cluster, "compatible_features", Compatible)


@rule(HeaderCluster, Severity.MEDIUM, FindingClass.SPEC_VIOLATION)
def header_unknown_autoclear_features(cluster: HeaderCluster) -> Iterator[Problem]:
    """An autoclear feature bit is set that the specification does not define.

    Why: a writer that does not know the bit clears it, so opening the image for writing destroys the trace.
    Spec: Header, bytes 88-95
    QEMU: says nothing when reading; clears the bit when it opens the image for writing.
    Next: work on a copy; note the bits.
    """
    yield from _unknown(cluster, "autoclear_features", Autoclear)


@rule(HeaderCluster, Severity.MEDIUM, FindingClass.ANOMALY)
def header_dirty(cluster: HeaderCluster) -> Iterator[Problem]:
    """The dirty bit is set: the image was not closed properly.

    Why: refcounts may be stale, so leaks and mismatches are to be expected; the guest's last writes may be missing.
    Spec: Header, incompatible feature bit 0
    QEMU: its check says nothing; opening the image for writing repairs it, that is, changes the evidence.
    Next: never open the original for writing; judge refcount findings with this in mind.
    """
    if cluster.header.incompatible_features & Incompatible.DIRTY:
        yield Problem("the dirty bit is set", in_header(cluster, "incompatible_features.is_dirty"), "header")


@rule(HeaderCluster, Severity.HIGH, FindingClass.CORRUPTION)
def header_corrupt(cluster: HeaderCluster) -> Iterator[Problem]:
    """The corrupt bit is set: a writer found the metadata broken.

    Why: QEMU sets it when it is about to overwrite metadata; something before that went wrong.
    Spec: Header, incompatible feature bit 1
    QEMU: refuses to write to the image; its check reports no error for the bit itself.
    Next: see the findings on overlaps and refcounts for what went wrong.
    """
    if cluster.header.incompatible_features & Incompatible.CORRUPT:
        yield Problem("the corrupt bit is set", in_header(cluster, "incompatible_features.is_corrupt"), "header")


@rule(HeaderCluster, Severity.HIGH, FindingClass.CORRUPTION)
def header_compression_type(cluster: HeaderCluster) -> Iterator[Problem]:
    """The compression type is unknown, or the feature bit for it disagrees.

    Why: compressed clusters are decoded with the wrong codec, or not at all.
    Spec: Header, byte 104; incompatible feature bit 3
    QEMU: refuses the image.
    Next: a zstd stream begins with 28 b5 2f fd; look at one to learn which codec was used.
    """
    header = cluster.header
    if header.version < 3 or header.truncated:
        return
    flagged = bool(header.incompatible_features & Incompatible.COMPRESSION_TYPE)
    kind = header.compression_type
    if kind > 1:
        text = f"compression_type is {kind}, expected 0 (deflate) or 1 (zstd)"
    elif flagged != bool(kind):
        text = f"compression_type is {kind}, but incompatible feature bit 3 is {'set' if flagged else 'clear'}"
    else:
        return
    yield Problem(text, in_header(cluster, "compression_type"), "header")


@rule(HeaderCluster, Severity.HIGH, FindingClass.CORRUPTION)
def header_extended_l2_cluster_size(cluster: HeaderCluster) -> Iterator[Problem]:
    """Extended L2 entries are declared for clusters below 16 KiB.

    Why: a subcluster would be smaller than a sector; the bit or the cluster size is wrong, and all L2 tables are read
    with the wrong entry size.
    Spec: Header, incompatible feature bit 4
    QEMU: refuses the image.
    Next: read an L2 table as hex: entries of 8 or of 16 bytes are easy to tell.
    """
    header = cluster.header
    if header.incompatible_features & Incompatible.EXTENDED_L2 and header.cluster_bits < MIN_EXTENDED_L2_CLUSTER_BITS:
        yield Problem(
            f"extended L2 entries with cluster_bits {header.cluster_bits}, expected at least "
            f"{MIN_EXTENDED_L2_CLUSTER_BITS}",
            in_header(cluster, "incompatible_features.has_extended_l2_entries"),
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


@rule(HeaderCluster, Severity.HIGH, FindingClass.CORRUPTION)
def header_crypt_method(cluster: HeaderCluster) -> Iterator[Problem]:
    """The encryption method is unknown.

    Why: whether the data is plain or encrypted cannot be told; it is read as it is stored.
    Spec: Header, bytes 32-35
    QEMU: refuses the image.
    Next: look at the data: a partition table at guest offset 0 speaks for plain.
    """
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

    Why: QEMU rounds it down, so up to 511 bytes at the end of the disk are shown by no tool that does the same.
    Spec: Header, bytes 24-31
    QEMU: rounds down and says nothing.
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

    Why: offsets on it do not fit the 63 bits that programs and file systems have for them.
    Spec: Header, bytes 24-31
    QEMU: refuses the image.
    Next: the L1 table says how much of the disk is mapped at all.
    """
    size = cluster.header.size
    if size > MAX_VIRTUAL_SIZE:
        yield Problem(f"size is {size:#x} bytes, more than {MAX_VIRTUAL_SIZE:#x}", in_header(cluster, "size"), "header")


@rule(HeaderCluster, Severity.HIGH, FindingClass.CORRUPTION)
def header_l1_too_small(cluster: HeaderCluster) -> Iterator[Problem]:
    """The L1 table has fewer entries than the virtual size needs.

    Why: the end of the disk is mapped by nothing; those ranges are absent, not zero.
    Spec: Header, bytes 36-39
    QEMU: refuses the image.
    Next: either the size or l1_size was changed; the extraction lists the range that is not mapped.
    """
    geometry = cluster.geometry
    if isinstance(geometry, Geometry) and geometry.l1_entry_count < geometry.l1_entries_needed:
        yield Problem(
            f"l1_size is {geometry.l1_entry_count} entries, the virtual size needs {geometry.l1_entries_needed}",
            in_header(cluster, "num_l1_entries"),
            "header",
        )


@rule(HeaderCluster, Severity.CRITICAL, FindingClass.CORRUPTION)
def l1_table_too_large(cluster: HeaderCluster) -> Iterator[Problem]:
    """The L1 table is larger than 32 MiB.

    Why: older readers allocated what a header claims (CVE-2014-0144); only the first 32 MiB are looked at here.
    Spec: Header, bytes 36-39 (the limit is QEMU's)
    QEMU: refuses the image.
    Next: compare with what the virtual size needs.
    """
    entries = cluster.header.l1_size
    if entries > MAX_L1_ENTRIES:
        yield Problem(
            f"l1_size is {entries:,} entries, more than {MAX_L1_ENTRIES:,}",
            in_header(cluster, "num_l1_entries"),
            "header",
        )


@rule(HeaderCluster, Severity.HIGH, FindingClass.CORRUPTION)
def backing_name_outside_header(cluster: HeaderCluster) -> Iterator[Problem]:
    """The backing file name leaves the header cluster or is too long.

    Why: a reader that trusts the length reads or allocates too much (CVE-2014-0144).
    Spec: Header, bytes 8-19
    QEMU: refuses the image.
    Next: what lies within the cluster is shown; the rest is not part of a name.
    """
    header = cluster.header
    if not header.backing_file_offset or not isinstance(cluster.geometry, Geometry):
        return
    room = min(MAX_BACKING_NAME, cluster.geometry.cluster_size - header.backing_file_offset)
    if header.backing_file_size > room:
        yield Problem(
            f"the backing file name at host offset {header.backing_file_offset:#x} is {header.backing_file_size} bytes "
            f"long, expected at most {max(room, 0)}",
            in_header(cluster, "ofs_backing_file"),
            "header",
        )


def _unknown(
    cluster: HeaderCluster, field: str, known: type[Incompatible] | type[Compatible] | type[Autoclear]
) -> Iterator[Problem]:
    word = getattr(cluster.header, field)
    bits = unknown_bits(word, known)
    if bits:
        offset, _ = cluster.header.field_range(f"{field}.reserved1")
        names = ", ".join(map(str, bits))
        yield Problem(f"{field} is {word:#x}: bit {names} is not defined", (host(offset, 8),), "header")
