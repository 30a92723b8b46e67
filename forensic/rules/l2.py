"""Rules about L2 tables: standard and extended entries of clusters that are not compressed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from forensic.finding import Confidence, FindingClass, Problem, Problems, Severity, guest_range, host_range
from forensic.qcow2.arrays import Bools, NDArray
from forensic.qcow2.entries import (
    allocated_subclusters,
    has_zero_flag,
    host_offset_of,
    is_copied,
    l2_reserved_bits,
    zero_subclusters,
)
from forensic.qcow2.tables import L2Batch
from forensic.rules.places import at_l2_entries
from forensic.rules.registry import rule


@rule(L2Batch, Severity.CRITICAL, FindingClass.CORRUPTION, Confidence.LIKELY)
def l2_table_overwritten(batch: L2Batch) -> Iterable[Problem]:
    """An L2 table was overwritten as a whole.

    Why: most of its entries are values that no writer produces, so none is trusted, neither offsets nor zeros: the
    whole guest range of the table is doubtful, and the clusters that it pointed to are unknown.
    Spec: Cluster mapping, L2 table entry
    QEMU: check reports the entries one by one; convert writes zeros for those that happen to have the zero flag.
    Next: the bytes in its place may show what overwrote it; search the file for clusters that no entry points to.
    """
    if not batch.overwritten:
        return ()
    geometry = batch.geometry

    def described() -> Iterator[Problem]:
        for table in batch.overwritten:
            path = f"{batch.owner} L1[{int(batch.l1_indices[table.row])}]"
            place = int(batch.host_offsets[table.row])
            guest_offset = batch.guest_offset(table.row, 0)
            yield Problem(
                f"the L2 table of {path} at host offset {place:#x} (guest offset {guest_offset:#x}) is overwritten by "
                f"{table.content}: {table.impossible:,} of the {table.set_entries:,} entries that are not zero are "
                "impossible",
                (host_range(place, geometry.cluster_size), guest_range(guest_offset, geometry.l1_coverage)),
                path,
                {"overwritten_by": table.content.name.lower(), "impossible_entries": table.impossible},
            )

    return Problems(len(batch.overwritten), described)


@rule(L2Batch, Severity.HIGH, FindingClass.CORRUPTION)
def l2_entry_reserved_bits(batch: L2Batch) -> Iterable[Problem]:
    """Reserved bits of a standard L2 entry are set.

    Why: they must be zero; a set one is damage, or a feature that no reader knows.
    Spec: Standard Cluster Descriptor, bits 1-8 and 56-61
    QEMU: check reports a corruption; reading ignores the bits.
    Next: compare the entry with its neighbours.
    """
    if not l2_reserved_bits(batch.bits):
        return ()
    reserved = l2_reserved_bits(batch.entries) != 0
    return at_l2_entries(
        batch,
        reserved & ~batch.compressed,
        lambda entry: f"reserved bits {l2_reserved_bits(entry):#x} are set",
    )


@rule(L2Batch, Severity.CRITICAL, FindingClass.CORRUPTION)
def l2_entry_unaligned(batch: L2Batch) -> Iterable[Problem]:
    """An L2 entry points to a host cluster that does not begin on a cluster boundary.

    Why: no cluster can be there; a data cluster's bytes are absent.
    Spec: Standard Cluster Descriptor, bits 9-55
    QEMU: check reports a corruption; reading the cluster fails.
    Next: the cluster may be the one before or after; compare with the neighbouring entries.
    """
    size = batch.geometry.cluster_size
    if not host_offset_of(batch.bits) & (size - 1):
        return ()
    return at_l2_entries(
        batch,
        (batch.data_offsets & np.uint64(size - 1)) != 0,
        lambda entry: f"host offset {host_offset_of(entry):#x} is not a multiple of the {size:#x}-byte cluster",
    )


@rule(L2Batch, Severity.HIGH, FindingClass.CORRUPTION)
def l2_entry_outside_file(batch: L2Batch) -> Iterable[Problem]:
    """An L2 entry points to a host cluster that lies past the end of the file.

    Why: the guest range is absent, not zero.
    Spec: Standard Cluster Descriptor, bits 9-55
    QEMU: check reports it; convert writes zeros and returns 0.
    Next: look for the rest of the file.
    """
    if batch.geometry.external_data_file or batch.highest_data_offset < batch.file_size:
        return ()
    offsets = batch.data_offsets
    return at_l2_entries(
        batch,
        (offsets != 0) & (offsets >= batch.file_size),
        lambda entry: f"host offset {host_offset_of(entry):#x} lies past the end of the file at {batch.file_size:#x}",
    )


@rule(L2Batch, Severity.MEDIUM, FindingClass.CORRUPTION)
def l2_entry_cut_by_file_end(batch: L2Batch) -> Iterable[Problem]:
    """The file ends inside a host cluster that an L2 entry points to.

    Why: the bytes that are not there are absent, not zero, if the guest can see them.
    Spec: Standard Cluster Descriptor, bits 9-55
    QEMU: reports nothing and reads zeros.
    Next: look for the rest of the file; the extraction lists the bytes that are missing.
    """
    in_whole_clusters = batch.highest_data_offset + batch.geometry.cluster_size <= batch.file_size
    if batch.geometry.external_data_file or in_whole_clusters:
        return ()
    return at_l2_entries(
        batch,
        _cut_where_the_guest_sees_it(batch),
        lambda entry: (
            f"the host cluster at {host_offset_of(entry):#x} is cut by the end of the file at {batch.file_size:#x}"
        ),
    )


@rule(L2Batch, Severity.HIGH, FindingClass.CORRUPTION)
def l2_zero_flag_in_version_2(batch: L2Batch) -> Iterable[Problem]:
    """The zero flag is set in an image of version 2.

    Why: version 2 has no such flag; whether the cluster is data or zero cannot be determined.
    Spec: Standard Cluster Descriptor, bit 0
    QEMU: check returns 0; reading the cluster fails.
    Next: look at the host cluster; the extraction leaves the range absent.
    """
    if batch.geometry.version >= 3:
        return ()
    flagged = has_zero_flag(batch.entries)
    return at_l2_entries(batch, flagged & ~batch.compressed, lambda _: "bit 0 is set, which version 2 does not define")


@rule(L2Batch, Severity.CRITICAL, FindingClass.CORRUPTION)
def l2_subcluster_both_bits(batch: L2Batch) -> Iterable[Problem]:
    """A subcluster is marked as both allocated and zero.

    Why: the combination has no meaning; the subcluster is absent.
    Spec: Extended L2 Entries, subcluster allocation bitmap
    QEMU: check reports a corruption; reading the subcluster fails.
    Next: examine the host cluster's bytes.
    """
    if batch.bitmaps is None:
        return ()
    both = allocated_subclusters(batch.bitmaps) & zero_subclusters(batch.bitmaps)
    return at_l2_entries(batch, (both != 0) & ~batch.compressed, lambda _: "a subcluster is both allocated and zero")


@rule(L2Batch, Severity.CRITICAL, FindingClass.CORRUPTION)
def l2_subcluster_without_cluster(batch: L2Batch) -> Iterable[Problem]:
    """A subcluster is marked as allocated, but the entry has no host cluster.

    Why: its bytes cannot be located; the subcluster is absent.
    Spec: Extended L2 Entries, subcluster allocation bitmap
    QEMU: check reports a corruption; reading the subcluster fails.
    Next: search for a host cluster that no entry points to.
    """
    if batch.bitmaps is None or batch.geometry.external_data_file:
        return ()
    allocated = allocated_subclusters(batch.bitmaps) != 0
    homeless = allocated & (batch.data_offsets == 0) & ~batch.compressed
    return at_l2_entries(batch, homeless, lambda _: "subclusters are allocated, the host offset is zero")


@rule(L2Batch, Severity.MEDIUM, FindingClass.SPEC_VIOLATION)
def l2_extended_zero_flag(batch: L2Batch) -> Iterable[Problem]:
    """Bit 0 is set in the first word of an extended L2 entry.

    Why: with subclusters the zero flag lies in the bitmap and this bit is reserved; a reader that honours it shows
    zeros in place of data.
    Spec: Extended L2 Entries
    QEMU: both check and reading ignore it.
    Next: compare with the subcluster bitmap.
    """
    if batch.bitmaps is None:
        return ()
    flagged = has_zero_flag(batch.entries)
    return at_l2_entries(batch, flagged & ~batch.compressed, lambda _: "bit 0 is set, which is reserved here")


@rule(L2Batch, Severity.MEDIUM, FindingClass.CORRUPTION)
def l2_data_file_without_copied_bit(batch: L2Batch) -> Iterable[Problem]:
    """An entry of an image with an external data file has a host offset but not the copied bit.

    Why: such an image has no refcounts for data, so the bit is always set; it alone distinguishes offset 0 from no
    cluster.
    Spec: L2 table entry, bit 63
    QEMU: check reports a corruption; reading ignores the bit where the offset is not zero.
    Next: compare the host offset with the guest offset, which are the same in most such images.
    """
    if not batch.geometry.external_data_file or is_copied(batch.common_bits):
        return ()
    copied = is_copied(batch.entries)
    return at_l2_entries(batch, (batch.data_offsets != 0) & ~copied, lambda _: "bit 63 is clear")


@rule(L2Batch, Severity.MEDIUM, FindingClass.SPEC_VIOLATION)
def l2_entry_without_offset(batch: L2Batch) -> Iterable[Problem]:
    """An L2 entry has the copied bit but no host cluster.

    Why: it says both that there is a cluster and that there is none; the offset was lost.
    Spec: Standard Cluster Descriptor, bits 9-55; L2 table entry, bit 63
    QEMU: reads the cluster as unallocated; check reports nothing about the entry.
    Next: search the file for a cluster that no entry points to.
    """
    # With an external data file, offset 0 is a real place.
    if batch.geometry.external_data_file or batch.lowest_data_offset or not is_copied(batch.bits):
        return ()
    lost = is_copied(batch.entries) & (batch.data_offsets == 0) & ~batch.compressed
    return at_l2_entries(batch, lost, lambda _: "the copied bit is set, the host offset is zero")


@rule(L2Batch, Severity.CRITICAL, FindingClass.CORRUPTION)
def data_file_offset_differs(batch: L2Batch) -> Iterable[Problem]:
    """An entry of an image with an external data file does not point to its own guest offset.

    Why: guest data lies in the data file at the guest's own offsets; any other offset shows other bytes to the guest.
    Spec: Header, incompatible feature bit 2
    QEMU: check returns 0; reading the cluster fails.
    Next: the data file read as a raw disk shows what lies at the guest offset.
    """
    if not batch.geometry.external_data_file:
        return ()
    offsets = batch.data_offsets
    used = (offsets != 0) | is_copied(batch.entries)
    return at_l2_entries(
        batch,
        used & ~batch.compressed & (offsets != guest_offsets(batch)),
        lambda entry: f"the offset in the data file is {host_offset_of(entry):#x}",
    )


def guest_offsets(batch: L2Batch) -> NDArray[np.uint64]:
    """The guest offset that each entry maps, in the shape of `entries`."""
    first = batch.l1_indices[:, np.newaxis] * batch.geometry.l2_entry_count
    clusters = (first + np.arange(batch.entries.shape[1])).astype(np.uint64)
    return clusters << np.uint64(batch.geometry.cluster_bits)


def _cut_where_the_guest_sees_it(batch: L2Batch) -> Bools:
    """Data clusters that begin inside the file and end outside it, with a guest-visible byte past the end of the file.

    A writer need not fill the last cluster past the end of the virtual disk, and of a cluster with subclusters only
    those that are allocated; such a file is whole.
    """
    geometry = batch.geometry
    offsets = batch.data_offsets
    begins_inside = (offsets != 0) & (offsets < batch.file_size)
    cut: Bools = begins_inside & ((offsets & np.uint64(geometry.cluster_size - 1)) == 0)
    cut &= offsets + np.uint64(geometry.cluster_size) > batch.file_size
    if geometry.zero_flag_allowed:
        cut &= ~has_zero_flag(batch.entries)
    for table, index in np.argwhere(cut).tolist():
        in_file = batch.file_size - int(offsets[table, index])
        visible = geometry.virtual_size - batch.guest_offset(table, index)
        if batch.bitmaps is not None:
            allocated = allocated_subclusters(int(batch.bitmaps[table, index]))
            visible = min(visible, allocated.bit_length() * geometry.subcluster_size)
        cut[table, index] = in_file < min(visible, geometry.cluster_size)
    return cut
