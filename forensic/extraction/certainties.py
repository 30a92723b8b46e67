"""How sure the bytes of an extraction are, by a recovery plan: sums, and a hash of the certain ones alone."""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from typing import TYPE_CHECKING

from msgspec import Struct, field

from forensic.disk.planned import UNKNOWN, Planned, sentence_on_size
from forensic.extraction.ledger import Ledger
from forensic.extraction.piece_reader import Missing
from forensic.extraction.range_lists import ListedRange
from forensic.numbers import counted
from forensic.output.chunk import ZEROS, Chunk, length_of

if TYPE_CHECKING:
    from forensic.records.extraction import RecoveryRecord

CERTAIN, INFERRED = "certain", "inferred"
CLASSES = (CERTAIN, INFERRED, UNKNOWN)
LISTED_RANGES = 10_000


class Certainties(Struct):
    """Guest bytes by class and by method, and the ranges that are certain with the hash of their bytes in a row."""

    target: str
    examiner: tuple[str, ...] = ()
    by_class: Counter[str] = field(default_factory=Counter)
    by_method: Counter[str] = field(default_factory=Counter)
    sha256: str = ""
    ranges: list[tuple[int, int]] = field(default_factory=list)
    not_listed: int = 0
    size_certain: bool = True
    size_guessed: bool = False

    @classmethod
    def by(cls, planned: Planned) -> Certainties:
        """Nothing is entered yet of the disk that is read by this plan."""
        return cls(
            planned.target, planned.examiner, size_certain=planned.size_certain, size_guessed=planned.size_guessed
        )

    @property
    def complete(self) -> bool:
        """Whether nothing is inferred or unknown, the size of the disk included."""
        return self.size_certain and not self.by_class[INFERRED] and not self.by_class[UNKNOWN]

    @property
    def sentence(self) -> str:
        """What has to be said wherever inferred bytes are given."""
        count = self.by_class[INFERRED]
        placed = counted(count, "byte is", "bytes are")
        return f"{placed} placed by inference; the image does not say that they belong there"

    @property
    def sentence_on_size(self) -> str:
        """What has to be said where the size of the disk is not certain."""
        return sentence_on_size(self.size_guessed, not self.by_class[INFERRED] and not self.by_class[UNKNOWN])

    def add(self, entry: ListedRange) -> None:
        """Enter the next range."""
        judged = entry.judged
        word = judged.certainty if judged else UNKNOWN
        self.by_class[word] += entry.length
        if judged and word != UNKNOWN:
            self.by_method[judged.method] += entry.length
        if word != CERTAIN:
            return
        if self.ranges and sum(self.ranges[-1]) == entry.guest_offset:
            start, length = self.ranges[-1]
            self.ranges[-1] = (start, length + entry.length)
        elif len(self.ranges) < LISTED_RANGES:
            self.ranges.append((entry.guest_offset, entry.length))
        else:
            self.not_listed += 1

    def as_sums(self) -> dict[str, int]:
        """Bytes by class, the surest first."""
        return {word: self.by_class[word] for word in CLASSES}

    def record(self) -> RecoveryRecord:
        """What `result.extraction.recovery` of a report holds."""
        from forensic.records.extraction import CertainRecord, RecoveryRecord, VirtualPartRecord

        ranges = [VirtualPartRecord(virtual_offset=start, length=length) for start, length in self.ranges]
        return RecoveryRecord(
            target=self.target,
            examiner=self.examiner,
            bytes_by_certainty=self.as_sums(),
            bytes_by_method=dict(sorted(self.by_method.items())),
            sentence=self.sentence,
            certain=CertainRecord(sha256=self.sha256, ranges=ranges, ranges_not_listed=self.not_listed),
        )


class CertaintySums:
    """Sums up ranges as they come; a `RangeWriter` that writes nothing."""

    def __init__(self, into: Certainties) -> None:
        """Fill `into`."""
        self._into = into

    def write(self, entry: ListedRange) -> None:
        """The next range."""
        self._into.add(entry)

    def finish(self, ledger: Ledger, complete: bool) -> None:
        """Nothing is left to do."""

    def abandon(self) -> None:
        """Nothing was written."""


class CertainHash:
    """SHA-256 of the certain bytes of a disk in guest order, as they pass by."""

    def __init__(self, planned: Planned, unreadable: list[tuple[int, int]], guest_start: int) -> None:
        """`unreadable` are ranges that the tables give no bytes for, in order."""
        self._planned, self._at = planned, guest_start
        self._absent = deque(unreadable)
        self._faults: deque[tuple[int, int]] = deque()
        self._digest = hashlib.sha256()

    @classmethod
    def of(cls, planned: Planned, ledger: Ledger, guest_start: int) -> CertainHash | None:
        """The hash of an extraction; None if it cannot be listed which bytes the tables give."""
        absent = ledger.unreadable()
        if absent.not_listed:
            return None
        return cls(planned, [(one.guest_offset, one.end) for one in absent.ranges], guest_start)

    def fault(self, missing: Missing) -> None:
        """A range that could not be read; it comes with the bytes that are taken next."""
        self._faults.append((missing.guest_offset, missing.end))

    def take(self, chunk: Chunk) -> None:
        """What comes next."""
        begin, self._at = self._at, self._at + length_of(chunk)
        for start, end, judged in self._planned.parts(begin, self._at):
            if judged.certainty == CERTAIN:
                for first, stop in self._readable(start, end):
                    self._update(chunk, first - begin, stop - begin)

    def hexdigest(self) -> str:
        """The hash of all that was taken."""
        return self._digest.hexdigest()

    def _readable(self, start: int, end: int) -> list[tuple[int, int]]:
        """The parts of a range that were read."""
        found = [(start, end)]
        for left_out in (self._absent, self._faults):
            while left_out and left_out[0][1] <= start:
                left_out.popleft()
            found = [part for one in found for part in _without(one, left_out)]
        return found

    def _update(self, chunk: Chunk, start: int, end: int) -> None:
        if not isinstance(chunk, int):
            self._digest.update(memoryview(chunk)[start:end])
            return
        for at in range(start, end, len(ZEROS)):
            self._digest.update(memoryview(ZEROS)[: min(len(ZEROS), end - at)])


def _without(part: tuple[int, int], left_out: deque[tuple[int, int]]) -> list[tuple[int, int]]:
    start, end = part
    found = []
    for first, stop in left_out:
        if first >= end:
            break
        if stop > start:
            if first > start:
                found.append((start, first))
            start = stop
    return [*found, (start, end)] if start < end else found
