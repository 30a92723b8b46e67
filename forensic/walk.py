"""All structures of an image in the order in which they depend on one another; each distinct table once."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from forensic.accounting.comparison import UsageCounter
from forensic.accounting.descriptors import Descriptors
from forensic.accounting.discrepancies import ClusterUsage, FreeClusters, LeakedClusters, RefcountsBeyondFile, Totals
from forensic.accounting.measurement import Measuring
from forensic.accounting.ownership import cluster_owners_of, why_incomplete
from forensic.accounting.stream_decoding import decode_streams
from forensic.accounting.stream_overlaps import StreamCollector, StreamOverlaps
from forensic.accounting.streams import Allowance, DecodedRange, StreamBatch
from forensic.accounting.table_sets import TableSets, l1_tables_within
from forensic.budget import Budget, Limits, Unexamined
from forensic.disk.planned import Planned
from forensic.image import Identified, Qcow1Image, Qcow2Image
from forensic.measured import Measured
from forensic.qcow2.bitmap_tables import BitmapTable, read_bitmap_tables
from forensic.qcow2.bitmaps import BitmapDirectory
from forensic.qcow2.geometry import Unusable
from forensic.qcow2.identify import ForeignFile
from forensic.qcow2.luks import LuksHeader
from forensic.qcow2.metadata import HeaderCluster
from forensic.qcow2.refcounts import StoredRefcounts
from forensic.qcow2.snapshots import SnapshotTable
from forensic.qcow2.tables import L1Table, L2Batch, RefcountTable, read_refcount_table
from forensic.qcow2.v1 import Qcow1Header
from forensic.qcow2.v1_tables import Qcow1L1, Qcow1L2Batch
from forensic.residue.file_end import FileEnd
from forensic.residue.search import (
    SEARCHED,
    FreeResidue,
    FreeSearch,
    Residue,
    header_residue,
    key_slot_residue,
    slack_residue,
    table_residue,
)
from forensic.residue.unreferenced import Unreferenced, UnreferencedSearch
from forensic.walk_v1 import Qcow1Usage, structures_of_version_1

Structure = (
    ForeignFile
    | Qcow1Header
    | Qcow1L1
    | Qcow1L2Batch
    | Qcow1Usage
    | HeaderCluster
    | L1Table
    | L2Batch
    | RefcountTable
    | SnapshotTable
    | BitmapDirectory
    | BitmapTable
    | LuksHeader
    | ClusterUsage
    | Residue
    | StreamBatch
    | StreamOverlaps
    | RefcountsBeyondFile
    | Totals
    | Measured
    | Unexamined
    | Unreferenced
    | Planned
)
"""What rules examine, and at the end what was measured."""


def structures(
    image: Identified,
    with_streams: bool = True,
    limits: Limits | None = None,
    with_free: bool = True,
    decoded: DecodedRange | None = None,
) -> Iterator[Structure]:
    """Header first, then what it points to, then who owns what.

    Compressed streams are decoded, and what nothing refers to is searched, unless they are to be left out; those
    `decoded` before are not decoded again.

    Where the header gives no geometry nothing can be located, and the header is all there is.
    """
    if isinstance(image, ForeignFile):
        yield image
        return
    if isinstance(image, Qcow1Image):
        yield from structures_of_version_1(image, with_streams, Budget(limits or Limits()))
        return
    yield image.header_cluster
    if isinstance(image.header_cluster.geometry, Unusable):
        return
    yield header_residue(image.header_cluster, image.evidence)
    if isinstance(image.planned, Planned):
        yield image.planned
    budget = Budget(limits or Limits())
    refcount_table = read_refcount_table(image.evidence, image.geometry)
    if image.planned is not None and image.planned.header_is_made:
        refcount_table = replace(refcount_table, by_plan=True)
    yield refcount_table
    if image.header.nb_snapshots:
        yield image.snapshots
    if image.bitmaps:
        yield image.bitmaps
    if image.luks:
        yield image.luks
        yield from key_slot_residue(image.luks, image.evidence)
    bitmap_tables = []
    for table in read_bitmap_tables(image, budget):
        yield table
        if isinstance(table, BitmapTable):
            bitmap_tables.append(table)
    yield from _tables(image, with_streams, with_free, decoded, budget, refcount_table, bitmap_tables)


def _tables(
    image: Qcow2Image,
    with_streams: bool,
    with_free: bool,
    decoded: DecodedRange | None,
    budget: Budget,
    refcount_table: RefcountTable,
    bitmap_tables: list[BitmapTable],
) -> Iterator[Structure]:
    """The L1 tables, the L2 tables that they lead to, and what all references add up to."""
    sets = TableSets()
    for table, times in l1_tables_within(image, budget):
        if isinstance(table, Unexamined):
            yield table
            sets.lost = sets.lost or table.reason
            break
        yield table
        sets.add(table, times)
    if not sets.sets:
        return
    cluster_owners = cluster_owners_of(image, budget, refcount_table, bitmap_tables, sets)
    lost = sets.lost or why_incomplete(image, refcount_table, bitmap_tables)
    counter = UsageCounter(cluster_owners, StoredRefcounts(image.evidence, refcount_table), budget, lost)
    streams = StreamCollector(image.geometry, image.evidence.size)
    descriptors = Descriptors(image.geometry, image.evidence.size)
    allowance = Allowance.for_file(image.evidence.size)
    measuring = Measuring(image, sets, bitmap_tables)
    file_end = FileEnd(image.evidence, image.geometry)
    listed = image.snapshots.snapshots if image.header.nb_snapshots else ()
    unreferenced = UnreferencedSearch(image.l1, listed, image.evidence, budget)
    for batch in sets.batches(image.evidence, image.l1):
        stop = budget.exceeded("bytes of L2 tables", budget.limits.table_bytes, batch.entries.nbytes)
        if stop:
            for kind in (L2Batch, ClusterUsage, LeakedClusters, FreeResidue):
                yield Unexamined(kind, f"{stop} before the L2 table at {batch.host_offsets[0]:#x}", limit=True)
            return
        budget.spend("bytes of L2 tables", batch.entries.nbytes)
        yield batch
        yield from table_residue(batch, image.evidence, budget)
        counter.add(batch)
        streams.add(batch)
        measuring.add(batch)
        file_end.add(batch)
        unreferenced.see(batch)
        if with_streams:
            descriptors.add(batch)
            if descriptors.full:
                yield from _decoded(image, descriptors, allowance, measuring, decoded)
    yield from _decoded(image, descriptors, allowance, measuring, decoded)
    if streams.too_many:
        yield from streams.overlaps_by_part(lambda: sets.batches(image.evidence, image.l1))
    elif streams.count:
        yield streams.overlaps()
    yield from slack_residue(image, cluster_owners.metadata)
    yield from _results(budget, counter, measuring, file_end, unreferenced, with_free)
    yield measuring.measured(counter, with_streams)


def _decoded(
    image: Qcow2Image,
    descriptors: Descriptors,
    allowance: Allowance,
    measuring: Measuring,
    decoded: DecodedRange | None,
) -> Iterator[StreamBatch]:
    """What became of the streams gathered so far."""
    streams = descriptors.take()
    if len(streams.host_offsets):
        names = tuple(descriptors.owner_names)
        for batch in decode_streams(image.evidence, image.geometry, names, streams, allowance, decoded):
            measuring.add_streams(batch)
            yield batch


def _results(
    budget: Budget,
    counter: UsageCounter,
    measuring: Measuring,
    file_end: FileEnd,
    unreferenced: UnreferencedSearch,
    with_free: bool,
) -> Iterator[Structure]:
    """What the references add up to, and what lies where nothing refers to."""
    free = FreeSearch(counter.evidence, budget)
    for result in counter.results():
        measuring.add_usage(result)
        if isinstance(result, FreeClusters):
            found = free.search(result.begins, result.ends, result.last_used_end) if with_free else ()
            for residue in found:
                unreferenced.add(residue)
                yield residue
        else:
            unreferenced.leaks += len(result.clusters) if isinstance(result, LeakedClusters) else 0
            yield result
    yield counter.totals()
    if counter.lost:
        for kind in (LeakedClusters, FreeResidue):
            yield Unexamined(kind, f"{counter.lost}, so what is in use is not fully known")
        return
    if not with_free:
        reason = "what nothing refers to was not read"
        yield Unexamined(FreeResidue, reason)
        yield Unexamined(Unreferenced, reason)
        return
    appended = file_end.appended(counter.metadata, counter.l2_offsets, budget)
    for residue in free.rest(counter.stored.counted_end, appended):
        unreferenced.add(residue)
        yield residue
    tables = unreferenced.found()
    yield tables
    if tables.stopped_at is not None:
        yield Unexamined(Unreferenced, f"the search for tables stopped at host offset {tables.stopped_at:#x}")
    stop = budget.exceeded(SEARCHED, budget.limits.residue_bytes, 1)
    if stop:
        yield Unexamined(FreeResidue, stop, limit=True)
