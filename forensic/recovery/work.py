"""What is known of a file while a plan is made."""

from __future__ import annotations

import time

from msgspec import Struct, field

from forensic.evidence import Evidence
from forensic.qcow2.arrays import I64, U64
from forensic.qcow2.geometry import Geometry
from forensic.recovery.accounts import Accounts
from forensic.recovery.candidates import Candidates
from forensic.recovery.certainty import Method
from forensic.recovery.layout import Layout
from forensic.recovery.placement.slots import Placed
from forensic.recovery.plan import (
    HostRange,
)
from forensic.recovery.scan import Scan


class PlacedData(Struct, frozen=True):
    """Data of a slot whose table is lost: indices of entries, the host offset of each cluster, and what says so."""

    slot: int
    indices: I64
    host_offsets: I64
    method: Method
    because: str


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
