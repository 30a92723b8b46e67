"""What tables are read by: the header's geometry where it holds, otherwise one that the content gives."""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from forensic.evidence import Evidence
from forensic.qcow2.arrays import U64, big_endian, is_among
from forensic.qcow2.entries import (
    SECTOR_SIZE,
    host_offset_of,
    l1_reserved_bits,
    refcount_block_offset,
)
from forensic.qcow2.geometry import MAX_L1_ENTRIES, MAX_REFCOUNT_ORDER, Geometry, resolve
from forensic.qcow2.header import parse_header
from forensic.qcow2.identify import cluster_size_of_headless
from forensic.qcow2.refcounts import refcounts
from forensic.qcow2.snapshots import Snapshot, read_snapshots
from forensic.qcow2.tables import read_refcount_table
from forensic.qcow2.v1 import Qcow1Header
from forensic.recovery.accounts import with_named_tables
from forensic.recovery.candidates import Candidates, cluster_bits_by_content, find_candidates, read_table
from forensic.recovery.certainty import Method
from forensic.recovery.headers import (
    MadeHeader,
    candidates_by_content,
    compression_type_of,
    is_believable_size,
    mended,
    refcount_table_clusters,
)
from forensic.recovery.scan import Scan
from forensic.recovery.sectors import Signature
from forensic.recovery.tally import Tally

FEWEST_ENTRIES = 4
"""Entries without which a cluster size by content is not believed against a header."""

LEAST_BITS = 16
"""Bits of offsets that have to be zeros for another cluster size to speak against a header or its refcounts.

Of each entry those count by which the two sizes differ; by chance all are zeros once in 2^16 images.
"""

MANY_ENTRIES = 16  # from which on their alignment is believed without the refcounts
TABLES_TRIED = 1 << 12

MOST_L1_BYTES = 32 << 20
"""Bytes of L1 tables by content that are held, as many as one may have."""


class Knowledge(Struct, frozen=True):
    """What the examiner knows better than the file; sizes in bytes, offsets in the file."""

    cluster_size: int | None = None
    virtual_size: int | None = None
    l1_offset: int | None = None
    header: bytes | None = None


class Layout(Struct):
    """A geometry, and where the L1 table of the active disk lies.

    `header` is the header cluster by which the image is read, and `form` whether it is the file's own, mended or made,
    as in `GeometryOfPlan`. `by_content` names the fields that the file's header does not say, and what says them.
    `candidates` are the tables under this cluster size, `l1_copies` L1 tables by content beside the chosen one.
    `doubtful`: the content contradicts the header and nothing decides. `taken` are the clusters that an image above it
    has taken. `version_1` is the header by which an image of version 1 is read, its own or one that follows from its L1
    table; `header` expresses it.
    """

    geometry: Geometry
    header: bytes
    candidates: Candidates
    l1: U64
    by_content: dict[str, str]
    size_known: bool
    snapshots: tuple[Snapshot, ...] = ()
    l1_copies: tuple[tuple[int, U64], ...] = ()
    form: str = "file"
    l1_method: Method = Method.HEADER
    doubtful: bool = False
    taken: Tally | None = None
    version_1: Qcow1Header | None = None

    @property
    def has_header(self) -> bool:
        """Whether the file's own header says what is read by; that of version 1 is expressed by one that is made."""
        return self.form != "plan" or (self.version_1 is not None and self.l1_method == Method.HEADER)


def layout_by_header(evidence: Evidence, scan: Scan, header: bytes, by_content: dict[str, str]) -> Layout | None:
    """The layout that a header says; None if it gives no geometry."""
    geometry = resolve(parse_header(header))
    if not isinstance(geometry, Geometry):
        return None
    candidates = find_candidates(evidence, scan, geometry.cluster_bits, geometry.extended_l2)
    candidates = _without_refcounts(evidence, candidates, geometry)
    count = min(geometry.l1_entry_count, MAX_L1_ENTRIES, max(0, evidence.size - geometry.l1_table_offset) // 8)
    aligned = geometry.l1_table_offset % geometry.cluster_size == 0
    l1 = read_table(evidence, geometry.l1_table_offset, 8 * count) if aligned and count else np.zeros(0, np.uint64)
    candidates = with_named_tables(evidence, scan, geometry, candidates, l1)
    found = Layout(geometry, header, candidates, l1, by_content, size_known=geometry.virtual_size > 0)
    return found if is_believable_size(geometry, len(candidates.host_offsets)) else _without_size(found)


def _without_size(layout: Layout) -> Layout:
    """The same with a header that says no size, since the one that it says cannot be."""
    geometry = replace(layout.geometry, virtual_size=0)
    header = mended(layout.header, 0, geometry.l1_entry_count, geometry.l1_table_offset)
    return replace(layout, geometry=geometry, header=header, size_known=False, form="mended")


def layout_by_content(evidence: Evidence, scan: Scan, knowledge: Knowledge) -> Layout | None:
    """The layout that the tables themselves give; None if there are none."""
    if knowledge.cluster_size is not None:
        bits, witnesses = knowledge.cluster_size.bit_length() - 1, FEWEST_ENTRIES
    else:
        found = cluster_bits_by_content(evidence, scan)
        if found is None or found[1] < MANY_ENTRIES:  # then the place of the first refcounts says more
            size = cluster_size_of_headless(evidence)
            by_refcounts = size.bit_length() - 1 if size else 0
            if size and not (found and (found[0] - by_refcounts) * found[1] >= LEAST_BITS):
                found = by_refcounts, FEWEST_ENTRIES
        if found is None:
            return None
        bits, witnesses = found
    candidates, extended = candidates_by_content(evidence, scan, bits)
    if not len(candidates.host_offsets):
        return None
    table, order = _refcounts_by_content(evidence, candidates, bits)
    fields: dict[str, str] = {"cluster_bits": f"{witnesses:,} entries or refcounts fit clusters of {1 << bits:,} bytes"}
    made = MadeHeader(bits, extended, table, order, compression_type_of(evidence, candidates, bits, extended))
    geometry = resolve(parse_header(made.header(0, 0, 0)))
    if not isinstance(geometry, Geometry):
        return None
    candidates = _without_refcounts(evidence, candidates, geometry)
    snapshots = _snapshots_by_content(evidence, scan, geometry)
    copies = l1_tables_by_content(evidence, candidates, geometry)
    listed = {snapshot.l1_table_offset for snapshot in snapshots}
    offset, l1 = 0, np.zeros(0, np.uint64)
    chosen = [one for one in copies if one[0] not in listed]
    if knowledge.l1_offset is not None:
        offset = knowledge.l1_offset
        found_there = dict(copies).get(offset)  # which may be longer than a cluster
        l1 = trimmed(read_table(evidence, offset, 1 << bits)) if found_there is None else found_there
        fields["l1_table_offset"] = "given by the examiner"
    elif chosen:
        offset, l1 = chosen[0]
        fields["l1_table_offset"] = f"most of its {np.count_nonzero(l1):,} entries lead to tables"
    size = knowledge.virtual_size or 0
    header = made.header(size, offset, len(l1))
    geometry = resolve(parse_header(header))
    if not isinstance(geometry, Geometry):
        return None
    others = tuple(one for one in copies if one[0] != offset)
    known = knowledge.virtual_size is not None
    method = Method.EXAMINER if knowledge.l1_offset is not None else Method.L1_BY_CONTENT
    return Layout(geometry, header, candidates, l1, fields, known, snapshots, others, "plan", method)


def l1_tables_by_content(evidence: Evidence, candidates: Candidates, geometry: Geometry) -> list[tuple[int, U64]]:
    """Every run of clusters that reads as an L1 table, and its entries; those with most tables first.

    An entry that leads to a table which the run named before begins another L1 table: that of a snapshot may lie next
    to that of the disk.
    """
    l1 = candidates.chosen(candidates.l1_like & ~candidates.partial)
    if len(l1.host_offsets) > TABLES_TRIED:  # those that lead to most tables
        l1 = l1.chosen(np.sort(np.argsort(-l1.tables, kind="stable")[:TABLES_TRIED]))
    found: list[tuple[int, U64]] = []
    end, room = -1, MOST_L1_BYTES
    for offset in l1.host_offsets.tolist():
        words = read_table(evidence, offset, geometry.cluster_size)
        follows = offset == end and not np.isin(words[words != 0], found[-1][1]).any()
        words = trimmed(words).copy()  # not the whole cluster
        room -= words.nbytes
        if room < 0:
            break
        if follows:
            begin, before = found[-1]
            gap = np.zeros((offset - begin) // 8 - len(before), dtype=np.uint64)
            found[-1] = (begin, np.concatenate([before, gap, words]))
        else:
            found.append((offset, words))
        end = offset + geometry.cluster_size
    return sorted(found, key=lambda one: (-int(np.count_nonzero(one[1])), one[0]))


def trimmed(words: U64) -> U64:
    """Entries without the zeros at their end."""
    used = np.flatnonzero(words)
    return words[: int(used[-1]) + 1] if len(used) else words[:0]


def _refcounts_by_content(evidence: Evidence, candidates: Candidates, bits: int) -> tuple[tuple[int, int], int]:
    """Host offset and clusters of the refcount table, and the order of the refcounts; zeros if there is none.

    The table and its first block must be counted once by the blocks that the table leads to. QEMU puts the table into
    the second cluster; it has no copied bits.
    """
    size = 1 << bits
    plain = candidates.host_offsets[(candidates.copied == 0) & (candidates.flagged == 0) & (candidates.streams == 0)]
    for offset in dict.fromkeys([size, *plain[:TABLES_TRIED].tolist()]):
        entries = big_endian(evidence.read_up_to_bad(offset, size))
        blocks = refcount_block_offset(entries).tolist()
        if not blocks or not blocks[0] or blocks[0] % size or blocks[0] >= evidence.size:
            continue
        for order in (4, *(one for one in range(MAX_REFCOUNT_ORDER + 1) if one != 4)):
            if _counts_itself(evidence, blocks, offset, bits, order):
                return (offset, refcount_table_clusters(evidence, offset, size)), order
    return (0, 0), 4


def _without_refcounts(evidence: Evidence, candidates: Candidates, geometry: Geometry) -> Candidates:
    """The candidates without the refcount table and its blocks, if these count themselves.

    Refcounts of 64 bits read as entries with the zero flag.
    """
    table = read_refcount_table(evidence, geometry)
    blocks = table.block_offsets().tolist()
    offset, bits, order = geometry.refcount_table_offset, geometry.cluster_bits, geometry.refcount_order
    if order is None or not blocks or not blocks[0] or blocks[0] >= evidence.size or blocks[0] % (1 << bits):
        return candidates
    if not _counts_itself(evidence, blocks, offset, bits, order):
        return candidates
    clusters = min(geometry.refcount_table_clusters, (evidence.size >> bits) + 1)
    own = np.arange(clusters, dtype=np.uint64) * np.uint64(1 << bits) + np.uint64(offset)
    places = np.concatenate([table.block_offsets(), own])
    return candidates.chosen(~is_among(candidates.host_offsets, np.sort(places)))


def _counts_itself(evidence: Evidence, blocks: list[int], table: int, bits: int, order: int) -> bool:
    per_block = (8 << bits) >> order
    for place in (table, blocks[0]):
        number, index = divmod(place >> bits, per_block)
        if number >= len(blocks) or not blocks[number] or blocks[number] % (1 << bits):
            return False
        counts = refcounts(evidence.read_up_to_bad(blocks[number], 1 << bits), order)
        if index >= len(counts) or int(counts[index]) != 1:
            return False
    return True


def _snapshots_by_content(evidence: Evidence, scan: Scan, geometry: Geometry) -> tuple[Snapshot, ...]:
    """The entries of the longest snapshot table that reads as one."""
    tables = snapshot_tables(evidence, scan, geometry)
    return max(tables, key=len, default=())


def snapshot_tables(evidence: Evidence, scan: Scan, geometry: Geometry) -> list[tuple[Snapshot, ...]]:
    """Every snapshot table that begins with a cluster, in use or not, as far as its entries read as such."""
    sectors = scan.signatures[Signature.SNAPSHOT].sectors
    per_cluster = geometry.cluster_size // SECTOR_SIZE
    found = []
    for sector in sectors[sectors % per_cluster == 0].tolist():
        entries: list[Snapshot] = []
        table = read_snapshots(evidence, sector * SECTOR_SIZE, 1024, geometry)
        for snapshot in table.snapshots:
            if not _believable(snapshot, evidence.size, geometry):
                break
            entries.append(snapshot)
        if entries:
            found.append(tuple(entries))
    return found


def _believable(snapshot: Snapshot, file_size: int, geometry: Geometry) -> bool:
    raw = snapshot.id.raw
    return (
        0 < snapshot.l1_table_offset < file_size
        and snapshot.l1_table_offset % geometry.cluster_size == 0
        and 0 < snapshot.l1_size <= MAX_L1_ENTRIES
        and raw.isdigit()
        and snapshot.date_nsec < 10**9
        and snapshot.extra_data_size <= 1024
    )


def is_coherent(layout: Layout, file_size: int) -> bool:
    """Whether most L1 entries that lead into the file lead to tables, or to most of the tables that are left in it."""
    entries = layout.l1[layout.l1 != 0]
    if not len(entries):
        return False
    if layout.geometry.external_data_file:
        return True
    clean = l1_reserved_bits(entries) == 0
    offsets = host_offset_of(entries)
    inside = int(np.count_nonzero(~clean | (offsets < np.uint64(file_size))))
    tables = int(np.count_nonzero(clean & is_among(offsets, layout.candidates.host_offsets)))
    left = int(np.count_nonzero(~layout.candidates.l1_like))
    return tables > 0 and tables >= 0.6 * min(inside, left)
