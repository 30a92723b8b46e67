"""Gathering the compressed descriptors of all L2 tables, each distinct one once."""

from __future__ import annotations

import numpy as np
from msgspec import Struct, field

from forensic.accounting.streams import Streams
from forensic.qcow2.arrays import U64
from forensic.qcow2.entries import (
    compressed_descriptor,
    compressed_host_offset,
    compressed_stored_length,
)
from forensic.qcow2.geometry import Geometry
from forensic.qcow2.tables import L2Batch

MAX_GATHERED = 2 << 20
"""Distinct descriptors that are kept at once (some 100 MB): those of 128 GiB in the usual clusters."""


class Descriptors(Struct):
    """The descriptors seen so far, with the guest offset and owner of the first entry that holds each."""

    geometry: Geometry
    file_size: int
    owner_names: list[str] = field(default_factory=list)
    _parts: list[tuple[U64, U64, U64]] = field(default_factory=list)
    _count: int = 0

    def add(self, batch: L2Batch) -> None:
        """Take the descriptors of these tables."""
        if self.geometry.external_data_file or not batch.any_compressed:
            return
        tables, indices = np.nonzero(batch.compressed & batch.in_file())
        entries = compressed_descriptor(batch.entries[tables, indices])
        clusters = batch.l1_indices[tables] * self.geometry.l2_entry_count + indices
        if batch.owner not in self.owner_names[-1:]:
            self.owner_names.append(batch.owner)
        distinct, first = np.unique(entries, return_index=True)
        guest_offsets = clusters[first].astype(np.uint64) << np.uint64(self.geometry.cluster_bits)
        self._parts.append((distinct, guest_offsets, np.full(len(distinct), len(self.owner_names) - 1, np.uint64)))
        self._count += len(distinct)
        if self._count >= MAX_GATHERED:
            self._merge()

    @property
    def full(self) -> bool:
        """Whether it is time to `take` what was gathered."""
        return self._count >= MAX_GATHERED

    def take(self) -> Streams:
        """What was gathered, in file order, without what begins past the end of the file; forgets it."""
        self._merge()
        entries, guest_offsets, owners = self._parts[0] if self._parts else (np.zeros(0, np.uint64),) * 3
        self._parts, self._count = [], 0
        bits = self.geometry.cluster_bits
        starts, lengths = compressed_host_offset(entries, bits), compressed_stored_length(entries, bits)
        order = np.lexsort((lengths, starts))
        order = order[starts[order] < self.file_size]
        return Streams(starts[order], lengths[order], guest_offsets[order], owners[order])

    def _merge(self) -> None:
        if len(self._parts) < 2:
            return
        entries, guest_offsets, owners = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        distinct, first = np.unique(entries, return_index=True)
        self._parts = [(distinct, guest_offsets[first], owners[first])]
        self._count = len(distinct)
