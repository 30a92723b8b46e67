"""Tables that come from a recovery plan in place of the file's: the facts, and how rows are marked by them.

What the plan says and how sure it is was decided before, see `forensic.recovery`; here it is only carried out.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from forensic.mapping.extents import Reason
from forensic.qcow2.planned import PlannedMetadata
from forensic.untrusted import shown

if TYPE_CHECKING:  # numpy is loaded to walk tables
    from forensic.mapping.rows import Rows
    from forensic.records.report import PlanRecord

UNKNOWN = "unknown"


class Judged(Struct, frozen=True):
    """What is said of a guest range: its class, how confident, by which decision and method.

    `version` is `current`, `older` (what the range held before), or `unknown`.
    """

    certainty: str
    confidence: float
    decision: str
    method: str
    version: str = "current"

    @property
    def in_ledger(self) -> str:
        """What a line of a ledger says of it; strings come from a plan, so they are written as JSON."""
        import json  # slow to load, and not needed where nothing is extracted

        line = f', "certainty": "{self.certainty}", "confidence": {self.confidence:.2f}'
        if self.decision:
            line += f', "basis": [{json.dumps(self.decision)}]'
        return line + f', "version": "{self.version}"'


class Planned(PlannedMetadata, frozen=True):
    """The disk that a plan describes.

    `unknown` are guest ranges that are not to be read: start, end, reason, in order. `judged` says of the range from
    each of `starts` on how sure it is; `starts` begins with 0. `digest` is that of the plan. `size_certain` says
    whether the `size` of the disk is, `size_guessed` that it is only where the tables end. `data` are guest ranges
    whose table is lost, and where in the file their bytes lie: start, end, host offset, and of a compressed cluster
    how many bytes it takes (0: plain). `made`: no field of the header is the file's.
    """

    target: str
    unknown: tuple[tuple[int, int, Reason], ...]
    starts: list[int]
    judged: list[Judged]
    examiner: tuple[str, ...] = ()
    digest: str = ""
    size_certain: bool = True
    size: int = 0
    data: tuple[tuple[int, int, int, int], ...] = ()
    size_guessed: bool = False
    made: bool = False

    @property
    def size_is_least(self) -> bool:
        """See `PlannedMetadata`."""
        return self.size_guessed

    @property
    def header_is_made(self) -> bool:
        """See `PlannedMetadata`."""
        return self.made

    def bytes_by_certainty(self) -> dict[str, int]:
        """The bytes of the disk, whether they hold something or not."""
        found = dict.fromkeys(("certain", "inferred", UNKNOWN), 0)
        for start, end, one in self.parts(0, self.size):
            found[one.certainty] += end - start
        return found

    def parts(self, start: int, end: int) -> Iterator[tuple[int, int, Judged]]:
        """A guest range in parts that are as sure throughout: start, end, and how sure."""
        at = bisect_right(self.starts, start) - 1
        while start < end:
            stop = min(end, self.starts[at + 1]) if at + 1 < len(self.starts) else end
            yield start, stop, self.judged[at]
            start, at = stop, at + 1

    def record(self) -> PlanRecord:
        """What a report says of the plan."""
        from forensic.records.report import PlanRecord

        return PlanRecord(
            target=shown(self.target),
            digest=self.digest,
            examiner=[shown(name) for name in self.examiner],
            bytes_by_certainty=self.bytes_by_certainty(),
        )

    def marked(self, rows: Rows) -> Rows:
        """The rows with those absent that the plan calls unknown, cut where such a range begins or ends."""
        import numpy as np

        from forensic.disk.chain import pieces_at
        from forensic.mapping.extents import State
        from forensic.mapping.rows import mark_absent
        from forensic.qcow2.arrays import distinct

        if not len(rows) or not (self.unknown or self.data):
            return rows
        begin, end = int(rows["guest_offset"][0]), int(rows["guest_offset"][-1]) + int(rows["length"][-1])
        ranges, data = _within(self.unknown, begin, end), _within(self.data, begin, end)
        if not ranges and not data:
            return rows
        edges = [edge for one in (*ranges, *data) for edge in one[:2] if begin < edge < end]
        starts = distinct(np.concatenate([rows["guest_offset"], np.array(edges, dtype=np.uint64)]))
        pieces = pieces_at(rows, starts, end)
        offsets = pieces["guest_offset"].astype(np.int64)
        for start, stop_at, host_offset, stored_length in data:
            low, high = np.searchsorted(offsets, [start, stop_at])
            part = pieces[low:high]
            behind = part["guest_offset"] - np.uint64(start)
            part["host_offset"] = np.uint64(host_offset) if stored_length else behind + np.uint64(host_offset)
            part["state"] = State.COMPRESSED if stored_length else State.DATA
            part["skip"] = behind if stored_length else 0
            part["reason"], part["stored_length"] = Reason.NONE, stored_length
        for start, stop_at, reason in ranges:
            low, high = np.searchsorted(offsets, [start, stop_at])
            within = np.zeros(len(pieces), dtype=np.bool_)
            within[low:high] = pieces["state"][low:high] != State.ABSENT
            mark_absent(pieces, within, reason)
        return pieces


Part = TypeVar("Part", bound=tuple[int, int, *tuple[object, ...]])


def _within(ranges: Sequence[Part], begin: int, end: int) -> list[Part]:
    """Those of some ranges in order, each with start and end, that touch a guest range."""
    first = max(0, bisect_right(ranges, begin, key=lambda one: one[0]) - 1)
    stop = bisect_right(ranges, end, key=lambda one: one[0])
    return [one for one in ranges[first:stop] if one[0] < end and one[1] > begin]


def sentence_on_size(guessed: bool, alone: bool) -> str:
    """What has to be said of a size that is not certain; `alone` if everything else is. Empty if there is no need."""
    if not guessed and not alone:
        return ""
    found = "the size of the disk is not certain"
    if guessed:
        found = "the size of the disk was guessed from its tables: it is at least this"
    return f"{found}; for this alone the exit status is 5" if alone else found


def planned_of(layer: object) -> Planned | None:
    """The plan that a layer of a disk is read by; None where there is none, or can be none."""
    found: Planned | None = getattr(layer, "planned", None)
    return found
