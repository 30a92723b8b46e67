"""The ledger: of every guest byte whether it was read, is zero by the image's word, or was filled, and why.

The sums come from the survey of the tables and the faults met in reading; they add up to the extracted range exactly.
"""

from __future__ import annotations

from collections import Counter
from heapq import merge
from typing import TYPE_CHECKING

from forensic.extraction.reading import Missing
from forensic.extraction.survey import MissingRanges, Survey
from forensic.qcow2.states import Reason, State

if TYPE_CHECKING:
    from forensic.records.extraction import UnreadableRecord

FILLED = "filled"
"""The state in reports of what the tables call absent, and of what could not be read or decoded."""


def state_name(state: State) -> str:
    """The name of a state in reports."""
    return FILLED if state == State.ABSENT else state.name.lower()


class Ledger:
    """The sums and the ranges that were not read; kept up to date while the disk is read."""

    def __init__(self, survey: Survey) -> None:
        """Begin with what the tables say."""
        self._by_state = Counter({state_name(state): survey.by_state[state] for state in State})
        self._by_reason = Counter({reason.code: length for reason, length in survey.by_reason.items()})
        self._absent = survey.missing
        self._faults = MissingRanges()

    def fault(self, missing: Missing) -> None:
        """Enter a range that could not be read or decoded; ranges come in guest order."""
        self._by_state[state_name(State.COMPRESSED if missing.stored_length else State.DATA)] -= missing.length
        self._by_state[FILLED] += missing.length
        self._by_reason[missing.reason.code] += missing.length
        self._faults.add(missing)

    @property
    def bytes_by_state(self) -> dict[str, int]:
        """Guest bytes by the name of their state."""
        return dict(self._by_state)

    @property
    def bytes_by_reason(self) -> dict[str, int]:
        """Guest bytes that were filled, by reason code."""
        return {code: self._by_reason[code] for code in sorted(self._by_reason) if self._by_reason[code]}

    @property
    def bytes_read(self) -> int:
        """Guest bytes that came from a file, as they are or decoded."""
        return self._by_state[state_name(State.DATA)] + self._by_state[state_name(State.COMPRESSED)]

    @property
    def bytes_missing(self) -> int:
        """Guest bytes that are zeros in place of bytes that could not be had."""
        return self._by_state[FILLED]

    @property
    def bytes_zero(self) -> int:
        """Guest bytes that are zeros by the image's word."""
        return sum(self._by_state.values()) - self.bytes_read - self.bytes_missing

    def unreadable(self) -> MissingRanges:
        """The ranges that were not read, in guest order."""
        together = MissingRanges(not_listed=self._absent.not_listed + self._faults.not_listed)
        for missing in merge(self._absent.ranges, self._faults.ranges, key=lambda entry: entry.guest_offset):
            together.add(missing)
        return together


def missing_records(missing: MissingRanges) -> list[UnreadableRecord]:
    """What `result.extraction.unreadable` of a report holds."""
    from forensic.records.extraction import UnreadableRecord

    return [
        UnreadableRecord(
            virtual_offset=entry.guest_offset,
            length=entry.length,
            reason_code=entry.reason.code,
            host_offset=entry.host_offset,
            filled_with="decoded bytes" if entry.reason == Reason.SALVAGED else "00",
        )
        for entry in missing.ranges
    ]
