"""All structures of an image in the order in which they depend on one another; each distinct table once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec.structs import replace

from forensic.measured import Measured
from forensic.qcow2.bitmap_tables import BitmapTable, read_bitmap_tables
from forensic.qcow2.bitmaps import MAX_BITMAPS, BitmapDirectory
from forensic.qcow2.budget import Budget, Limits, Unexamined
from forensic.qcow2.claims import Claims
from forensic.qcow2.descriptors import Descriptors
from forensic.qcow2.entries import U64
from forensic.qcow2.file_end import FileEnd
from forensic.qcow2.foreign import ForeignFile
from forensic.qcow2.geometry import Unusable
from forensic.qcow2.image import HeaderCluster, Identified, Qcow2Image
from forensic.qcow2.luks import LuksHeader
from forensic.qcow2.measuring import Measuring
from forensic.qcow2.planned import Planned
from forensic.qcow2.qcow1 import Qcow1Header, Qcow1Image
from forensic.qcow2.qcow1_tables import Qcow1L1, Qcow1L2Batch
from forensic.qcow2.qcow1_tables import read_l2_batches as read_qcow1_batches
from forensic.qcow2.qcow1_usage import Qcow1Counter, Qcow1Usage
from forensic.qcow2.references import TableSets, bitmaps_kept, metadata_of
from forensic.qcow2.residue import (
    SEARCHED,
    FreeResidue,
    FreeSearch,
    Residue,
    header_residue,
    key_slot_residue,
    slack_residue,
    table_residue,
)
from forensic.qcow2.saved_state import is_left_behind
from forensic.qcow2.snapshots import Snapshot, SnapshotTable
from forensic.qcow2.stored import StoredRefcounts
from forensic.qcow2.stream_overlaps import StreamCollector, StreamOverlaps
from forensic.qcow2.streams import Allowance, StreamBatch, decode_streams
from forensic.qcow2.tables import I64, L1Table, L2Batch, RefcountTable, believed_l1, read_l1, read_refcount_table
from forensic.qcow2.unreferenced import Unreferenced, UnreferencedSearch
from forensic.qcow2.usage import (
    ClusterUsage,
    FreeClusters,
    LeakedClusters,
    Ownership,
    RefcountsBeyondFile,
    Totals,
    UsageCounter,
    ownership_of,
)

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


def structures(image: Identified, with_streams: bool = True, limits: Limits | None = None) -> Iterator[Structure]:
    """Header first, then what it points to, then who owns what.

    Compressed streams are decoded unless they are to be left out.

    Where the header gives no geometry nothing can be located, and the header is all there is.
    """
    if isinstance(image, ForeignFile):
        yield image
        return
    if isinstance(image, Qcow1Image):
        yield from _structures_of_version_1(image, with_streams, Budget(limits or Limits()))
        return
    yield image.header_cluster
    if isinstance(image.header_cluster.geometry, Unusable):
        return
    yield header_residue(image.header_cluster, image.evidence)
    if image.planned:
        yield image.planned
    budget = Budget(limits or Limits())
    refcount_table = read_refcount_table(image.evidence, image.geometry)
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
    yield from _tables(image, with_streams, budget, refcount_table, bitmap_tables)


def _tables(
    image: Qcow2Image,
    with_streams: bool,
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
    claims = _claims(image, budget, refcount_table, bitmap_tables, sets)
    lost = sets.lost or _lost(image, refcount_table, bitmap_tables)
    counter = UsageCounter(claims, StoredRefcounts(image.evidence, refcount_table), budget, lost)
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
                yield from _decoded(image, descriptors, allowance, measuring)
    yield from _decoded(image, descriptors, allowance, measuring)
    if streams.too_many:
        yield from streams.overlaps_by_part(lambda: sets.batches(image.evidence, image.l1))
    elif streams.count:
        yield streams.overlaps()
    yield from slack_residue(image, claims.metadata)
    yield from _results(budget, counter, measuring, file_end, unreferenced)
    yield measuring.measured(counter, with_streams)


def _decoded(
    image: Qcow2Image, descriptors: Descriptors, allowance: Allowance, measuring: Measuring
) -> Iterator[StreamBatch]:
    """What became of the streams gathered so far."""
    streams = descriptors.take()
    if len(streams.host_offsets):
        names = tuple(descriptors.owner_names)
        for batch in decode_streams(image.evidence, image.geometry, names, streams, allowance):
            measuring.add_streams(batch)
            yield batch


def _results(
    budget: Budget,
    counter: UsageCounter,
    measuring: Measuring,
    file_end: FileEnd,
    unreferenced: UnreferencedSearch,
) -> Iterator[Structure]:
    """What the references add up to, and what lies where nothing refers to."""
    free = FreeSearch(counter.evidence, budget)
    for result in counter.results():
        measuring.add_usage(result)
        if isinstance(result, FreeClusters):
            for residue in free.search(result.begins, result.ends, result.last_used_end):
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
    appended = file_end.appended(counter.metadata, counter.l2_offsets, budget)
    for residue in free.rest(counter.stored.counted_end, appended):
        unreferenced.add(residue)
        yield residue
    yield unreferenced.found()
    stop = budget.exceeded(SEARCHED, budget.limits.residue_bytes, 1)
    if stop:
        yield Unexamined(FreeResidue, stop, limit=True)


def ownership(image: Qcow2Image, host_offset: int) -> Ownership:
    """Everything that claims the host cluster around one byte of the file."""
    budget = Budget(Limits())
    refcount_table = read_refcount_table(image.evidence, image.geometry)
    sets = TableSets()
    for table, times in l1_tables_within(image, budget):
        if isinstance(table, Unexamined):
            sets.lost = sets.lost or table.reason
            break
        sets.add(table, times)
    bitmap_tables = [table for table in read_bitmap_tables(image, budget) if isinstance(table, BitmapTable)]
    claims = _claims(image, budget, refcount_table, bitmap_tables, sets)
    lost = sets.lost or _lost(image, refcount_table, bitmap_tables)
    return ownership_of(claims, StoredRefcounts(image.evidence, refcount_table), host_offset, lost)


def _claims(
    image: Qcow2Image,
    budget: Budget,
    refcount_table: RefcountTable,
    bitmap_tables: list[BitmapTable],
    sets: TableSets,
) -> Claims:
    metadata = metadata_of(image, refcount_table, *_bitmap_data(image, bitmap_tables))
    return Claims(image.evidence, image.l1, metadata, sets, budget.out_of_time)


def _structures_of_version_1(image: Qcow1Image, with_streams: bool, budget: Budget) -> Iterator[Structure]:
    yield image.header
    if image.header.unusable:
        return
    yield image.l1
    indices = np.flatnonzero(image.l1.readable())
    _, first = np.unique(image.l1.entries[indices], return_index=True)
    counter = Qcow1Counter.begin(image, budget)
    for batch in read_qcow1_batches(image.evidence, image.l1, indices[first]):
        yield batch
        counter.add(batch)
        if with_streams:
            yield from counter.streams(batch)
    yield from counter.results()


def l1_tables_within(image: Qcow2Image, budget: Budget) -> Iterator[tuple[L1Table | Unexamined, int]]:
    """`l1_tables` as far as the limits allow; the last one says what was left out."""
    limits = budget.limits
    for number, (table, times) in enumerate(l1_tables(image)):
        stop = budget.exceeded("L1 table entries", limits.table_entries, len(table.entries))
        if number:
            stop = stop or budget.exceeded("L1 tables of snapshots", limits.snapshot_tables, 1)
            budget.spend("L1 tables of snapshots", 1)
        if stop:
            yield Unexamined(L1Table, f"{stop} before the L1 table of {table.owner}", limit=True), times
            return
        budget.spend("L1 table entries", len(table.entries))
        yield table, times


def l1_tables(image: Qcow2Image) -> Iterator[tuple[L1Table, int]]:
    """The L1 tables of the active disk and of every snapshot, and how many of them lie in the very same place.

    One that several share is read once, for the first.
    """
    snapshots = image.snapshots.snapshots if image.header.nb_snapshots else ()
    coverage = image.geometry.l1_coverage
    saved_state_end = 0
    for snapshot in snapshots:
        if snapshot.vm_state_size:
            begins = -(-(snapshot.disk_size or image.virtual_size) // coverage) * coverage
            saved_state_end = max(saved_state_end, begins + snapshot.vm_state_size)
    if is_left_behind(image):
        saved_state_end = max(saved_state_end, len(image.l1.entries) * coverage)
    active = (image.geometry.l1_table_offset, image.geometry.l1_entry_count)
    times = {active: 1}
    first_at: dict[tuple[int, int], Snapshot] = {}
    for snapshot in snapshots:
        place = (snapshot.l1_table_offset, snapshot.l1_size)
        times[place] = times.get(place, 0) + 1
        first_at.setdefault(place, snapshot)
    yield replace(image.l1, saved_state_end=saved_state_end), times[active]
    for place, snapshot in first_at.items():
        if place != active:
            disk_size = snapshot.disk_size or image.virtual_size
            table = believed_l1(read_l1(image.evidence, image.geometry, snapshot.owner, place[0], place[1], disk_size))
            yield replace(table, saved_state_size=snapshot.vm_state_size), times[place]


def _bitmap_data(image: Qcow2Image, tables: list[BitmapTable]) -> tuple[U64, I64]:
    """The host offsets of all clusters that hold bitmap data, and how often each is referenced there."""
    kept = tables if bitmaps_kept(image) else []
    offsets = [table.data_offsets()[table.readable()] for table in kept]
    times = [np.full(len(found), table.times) for found, table in zip(offsets, kept, strict=True)]
    return np.concatenate([np.zeros(0, np.uint64), *offsets]), np.concatenate([np.zeros(0, np.int64), *times])


def _lost(image: Qcow2Image, refcount_table: RefcountTable, tables: list[BitmapTable]) -> str | None:
    """Why what is in use cannot be known in full, if structures beside L1 and L2 tables are broken."""
    if len(refcount_table.entries) < refcount_table.claimed_entries:
        return "the refcount table could not be read to its end"
    if image.header.nb_snapshots and (
        len(image.snapshots.snapshots) < image.header.nb_snapshots
        or image.snapshots.host_offset % image.geometry.cluster_size
    ):
        return "the snapshot table could not be read to its end"
    if image.luks and not image.luks.plausible:
        return "the LUKS header is not where or as long as it can be"
    if image.bitmaps and (
        image.bitmaps.missing or not image.bitmaps.size or not 1 <= image.bitmaps.claimed <= MAX_BITMAPS
    ):
        return "the bitmap directory could not be read to its end"
    if image.bitmaps and sum(table.times for table in tables) < len(image.bitmaps.bitmaps):
        return "not all bitmap tables were read"
    broken = next((table for table in tables if table.missing), None)
    return f"the table of bitmap {broken.bitmap.index} could not be read to its end" if broken else None
