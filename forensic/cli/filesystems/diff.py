"""`qcowscope fs diff`: what was done to the files between two states of a disk."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

from forensic.cli.diff import add_sides, both_disks
from forensic.cli.filesystems.sources import add_limit, add_volume, bounds_of, chosen, ended, found_on, report
from forensic.cli.parser import Subparsers, UsageError, add_command, add_json
from forensic.cli.standard_streams import complain
from forensic.exit_status import ExitStatus, status_of_all
from forensic.untrusted import Json

if TYPE_CHECKING:
    from forensic.disk.disk import Disk
    from forensic.filesystems.changes import Change, Tree
    from forensic.filesystems.contents import DifferingRanges, Side
    from forensic.filesystems.matching import Rule
    from forensic.filesystems.reading import Reading
    from forensic.volumes.listing import NamedVolume

SCHEMA = "qcowscope-fs-diff/1"

VolumeChanges = tuple["NamedVolume", list["Change"]]


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(
        subparsers,
        "diff",
        run,
        "list the files that differ between two disks: two images, two snapshots, a snapshot and the active disk",
        "Files are new, deleted, renamed, replaced (another file has the name), or differ in content or metadata; the "
        "time of access is not compared. Content is compared by the ranges in which the disks differ, not by "
        "times, so a file that was changed behind its file system's back is found, as content without metadata. The "
        "exit status is 0 whether they differ or not, and 5 if something could not be compared.",
    )
    add_sides(parser)
    add_volume(parser, "all that can be read")
    parser.add_argument(
        "--content-only", action="store_true", help="only files that are new or gone or have other bytes"
    )
    parser.add_argument(
        "--own-files",
        action="store_true",
        help="the file system's own files as well, such as $MFT and $LogFile of NTFS",
    )
    add_json(parser)
    add_limit(parser)


def run(options: argparse.Namespace) -> int:
    """Print the changes. Raises what opening the disks raises, `UsageError` and `ReaderNotInstalled`."""
    with ExitStack() as opened:
        disks = both_disks(options, opened, "fs diff")
        for caveat in dict.fromkeys((*disks[0].caveats, *disks[1].caveats)):
            complain(f"note: {caveat}")
        pairs, notes = _volumes(disks, options)
        readings: list[Reading] = []
        found = list(_found(disks, pairs, readings, options))
        if options.json:
            _print_json(disks, found, notes, readings)
        else:
            _print_text(found, notes)
        sys.stdout.flush()
        status = report(readings)
        if any(change.reason for _, changes in found for change in changes):
            status = status_of_all([status, ExitStatus.RANGES_NOT_READ])
        return ended(disks, status)


def _volumes(
    disks: tuple[Disk, Disk], options: argparse.Namespace
) -> tuple[list[tuple[NamedVolume, NamedVolume]], list[str]]:
    """The volumes that both disks have, and what is to be said of the others. Raises `UsageError`."""
    found = [found_on(disk) for disk in disks]
    first, second = ({one.name.raw: one for one in chosen(volumes, options, only_one=False)} for volumes in found)
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
    pairs = [(one, other) for one, other in both if one.library == other.library]
    if not pairs:
        raise UsageError(f"qcowscope fs diff: the disks have no volume in common that can be read: {'; '.join(notes)}")
    return pairs, notes


def _found(
    disks: tuple[Disk, Disk],
    pairs: list[tuple[NamedVolume, NamedVolume]],
    readings: list[Reading],
    options: argparse.Namespace,
) -> Iterator[VolumeChanges]:
    """The changes of each volume; what read it is added to `readings`."""
    from forensic.extraction.disk_difference import differences
    from forensic.filesystems.changes import OF_CONTENT, changes
    from forensic.filesystems.contents import Compare, DifferingRanges

    ranges: DifferingRanges | None = None
    for volumes in pairs:
        trees = [_tree(disk, volume, readings, options) for disk, volume in zip(disks, volumes, strict=True)]
        if ranges is None:  # after the first readers were forked: they need not have a copy
            ranges = DifferingRanges(differences(*disks), max(disk.size for disk in disks))
        sides = [_side(disk, volume) for disk, volume in zip(disks, volumes, strict=True)]
        found = changes(trees[0], trees[1], _rule(disks, volumes), Compare(sides[0], sides[1], ranges))
        yield volumes[1], [one for one in found if not options.content_only or OF_CONTENT & set(one.what)]


def _rule(disks: tuple[Disk, Disk], volumes: tuple[NamedVolume, NamedVolume]) -> Rule:
    """What files are recognised by; that two file systems are not one is said."""
    from forensic.disk.contents import read_of
    from forensic.filesystems.matching import rule_for
    from forensic.volumes.listing import through
    from forensic.volumes.signatures import serial_of

    serials = [
        serial_of(through(read_of(disk), volume.layout), volume.file_system)
        for disk, volume in zip(disks, volumes, strict=True)
    ]
    if serials[0] != serials[1]:
        complain(f"note: volume {volumes[1].name.text}: two different file systems, whose files are matched by path")
    return rule_for(volumes[1].file_system, serials[0] == serials[1])


def _tree(disk: Disk, volume: NamedVolume, readings: list[Reading], options: argparse.Namespace) -> Tree:
    from forensic.filesystems.changes import Tree
    from forensic.filesystems.reading import Reading
    from forensic.filesystems.walking import Task

    reading = Reading(disk, volume, Task(recursive=True, with_runs=True), bounds_of(options))
    readings.append(reading)
    entries = [entry for entry in reading.entries() if options.own_files or not entry.own]
    faulty = [fault.path.raw for fault in reading.faults]
    return Tree(entries, None if reading.failure or reading.fault_count > len(faulty) else faulty)


def _side(disk: Disk, volume: NamedVolume) -> Side:
    from forensic.filesystems.contents import Side
    from forensic.filesystems.volume_reader import VolumeReader

    return Side(VolumeReader(disk, volume.layout), volume.layout)


def _print_json(
    disks: tuple[Disk, Disk], found: list[VolumeChanges], notes: list[str], readings: list[Reading]
) -> None:
    listed = [
        change.as_json(volume.name.text, min(volume.length, disks[1].size))
        for volume, changes in found
        for change in changes
    ]
    document: dict[str, Json] = {
        "schema": SCHEMA,
        "first": disks[0].target,
        "second": disks[1].target,
        "volumes": [volume.name.text for volume, _ in found],
        "changes": listed,
        "notes": notes,
        "faults": [fault.as_json() for reading in readings for fault in reading.faults],
        "failures": [reading.failure.as_json() for reading in readings if reading.failure],
    }
    print(json.dumps(document, indent=2, sort_keys=True))


def _print_text(found: list[VolumeChanges], notes: list[str]) -> None:
    several = len(found) > 1
    for note in notes:
        print(f"note: {note}")
    for volume, changes in found:
        for change in changes:
            print(_line(change, f"{volume.name.text}:/" if several else ""))
    if not any(changes for _, changes in found):
        print("no difference")


def _line(change: Change, prefix: str) -> str:
    from forensic.filesystems.documents import escaped

    words = ", ".join(what.replace("_", " ") for what in change.what)
    path = prefix + escaped(change.path)
    if "renamed" in change.what and change.before is not None:
        path = f"{prefix}{escaped(change.before.path)} -> {path}"
    details = ", ".join(filter(None, (", ".join(change.fields), change.reason)))
    return f"{words:24}  {path}{f'  ({details})' if details else ''}"
