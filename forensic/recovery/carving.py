"""Images within a larger file or device: every header that leads to tables, and how far what it leads to reaches.

It finds images that lie in one piece. Where the pieces of one lie apart, its tables are not where its header says.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec import Struct

from forensic.evidence import Evidence
from forensic.qcow2.arrays import U64, Bools
from forensic.qcow2.entries import (
    SECTOR_SIZE,
    compressed_host_offset,
    compressed_stored_length,
    host_offset_of,
    is_compressed,
    refcount_block_offset,
)
from forensic.qcow2.geometry import MAX_L1_ENTRIES, Geometry, resolve
from forensic.qcow2.header import Header, parse_header
from forensic.qcow2.snapshots import read_snapshots
from forensic.recovery.candidates import read_table
from forensic.recovery.kinds import Sector
from forensic.recovery.scan import Scan
from forensic.recovery.sectors import Signature

MOST_HEADERS = 1 << 12
"""Headers that are looked at; a file may be planted with many more."""

MOST_TABLES = 1 << 16
"""L2 tables of one image that are read to see how far it reaches."""

MOST_SNAPSHOTS = 1 << 10
MOST_L1_BYTES = 1 << 20
"""Of the snapshots of one image so many, and of each L1 table so many bytes are followed."""

IN_PLACE = 0.6
"""The share of the tables that have to lie where a header says, for it to be that of an image in one piece."""


class Carved(Struct, frozen=True):
    """An image in a larger file: where its header lies, the bytes up to the end of what it leads to, and its sizes.

    Of the `named` L2 tables `in_place` read as tables. `cut` says that it leads past the end of the file.
    """

    offset: int
    length: int
    version: int
    virtual_size: int
    cluster_size: int
    named: int
    in_place: int
    cut: bool


def find_images(evidence: Evidence, found: Scan) -> tuple[list[Carved], int]:
    """The images that begin at a sector of the file, by their place; and how many headers were not looked at."""
    places = found.signatures[Signature.QCOW2]
    sectors = places.sectors[:MOST_HEADERS].tolist()
    images = [one for sector in sectors if (one := _image_at(evidence, found, sector * SECTOR_SIZE)) is not None]
    return images, len(places.sectors) - len(sectors) + places.more


def _image_at(evidence: Evidence, found: Scan, base: int) -> Carved | None:
    """The image whose header lies here; None if most of its tables do not lie where it says, or it has none."""
    header = parse_header(evidence.read_up_to_bad(base, 1 << 12))
    geometry = resolve(header)
    if not isinstance(geometry, Geometry) or geometry.external_data_file or geometry.cluster_bits > 21:
        return None
    size, room = geometry.cluster_size, evidence.size - base
    count = min(geometry.l1_entry_count, MAX_L1_ENTRIES, max(0, room - geometry.l1_table_offset) // 8)
    if not count or geometry.l1_table_offset % size:
        return None
    tables = host_offset_of(read_table(evidence, base + geometry.l1_table_offset, 8 * count))
    tables = np.unique(tables[tables != 0])
    inside = tables[(tables % np.uint64(size) == 0) & (tables + np.uint64(size) <= np.uint64(max(0, room)))]
    inside = inside[:MOST_TABLES]
    like = _reads_as_tables(found, base, inside, geometry)
    in_place = int(np.count_nonzero(like))
    if not len(tables) or in_place < max(1, IN_PLACE * len(inside)):
        return None
    ends = [geometry.l1_table_offset + 8 * count, *_ends(evidence, base, inside[like], geometry)]
    ends += [int(tables.max()) + size, *_ends_of_refcounts(evidence, base, geometry)]
    ends += _ends_of_snapshots(evidence, found, base, header, geometry)
    end = max(ends)
    return Carved(
        base, min(end, room), geometry.version, geometry.virtual_size, size, len(tables), in_place, end > room
    )


def _reads_as_tables(found: Scan, base: int, tables: U64, geometry: Geometry) -> Bools:
    """Which of these clusters consist of sectors that read as parts of a table, at least one of them not zero."""
    kinds: tuple[Sector, ...] = (Sector.STANDARD, Sector.COMPRESSED)
    kinds = (*kinds, Sector.EXTENDED) if geometry.extended_l2 else kinds
    first = ((tables + np.uint64(base)) >> np.uint64(9)).astype(np.int64)
    per_table = geometry.cluster_size // SECTOR_SIZE
    like = np.zeros(len(tables), dtype=np.bool_)
    step = max(1, (1 << 20) // per_table)
    for at in range(0, len(tables), step):
        part = first[at : at + step]
        used = found.table_like(part, per_table, kinds)
        like[at : at + step] = used.any(axis=1) & (used | found.table_like(part, per_table, (Sector.ZERO,))).all(axis=1)
    return like


def _ends(evidence: Evidence, base: int, tables: U64, geometry: Geometry) -> Iterator[int]:
    """Where what each of these L2 tables leads to ends."""
    bits, size = geometry.cluster_bits, geometry.cluster_size
    for table in tables.tolist():
        words = read_table(evidence, base + table, size)
        words = words[0::2] if geometry.extended_l2 else words
        streams = is_compressed(words)
        yield int(host_offset_of(words[~streams]).max(initial=0)) + size
        ends = compressed_host_offset(words[streams], bits) + compressed_stored_length(words[streams], bits)
        yield int(ends.max(initial=0))


def _ends_of_snapshots(evidence: Evidence, found: Scan, base: int, header: Header, geometry: Geometry) -> Iterator[int]:
    """Where the snapshot table, the L1 tables in it, and what these lead to end."""
    if not header.nb_snapshots or not header.snapshots_offset:
        return
    table = read_snapshots(evidence, base + header.snapshots_offset, min(header.nb_snapshots, MOST_SNAPSHOTS), geometry)
    for snapshot in table.snapshots:
        yield snapshot.host_offset - base + snapshot.length
        length = min(8 * snapshot.l1_size, max(0, evidence.size - base - snapshot.l1_table_offset), MOST_L1_BYTES)
        yield snapshot.l1_table_offset + length
        tables = np.unique(host_offset_of(read_table(evidence, base + snapshot.l1_table_offset, length // 8 * 8)))
        tables = tables[(tables != 0) & (tables % np.uint64(geometry.cluster_size) == 0)]
        inside = tables[tables < np.uint64(max(0, evidence.size - base))][:MOST_TABLES]
        yield from _ends(evidence, base, inside[_reads_as_tables(found, base, inside, geometry)], geometry)


def _ends_of_refcounts(evidence: Evidence, base: int, geometry: Geometry) -> Iterator[int]:
    """Where the refcount table and the last of its blocks end."""
    offset, size = geometry.refcount_table_offset, geometry.cluster_size
    length = min(geometry.refcount_table_clusters * size, 8 << 20, max(0, evidence.size - base - offset)) // 8 * 8
    if offset:
        yield offset + length
        blocks = refcount_block_offset(read_table(evidence, base + offset, length))
        yield int(blocks.max(initial=0)) + size
