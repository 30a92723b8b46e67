"""What is known of a file while a plan is made."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from msgspec import Struct, field

from forensic.evidence import Evidence
from forensic.qcow2.arrays import I64, U64
from forensic.qcow2.geometry import Geometry
from forensic.recovery.accounts import Accounts
from forensic.recovery.candidates import Candidates
from forensic.recovery.certainty import Method
from forensic.recovery.layout import Knowledge, Layout
from forensic.recovery.placement.slots import Placed
from forensic.recovery.plan import HostRange
from forensic.recovery.scan import Scan


class RecoverySettings(Struct, frozen=True):
    """How a recovery is to be made: what the examiner knows better, and how long it may take.

    `progress` is told the bytes searched and their number, `cancelled` is asked whether to stop, and after `max_time`
    seconds the search ends early.
    """

    knowledge: Knowledge = Knowledge()
    progress: Callable[[int, int], None] | None = None
    cancelled: Callable[[], bool] | None = None
    max_time: float | None = None


class PlacedData(Struct, frozen=True):
    """Data of a slot whose table is lost: indices of entries, the host offset of each cluster, and what says so.

    Of compressed clusters `stored_lengths` says how many bytes each takes; 0, or nothing, where they are not. `empty`
    are the indices of entries that were read and lead nowhere.
    """

    slot: int
    indices: I64
    host_offsets: I64
    method: Method
    because: str
    stored_lengths: I64 | None = None
    empty: I64 = field(default_factory=lambda: np.zeros(0, dtype=np.int64))


class Streams(Struct, frozen=True):
    """Compressed clusters that no table leads to, by host offset: where each begins, and how many bytes it takes."""

    host_offsets: I64 = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    lengths: I64 = field(default_factory=lambda: np.zeros(0, dtype=np.int64))


class Work(Struct):
    """What is known of a file while a plan is made."""

    evidence: Evidence
    found: Scan
    layout: Layout
    accounts: Accounts
    l1: U64
    broken: I64
    orphans: Candidates
    suspect: list[HostRange]
    everywhere: bool
    placed: list[Placed] = field(default_factory=list)
    placed_data: list[PlacedData] = field(default_factory=list)
    streams: Streams = field(default_factory=Streams)
    damage: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    until: float | None = None

    def is_late(self, what: str) -> bool:
        """Whether the time for the search is over; then it is noted that this was not done."""
        if self.until is None or time.monotonic() <= self.until:
            return False
        self.notes.append(f"not done, since the time was over: {what}")
        return True

    @property
    def geometry(self) -> Geometry:
        """The geometry to read by."""
        return self.layout.geometry
