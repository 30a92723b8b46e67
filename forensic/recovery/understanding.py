"""Header against content: by which geometry and through which L1 table a damaged file is to be read."""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace

from forensic.accounting.owners import metadata_of
from forensic.budget import Budget, Limits
from forensic.disk.planned import Planned
from forensic.errors import WrongSupply
from forensic.evidence import Evidence
from forensic.image import Qcow2Image
from forensic.qcow2.arrays import I64, U64, Bools, is_among
from forensic.qcow2.bitmap_tables import BitmapTable, read_bitmap_tables
from forensic.qcow2.entries import SECTOR_SIZE, host_offset_of, l1_reserved_bits
from forensic.qcow2.geometry import ACTIVE, L1_ENTRY_SIZE, MAX_L1_ENTRIES, Geometry, resolve
from forensic.qcow2.header import MAGIC, parse_header
from forensic.qcow2.snapshots import Snapshot
from forensic.qcow2.tables import read_refcount_table
from forensic.recovery.accounts import Accounts
from forensic.recovery.candidates import cluster_bits_by_content, read_table
from forensic.recovery.certainty import Method
from forensic.recovery.headers import header_of, mended
from forensic.recovery.layout import (
    LEAST_BITS,
    Knowledge,
    Layout,
    is_coherent,
    l1_tables_by_content,
    layout_by_content,
    layout_by_header,
)
from forensic.recovery.scan import Scan
from forensic.recovery.scanning import look_at
from forensic.recovery.sectors import Signature


def understand(evidence: Evidence, found: Scan, knowledge: Knowledge) -> Layout | None:
    """The layout to read by; None if neither header nor content give one.

    Raises `WrongSupply` if no L1 table can lie where the examiner says that it does.
    """
    layout = _understood(evidence, found, knowledge)
    if layout is not None and (offset := knowledge.l1_offset) is not None:
        size = layout.geometry.cluster_size
        if not 0 < offset < evidence.size or offset % size:
            message = (
                f"no L1 table can lie at host offset {offset:#x}: the file has {evidence.size:,} bytes in clusters"
            )
            raise WrongSupply(evidence.path_as_given, f"{message} of {size:,}, the first of them the header's")
    return layout


def look_at_named_tables(evidence: Evidence, found: Scan, knowledge: Knowledge) -> None:
    """Look at the L2 tables that the header's L1 table leads to, where the scan did not come that far."""
    geometry = resolve(parse_header(knowledge.header or header_of(evidence) or b""))
    if not isinstance(geometry, Geometry) or geometry.external_data_file or found.stopped_at is None:
        return
    count = min(geometry.l1_entry_count, MAX_L1_ENTRIES, max(0, evidence.size - geometry.l1_table_offset) // 8)
    tables = np.unique(host_offset_of(read_table(evidence, geometry.l1_table_offset, 8 * count)))
    later = (tables >= np.uint64(found.stopped_at)) & (tables < np.uint64(evidence.size))
    aligned = (tables & np.uint64(geometry.cluster_size - 1)) == 0
    look_at(evidence, found, tables[later & aligned].tolist(), geometry.cluster_size)


def _understood(evidence: Evidence, found: Scan, knowledge: Knowledge) -> Layout | None:
    """The same, wherever the L1 table is said to lie."""
    header = knowledge.header or header_of(evidence)
    own = header is not None and knowledge.header is None
    by_header = layout_by_header(evidence, found, header, {}) if header else None
    if by_header and knowledge.header is not None:
        by_header = replace(by_header, form="plan", by_content={"header": "the examiner supplied another"})
    elif by_header and evidence.read_up_to_bad(0, 4) != MAGIC:
        by_header = replace(by_header, form="mended", by_content={"magic": "the fields after it are those of a header"})
    if by_header and (knowledge.virtual_size or knowledge.l1_offset):
        by_header = _told(evidence, by_header, knowledge)
    if by_header and knowledge.cluster_size in (None, by_header.geometry.cluster_size):
        if is_coherent(by_header, evidence.size):
            return _against_content(evidence, found, by_header, knowledge) if own else by_header
    else:
        by_header = None
    by_content = layout_by_content(evidence, found, knowledge)
    if by_header is None or by_content is None:
        return by_header or by_content
    return _header_without_tables(evidence, by_header, by_content)


def _told(evidence: Evidence, layout: Layout, knowledge: Knowledge) -> Layout:
    """A layout with what the examiner knows of its sizes and tables."""
    geometry = layout.geometry
    size = knowledge.virtual_size or geometry.virtual_size
    offset = knowledge.l1_offset or geometry.l1_table_offset
    geometry = replace(geometry, virtual_size=size, l1_table_offset=offset)
    count = max(geometry.l1_entry_count, geometry.l1_entries_needed)
    geometry = replace(geometry, l1_entry_count=count)
    fields = dict(layout.by_content)
    method = layout.l1_method
    if knowledge.virtual_size:
        fields["size"] = "given by the examiner"
    if knowledge.l1_offset:
        fields["l1_table_offset"], method = "given by the examiner", Method.EXAMINER
    length = max(0, min(8 * count, evidence.size - offset))
    l1 = read_table(evidence, offset, length // 8 * 8)
    header = mended(layout.header, size, count, offset)
    form = "mended" if layout.form == "file" else layout.form
    return replace(layout, geometry=geometry, l1=l1, header=header, by_content=fields, form=form, l1_method=method)


def _against_content(evidence: Evidence, found: Scan, layout: Layout, knowledge: Knowledge) -> Layout:
    """A header that leads to tables, unless all tables say another cluster size and the accounts agree."""
    by_content = cluster_bits_by_content(evidence, found)
    bits = abs(by_content[0] - layout.geometry.cluster_bits) * by_content[1] if by_content is not None else 0
    if layout.geometry.external_data_file or bits < LEAST_BITS:
        return _with_longer_l1(evidence, layout)
    if accounts_of(evidence, found, layout, kept(evidence, found, layout)[0]).usable:
        return layout
    other = layout_by_content(evidence, found, knowledge)
    coherent = other is not None and is_coherent(other, evidence.size)
    if other and coherent and accounts_of(evidence, found, other, kept(evidence, found, other)[0]).usable:
        return other
    return replace(layout, doubtful=True)


def _with_longer_l1(evidence: Evidence, layout: Layout) -> Layout:
    """A layout whose L1 table goes on after the last entry that the header says, if it does."""
    geometry = layout.geometry
    if geometry.external_data_file:
        return layout
    for offset, entries in l1_tables_by_content(evidence, layout.candidates, geometry):
        if offset == geometry.l1_table_offset and len(entries) > len(layout.l1):
            return with_l1(layout, offset, entries, "its table goes on after the last entry that the header says")
    return layout


def with_l1(layout: Layout, offset: int, entries: U64, why: str) -> Layout:
    """The same with an L1 table that was found by its content."""
    geometry = layout.geometry
    size = max(geometry.virtual_size, 0)
    count = max(len(entries), geometry.l1_entries_needed)
    geometry = replace(geometry, l1_table_offset=offset, l1_entry_count=count)
    return replace(
        layout,
        geometry=geometry,
        header=mended(layout.header, size, count, offset),
        l1=entries,
        by_content={**layout.by_content, "l1_table_offset" if layout.form == "plan" else "l1_table": why},
        form="mended" if layout.form == "file" else layout.form,
        l1_method=Method.L1_BY_CONTENT,
        size_known=layout.size_known and geometry.l1_entries_needed >= len(entries),
    )


def _header_without_tables(evidence: Evidence, by_header: Layout, by_content: Layout) -> Layout:
    """A header whose L1 table is empty, wiped, or not where it says; and tables in the file."""
    header, content = by_header.geometry, by_content.geometry
    same = (header.cluster_bits, header.extended_l2) == (content.cluster_bits, content.extended_l2)
    codec = header.compression_type if not by_content.candidates.streams.any() else content.compression_type
    if not same or header.compression_type != codec:
        if not _beside_l1(header, by_content.candidates.host_offsets).any():
            return by_header
        return _sized_by_header(by_content, by_header)
    copies = [one for one in ((content.l1_table_offset, by_content.l1), *by_content.l1_copies) if len(one[1])]
    listed = set(_snapshot_l1_offsets(evidence, by_header)) | {one.l1_table_offset for one in by_content.snapshots}
    free = [one for one in copies if one[0] not in listed]
    at_its_place = [one for one in free if one[0] == header.l1_table_offset]
    wiped = _is_wiped(evidence, by_header)
    if at_its_place or (free and not wiped):
        chosen = (at_its_place or free)[0]
        others = tuple(one for one in copies if one[0] != chosen[0])
        found = with_l1(by_header, *chosen, "most of its entries lead to tables")
        return replace(found, l1_copies=others, snapshots=by_content.snapshots)
    return replace(by_header, l1_copies=tuple(copies), snapshots=by_content.snapshots)


def _beside_l1(header: Geometry, tables: U64) -> Bools:
    """Which clusters that read as tables are not the header's own L1 table, which may read as an L2 table as well."""
    clusters = tables >> np.uint64(header.cluster_bits)
    first, length = header.l1_table_offset, L1_ENTRY_SIZE * max(1, header.l1_entry_count)
    last = (first + length - 1) >> header.cluster_bits
    found: Bools = (clusters < np.uint64(first >> header.cluster_bits)) | (clusters > np.uint64(last))
    return found


def _sized_by_header(by_content: Layout, by_header: Layout) -> Layout:
    """A layout by content, and the size that a header says which is right about little else."""
    size = by_header.geometry.virtual_size
    geometry = replace(by_content.geometry, virtual_size=size)
    header = mended(by_content.header, size, geometry.l1_entry_count, geometry.l1_table_offset)
    why = "it leads to no tables, and others have a different cluster size or compression"
    if by_header.form == "plan":
        why = "another was supplied, which leads to no tables here; those differ in cluster size or compression"
    fields = {**by_content.by_content, "header": why}
    return replace(by_content, geometry=geometry, header=header, by_content=fields)


def _snapshot_l1_offsets(evidence: Evidence, layout: Layout) -> list[int]:
    return [snapshot.l1_table_offset for snapshot in snapshots_in_use(evidence, layout)]


def image_of(evidence: Evidence, layout: Layout) -> Qcow2Image:
    """The image as its layout says, for the structures beside the disk's tables."""
    nothing = np.zeros(0, np.uint64)
    return Qcow2Image(evidence, Planned(layout.header, layout.geometry.l1_table_offset, nothing, ACTIVE, (), [0], []))


def snapshots_in_use(evidence: Evidence, layout: Layout) -> tuple[Snapshot, ...]:
    """The snapshots that the header lists; where it is lost, those of the longest snapshot table in the file."""
    if layout.form == "plan":
        return layout.snapshots
    image = image_of(evidence, layout)
    return tuple(image.snapshots.snapshots) if image.header.nb_snapshots else ()


def _is_wiped(evidence: Evidence, layout: Layout) -> bool:
    """Whether there is something other than an L1 table where the header has one, in a place where one may be."""
    geometry = layout.geometry
    offset = geometry.l1_table_offset
    return bool(offset and offset % geometry.cluster_size == 0 and offset < evidence.size and geometry.l1_entry_count)


def kept(evidence: Evidence, found: Scan, layout: Layout) -> tuple[U64, I64]:
    """The L1 table as far as it is believed (0 elsewhere), and the slots whose entries lead to no table.

    An entry is believed if it has no reserved bits and leads to a cluster that reads as a table, or as an empty one.
    """
    entries, geometry = layout.l1, layout.geometry
    offsets = host_offset_of(entries)
    clean = (l1_reserved_bits(entries) == 0) & ((offsets & np.uint64(geometry.cluster_size - 1)) == 0)
    inside = clean & (offsets != 0) & (offsets < np.uint64(evidence.size))
    good = inside if geometry.external_data_file else inside & is_among(offsets, layout.candidates.host_offsets)
    others = np.flatnonzero(inside & ~good)
    if len(others):
        clusters = (offsets[others] >> np.uint64(geometry.cluster_bits)).astype(np.int64)
        good[others] = found.zero_among(clusters, geometry.cluster_bits)
    return np.where(good, offsets, np.uint64(0)), np.flatnonzero((entries != 0) & ~good)


def accounts_of(evidence: Evidence, found: Scan, layout: Layout, tables: U64) -> Accounts:
    """The accounts when the disk has these L2 tables, and its snapshots and bitmaps have theirs."""
    accounts = Accounts(evidence, found, layout.geometry)
    accounts.taken = layout.taken
    accounts.claim_refcounts()
    geometry = layout.geometry
    if layout.form != "plan":
        image = image_of(evidence, layout)
        accounts.without_snapshots = layout.form == "file" and not image.header.nb_snapshots
        _claim_by_header(accounts, image, layout)
    accounts.claim_range(geometry.l1_table_offset, 8 * max(len(layout.l1), geometry.l1_entry_count))
    for snapshot in layout.snapshots if layout.form == "plan" else ():
        accounts.claim_range(snapshot.host_offset, snapshot.length)
        accounts.claim_range(snapshot.l1_table_offset, 8 * snapshot.l1_size)
        accounts.claim_tables(_tables_of(evidence, layout, snapshot.l1_table_offset, snapshot.l1_size), of_others=True)
    accounts.claim_tables(np.sort(tables[tables != 0]))
    offset, length = luks_header(accounts) if layout.form == "plan" else (0, 0)
    accounts.claim_range(offset, length)
    return accounts


def luks_header(accounts: Accounts) -> tuple[int, int]:
    """Host offset and length of a LUKS header that begins with a cluster in which no data lies; zeros if there is none.

    In QEMU's images it lies before the first data, and a guest's own LUKS volume lies in data.
    """
    geometry = accounts.geometry
    sectors = accounts.scan.signatures[Signature.LUKS].sectors
    for sector in sectors[sectors % (geometry.cluster_size // SECTOR_SIZE) == 0].tolist():
        raw = accounts.evidence.read_up_to_bad(sector * SECTOR_SIZE, 208)
        cluster = np.array([sector * SECTOR_SIZE >> geometry.cluster_bits])
        in_data = accounts.possible and bool(accounts.data.are_counted(cluster)[0])
        if raw[:6] == b"LUKS\xba\xbe" and sector and not in_data:
            return sector * SECTOR_SIZE, int.from_bytes(raw[104:108], "big") * SECTOR_SIZE
    return 0, 0


def _claim_by_header(accounts: Accounts, image: Qcow2Image, layout: Layout) -> None:
    """What a header leads to beside the active disk."""
    table = read_refcount_table(image.evidence, image.geometry)
    bitmaps = [one for one in read_bitmap_tables(image, Budget(Limits())) if isinstance(one, BitmapTable)]
    nothing = np.zeros(0, np.uint64)
    for claim in metadata_of(image, table, nothing, np.zeros(0, np.int64)).single:
        accounts.claim_range(claim.host_offset, claim.length)
    for one in bitmaps:
        accounts.claim_clusters(one.data_offsets()[one.readable()])
    for snapshot in image.snapshots.snapshots if image.header.nb_snapshots else ():
        offsets = _tables_of(image.evidence, layout, snapshot.l1_table_offset, snapshot.l1_size)
        accounts.claim_tables(offsets, of_others=True)


def _tables_of(evidence: Evidence, layout: Layout, host_offset: int, count: int) -> U64:
    """The L2 tables that another L1 table leads to."""
    length = max(0, min(8 * count, evidence.size - host_offset)) // 8 * 8
    entries = host_offset_of(read_table(evidence, host_offset, min(length, 32 << 20)))
    aligned = (entries & np.uint64(layout.geometry.cluster_size - 1)) == 0
    found: U64 = np.unique(entries[(entries != 0) & aligned & (entries < np.uint64(evidence.size))])
    return found
