"""The compressed clusters of an image, what decoding them costs, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from forensic.qcow2.arrays import U64, Bools, NDArray
from forensic.qcow2.entries import SECTOR_SIZE
from forensic.qcow2.geometry import ACTIVE, Geometry

EFFORT_ALWAYS = 4 << 30

EFFORT_PER_FILE_BYTE = 64
"""What decoding may cost at most, in bytes that a fast codec makes: streams that overlap could ask for any amount."""


class Tail(Struct, frozen=True):
    """Bytes that are not zero between the end of stream `index` of a batch and the end of its last sector.

    `leftover` says that they are what was there before: a former stream, or bytes that go on past the sector.
    """

    index: int
    host_offset: int
    data: bytes
    leftover: bool


class StreamBatch(Struct, frozen=True):
    """Some distinct streams, in file order: `host_offsets[i]` and `stored_lengths[i]` are those of stream i.

    `guest_offsets` and `owners` name the first entry that leads there; `outcomes` are of `codecs.Outcome`;
    `surplus_sectors` counts the sectors at the end of each in which it has no byte, as far as that could be told.
    """

    geometry: Geometry
    owner_names: tuple[str, ...]
    host_offsets: U64
    stored_lengths: U64
    guest_offsets: U64
    owners: U64
    outcomes: NDArray[np.uint8]
    surplus_sectors: NDArray[np.int64]
    tails: tuple[Tail, ...]


class Streams(Struct, frozen=True):
    """Distinct descriptors in file order, and where the next stream after each begins."""

    host_offsets: U64
    stored_lengths: U64
    guest_offsets: U64
    owners: U64

    @property
    def ends(self) -> U64:
        """Where the last sector of each ends."""
        return self.host_offsets + self.stored_lengths

    def selected(self, rows: NDArray[np.int64]) -> Streams:
        """Some of them."""
        return Streams(self.host_offsets[rows], self.stored_lengths[rows], self.guest_offsets[rows], self.owners[rows])

    def next_offsets(self) -> U64:
        """Where the next stream after the start of each begins; far away for the last."""
        behind = np.searchsorted(self.host_offsets, self.host_offsets, side="right")
        return np.append(self.host_offsets, np.uint64((1 << 64) - 1))[behind]


class DecodedRange(Struct, frozen=True):
    """A guest range of the active disk in which an extraction has decoded every compressed cluster.

    Those that give any of the `missing` ranges, as (start, end) in guest order, are left out.
    """

    guest_start: int
    guest_end: int
    missing: Sequence[tuple[int, int]] = ()

    def known_good(
        self, streams: Streams, next_offsets: U64, owner_names: Sequence[str], cluster_size: int, file_size: int
    ) -> Bools:
        """Of which streams nothing is left to find out: decoded, and the next one begins in their last sector.

        `next_offsets` says where the next one after each begins. Of streams that several entries lead to the first
        entry counts.
        """
        active = np.array([name == ACTIVE for name in owner_names])[streams.owners.astype(np.int64)]
        ends = streams.ends
        packed = (next_offsets < ends) & (ends - next_offsets < SECTOR_SIZE) & (ends <= file_size)
        begins, stops = streams.guest_offsets, streams.guest_offsets + np.uint64(cluster_size)
        good: Bools = active & packed & (begins >= self.guest_start) & (begins < self.guest_end)
        if self.missing:
            missing = np.array(self.missing, dtype=np.uint64)
            # The last missing range that begins before a cluster's end must end before the cluster begins.
            last = np.searchsorted(missing[:, 0], stops) - 1
            good &= (last < 0) | (missing[last, 1] <= begins)
        return good


class Allowance(Struct):
    """What decoding may still cost, in the unit of `EFFORT_ALWAYS`."""

    effort: int

    @classmethod
    def for_file(cls, size: int) -> Allowance:
        """What a file of this size is worth."""
        return cls(max(EFFORT_ALWAYS, size * EFFORT_PER_FILE_BYTE))

    def spend(self, effort: int) -> bool:
        """Take it off; whether there was so much left."""
        self.effort -= effort
        return self.effort >= 0
