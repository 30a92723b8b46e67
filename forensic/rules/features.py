"""Rules about the feature bits of the header, and what has to agree with them."""

from __future__ import annotations

from collections.abc import Iterator

from forensic.finding import FindingClass, Problem, Severity, host_range
from forensic.qcow2.extensions import ExtensionType
from forensic.qcow2.geometry import MIN_EXTENDED_L2_CLUSTER_BITS
from forensic.qcow2.header import Autoclear, Compatible, Incompatible, unknown_bits
from forensic.qcow2.metadata import HeaderCluster
from forensic.rules.places import in_header
from forensic.rules.registry import rule


@rule(HeaderCluster, Severity.CRITICAL, FindingClass.CORRUPTION)
def header_unknown_incompatible_features(cluster: HeaderCluster) -> Iterator[Problem]:
    """An incompatible feature bit is set that the specification does not define.

    Why: a reader that does not know the feature reads wrong bytes; findings about the tables assume the known features
    only.
    Spec: Header, bytes 72-79
    QEMU: refuses the image and prints the name that the image's own feature table gives.
    Next: find out which writer made the image; treat extracted data with caution.
    """
    yield from _unknown(cluster, "incompatible_features", Incompatible)


@rule(HeaderCluster, Severity.LOW, FindingClass.SPEC_VIOLATION)
def header_unknown_compatible_features(cluster: HeaderCluster) -> Iterator[Problem]:
    """A compatible feature bit is set that the specification does not define.

    Why: it may safely be ignored, but indicates another writer or damage.
    Spec: Header, bytes 80-87
    QEMU: reports nothing.
    Next: none needed for reading.
    """
    yield from _unknown(cluster, "compatible_features", Compatible)


@rule(HeaderCluster, Severity.MEDIUM, FindingClass.SPEC_VIOLATION)
def header_unknown_autoclear_features(cluster: HeaderCluster) -> Iterator[Problem]:
    """An autoclear feature bit is set that the specification does not define.

    Why: a writer that does not know the bit clears it, so opening the image for writing destroys the trace.
    Spec: Header, bytes 88-95
    QEMU: reports nothing when reading; clears the bit when it opens the image for writing.
    Next: work on a copy; note the bits.
    """
    yield from _unknown(cluster, "autoclear_features", Autoclear)


@rule(HeaderCluster, Severity.MEDIUM, FindingClass.ANOMALY)
def header_dirty(cluster: HeaderCluster) -> Iterator[Problem]:
    """The dirty bit is set: the image was not closed properly.

    Why: refcounts may be stale, so leaks and mismatches are to be expected; the guest's last writes may be missing.
    Spec: Header, incompatible feature bit 0
    QEMU: its check reports nothing; opening the image for writing repairs it, that is, changes the evidence.
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


@rule(HeaderCluster, Severity.MEDIUM, FindingClass.SPEC_VIOLATION)
def bitmaps_bit_without_extension(cluster: HeaderCluster) -> Iterator[Problem]:
    """The header says that bitmaps are consistent, but there is no bitmaps extension.

    Why: the extension was lost or removed by something that does not know it; the clusters of the bitmaps may still be
    there.
    Spec: Header, autoclear feature bit 0
    QEMU: reports nothing, though the specification calls it an error.
    Next: look at leaked clusters for bitmap tables and data.
    """
    flagged = cluster.header.autoclear_features & Autoclear.BITMAPS
    if flagged and cluster.extensions.first(ExtensionType.BITMAPS) is None and not cluster.extensions_unknown:
        yield Problem(
            "autoclear feature bit 0 is set, but no header extension 0x23852875 was found",
            in_header(cluster, "autoclear_features.has_consistent_bitmaps"),
            "header",
        )


@rule(HeaderCluster, Severity.HIGH, FindingClass.CORRUPTION)
def raw_data_bit_without_data_file(cluster: HeaderCluster) -> Iterator[Problem]:
    """The header says that the external data file is a raw disk, but there is no external data file.

    Why: one of the two bits is wrong, and with it where the guest's data is.
    Spec: Header, autoclear feature bit 1
    QEMU: check and convert refuse the image; `info` opens it.
    Next: if the L2 entries point past the end of this file, a data file is missing.
    """
    header = cluster.header
    raw = header.autoclear_features & Autoclear.RAW_EXTERNAL_DATA
    if raw and not header.incompatible_features & Incompatible.EXTERNAL_DATA_FILE:
        yield Problem(
            "autoclear feature bit 1 is set, incompatible feature bit 2 is clear",
            in_header(cluster, "autoclear_features.has_raw_external_data"),
            "header",
        )


@rule(HeaderCluster, Severity.HIGH, FindingClass.SPEC_VIOLATION)
def raw_data_bit_with_backing_file(cluster: HeaderCluster) -> Iterator[Problem]:
    """The external data file is said to be the whole raw disk, and yet there is a backing file.

    Why: read through the image the disk shows the backing file's bytes, read as a raw file it does not: two disks.
    Spec: Header, autoclear feature bit 1
    QEMU: reports nothing.
    Next: extract with the backing file, and compare with the data file as it is.
    """
    header = cluster.header
    if header.autoclear_features & Autoclear.RAW_EXTERNAL_DATA and header.backing_file_offset:
        yield Problem(
            f"autoclear feature bit 1 is set, and the backing file name lies at {header.backing_file_offset:#x}",
            in_header(cluster, "autoclear_features.has_raw_external_data"),
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
        yield Problem(f"{field} is {word:#x}: bit {names} is not defined", (host_range(offset, 8),), "header")
