"""Rules about the refcount table and the places of the refcount blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from forensic.accounting.discrepancies import ClusterUsage, LeakedClusters, RefcountsBeyondFile
from forensic.finding import FindingClass, Problem, Problems, Severity, host_range
from forensic.numbers import counted
from forensic.qcow2.arrays import Bools, NDArray
from forensic.qcow2.entries import refcount_table_reserved_bits
from forensic.qcow2.refcounts import Block
from forensic.qcow2.table_reading import ENTRY_SIZE
from forensic.qcow2.tables import MAX_REFCOUNT_TABLE_BYTES, RefcountTable
from forensic.rules.overlaps import at_clusters, wrong_copied
from forensic.rules.places import at_entries
from forensic.rules.registry import rule

# The width of version 2 is always 16 bits, whatever stands where version 3 has its refcount order: the geometry decides
# that, and there is nothing to report. That the header's own cluster has a refcount of 0 is refcount-too-low.


def at_table_entries(table: RefcountTable, hits: Bools, say: Callable[[int, int], str]) -> Problems:
    """One problem for each entry of the refcount table that `hits` selects; `say` words it from index and entry."""
    return at_entries(table, hits, lambda index: f"refcount_table[{index}]", say, "refcount table entry")


@rule(RefcountTable, Severity.CRITICAL, FindingClass.CORRUPTION)
def refcount_table_empty(table: RefcountTable) -> Iterator[Problem]:
    """The image has no refcount table.

    Why: no cluster is known to be in use, so a writer overwrites what is there.
    Spec: Header, bytes 56-59
    QEMU: refuses the image; only its check opens it and reports errors.
    Next: reading does not need refcounts; never open the original for writing.
    """
    if not table.claimed_entries and not table.by_plan:  # one of version 1 has none, and of others it may be lost
        yield Problem("refcount_table_clusters is 0", (host_range(56, 4),), "header")


@rule(RefcountTable, Severity.CRITICAL, FindingClass.CORRUPTION)
def refcount_table_unaligned(table: RefcountTable) -> Iterator[Problem]:
    """The refcount table does not begin on a cluster boundary.

    Why: the offset is damaged; the table is read from where it points, which may not be a table at all.
    Spec: Header, bytes 48-55
    QEMU: refuses the image.
    Next: reading does not need refcounts.
    """
    if table.host_offset % table.geometry.cluster_size:
        yield Problem(
            f"refcount_table_offset is {table.host_offset:#x}, not a multiple of the "
            f"{table.geometry.cluster_size:#x}-byte cluster",
            (host_range(48, 8),),
            "header",
        )


@rule(RefcountTable, Severity.CRITICAL, FindingClass.CORRUPTION)
def refcount_table_too_large(table: RefcountTable) -> Iterator[Problem]:
    """The refcount table is larger than 8 MiB.

    Why: older readers allocated what a header claims (CVE-2014-0144); only the first 8 MiB are examined here.
    Spec: Header, bytes 56-59 (the limit is QEMU's)
    QEMU: refuses the image.
    Next: compare with what the file's size needs.
    """
    size = table.claimed_entries * ENTRY_SIZE
    if size > MAX_REFCOUNT_TABLE_BYTES:
        yield Problem(
            f"the refcount table is {size:,} bytes long, more than {MAX_REFCOUNT_TABLE_BYTES:,}",
            (host_range(56, 4),),
            "header",
        )


@rule(RefcountTable, Severity.HIGH, FindingClass.CORRUPTION)
def refcount_table_outside_file(table: RefcountTable) -> Iterator[Problem]:
    """The refcount table reaches past the end of the file.

    Why: the missing entries are unknown.
    Spec: Header, bytes 48-59
    QEMU: check reports it, with up to one error for each missing entry.
    Next: look for the rest of the file; reading does not need refcounts.
    """
    length = table.claimed_entries * ENTRY_SIZE
    end = table.host_offset + length
    if 0 < length <= MAX_REFCOUNT_TABLE_BYTES and end > table.file_size:
        yield Problem(
            f"the refcount table at host offset {table.host_offset:#x} ends at {end:#x}, the file at "
            f"{table.file_size:#x}",
            (host_range(table.host_offset, length),),
            "refcount_table",
        )


@rule(RefcountTable, Severity.HIGH, FindingClass.CORRUPTION)
def refcount_entry_reserved_bits(table: RefcountTable) -> Iterable[Problem]:
    """Reserved bits of a refcount table entry are set.

    Why: they must be zero; a set one is damage, or a feature that no reader knows.
    Spec: Refcount table entry, bits 0-8
    QEMU: check reports a corruption.
    Next: compare the entry with its neighbours.
    """
    reserved = refcount_table_reserved_bits(table.entries)
    return at_table_entries(table, reserved != 0, lambda index, _: f"reserved bits {int(reserved[index]):#x} are set")


@rule(RefcountTable, Severity.CRITICAL, FindingClass.CORRUPTION)
def refcount_block_unaligned(table: RefcountTable) -> Iterable[Problem]:
    """A refcount table entry points to a block that does not begin on a cluster boundary.

    Why: no refcount block can be there; the refcounts it should hold are unknown.
    Spec: Refcount table entry, bits 9-63
    QEMU: check reports a corruption and skips the block.
    Next: reading does not need refcounts.
    """
    size, offsets = table.geometry.cluster_size, table.block_offsets()
    return at_table_entries(
        table,
        (offsets & np.uint64(size - 1)) != 0,
        lambda index, _: f"block offset {int(offsets[index]):#x} is not a multiple of the {size:#x}-byte cluster",
    )


@rule(RefcountTable, Severity.HIGH, FindingClass.CORRUPTION)
def refcount_block_outside_file(table: RefcountTable) -> Iterable[Problem]:
    """A refcount table entry points to a block that lies outside the file, at least in part.

    Why: the refcounts it should hold are unknown.
    Spec: Refcount table entry, bits 9-63
    QEMU: check reports it; its repair grows the file up to that offset.
    Next: look for the rest of the file; reading does not need refcounts.
    """
    size, offsets = table.geometry.cluster_size, table.block_offsets()
    return at_table_entries(
        table,
        # A sum would wrap around for offsets at the top of the 64-bit range.
        (offsets != 0) & (offsets > max(0, table.file_size - size)),
        lambda index, _: (
            f"the block at host offset {int(offsets[index]):#x} is not within the file, which ends at "
            f"{table.file_size:#x}"
        ),
    )


@rule(ClusterUsage, Severity.HIGH, FindingClass.CORRUPTION)
def refcount_too_low(usage: ClusterUsage) -> Iterable[Problem]:
    """A host cluster is used more often than its refcount says.

    Why: a writer treats the cluster as free or unshared, and overwrites data in use.
    Spec: Reference counts
    QEMU: check reports it as an error.
    Next: reading does not need refcounts; never open the original for writing.
    """
    if usage.geometry.dirty:
        return ()  # see refcount-stale
    return at_clusters(
        usage,
        _too_low(usage),
        lambda row: f"has refcount {usage.stored[row]} and {counted(int(usage.counted[row]), 'reference')}",
    )


@rule(ClusterUsage, Severity.LOW, FindingClass.ANOMALY)
def refcount_stale(usage: ClusterUsage) -> Iterable[Problem]:
    """A refcount or copied bit is not up to date, as the dirty bit says.

    Why: with lazy refcounts a writer does not update them while the image is in use; the dirty bit announces that, and
    guest data and mapping are intact. The image was not closed, so the guest's last writes may be missing.
    Spec: Header, incompatible feature bit 0; Reference counts
    QEMU: check still reports each as an error; opening the image for writing repairs them.
    Next: reading needs no refcounts; never open the original for writing.
    """
    if not usage.geometry.dirty:
        return ()
    low = _too_low(usage) | ((usage.block == Block.NONE) & (usage.counted > 0))
    return at_clusters(
        usage,
        low | wrong_copied(usage),
        lambda row: (
            f"has refcount {usage.stored[row]} and {counted(int(usage.counted[row]), 'reference')}"
            + ("" if low[row] else ", and the copied bit disagrees")
            + "; the dirty bit is set"
        ),
    )


@rule(ClusterUsage, Severity.HIGH, FindingClass.CORRUPTION)
def refcount_overflow(usage: ClusterUsage) -> Iterable[Problem]:
    """A host cluster is used more often than a refcount of this width can express.

    Why: no writer shares a cluster that often; the tables are damaged or made to waste time and space.
    Spec: Reference counts; Header, bytes 96-99
    QEMU: check reports an overflow for each reference that is too many.
    Next: see what refers to the cluster.
    """
    return at_clusters(
        usage,
        _overflow(usage) & (usage.stored < usage.counted),
        lambda row: (
            f"has {counted(int(usage.counted[row]), 'reference')}, more than refcounts of "
            f"{counted(usage.geometry.refcount_bits or 0, 'bit')} can hold"
        ),
    )


@rule(LeakedClusters, Severity.MEDIUM, FindingClass.LEAK)
def refcount_too_high(leaks: LeakedClusters) -> Iterable[Problem]:
    """A host cluster is used less often than its refcount says.

    Why: a cluster that is not used at all was freed incompletely, or cut off by damage. It may hold the data of a
    deleted snapshot or of a table that nothing points to any more.
    Spec: Reference counts
    QEMU: check reports leaked clusters; its repair frees them.
    Next: examine the bytes; those that are not zero are listed as residue.
    """
    return at_clusters(
        leaks,
        leaks.stored > leaks.counted,
        lambda row: f"has refcount {leaks.stored[row]} and {counted(int(leaks.counted[row]), 'reference')}",
    )


@rule(ClusterUsage, Severity.HIGH, FindingClass.CORRUPTION)
def refcount_block_missing(usage: ClusterUsage) -> Iterator[Problem]:
    """Clusters are in use for which there is no refcount block.

    Why: without a block their refcount is 0, so a writer treats them as free and overwrites them.
    Spec: Refcount table
    QEMU: check reports each of the clusters.
    Next: reading does not need refcounts; never open the original for writing.
    """
    per_block = usage.geometry.refcounts_per_block
    if per_block is None or usage.geometry.dirty:
        return
    missing = (usage.block == Block.NONE) & (usage.counted > 0)
    for index, count in zip(
        *np.unique(usage.clusters[missing] // np.uint64(per_block), return_counts=True), strict=True
    ):
        first = int(index) * per_block * usage.geometry.cluster_size
        yield Problem(
            f"refcount table entry {index} has no block, but "
            f"{counted(int(count), 'cluster is', 'clusters are')} used from host offset {first:#x} on",
            (host_range(first, per_block * usage.geometry.cluster_size),),
            f"refcount_table[{index}]",
            {"clusters": int(count)},
        )


@rule(RefcountsBeyondFile, Severity.LOW, FindingClass.ANOMALY)
def refcount_beyond_file(block: RefcountsBeyondFile) -> Iterator[Problem]:
    """Refcounts are set for clusters past the end of the file.

    Why: nothing can be there; the end of the file was cut off, or the numbers are no refcounts. e2image sets some in
    every image that it writes.
    Spec: Reference counts
    QEMU: reports nothing.
    Next: look for the rest of the file; examine the refcount block's bytes.
    """
    numbers = np.flatnonzero(block.counts)
    first = int(numbers[0])
    yield Problem(
        f"refcount_table[{block.table_index}], the block at host offset {block.block_host_offset:#x}: "
        f"{counted(len(numbers), 'refcount is', 'refcounts are')} set from cluster "
        f"{block.first_cluster + first} on, the first of them {block.counts[first]}",
        (host_range(block.block_host_offset, block.geometry.cluster_size),),
        f"refcount_table[{block.table_index}]",
        {"clusters": len(numbers)},
    )


def _too_low(usage: ClusterUsage) -> NDArray[np.bool_]:
    """Which clusters have a stored refcount that is lower than their number of references."""
    low: NDArray[np.bool_] = (usage.stored < usage.counted) & (usage.block == Block.STORED) & ~_overflow(usage)
    return low


def _overflow(usage: ClusterUsage) -> NDArray[np.bool_]:
    """Which clusters have more references than their refcount can express."""
    most = (1 << (usage.geometry.refcount_bits or 64)) - 1
    overflow: NDArray[np.bool_] = usage.counted > np.uint64(most)
    return overflow
