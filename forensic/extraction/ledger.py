"""The ledger of what was not read: each guest range, why, and what stands in its place."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from forensic.extraction.plan import Missing
from forensic.untrusted import Json

LISTED_RANGES = 100_000
"""Ranges that are listed one by one; a hostile image could have a billion. All are counted."""


@dataclass
class Ledger:
    """What could not be read, merged where neighbours have one reason."""

    ranges: list[Missing] = field(default_factory=list)
    bytes_by_reason: Counter[str] = field(default_factory=Counter)
    ranges_not_listed: int = 0

    def add(self, missing: Missing) -> None:
        """Enter a range; ranges come in guest order."""
        self.bytes_by_reason[missing.reason.code] += missing.length
        last = self.ranges[-1] if self.ranges else None
        if last and last.reason == missing.reason and last.guest_offset + last.length == missing.guest_offset:
            self.ranges[-1] = replace(last, length=last.length + missing.length)
        elif len(self.ranges) < LISTED_RANGES:
            self.ranges.append(missing)
        else:
            self.ranges_not_listed += 1

    @property
    def bytes_missing(self) -> int:
        """Guest bytes that are zeros in place of bytes that could not be had."""
        return self.bytes_by_reason.total()

    def as_json(self) -> list[Json]:
        """The list `result.extraction.unreadable` holds."""
        return [
            {
                "virtual_offset": entry.guest_offset,
                "length": entry.length,
                "reason_code": entry.reason.code,
                "host_offset": entry.host_offset,
                "filled_with": "00",
            }
            for entry in self.ranges
        ]
