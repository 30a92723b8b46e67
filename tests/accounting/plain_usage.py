"""Counting references one by one, for whoever wants to know whether counting them in bulk is right."""

from __future__ import annotations

from collections import Counter, defaultdict

from forensic.accounting.cluster_counts import Use
from forensic.qcow2.tables import L2Batch
from tests.images import COMPRESSED, COPIED

SIZE = 4096
"""Of the clusters here."""


class PlainWindow:
    """The same as `ClusterCounts`, one reference after the other."""

    def __init__(self, first: int, end: int, sets: int, file_size: int) -> None:
        """`sets` is the number of table sets of the image."""
        self.first, self.end, self.several, self.file_size = first, end, sets > 1, file_size
        self.counts: Counter[int] = Counter()
        self.use: dict[int, int] = defaultdict(int)
        self.sets: dict[int, int] = defaultdict(int)
        self.elsewhere: set[tuple[int, int]] = set()

    def metadata(self, cluster: int, times: int = 1) -> None:
        """One piece of metadata on one cluster."""
        if self.first <= cluster < self.end:
            self.use[cluster] |= Use.METADATA | (Use.OVERLAP if self.use[cluster] & Use.METADATA else 0)
            self.counts[cluster] += times

    def table(self, batch: L2Batch, row: int, times: int, sets: int) -> None:
        """One L2 table of a batch, which so many entries of these sets lead to."""
        if batch.geometry.external_data_file:
            return
        for entry in batch.entries[row][: int(batch.present[row])].tolist():
            if entry & COMPRESSED:
                self._stream(batch, row, entry, times)
                continue
            offset = entry & 0x00FF_FFFF_FFFF_FE00
            if not offset or offset % SIZE or offset >= self.file_size:
                continue
            cluster = offset // SIZE
            if not self.first <= cluster < self.end:
                self.elsewhere.add((cluster // self.end, int(batch.host_offsets[row])))
                continue
            twice = self.sets[cluster] & sets if self.several else self.use[cluster] & Use.DATA
            self.sets[cluster] |= sets
            self.use[cluster] |= Use.DATA | (Use.TWICE if twice else 0)
            if batch.owner == "active":
                self.use[cluster] |= Use.COPIED if entry & COPIED else Use.NOT_COPIED
            self.counts[cluster] += times

    def _stream(self, batch: L2Batch, row: int, entry: int, times: int) -> None:
        begin = entry & (1 << 58) - 1
        end = begin // 512 * 512 + ((entry >> 58 & 15) + 1) * 512
        if end >= self.file_size + SIZE:
            return
        for cluster in range(begin // SIZE, -(-end // SIZE)):
            if self.first <= cluster < self.end:
                self.use[cluster] |= Use.COMPRESSED
                self.counts[cluster] += times
            else:
                self.elsewhere.add((cluster // self.end, int(batch.host_offsets[row])))

    @staticmethod
    def is_odd(use: int) -> bool:
        """Whether a cluster is used for two things that do not go together."""
        data = use & (Use.DATA | Use.COMPRESSED)
        both = data == Use.DATA | Use.COMPRESSED
        return bool(use & (Use.OVERLAP | Use.TWICE)) or both or bool(use & Use.METADATA and data)
