"""Rules about compressed clusters: their descriptors, and what lies where they point."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from forensic.finding import FindingClass, Problem, Severity
from forensic.qcow2.entries import compressed_host_offset, compressed_reserved_bits, compressed_stored_length, is_copied
from forensic.qcow2.header import CryptMethod
from forensic.qcow2.tables import L2Batch
from forensic.rules.places import at_l2_entries
from forensic.rules.registry import rule


@rule(L2Batch, Severity.INFO, FindingClass.INFO)
def compressed_clusters(batch: L2Batch) -> Iterable[Problem]:
    """The image holds compressed clusters.

    Why: tools that cannot decode them leave holes; a library used by several forensic suites silently drops some.
    Spec: Compressed Clusters Descriptor
    QEMU: reads them; its check never decodes one.
    Next: none; the extraction decodes each and lists those that cannot be decoded.
    """
    if not batch.any_compressed:
        return ()
    bits = batch.geometry.cluster_bits
    return at_l2_entries(
        batch, batch.compressed, lambda entry: f"compressed at host offset {compressed_host_offset(entry, bits):#x}"
    )


@rule(L2Batch, Severity.MEDIUM, FindingClass.CORRUPTION)
def compressed_entry_copied_bit(batch: L2Batch) -> Iterable[Problem]:
    """The copied bit is set in a compressed descriptor.

    Why: a compressed cluster may not be overwritten in place; a writer that honours the bit destroys its neighbours.
    Spec: L2 table entry, bit 63
    QEMU: check reports a corruption; the cluster can still be read.
    Next: none for reading; never open the original for writing.
    """
    if not batch.any_compressed:
        return ()
    copied = is_copied(batch.entries)
    return at_l2_entries(batch, copied & batch.compressed, lambda _: "bit 63 is set in a compressed descriptor")


@rule(L2Batch, Severity.HIGH, FindingClass.CORRUPTION)
def compressed_entry_outside_file(batch: L2Batch) -> Iterable[Problem]:
    """A compressed cluster begins past the end of the file, or ends a cluster or more past it.

    Why: the stream is missing or incomplete; the guest range is absent.
    Spec: Compressed Clusters Descriptor
    QEMU: check reports it; reading the cluster fails.
    Next: look for the rest of the file.
    """
    if not batch.any_compressed:
        return ()
    bits, size = batch.geometry.cluster_bits, batch.geometry.cluster_size
    compressed = batch.compressed
    begins = compressed_host_offset(batch.entries, bits)
    # The last sector of the last stream may lie past the end: a writer need not pad the file.
    ends = begins + compressed_stored_length(batch.entries, bits)
    outside = (begins >= batch.file_size) | (ends >= batch.file_size + size)
    return at_l2_entries(
        batch,
        compressed & outside,
        lambda entry: (
            f"the stream at host offset {compressed_host_offset(entry, bits):#x} leaves the file, which ends at "
            f"{batch.file_size:#x}"
        ),
    )


@rule(L2Batch, Severity.HIGH, FindingClass.CORRUPTION)
def compressed_entry_reserved_bits(batch: L2Batch) -> Iterable[Problem]:
    """Reserved bits of a compressed descriptor are set.

    Why: with clusters below 16 KiB the offset has room for bits 56 and up, which must be zero; a set one is damage.
    Spec: Compressed Clusters Descriptor
    QEMU: treats the bits as part of the offset, which then lies past the end of the file.
    Next: examine what lies at the offset without the bits.
    """
    mask = compressed_reserved_bits(batch.geometry.cluster_bits)
    if not mask:
        return ()
    return at_l2_entries(
        batch,
        batch.compressed & ((batch.entries & np.uint64(mask)) != 0),
        lambda entry: f"reserved bits {entry & mask:#x} are set",
    )


@rule(L2Batch, Severity.HIGH, FindingClass.CORRUPTION)
def compressed_with_data_file(batch: L2Batch) -> Iterable[Problem]:
    """An image with an external data file has a compressed cluster.

    Why: a data file holds uncompressed clusters at the guest's own offsets and nothing else; the cluster cannot be
    located.
    Spec: Header, incompatible feature bit 2
    QEMU: check reports a corruption; reading the cluster fails.
    Next: the data file read as a raw disk shows what lies at the guest offset.
    """
    if not batch.geometry.external_data_file:
        return ()
    return at_l2_entries(batch, batch.compressed, lambda _: "compressed, though the data lies in another file")


@rule(L2Batch, Severity.LOW, FindingClass.ANOMALY)
def compressed_in_encrypted_image(batch: L2Batch) -> Iterable[Problem]:
    """An encrypted image has a compressed cluster.

    Why: compressed clusters are never encrypted, so this one is readable by anyone who has the file.
    Spec: Header, bytes 32-35; Compressed Clusters Descriptor
    QEMU: writes such an image when it converts with compression and encryption at once, hence the low severity; it
    reads the cluster without decrypting it.
    Next: decode the cluster; no key is needed.
    """
    if batch.geometry.crypt_method == CryptMethod.NONE:
        return ()
    return at_l2_entries(batch, batch.compressed, lambda _: "compressed, and so not encrypted")


@rule(L2Batch, Severity.HIGH, FindingClass.CORRUPTION)
def l2_compressed_with_bitmap(batch: L2Batch) -> Iterable[Problem]:
    """A compressed cluster has a subcluster bitmap.

    Why: a compressed cluster is always whole; the bitmap must be zero.
    Spec: Extended L2 Entries
    QEMU: check reports a corruption.
    Next: the stream decides: if it decodes, the cluster is compressed.
    """
    if batch.bitmaps is None:
        return ()
    return at_l2_entries(batch, batch.compressed & (batch.bitmaps != 0), lambda _: "the subcluster bitmap is not zero")
