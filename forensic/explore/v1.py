"""What lies where in an image of version 1: the header, the name of a backing file, the L1 table and its L2 tables."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from forensic.errors import Unsupported
from forensic.explore.fields import Inspection, Row, big_endian_at, field_at
from forensic.explore.regions import Kind, Region
from forensic.finding import Range, host_range
from forensic.image import Qcow1Image
from forensic.qcow2.arrays import U64
from forensic.qcow2.geometry import ACTIVE
from forensic.qcow2.table_reading import ENTRY_SIZE
from forensic.qcow2.tables import L1Table
from forensic.qcow2.v1_tables import Qcow1L1, Qcow1L2Batch, read_l2_batches
from forensic.untrusted import Untrusted


class Qcow1RegionIndex:
    """The regions of a version 1 image, as `RegionIndex` has those of its successor; without geometry or refcounts."""

    geometry = None
    refcount_table = None
    l1_tables: tuple[L1Table, ...] = ()
    not_looked_into = 0

    def __init__(self, image: Qcow1Image) -> None:
        """Nothing is read yet."""
        self.image = image

    @property
    def cluster_size(self) -> int | None:
        """Bytes of a cluster; None where the header cannot be used."""
        return None if self.image.header.unusable else self.image.header.cluster_size

    @cached_property
    def l1(self) -> Qcow1L1 | None:
        """The L1 table; None where the header does not tell where it is."""
        try:
            return self.image.l1
        except Unsupported:
            return None

    @cached_property
    def fixed(self) -> tuple[Region, ...]:
        """Header, backing file name, L1 table."""
        header = self.image.header
        regions = [
            Region(Kind.HEADER, "header", 0, header.structure.length, structure=header.structure, ksy_type="header_v1")
        ]
        if header.backing_file is not None:
            length = len(header.backing_file.raw)
            regions.append(Region(Kind.BACKING_NAME, "backing file name", header.backing_file_offset, length))
        if self.l1 is not None:
            regions.append(Region(Kind.L1_TABLE, "L1 table", self.l1.host_offset, self.l1.entries.nbytes))
        return tuple(region for region in regions if region.length > 0)

    def region_at(self, host_offset: int) -> Region | None:
        """The structure that holds this byte; None for guest data and what nothing points to."""
        for region in self.fixed:
            if region.host_offset <= host_offset < region.end:
                return region
        offsets, indices = self._l2_places
        number = int(np.searchsorted(offsets, np.uint64(host_offset), side="right")) - 1
        if number < 0:
            return None
        region = self._l2_table(int(indices[number]), int(offsets[number]))
        return region if host_offset < region.end else None

    def l2_region(self, l1_index: int) -> Region | None:
        """The L2 table that an L1 entry leads to; None if it leads nowhere in the file."""
        l1 = self.l1
        if l1 is None or not 0 <= l1_index < len(l1.entries) or not bool(l1.readable()[l1_index]):
            return None
        return self._l2_table(l1_index, int(l1.entries[l1_index]))

    def l2_batch(self, l1_index: int) -> Qcow1L2Batch | None:
        """The L2 table itself."""
        if self.l1 is None or self.l2_region(l1_index) is None:
            return None
        return next(read_l2_batches(self.image.evidence, self.l1, np.array([l1_index], dtype=np.int64)))

    def entry_place(self, l1_index: int, l2_index: int | None) -> Range | None:
        """Where an entry lies in the file; None if it is nowhere."""
        if self.l1 is None or not 0 <= l1_index < len(self.l1.entries):
            return None
        if l2_index is None:
            return host_range(self.l1.host_offset + l1_index * ENTRY_SIZE, ENTRY_SIZE)
        region = self.l2_region(l1_index)
        if region is None or not 0 <= l2_index < self.image.header.l2_entry_count:
            return None
        return host_range(region.host_offset + l2_index * ENTRY_SIZE, ENTRY_SIZE)

    def _l2_table(self, l1_index: int, host_offset: int) -> Region:
        length = self.image.header.l2_entry_count * ENTRY_SIZE
        return Region(Kind.L2_TABLE, f"L1[{l1_index}] L2 table", host_offset, length, l1_index, ACTIVE)

    @cached_property
    def _l2_places(self) -> tuple[U64, U64]:
        """Host offsets of the L2 tables in the order of the file, and the L1 index of each."""
        if self.l1 is None:
            return np.zeros(0, np.uint64), np.zeros(0, np.uint64)
        indices = np.flatnonzero(self.l1.readable())
        order = np.argsort(self.l1.entries[indices], kind="stable")
        return self.l1.entries[indices][order], indices[order].astype(np.uint64)


def inspect_version_1(region_index: Qcow1RegionIndex, host_offset: int) -> Inspection:
    """Explain the byte at a host offset."""
    region = region_index.region_at(host_offset)
    if region is None:
        size = region_index.cluster_size
        if size is None:
            return Inspection("bytes", "", host_range(host_offset, 1), known=False)
        cluster = host_offset // size
        rows = (Row("cluster", f"{cluster:,}"), Row("stored refcount", "version 1 has none"))
        return Inspection(
            "no table or header", f"cluster {cluster:,}", host_range(cluster * size, size), rows, known=False
        )
    if region.structure is not None:
        return field_at(region, region.structure, host_offset)
    if region.kind in (Kind.L1_TABLE, Kind.L2_TABLE):
        return _entry(region_index, region, (host_offset - region.host_offset) // ENTRY_SIZE)
    text = Untrusted(region_index.image.evidence.read_or_nothing(region.host_offset, region.length)).text
    place = host_range(region.host_offset, region.length)
    return Inspection(region.name, region.name, place, (Row("text", text),))


def _entry(region_index: Qcow1RegionIndex, region: Region, index: int) -> Inspection:
    header = region_index.image.header
    place = host_range(region.host_offset + index * ENTRY_SIZE, ENTRY_SIZE)
    entry = big_endian_at(region_index.image.evidence, place.offset)
    if region.kind == Kind.L1_TABLE:
        target = host_range(entry, header.l2_entry_count * ENTRY_SIZE) if entry else None
        rows = (Row("L2 table", f"{entry:#x}" if entry else "none"),)
        return Inspection("L1 entry", f"L1[{index}]", place, rows, target, index * header.l1_coverage)
    guest_offset = region.index * header.l1_coverage + index * header.cluster_size
    path = f"L1[{region.index}].L2[{index}]"
    batch = region_index.l2_batch(region.index)
    if batch is None:
        return Inspection("L2 entry", path, place, (), None, guest_offset)
    offset, stored = int(batch.stored_offsets()[0, index]), int(batch.stored_lengths()[0, index])
    compressed = bool(batch.compressed()[0, index])
    rows = (
        Row("compressed", str(int(compressed))),
        Row("host offset", f"{offset:#x}" if entry else "none"),
        *((Row("stored length", f"{stored:,}"),) if compressed else ()),
    )
    target = host_range(offset, stored or header.cluster_size) if entry else None
    return Inspection("L2 entry", path, place, rows, target, guest_offset)
