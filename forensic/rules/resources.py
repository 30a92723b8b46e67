"""Rules about images that cost more to read than their size explains.

Bombs that are faults of one structure (tables past the end of the file, too many snapshots, iterations of a key slot,
references that lead in a circle) are reported where that structure is judged; none of them makes us wait, since tables
are bounded by the file, each distinct one is read once, and nothing that an image names is opened.
"""

from __future__ import annotations

from collections.abc import Iterator

from forensic.accounting.discrepancies import Totals
from forensic.budget import Unexamined
from forensic.disk.codecs import Codec
from forensic.finding import FindingClass, Problem, Problems, Severity, host_range
from forensic.numbers import counted
from forensic.qcow2.geometry import L1_ENTRY_SIZE, MAX_L1_ENTRIES, Geometry
from forensic.qcow2.metadata import HeaderCluster
from forensic.qcow2.snapshots import SnapshotTable
from forensic.rules.registry import rule
from forensic.unread import UnreadRanges

AMPLE_L1_BYTES = 1 << 20
"""An L1 table up to this size is no burden: in 64 KiB clusters it maps 64 TiB."""

AMPLE_SNAPSHOT_L1_BYTES = 256 << 20
MAX_DEFLATE_RATIO = 1032
"""What deflate can make of one byte at most."""

ZSTD_FRAME_BYTES, ZSTD_BLOCK_BYTES, ZSTD_BLOCK_HOLDS = 6, 4, 128 << 10
"""The smallest zstd frame: magic, two bytes of header, and four for each block that repeats one byte."""


def smallest_stream(geometry: Geometry) -> float:
    """The fewest bytes of the file from which a whole cluster can be decoded."""
    if geometry.compression_type == Codec.ZSTD:
        return ZSTD_FRAME_BYTES + ZSTD_BLOCK_BYTES * -(-geometry.cluster_size // ZSTD_BLOCK_HOLDS)
    return geometry.cluster_size / MAX_DEFLATE_RATIO


@rule(Unexamined, Severity.MEDIUM, FindingClass.RESOURCE)
def limit_reached(part: Unexamined) -> Iterator[Problem]:
    """A limit was reached and part of the image was not examined.

    Why: that part was not judged; the verdict is undetermined unless corruption was found before.
    Spec: General
    QEMU: has no limits of this kind.
    Next: run the check again with higher limits (--limit-time, --limit-memory) on a machine that can afford it.
    """
    if part.limit:
        yield Problem(f"{part.reason}; {part.structure.__name__} and what follows was not judged in full", (), "")


@rule(UnreadRanges, Severity.HIGH, FindingClass.RESOURCE)
def evidence_unreadable(unread: UnreadRanges) -> Problems:
    """Parts of the file could not be read.

    Why: what lies there was not judged, and what follows from it is not known: the verdict is undetermined, whatever
    else was found. This concerns the storage medium, or a process that changes the file, and not the image itself.
    Spec: General
    QEMU: check stops at the first read that fails.
    Next: copy the file with a tool that continues past bad sectors and lists them (ddrescue), and check the copy.
    """

    def described() -> Iterator[Problem]:
        for one in unread.ranges:
            yield Problem(str(one), (host_range(one.host_offset, one.length),), "file")

    return Problems(len(unread.ranges) + unread.not_listed, described)


@rule(HeaderCluster, Severity.MEDIUM, FindingClass.RESOURCE)
def l1_larger_than_disk(cluster: HeaderCluster) -> Iterator[Problem]:
    """The L1 table is far larger than the virtual disk needs.

    Why: every reader allocates the table; nothing in an ordinary image makes it so much larger than the disk.
    Spec: Header, bytes 36-39
    QEMU: allocates up to 32 MiB.
    Next: entries past the end of the disk are reported; this one is about the cost.
    """
    geometry = cluster.geometry
    if not isinstance(geometry, Geometry):
        return
    claimed, needed = geometry.l1_entry_count, geometry.l1_entries_needed
    # Saved machine states make the table larger, but not by orders of magnitude.
    ample = AMPLE_L1_BYTES // L1_ENTRY_SIZE
    if ample < claimed <= MAX_L1_ENTRIES and claimed > 64 * max(1, needed):
        yield Problem(
            f"l1_size is {claimed:,}, the virtual disk needs {counted(needed, 'entry', 'entries')}",
            (host_range(36, 4),),
            "header",
        )


@rule(SnapshotTable, Severity.MEDIUM, FindingClass.RESOURCE)
def snapshot_l1_amplification(table: SnapshotTable) -> Iterator[Problem]:
    """The L1 tables of all snapshots together are larger than the file's content.

    Why: tables in holes of the file or in one another cost nothing to write and hours to read.
    Spec: Snapshots
    QEMU: check reads each of them, and has been observed to take minutes.
    Next: see the L1 offsets and sizes of the snapshots.
    """
    total = sum(snapshot.l1_size for snapshot in table.snapshots) * L1_ENTRY_SIZE
    if total > max(AMPLE_SNAPSHOT_L1_BYTES, table.disk_usage):
        yield Problem(
            f"{counted(len(table.snapshots), 'snapshot claims', 'snapshots claim')} {total:,} bytes of L1 tables, "
            f"the file has {table.disk_usage:,}",
            (host_range(table.host_offset, table.end_offset - table.host_offset),),
            "snapshots",
        )


@rule(Totals, Severity.MEDIUM, FindingClass.RESOURCE)
def mapping_amplification(totals: Totals) -> Iterator[Problem]:
    """The tables map far more guest data than the file can hold.

    Why: one table or one cluster stands for many ranges of the disk, so a small file becomes a huge disk.
    Spec: Cluster mapping
    QEMU: check reports nothing if the refcounts agree; convert writes all of it.
    Next: do not convert the image without a limit.
    """
    size = totals.geometry.cluster_size
    in_file = not totals.geometry.external_data_file
    if in_file and totals.data_clusters > 2 * -(-totals.file_size // size):
        what, mapped = "data", totals.data_clusters * size
    elif totals.compressed_clusters * smallest_stream(totals.geometry) > totals.file_size:
        what, mapped = "compressed data", totals.compressed_clusters * size
    else:
        return
    yield Problem(
        f"{mapped:,} bytes of {what} are mapped in a file of {totals.file_size:,} bytes",
        (host_range(0, totals.file_size),),
        "L1",
        {"mapped_bytes": mapped, "file_size": totals.file_size},
    )
