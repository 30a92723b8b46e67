"""Where on the disk each of the guest's file systems begins: what anchors say of their place counts from there.

A file of the guest may hold a whole file system, a disk of another machine most often. Its structures say where they
lie in that file, and prove nothing about the disk. So a start is sure only if it is where file systems begin, and if
something other than the structures themselves leaves no other.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from msgspec import Struct, field

from forensic.qcow2.arrays import I64
from forensic.recovery.anchors.anchor import Anchor

USUAL_STARTS = (0, 63 * 512, 1 << 20)
"""Where a file system begins if no partition table says so: at once, on its own track, or at 1 MiB."""

AGREEING = 0.6
"""The share of a file system's anchors that have to fit its start."""

NEARLY_ALL = 0.95
"""The share without which a start is not sure: the structures of a file in pieces agree only within a piece."""

FEWEST_AGREEING = 4
"""Anchors without which a start that nothing else suggests is not believed."""


UNUSED_AT_END = 16 << 20
"""Bytes that partitions of whole cylinders, or of a GPT with its copy, leave at the end of the disk at most."""


class Start(Struct, frozen=True):
    """Where a file system begins on the disk, and whether no other start is possible."""

    offset: int
    sure: bool


class Said(Struct, frozen=True):
    """Starts by partition tables and volume managers; those of `own` come from a table that spans this very disk."""

    offsets: tuple[int, ...]
    own: frozenset[int]


class Within(Struct):
    """The anchors that lie in the data of tables: for each its table, and how far its place lies after the table's."""

    anchors: list[Anchor] = field(default_factory=list)
    tables: list[int] = field(default_factory=list)
    behind: list[int] = field(default_factory=list)

    def add(self, anchor: Anchor, table: int, behind: int) -> None:
        """Enter an anchor: what the table maps begins at (start of its file system + `behind`)."""
        self.anchors.append(anchor)
        self.tables.append(table)
        self.behind.append(behind)

    def by_system(self) -> dict[bytes, list[int]]:
        """The numbers of the anchors of each file system."""
        found: dict[bytes, list[int]] = {}
        for number, anchor in enumerate(self.anchors):
            found.setdefault(anchor.system, []).append(number)
        return found


class DiskShape(Struct, frozen=True):
    """What is known of the disk: the bytes that an L1 entry covers, its size, and whether that is sure.

    A size that is not sure is 0, or that of a header which has the wrong cluster size: of a new image that was created
    over this one, perhaps with the same size.
    """

    coverage: int
    size: int
    size_known: bool

    def leaves_no_room(self, end: int) -> bool:
        """Whether what ends here could not begin one L1 entry later; a size that is not sure has to fit exactly."""
        rest = self.size - end
        return 0 <= rest < (self.coverage if self.size_known else min(self.coverage, 1 << 20))

    def is_end(self, offset: int) -> bool:
        """Whether partitions that end here fill the disk, but for what a partition table leaves at its end."""
        return self.size_known and 0 <= self.size - offset <= max(self.coverage, UNUSED_AT_END)


def starts_of(within: Within, slots: dict[int, int], said: Said, disk: DiskShape) -> dict[bytes, Start]:
    """The start of each file system that has one; `slots` are those of the tables that are placed."""
    found: dict[bytes, Start] = {}
    for system, numbers in within.by_system().items():
        first = within.anchors[numbers[0]]
        if first.absolute:
            found[system] = Start(0, disk.size_known and first.span == disk.size)
            continue
        behind = np.array([within.behind[number] for number in numbers], dtype=np.int64)
        known = [
            slots[within.tables[number]] * disk.coverage - within.behind[number]
            for number in numbers
            if within.tables[number] in slots
        ]
        start = _start(behind, known, said, disk, first.span)
        if start is not None:
            found[system] = start
    return found


def _start(behind: I64, known: list[int], said: Said, disk: DiskShape, span: int) -> Start | None:
    """The start that most anchors fit: by tables that are placed, as something says, as is usual, or the only one."""

    def fitting(offset: int) -> int:
        places = offset + behind
        return int(np.count_nonzero((places % disk.coverage == 0) & (places >= 0)))

    offset, agreeing = Counter(known).most_common(1)[0] if known else (0, 0)
    by_tables = bool(known) and agreeing >= AGREEING * len(known)
    if not by_tables:
        candidates = [one for one in dict.fromkeys([*said.offsets, *USUAL_STARTS]) if _has_room(one, span, disk)]
        offset = max(candidates, key=fitting, default=0)
        if not candidates or fitting(offset) < AGREEING * len(behind):
            return _only_start(behind, span, disk)
    usual = offset in USUAL_STARTS or offset in said.offsets
    whole = fitting(offset) >= NEARLY_ALL * len(behind)
    alone = offset < disk.coverage and span > 0 and disk.leaves_no_room(offset + span)
    proven = (by_tables and agreeing >= NEARLY_ALL * len(known)) or offset in said.own or alone
    return Start(offset, usual and whole and proven and _has_room(offset, span, disk))


def only_usual_start(span: int, disk: DiskShape) -> int | None:
    """The one usual start that leaves a file system of this length room on the disk; None if there are several."""
    found = [one for one in USUAL_STARTS if _has_room(one, span, disk)]
    return found[0] if span and disk.size_known and len(found) == 1 else None


def _has_room(offset: int, span: int, disk: DiskShape) -> bool:
    """Whether a file system of this length can begin there; where the size of the disk is not known, anything can."""
    return not disk.size_known or offset + span <= disk.size


def _only_start(behind: I64, span: int, disk: DiskShape) -> Start | None:
    """The one start that leaves the file system room on the disk and makes most anchors fit; never sure.

    Anchors say a start up to the bytes that an L1 entry covers; the size of disk and file system may leave one.
    """
    remainder, agreeing = Counter((-behind % disk.coverage).tolist()).most_common(1)[0]
    if agreeing < max(FEWEST_AGREEING, AGREEING * len(behind)) or not span or not disk.size_known:
        return None
    last = (disk.size - span - remainder) // disk.coverage
    return Start(remainder, False) if last == 0 else None
