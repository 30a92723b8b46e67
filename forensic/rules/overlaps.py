"""Rules about host clusters that serve two owners, or one owner twice, whatever their refcounts say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from forensic.accounting.cluster_counts import Use
from forensic.accounting.discrepancies import ClusterUsage
from forensic.accounting.owners import in_words
from forensic.accounting.stream_overlaps import StreamOverlaps
from forensic.finding import FindingClass, Problem, Problems, Severity, host_range
from forensic.numbers import counted
from forensic.qcow2.arrays import NDArray
from forensic.qcow2.geometry import L1_ENTRY_SIZE
from forensic.qcow2.refcounts import Block
from forensic.qcow2.tables import L1Table
from forensic.rules.registry import rule

NAMED_CLUSTERS = 16
"""Clusters of one range whose owners are named; naming them costs one more walk over the tables."""


def at_clusters(usage: ClusterUsage, hits: NDArray[np.bool_], say: Callable[[int], str]) -> Problems:
    """One problem for each host cluster that `hits` selects; `say` words it; the first ones name their owners."""
    rows = np.flatnonzero(hits)

    def described() -> Iterator[Problem]:
        owners_of = usage.cluster_owners.of_clusters(usage.clusters[rows[:NAMED_CLUSTERS]].tolist())
        size = usage.geometry.cluster_size
        for row in rows.tolist():
            cluster = int(usage.clusters[row])
            owners = owners_of.get(cluster, [])
            named = f": {in_words(owners)}" if owners else ""
            yield Problem(
                f"the host cluster at {cluster * size:#x} {say(row)}{named}",
                (host_range(cluster * size, size),),
                owners[0].path if owners else "",
                {
                    "refcount_stored": int(usage.stored[row]),
                    "references_counted": int(usage.counted[row]),
                    "owners": [owned.as_json() for owned in owners],
                },
            )

    return Problems(len(rows), described)


@rule(ClusterUsage, Severity.CRITICAL, FindingClass.CORRUPTION)
def metadata_overlaps_metadata(usage: ClusterUsage) -> Iterable[Problem]:
    """Two structures of the image lie in one host cluster.

    Why: the bytes can belong to only one of them, and a write to one destroys the other.
    Spec: General (each structure begins on a cluster boundary of its own)
    QEMU: check only counts, and reports nothing if the refcount agrees; refcount blocks are the exception.
    Next: see as which of the structures the bytes make sense.
    """
    return at_clusters(usage, usage.uses(Use.OVERLAP), lambda _: "belongs to more than one structure")


@rule(ClusterUsage, Severity.CRITICAL, FindingClass.CORRUPTION)
def data_overlaps_metadata(usage: ClusterUsage) -> Iterable[Problem]:
    """Guest data lies in a host cluster that is a structure of the image.

    Why: the guest reads the image's own tables, and if it writes there, it rewrites them: consistent with an attempt to
    make a guest's writes change the map of its disk.
    Spec: Cluster mapping
    QEMU: check only counts, and reports nothing if the refcount agrees.
    Next: do not run a guest from the image.
    """
    both = usage.uses(Use.METADATA) & usage.uses(Use.DATA)
    return at_clusters(usage, both, lambda _: "is metadata and guest data at once")


@rule(ClusterUsage, Severity.CRITICAL, FindingClass.CORRUPTION)
def compressed_overlaps_metadata(usage: ClusterUsage) -> Iterable[Problem]:
    """A compressed cluster reaches into a host cluster that is a structure of the image.

    Why: the bytes can belong to only one of them.
    Spec: Compressed Clusters Descriptor
    QEMU: check only counts, and reports nothing if the refcount agrees.
    Next: if the stream decodes, the structure is the one that is wrong.
    """
    both = usage.uses(Use.METADATA) & usage.uses(Use.COMPRESSED)
    return at_clusters(usage, both, lambda _: "is metadata and holds a compressed cluster")


@rule(ClusterUsage, Severity.HIGH, FindingClass.CORRUPTION)
def compressed_overlaps_data(usage: ClusterUsage) -> Iterable[Problem]:
    """A compressed cluster reaches into a host cluster that is data of the guest.

    Why: one was written over the other, so one of them is lost.
    Spec: Compressed Clusters Descriptor
    QEMU: check only counts, and reports nothing if the refcount agrees. QEMU 7.2 has been observed to cause this damage
    itself: it puts a stream after one whose cluster has meanwhile been freed and reused for uncompressed data.
    Next: if the stream decodes, the plain cluster was overwritten where the stream lies.
    """
    both = usage.uses(Use.DATA) & usage.uses(Use.COMPRESSED)
    return at_clusters(usage, both, lambda _: "is plain guest data and holds a compressed cluster")


@rule(StreamOverlaps, Severity.MEDIUM, FindingClass.CORRUPTION)
def compressed_streams_overlap(overlaps: StreamOverlaps) -> Iterable[Problem]:
    """A compressed cluster begins inside another one, or two places of the disk are mapped to the same one.

    Why: no writer packs streams into one another; one of the two descriptors is damaged, or a few bytes are meant to
    stand for a large disk.
    Spec: Compressed Clusters Descriptor
    QEMU: check only counts, and reports nothing if the refcount agrees.
    Next: see which of the two streams decodes.
    """

    def described() -> Iterator[Problem]:
        for place in zip(overlaps.first, overlaps.first_end, overlaps.second, strict=True):
            begin, end, second = map(int, place)  # one by one: there may be millions, and few are worded
            same = "is mapped twice" if begin == second else f"ends at {end:#x}, another one begins at {second:#x}"
            yield Problem(f"the stream at host offset {begin:#x} {same}", (host_range(begin, end - begin),), "")

    return Problems(len(overlaps.first), described)


@rule(ClusterUsage, Severity.HIGH, FindingClass.CORRUPTION)
def data_cluster_shared(usage: ClusterUsage) -> Iterable[Problem]:
    """Two places of one disk are mapped to the same host cluster.

    Why: writing to one place changes the other. Snapshots share clusters by design; within one disk no ordinary writer
    does so.
    Spec: Cluster mapping
    QEMU: check only counts, and reports nothing if the refcount agrees.
    Next: compare the two guest ranges with what should be there.
    """
    return at_clusters(usage, usage.uses(Use.TWICE), lambda _: "is mapped twice in one disk")


@rule(L1Table, Severity.HIGH, FindingClass.CORRUPTION)
def l2_table_shared(table: L1Table) -> Iterable[Problem]:
    """Two L1 entries of one table lead to the same L2 table.

    Why: two ranges of the disk share their clusters; writing to one changes the other. Many such entries turn a small
    file into a huge disk.
    Spec: L1 table entry, bits 9-55
    QEMU: check only counts, and reports nothing if the refcount agrees.
    Next: compare the two guest ranges with what should be there.
    """
    if not table.bits:
        return ()
    indices = np.flatnonzero(table.readable())
    used = table.l2_offsets()[indices]
    offsets, count = np.unique(used, return_counts=True)
    shared = np.flatnonzero(count > 1)

    def described() -> Iterator[Problem]:
        for number in shared.tolist():
            index = int(indices[np.argmax(used == offsets[number])])
            others = int(count[number]) - 1
            yield Problem(
                f"{table.owner} L1[{index}] and {counted(others, 'other')} lead to the L2 table at "
                f"{int(offsets[number]):#x}",
                (host_range(table.entry_host_offset(index), L1_ENTRY_SIZE),),
                f"{table.owner} L1[{index}]",
                {"entries": others + 1},
            )

    return Problems(len(shared), described)


@rule(ClusterUsage, Severity.HIGH, FindingClass.CORRUPTION)
def l1_copied_bit(usage: ClusterUsage) -> Iterable[Problem]:
    """The copied bit of an L1 entry does not agree with the L2 table's refcount.

    Why: the bit allows a writer to change the table in place; set wrongly, a write to the disk changes a snapshot.
    Spec: L1 table entry, bit 63
    QEMU: check reports it as an error.
    Next: reading ignores the bit; never open the original for writing.
    """
    if usage.geometry.dirty:
        return ()  # see refcount-stale
    return at_clusters(usage, wrong_copied(usage) & usage.uses(Use.METADATA), lambda row: _copied_words(usage, row))


@rule(ClusterUsage, Severity.HIGH, FindingClass.CORRUPTION)
def l2_copied_bit(usage: ClusterUsage) -> Iterable[Problem]:
    """The copied bit of an L2 entry does not agree with the refcount of the cluster.

    Why: the bit allows a writer to change the cluster in place; set wrongly, a write to the disk changes a snapshot.
    Spec: Standard Cluster Descriptor, bit 63
    QEMU: check reports it as an error.
    Next: reading ignores the bit; never open the original for writing.
    """
    if usage.geometry.dirty:
        return ()  # see refcount-stale
    return at_clusters(usage, wrong_copied(usage) & ~usage.uses(Use.METADATA), lambda row: _copied_words(usage, row))


def wrong_copied(usage: ClusterUsage) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Which clusters the active disk names with a copied bit that is wrong; unknown refcounts judge nothing."""
    one = usage.stored == 1
    wrong = (usage.uses(Use.COPIED) & ~one) | (usage.uses(Use.NOT_COPIED) & one)
    known: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = wrong & (usage.block != Block.UNREADABLE)
    return known


def _copied_words(usage: ClusterUsage, row: int) -> str:
    state = "set" if usage.stored[row] != 1 else "clear"
    return f"has refcount {usage.stored[row]}, but the copied bit is {state}"
