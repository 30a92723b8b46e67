"""Disk: one virtual disk to read, whatever files its bytes come from.

It is the active disk of an image, one of its snapshots, or a machine state saved with one; below the image lie the
backing files that the examiner supplied, level by level. Nothing that an image names is opened here or anywhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from enum import StrEnum
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct

from forensic.evidence import Evidence
from forensic.qcow2.content import Fault
from forensic.qcow2.entries import U64, distinct
from forensic.qcow2.levels import Level
from forensic.qcow2.mapping import (
    Extent,
    Reason,
    Rows,
    State,
    advance,
    clipped,
    coalesced,
    extents,
    mark_absent,
    single_row,
)
from forensic.untrusted import Untrusted

if TYPE_CHECKING:
    from forensic.qcow2.reader import DiskReader

GATHERED_ROWS = 8192
"""Rows that are held against the next level at once: small batches over a level with large tables would read those
tables again and again."""


class Role(StrEnum):
    """What a supplied file is to the image that needs it."""

    BACKING = "backing"
    DATA_FILE = "data_file"


class Input(Struct, frozen=True):
    """A file that the examiner supplied: for which level, and what that level calls it (None: nothing).

    `format` is what it is read as, `format_from` who said so: `given`, `declared` or `probed`.
    """

    role: Role
    depth: int
    evidence: Evidence
    declared: Untrusted | None
    format: str
    format_from: str

    @property
    def name_matches(self) -> bool | None:
        """Whether the declared name ends in the name of the file; None if nothing is declared."""
        if self.declared is None:
            return None
        return self.declared.raw.rpartition(b"/")[2] == os.fsencode(os.path.basename(self.evidence.path_as_given))


class Disk(Struct, frozen=True):
    """One virtual disk: `target` is `active`, `snapshot:<index>` or `vm-state:<index>`; `size` is in guest bytes.

    `levels[0]` is the image itself, the others are its backing files, nearest first. `inputs` are the files that were
    supplied beside the image; the disk owns them and closes them. `caveats` are sentences that belong into every report
    of what is read from it.
    """

    target: str
    size: int
    levels: tuple[Level, ...]
    inputs: tuple[Input, ...] = ()
    caveats: tuple[str, ...] = ()

    @property
    def evidences(self) -> tuple[Evidence, ...]:
        """Every file that is open for reading this disk."""
        return tuple(evidence for level in self.levels for evidence in level.evidences)

    def row_batches(self, guest_start: int = 0, guest_end: int | None = None) -> Iterator[Rows]:
        """Where each guest byte lies, in guest order without a gap; row by row, `depth` says on which level.

        A range is UNALLOCATED where no level that was supplied holds it.
        """
        end = self.size if guest_end is None else min(guest_end, self.size)
        return _through(self.levels, 0, guest_start, end) if guest_start < end else iter(())

    def readable_batches(self, guest_start: int = 0, guest_end: int | None = None) -> Iterator[Rows]:
        """The same, with every range absent whose bytes lie in a file or under a key that was not supplied."""
        for rows in self.row_batches(guest_start, guest_end):
            self.mark_what_was_not_supplied(rows)
            yield rows

    def extents(self, guest_start: int = 0, guest_end: int | None = None) -> Iterator[Extent]:
        """The rows of `row_batches` as objects, neighbours of one kind merged."""
        return extents(self.row_batches(guest_start, guest_end))

    def read(
        self,
        depth: int,
        guest_offset: int,
        host_offset: int,
        stored_length: int,
        skip: int,
        buffer: memoryview,
    ) -> list[Fault]:
        """Fill the buffer with the bytes of (part of) one row that is DATA, or COMPRESSED where it has a stored length.

        Worker threads may call it at the same time.
        """
        level = self.levels[depth]
        if stored_length:
            return level.read_compressed(host_offset, stored_length, skip, buffer)
        return level.read_data(guest_offset, host_offset, buffer)

    def reader(self, fill_missing: bool = False) -> DiskReader:
        """The disk as a seekable binary file for other libraries; see `DiskReader`."""
        from forensic.qcow2.reader import DiskReader

        return DiskReader(self, fill_missing)

    def close(self) -> None:
        """Close what was supplied beside the image; the image itself is its owner's."""
        for supplied in self.inputs:
            supplied.evidence.close()

    def __enter__(self) -> Disk:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def mark_what_was_not_supplied(self, rows: Rows) -> None:
        """Turn rows of `row_batches` into those of `readable_batches`, in place."""
        for depth, level in enumerate(self.levels):
            if level.data_lacks != Reason.NONE:
                here = (rows["depth"] == depth) & (rows["state"] == State.DATA)
                mark_absent(rows, here, level.data_lacks)
        last = len(self.levels) - 1
        if self.levels[last].backing_file is not None:
            beneath = (rows["depth"] == last) & (rows["state"] == State.UNALLOCATED)
            mark_absent(rows, beneath, Reason.BACKING_NOT_SUPPLIED)


def _through(levels: tuple[Level, ...], depth: int, start: int, end: int) -> Iterator[Rows]:
    """The rows of a level and of everything below that shows through it.

    A level that is shorter than the one above it reads as zeros beyond its end, whatever lies below: nothing is
    allocated there as far as the level above is concerned, so its depth is given, as QEMU does.
    """
    level = levels[depth]
    own_end = min(end, level.size)
    if start < own_end:
        batches = _at_depth(level.row_batches(start, own_end), depth)
        if depth + 1 == len(levels):
            yield from batches
        else:
            for rows in _gathered(batches):
                yield from _with_what_shows_through(rows, levels, depth)
    if own_end < end:
        start = max(start, own_end)
        yield single_row(start, end - start, State.UNALLOCATED, depth=depth - 1)


def _at_depth(batches: Iterable[Rows], depth: int) -> Iterator[Rows]:
    for rows in batches:
        if len(rows):
            rows["depth"] = depth
            yield rows


def _gathered(batches: Iterable[Rows]) -> Iterator[Rows]:
    """Consecutive batches put together until they have `GATHERED_ROWS` rows."""
    held: list[Rows] = []
    count = 0
    for rows in batches:
        held.append(rows)
        count += len(rows)
        if count >= GATHERED_ROWS:
            yield np.concatenate(held)
            held, count = [], 0
    if held:
        yield np.concatenate(held)


def _with_what_shows_through(rows: Rows, levels: tuple[Level, ...], depth: int) -> Iterator[Rows]:
    """The rows of one level, those that are unallocated replaced by the rows of the level below."""
    open_rows = np.flatnonzero(rows["state"] == State.UNALLOCATED)
    if not len(open_rows):
        yield rows
        return
    first, last = int(open_rows[0]), int(open_rows[-1])
    if first:
        yield rows[:first]
    start = int(rows["guest_offset"][first])
    end = int(rows["guest_offset"][last]) + int(rows["length"][last])
    for below in _through(levels, depth + 1, start, end):
        below_start = int(below["guest_offset"][0])
        below_end = int(below["guest_offset"][-1]) + int(below["length"][-1])
        yield coalesced(_merged(clipped(rows, below_start, below_end), below, below_end))
    if last + 1 < len(rows):
        yield rows[last + 1 :]


def _merged(above: Rows, below: Rows, end: int) -> Rows:
    """Two levels over the same guest range: the rows above, and where they are unallocated those below."""
    starts = distinct(np.concatenate([above["guest_offset"], below["guest_offset"]]))
    merged = cut_at(above, starts, end)
    unallocated = merged["state"] == State.UNALLOCATED
    merged[unallocated] = cut_at(below, starts, end)[unallocated]
    return merged


def cut_at(rows: Rows, starts: U64, end: int) -> Rows:
    """The pieces of `rows` that begin at `starts`, of which the first is that of the rows; the last ends at `end`."""
    pieces: Rows = rows[np.searchsorted(rows["guest_offset"], starts, side="right") - 1]
    advance(pieces, starts - pieces["guest_offset"])
    pieces["length"] = np.diff(np.append(starts, np.uint64(end)))
    return pieces
