"""Two disks compared volume by volume: which volumes they have in common, and what was done to the files of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct

from forensic.disk.contents import read_of
from forensic.disk.disk import Disk
from forensic.extraction.disk_difference import differences
from forensic.filesystems.changes import Change, Tree, changes
from forensic.filesystems.contents import Compare, DifferingRanges, Side
from forensic.filesystems.matching import Rule, rule_for
from forensic.filesystems.reading import Reading
from forensic.filesystems.volume_reader import VolumeReader
from forensic.filesystems.walking import Task
from forensic.processes.limited import Bounds
from forensic.volumes.listing import NamedVolume, through
from forensic.volumes.signatures import serial_of

Pair = tuple[NamedVolume, NamedVolume]


class Common(Struct, frozen=True):
    """The volumes that two disks have in common and that can be read, and what is to be said of the others."""

    pairs: tuple[Pair, ...]
    notes: tuple[str, ...]


class ChangesOfVolume(Struct, frozen=True):
    """What was done to the files of a volume, by what they were recognised, and the readings of both sides."""

    volume: NamedVolume
    changes: list[Change]
    rule: Rule
    readings: tuple[Reading, Reading]


def common_volumes(before: Iterable[NamedVolume], after: Iterable[NamedVolume]) -> Common:
    """The volumes that are on both disks under one name, read by one library."""
    first, second = ({one.name.raw: one for one in volumes} for volumes in (before, after))
    notes = []
    for mine, others, which in ((first, second, "first"), (second, first, "second")):
        notes += [
            f"volume {one.name.text} can be read on the {which} disk only"
            for raw, one in mine.items()
            if raw not in others
        ]
    both = [(one, second[raw]) for raw, one in first.items() if raw in second]
    notes += [
        f"volume {one.name.text} is {one.file_system} on the first disk and {other.file_system} on the second"
        for one, other in both
        if one.library != other.library
    ]
    return Common(tuple((one, other) for one, other in both if one.library == other.library), tuple(notes))


def compare_volumes(
    disks: tuple[Disk, Disk],
    pairs: Iterable[Pair],
    bounds: Bounds,
    own_files: bool = False,
    tell: Callable[[Reading], object] | None = None,
) -> Iterator[ChangesOfVolume]:
    """The changes of each volume; `own_files` includes the file system's own.

    `tell` is called with each reading before it begins. Raises `ReaderNotInstalled`.
    """
    ranges: DifferingRanges | None = None
    for volumes in pairs:
        readings = _readings(disks, volumes, bounds)
        trees = []
        for reading in readings:
            if tell:
                tell(reading)
            trees.append(_tree(reading, own_files))
        if ranges is None:  # after the first readers were forked: they need not have a copy
            ranges = DifferingRanges(differences(*disks), max(disk.size for disk in disks))
        sides = [_side(disk, volume) for disk, volume in zip(disks, volumes, strict=True)]
        rule = _rule(disks, volumes)
        found = changes(trees[0], trees[1], rule, Compare(sides[0], sides[1], ranges))
        yield ChangesOfVolume(volumes[1], found, rule, readings)


def _readings(disks: tuple[Disk, Disk], volumes: Pair, bounds: Bounds) -> tuple[Reading, Reading]:
    task = Task(recursive=True, with_runs=True)
    return Reading(disks[0], volumes[0], task, bounds), Reading(disks[1], volumes[1], task, bounds)


def _tree(reading: Reading, own_files: bool) -> Tree:
    entries = [entry for entry in reading.entries() if own_files or not entry.own]
    faulty = [fault.path.raw for fault in reading.faults]
    return Tree(entries, None if reading.failure or reading.fault_count > len(faulty) else faulty)


def _rule(disks: tuple[Disk, Disk], volumes: Pair) -> Rule:
    """What files are recognised by; of two file systems that are not one, by their paths alone."""
    serials = [
        serial_of(through(read_of(disk), volume.layout), volume.file_system)
        for disk, volume in zip(disks, volumes, strict=True)
    ]
    return rule_for(volumes[1].file_system, serials[0] == serials[1])


def _side(disk: Disk, volume: NamedVolume) -> Side:
    return Side(VolumeReader(disk, volume.layout), volume.layout)
