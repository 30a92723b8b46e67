"""The disk read a second time by a reader that shares no code with the first, and compared with the output."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct, field
from msgspec.structs import replace

from forensic.disk.disk import Disk
from forensic.disk.layer import Layer, RawLayer
from forensic.disk.planned import planned_of
from forensic.disk.selected import SelectedDisk
from forensic.disk.selected_answers import Answering, SelectedAnswers
from forensic.extraction.ledger import MissingRanges
from forensic.mapping.extents import Reason
from forensic.qcow2.entries import host_offset_of
from forensic.second_reader.answers import Answer, AnswerKind
from forensic.second_reader.reader import SecondReader
from forensic.second_reader.source import Key, PlannedTables, Source

if TYPE_CHECKING:
    from forensic.disk.sector_ciphers import SectorCipher
    from forensic.records.extraction import ComparisonRecord

LISTED_DIFFERENCES = 1000
"""Ranges that differ which are listed; all are counted."""

NOT_JUDGED = frozenset({Reason.IO_ERROR.code, Reason.DECODER_FAILED.code, Reason.SALVAGED.code, "entry_doubtful"})
"""Reasons on which two readings need not agree: a sector that is bad now may be good the next time, what crashes one
decoder another may take, what is salvaged of a broken stream is not checked by anything, and whether an entry is to be
believed is a judgement that the second reader does not make."""


class Method(StrEnum):
    """How much was compared."""

    WHOLE = "whole"
    PLACES = "places"


class Difference(Struct, frozen=True):
    """A guest range on which the readings differ, and in what: `bytes`, `unreadable_first` or `unreadable_second`."""

    guest_offset: int
    length: int
    what: str
    reason: str = ""

    @property
    def end(self) -> int:
        """The guest offset after it."""
        return self.guest_offset + self.length


class Comparison(Struct):
    """What two readings had in common: `bytes` agree, in `places` ranges; `bytes_not_judged` could not be compared."""

    method: Method
    bytes: int = 0
    places: int = 0
    bytes_not_judged: int = 0
    differences: list[Difference] = field(default_factory=list)
    differences_not_listed: int = 0

    @property
    def agrees(self) -> bool:
        """Whether no difference was found."""
        return not self.differences

    @property
    def sentence(self) -> str:
        """What may be said of the output."""
        where = (
            "all of it"
            if self.method == Method.WHOLE
            else f"{self.places:,} {'place' if self.places == 1 else 'places'}"
        )
        if not self.agrees:
            count = len(self.differences) + self.differences_not_listed
            return f"two independent readings differ in {count:,} {'range' if count == 1 else 'ranges'}"
        places = "1 place" if self.places == 1 else f"{self.places:,} places"
        where = "all of it" if self.method == Method.WHOLE else places
        return f"two independent readings agree over {self.bytes:,} bytes ({where})"

    def add(self, difference: Difference) -> None:
        """Enter a difference; neighbours of one kind are one."""
        last = self.differences[-1] if self.differences else None
        if last and (last.what, last.reason, last.end) == (difference.what, difference.reason, difference.guest_offset):
            self.differences[-1] = replace(last, length=last.length + difference.length)
        elif len(self.differences) < LISTED_DIFFERENCES:
            self.differences.append(difference)
        else:
            self.differences_not_listed += 1

    def leave_out_what_was_not_read(self) -> None:
        """Where reads have failed: what only the second reading lacks is not judged, since that says nothing of it."""
        left_out = [one for one in self.differences if one.what == "unreadable_second"]
        self.bytes_not_judged += sum(one.length for one in left_out)
        self.differences = [one for one in self.differences if one.what != "unreadable_second"]

    def include(self, other: Comparison) -> None:
        """Add what was found in the ranges that follow."""
        self.bytes += other.bytes
        self.places += other.places
        self.bytes_not_judged += other.bytes_not_judged
        self.differences_not_listed += other.differences_not_listed
        for difference in other.differences:
            self.add(difference)

    def record(self) -> ComparisonRecord:
        """What `result.extraction.compared` of a report holds."""
        from forensic.records.extraction import ComparisonRecord, DifferenceRecord

        return ComparisonRecord(
            method=self.method.value,
            summary=self.sentence,
            bytes=self.bytes,
            places=self.places,
            bytes_not_judged=self.bytes_not_judged,
            differences=[
                DifferenceRecord(
                    virtual_offset=one.guest_offset,
                    length=one.length,
                    what=one.what,
                    reason_code=one.reason or None,
                )
                for one in self.differences
            ],
            differences_not_listed=self.differences_not_listed,
        )


class OutputBytes(Protocol):
    """The bytes of an output by guest offset."""

    def read(self, guest_offset: int, length: int) -> bytes:
        """Bytes of the output; fewer where it ends."""

    def stored(self, guest_offset: int, length: int) -> Iterable[tuple[int, int]]:
        """The parts of a guest range that may be other than zero, as (start, end)."""


class Unread:
    """The ranges that the first reader could not read, to be asked by guest offset."""

    def __init__(self, missing: Iterable[tuple[int, int, str]], complete: bool) -> None:
        """(start, end, reason code) in guest order; `complete` says that there are no others."""
        self._ranges = list(missing)
        self._starts = [start for start, _, _ in self._ranges]
        self._listed_to = None if complete else (self._ranges[-1][1] if self._ranges else 0)

    @classmethod
    def of(cls, missing: MissingRanges) -> Unread:
        """The ranges of an extraction's ledger."""
        return cls(((one.guest_offset, one.end, one.reason.code) for one in missing.ranges), not missing.not_listed)

    def places(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The ranges counted from `start`; if there were too many to list, the rest up to `end` is the last one."""
        for begins, ends, _ in self._ranges:
            yield begins - start, ends - start
        if self._listed_to is not None:
            yield self._listed_to - start, end - start

    def split(self, start: int, end: int) -> Iterator[tuple[int, int, str | None]]:
        """The parts of a range with their reason codes: empty for what was read, None where nothing is known."""
        index = max(0, bisect_right(self._starts, start) - 1)
        while start < end:
            while index < len(self._ranges) and self._ranges[index][1] <= start:
                index += 1
            begins, ends, reason = self._ranges[index] if index < len(self._ranges) else (end, end, "")
            if begins <= start:
                stop = min(end, ends)
                yield start, stop, reason
            else:
                stop = min(end, begins)
                known = self._listed_to is None or start < self._listed_to
                yield start, stop, "" if known else None
            start = stop


def sources_of(disk: Disk) -> list[Source]:
    """The files of a disk and their keys, from which the other reader finds all else by itself."""
    return [
        Source(layer.evidences[0], is_raw=True)
        if isinstance(layer, RawLayer)
        else Source(
            layer.evidences[0],
            data_file=getattr(layer, "data_file", None),
            key=_key(layer),
            as_stored=getattr(layer, "as_stored", False),
            planned=_planned(layer),
        )
        for layer in disk.layers
    ]


def _key(layer: Layer) -> Key | None:
    cipher: SectorCipher | None = getattr(layer, "cipher", None)
    return Key(cipher.secret.raw) if cipher else None


def _planned(layer: Layer) -> PlannedTables | None:
    """What the other reader has to take from a recovery plan, in plain numbers."""
    planned = planned_of(layer)
    if planned is None:
        return None
    tables = tuple(host_offset_of(entry) for entry in planned.l1_entries.tolist())
    unknown = tuple((start, end, reason.code) for start, end, reason in planned.unknown)
    return PlannedTables(planned.header, tables, unknown, planned.data)


def second_reader_of(disk: Disk, sources: Sequence[Source] | None = None) -> Answering:
    """The same disk for the other reader, of its own sources or of those of `sources_of`. Raises `Unsupported`."""
    reader = SecondReader(sources or sources_of(disk), "active" if disk.target == "raw" else disk.target)
    return SelectedAnswers(reader, disk.selection) if isinstance(disk, SelectedDisk) else reader


def compare_range(
    reader: Answering,
    output: OutputBytes,
    start: int,
    end: int,
    unread: Unread,
    found: Comparison,
    passed: Callable[[int], None] | None = None,
) -> None:
    """Compare one guest range; `passed` is told of the bytes that are done, now and then."""
    position = start
    for answer in reader.answers(start, end - start):
        _compare(answer, position, output, unread, found)
        position += answer.length
        if passed:
            passed(answer.length)
    if position < end:  # the second reader's disk is shorter
        found.add(Difference(position, end - position, "unreadable_second", "not_on_the_disk"))


def _compare(answer: Answer, position: int, output: OutputBytes, unread: Unread, found: Comparison) -> None:
    for start, end, reason in unread.split(position, position + answer.length):
        if reason in NOT_JUDGED or (answer.kind == AnswerKind.UNREADABLE and answer.reason in NOT_JUDGED):
            found.bytes_not_judged += end - start
        elif answer.kind == AnswerKind.UNREADABLE:
            if reason == "":
                found.add(Difference(start, end - start, "unreadable_second", answer.reason))
            else:  # both call it unreadable, and zeros stand there
                _compare_zeros(start, end, output, found)
        elif reason:
            found.add(Difference(start, end - start, "unreadable_first", reason))
        elif answer.kind == AnswerKind.ZEROS:
            _compare_zeros(start, end, output, found)
        else:
            _compare_bytes(answer.data[start - position : end - position], start, output, found)


def _compare_bytes(wanted: bytes, start: int, output: OutputBytes, found: Comparison) -> None:
    there = output.read(start, len(wanted))
    if there == wanted:
        found.bytes += len(wanted)
    else:
        first, end = differing(wanted, there)
        found.bytes += len(wanted) - (end - first)
        found.add(Difference(start + first, end - first, "bytes"))


def _compare_zeros(start: int, end: int, output: OutputBytes, found: Comparison) -> None:
    position = start
    for begins, ends in output.stored(start, end - start):
        found.bytes += begins - position
        while begins < ends:
            step = min(1 << 20, ends - begins)
            _compare_bytes(bytes(step), begins, output, found)
            begins += step
        position = ends
    found.bytes += end - position


def differing(one: bytes, other: bytes) -> tuple[int, int]:
    """From the first byte in which two that are not the same differ to the one after the last."""
    shared = min(len(one), len(other))
    first = _common(one[:shared], other[:shared])
    if len(one) != len(other):
        return first, max(len(one), len(other))
    return first, shared - _common(one[::-1], other[::-1])


def _common(one: bytes, other: bytes) -> int:
    """How many first bytes two of one length have in common."""
    low, high = 0, len(one)
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
