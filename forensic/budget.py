"""Budgets against bombs: how much time, memory and reading an image may cost, and what was left out because of them."""

from __future__ import annotations

import time

from msgspec import Struct

MEMORY_BASE = 96 << 20
"""Bytes that the interpreter, numpy and the batches of tables take, whatever the image."""

MIN_COUNTER_BYTES = 8 << 20
DEFAULT_COUNTER_BYTES = 56 << 20


class Limits(Struct, frozen=True):
    """What a check may cost; None is no limit.

    `seconds` of wall time; `memory` bytes of the whole process, of which what is left over the base is spent on
    counting references; `snapshot_tables` are L1 tables of snapshots and `table_entries` the entries in them;
    `table_bytes` of L2 tables; `residue_bytes` that are searched for remains.
    """

    seconds: float | None = None
    memory: int | None = None
    snapshot_tables: int | None = 2048
    table_entries: int | None = 64 << 20
    table_bytes: int | None = None
    residue_bytes: int | None = None

    @property
    def counter_bytes(self) -> int:
        """Bytes for counters at one time; fewer mean more passes over the tables, never a worse answer."""
        if self.memory is None:
            return DEFAULT_COUNTER_BYTES
        return max(MIN_COUNTER_BYTES, min(self.memory - MEMORY_BASE, 1 << 30))


class Unexamined(Struct, frozen=True):
    """Structures of one type that were not looked at, wholly or in part, and why.

    `limit` says that a budget stopped us; otherwise the image's own damage leaves nothing to judge.
    """

    structure: type[object]
    reason: str
    limit: bool = False


class Budget:
    """What is left of the limits while an image is walked."""

    def __init__(self, limits: Limits) -> None:
        """Start the clock."""
        self.limits = limits
        self._started = time.monotonic()
        self._spent: dict[str, int] = {}

    def spend(self, what: str, amount: int) -> None:
        """Take `amount` from the limit of that name."""
        self._spent[what] = self._spent.get(what, 0) + amount

    def exceeded(self, what: str, limit: int | None, amount: int = 0) -> str | None:
        """Why no `amount` more of `what` may be spent; None if it may."""
        if limit is not None and self._spent.get(what, 0) + amount > limit:
            return f"the limit of {limit:,} {what} was reached"
        return self.out_of_time()

    def out_of_time(self) -> str | None:
        """Why to stop now; None if there is time left."""
        seconds = self.limits.seconds
        if seconds is not None and time.monotonic() - self._started > seconds:
            return f"the time limit of {seconds:g} s was reached"
        return None
