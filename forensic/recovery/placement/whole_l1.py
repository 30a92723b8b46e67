"""Where an L1 table that was found by its content begins and ends.

Only clusters with an entry that leads to a table read as parts of one. Those of a stretch of the disk that is empty
hold zeros, and of a file that was cut some may lead past its end alone. Left out, all that follows is in a wrong slot.
"""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace

from forensic.evidence import Evidence
from forensic.qcow2.arrays import U64
from forensic.qcow2.entries import host_offset_of, l1_reserved_bits
from forensic.qcow2.geometry import Geometry, resolve
from forensic.qcow2.header import parse_header
from forensic.recovery.accounts import Accounts
from forensic.recovery.candidates import read_table
from forensic.recovery.certainty import Method
from forensic.recovery.headers import header_of, mended
from forensic.recovery.layout import MOST_L1_BYTES, Layout, l1_tables_by_content, trimmed
from forensic.recovery.scan import Scan
from forensic.recovery.understanding import accounts_of, kept, snapshots_in_use, with_l1

CREATED_AT = 3
"""The cluster in which QEMU begins the L1 table of a new image: after header, refcount table and refcount block."""


def with_whole_l1(evidence: Evidence, found: Scan, layout: Layout) -> Layout:
    """The layout; an L1 table that was found by its content has the clusters around it that lead to no table, too."""
    if layout.l1_method != Method.L1_BY_CONTENT or layout.version_1 is not None:
        return layout
    accounts = _without_l1_table(evidence, found, layout)
    if not accounts.possible:
        return layout
    size, begin = layout.geometry.cluster_size, layout.geometry.l1_table_offset
    by_header = begin == _offset_in_header(evidence)
    listed = {one.l1_table_offset for one in snapshots_in_use(evidence, layout)}
    runs = {
        offset: entries
        for offset, entries in l1_tables_by_content(evidence, layout.candidates, layout.geometry)
        if offset not in listed and offset != begin
    }
    around = _Around(evidence, accounts, layout.l1)
    stop = begin + _length(layout.l1, size)
    for offset in sorted(one for one in runs if one >= stop):
        if not around.goes_on(stop, offset, runs[offset]):
            break
        stop = offset + _length(runs.pop(offset), size)
    for offset in sorted((one for one in runs if one < begin and not by_header), reverse=True):
        if not around.goes_on(offset + _length(runs[offset], size), begin, runs[offset]):
            break
        begin = offset
        runs.pop(offset)
    if not by_header:
        begin = around.first(begin)
    l1 = trimmed(read_table(evidence, begin, stop - begin))
    if begin == layout.geometry.l1_table_offset and len(l1) == len(layout.l1):
        return layout
    others = tuple(one for one in layout.l1_copies if one[0] in runs)
    why = f"most of its {np.count_nonzero(l1):,} entries lead to tables"
    return replace(with_l1(layout, begin, l1, why), l1_copies=others)


def _without_l1_table(evidence: Evidence, found: Scan, layout: Layout) -> Accounts:
    """The accounts of everything but the L1 table itself, whose length the size of the disk would say."""
    geometry = replace(layout.geometry, l1_entry_count=0)
    header = mended(layout.header, geometry.virtual_size, 0, geometry.l1_table_offset)
    tables, _ = kept(evidence, found, layout)
    return accounts_of(evidence, found, replace(layout, geometry=geometry, header=header), tables)


def _offset_in_header(evidence: Evidence) -> int | None:
    """Where the file's header says that the L1 table lies."""
    geometry = resolve(parse_header(header_of(evidence) or b""))
    return geometry.l1_table_offset if isinstance(geometry, Geometry) else None


def _length(entries: U64, size: int) -> int:
    """The bytes of the clusters that entries take."""
    return -(-entries.nbytes // size) * size


class _Around:
    """The clusters around an L1 table, and whether they may be parts of it."""

    def __init__(self, evidence: Evidence, accounts: Accounts, l1: U64) -> None:
        self._evidence, self._accounts, self._l1 = evidence, accounts, l1
        self._size = accounts.geometry.cluster_size
        self._left = MOST_L1_BYTES

    def goes_on(self, begin: int, end: int, entries: U64) -> bool:
        """Whether the table takes the clusters between two host offsets, and these entries beside them.

        Those of a snapshot lead to tables that the disk's lead to as well.
        """
        self._left -= end - begin
        if self._left < 0 or np.isin(entries[entries != 0], self._l1).any():
            return False
        return begin == end or self._is_free_of_tables(begin, end)

    def first(self, begin: int) -> int:
        """The host offset from which on clusters before the table are part of it.

        Without refcounts nothing says so, unless it is the place in which QEMU puts the table of a new image.
        """
        created = CREATED_AT * self._size
        if not self._accounts.usable:
            near = created < begin <= created + self._left
            return created if near and self._is_free_of_tables(created, begin) else begin
        while begin > created and self._left > 0 and self._is_free_of_tables(begin - self._size, begin):
            begin -= self._size
            self._left -= self._size
        return begin

    def _is_free_of_tables(self, begin: int, end: int) -> bool:
        """Whether clusters hold nothing but zeros and entries that lead past the end of the file.

        Where refcounts can be believed, the clusters have to be in use, and nothing else may claim them.
        """
        words = read_table(self._evidence, begin, end - begin)
        used = words[words != 0]
        offsets = host_offset_of(used)
        aligned = (offsets & np.uint64(self._size - 1)) == 0
        if not bool(((l1_reserved_bits(used) == 0) & aligned & (offsets >= np.uint64(self._evidence.size))).all()):
            return False
        clusters = np.arange(begin // self._size, end // self._size)
        if self._accounts.are_claimed(clusters).any():
            return False
        return bool(self._accounts.in_use(clusters.astype(np.uint64) * np.uint64(self._size)).all())
