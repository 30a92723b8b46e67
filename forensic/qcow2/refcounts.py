"""The refcounts that the image stores, a range of host clusters at a time; each says where it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from functools import cached_property

import numpy as np
from msgspec import Struct

from forensic.evidence import Evidence
from forensic.qcow2.arrays import I64, U64, Bools, NDArray
from forensic.qcow2.table_reading import BATCH_BYTES, read_clusters, tables_to_read
from forensic.qcow2.tables import RefcountTable

Counts = NDArray[np.unsignedinteger]

SPAN_CLUSTERS = 1 << 19
"""Host clusters that are compared at once."""


class Block(IntEnum):
    """What there is of the refcount block that should hold a cluster's refcount."""

    STORED = 0
    NONE = 1  # the table says there is no block, or does not reach so far: all its refcounts are 0
    UNREADABLE = 2


class RefcountSpan(Struct, frozen=True):
    """The refcounts of `len(counts)` host clusters from `first_cluster`; `block` in the same shape.

    `readable` says that none of them is unreadable.
    """

    first_cluster: int
    counts: Counts
    block: NDArray[np.uint8]
    readable: bool


class StoredRefcounts:
    """Access to refcount blocks by the clusters they count."""

    def __init__(self, evidence: Evidence, table: RefcountTable) -> None:
        """Read blocks of this table when they are asked for."""
        self._evidence = evidence
        self.table = table
        geometry = table.geometry
        self.per_block = geometry.refcounts_per_block or 0
        self.usable = bool(self.per_block and table.claimed_entries)

    @property
    def span_clusters(self) -> int:
        """The length of ranges: whole blocks, where there can be any."""
        return max(self.per_block, SPAN_CLUSTERS)

    @cached_property
    def _readable(self) -> Bools:
        return self.table.readable()

    @cached_property
    def blocks_of_stretches(self) -> Bools:
        """For each range of the table whether it has a block at all."""
        per_stretch = self.span_clusters // self.per_block
        used = self.table.entries != 0
        padded = np.append(used, np.zeros(-len(used) % per_stretch, dtype=np.bool_))
        found: Bools = np.logical_or.reduce(padded.reshape(-1, per_stretch), axis=1)
        return found

    def has_blocks(self, first_cluster: int) -> bool:
        """Whether anything may be stored for the range that begins with this cluster."""
        number = first_cluster // self.span_clusters
        known = self.blocks_of_stretches
        if number < len(known):
            return bool(known[number])
        return first_cluster // self.per_block < self.table.claimed_entries

    @property
    def counted_end(self) -> int:
        """The host offset up to which the table has blocks; all of the file where the table cannot be used."""
        if not self.usable:
            return self.table.file_size
        used = np.flatnonzero(self.table.entries)
        return (int(used[-1]) + 1 if len(used) else 0) * self.per_block * self.table.geometry.cluster_size

    def read(self, first_cluster: int, cluster_count: int) -> RefcountSpan:
        """The refcounts from `first_cluster`, which begins a block."""
        per_block, table = self.per_block, self.table
        first = first_cluster // per_block
        block_count = -(-cluster_count // per_block)
        counts = np.zeros(block_count * per_block, dtype=self._dtype)
        state = np.full(block_count, Block.UNREADABLE, dtype=np.uint8)
        entries = table.entries[first : first + block_count]
        state[: len(entries)][entries == 0] = Block.NONE
        state[max(0, table.claimed_entries - first) :] = Block.NONE
        readable = np.flatnonzero(self._readable[first : first + block_count])
        state[readable] = Block.STORED
        states = np.repeat(state, per_block)
        readable_all = not bool((state == Block.UNREADABLE).any())
        for rows, found, present in self._blocks(table.block_offsets()[first + readable] if len(readable) else None):
            counts.reshape(-1, per_block)[readable[rows]] = found
            for number in np.flatnonzero(present < per_block).tolist():
                row = int(readable[rows][number])
                states[row * per_block + int(present[number]) : (row + 1) * per_block] = Block.UNREADABLE
                readable_all = False
        return RefcountSpan(first_cluster, counts[:cluster_count], states[:cluster_count], readable_all)

    def beyond(self, end_cluster: int) -> Iterator[tuple[int, int, Counts]]:
        """Blocks with refcounts of clusters from `end_cluster` on: table index, host offset, all their refcounts.

        A block that several table entries name is given once.
        """
        first = end_cluster // self.per_block
        readable = np.flatnonzero(self._readable[first:]) + first
        # Only a part of the first block may be meant, so it is not taken for another entry's.
        alone = int(np.searchsorted(readable, first, side="right"))
        offsets, rows = np.unique(self.table.block_offsets()[readable[alone:]], return_index=True)
        # A block in a hole of the file counts nothing.
        there = tables_to_read(self._evidence, offsets, self.table.geometry.cluster_size)
        offsets = np.concatenate([self.table.block_offsets()[readable[:alone]], offsets[there]])
        rows = np.concatenate([np.arange(alone), rows[there] + alone])
        for batch, found, present in self._blocks(offsets):
            for index, offset, block, length in zip(
                readable[rows[batch]].tolist(), offsets[batch].tolist(), found, present.tolist(), strict=True
            ):
                yield index, offset, block[:length]

    @property
    def _dtype(self) -> np.dtype[np.unsignedinteger]:
        return refcounts(b"", self.table.geometry.refcount_order or 0).dtype

    def _blocks(self, offsets: U64 | None) -> Iterator[tuple[slice, Counts, I64]]:
        """The blocks at these offsets as an array [block, refcount], and how many refcounts of each are in the file."""
        order = self.table.geometry.refcount_order
        if offsets is None or order is None:
            return
        size = self.table.geometry.cluster_size
        step = max(1, BATCH_BYTES // size)
        for start in range(0, len(offsets), step):
            rows = slice(start, min(start + step, len(offsets)))
            raw, present = read_clusters(self._evidence, self.table.geometry, offsets[rows])
            yield rows, refcounts(raw.reshape(-1), order).reshape(len(raw), -1), (present * 8) >> order


def refcounts(raw: bytes | memoryview | NDArray[np.uint8], refcount_order: int) -> NDArray[np.unsignedinteger]:
    """The refcounts in (part of) a refcount block, in the narrowest type that holds them.

    Widths below a byte pack the lowest index into the lowest bits.
    """
    if refcount_order >= 3:
        stored = np.frombuffer(raw, dtype=f">u{1 << (refcount_order - 3)}")
        return stored.astype(stored.dtype.newbyteorder("="))
    width = 1 << refcount_order
    packed = np.frombuffer(raw, dtype=np.uint8)
    shifts = np.arange(0, 8, width, dtype=np.uint8)
    mask = np.uint8((1 << width) - 1)
    counts: NDArray[np.uint8] = ((packed[:, np.newaxis] >> shifts) & mask).reshape(-1)
    return counts
