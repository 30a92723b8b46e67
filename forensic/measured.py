"""What a check counted while it walked the tables, beside what it judged: sizes for the report."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct


class Measured(Struct, frozen=True):
    """Sizes in bytes; what could not be known is None or not in the mapping, never 0.

    `allocation` is `result.allocation` of the report. `readable_fraction` is the part of the active disk that is not
    lost: neither past the end of the file nor under a broken table or stream. `end_of_data` is the host offset at
    which the last cluster in use ends. `snapshot_clusters` gives for the index of a snapshot the host clusters that it
    alone refers to and those that it shares; `dirty_bytes` for the index of a bitmap the guest bytes it marks.
    """

    allocation: Mapping[str, int]
    readable_fraction: float | None
    end_of_data: int | None
    snapshot_clusters: Mapping[int, tuple[int, int]]
    dirty_bytes: Mapping[int, int]
