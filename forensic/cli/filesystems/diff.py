"""`qcowscope fs diff`: what was done to the files between two states of a disk."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from msgspec.structs import replace

from forensic.cli.diff import add_sides, both_disks
from forensic.cli.filesystems.sources import add_limit, add_volume, bounds_of, chosen, ended, found_on, report
from forensic.cli.parser import Subparsers, add_command, add_json
from forensic.cli.standard_streams import complain
from forensic.exit_status import ExitStatus, status_of_all
from forensic.untrusted import Json

if TYPE_CHECKING:
    from forensic.disk.disk import Disk
    from forensic.filesystems.changes import Change
    from forensic.filesystems.comparing import ChangesOfVolume, Common
    from forensic.filesystems.reading import Reading

SCHEMA = "qcowscope-fs-diff/1"


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
        common = _volumes(disks, options)
        found = list(_found(disks, common, options))
        readings = [reading for one in found for reading in one.readings]
        if options.json:
            _print_json(disks, found, common.notes, readings)
        else:
            _print_text(found, common.notes)
        sys.stdout.flush()
        status = report(readings)
        if any(change.reason for one in found for change in one.changes):
            status = status_of_all([status, ExitStatus.RANGES_NOT_READ])
        return ended(disks, status)


def _volumes(disks: tuple[Disk, Disk], options: argparse.Namespace) -> Common:
    """The volumes that both disks have. Raises `UsageError`."""
    from forensic.filesystems.comparing import common_volumes

    first, second = (chosen(found_on(disk), options, only_one=False) for disk in disks)
    common = common_volumes(first, second)
    if not common.pairs:
        from forensic.filesystems.systems import NothingReadable

        notes = "; ".join(common.notes)
        raise NothingReadable(f"the disks have no volume in common that can be read: {notes}")
    return common


def _found(disks: tuple[Disk, Disk], common: Common, options: argparse.Namespace) -> Iterator[ChangesOfVolume]:
    """The changes of each volume; that two file systems are not one is said."""
    from forensic.filesystems.changes import OF_CONTENT
    from forensic.filesystems.comparing import compare_volumes
    from forensic.filesystems.matching import Rule

    for one in compare_volumes(disks, common.pairs, bounds_of(options), options.own_files):
        if one.rule == Rule.PATH:
            complain(
                f"note: volume {one.volume.name.text}: two different file systems, whose files are matched by path"
            )
        kept = [change for change in one.changes if not options.content_only or OF_CONTENT & set(change.what)]
        yield replace(one, changes=kept)


def _print_json(
    disks: tuple[Disk, Disk], found: list[ChangesOfVolume], notes: Sequence[str], readings: list[Reading]
) -> None:
    listed = [
        change.as_json(one.volume.name.text, min(one.volume.length, disks[1].size))
        for one in found
        for change in one.changes
    ]
    document: dict[str, Json] = {
        "schema": SCHEMA,
        "first": disks[0].target,
        "second": disks[1].target,
        "volumes": [one.volume.name.text for one in found],
        "changes": listed,
        "notes": list(notes),
        "faults": [fault.as_json() for reading in readings for fault in reading.faults],
        "failures": [reading.failure.as_json() for reading in readings if reading.failure],
        "journals_open": sorted({reading.volume.name.text for reading in readings if reading.journal_open}),
    }
    print(json.dumps(document, indent=2, sort_keys=True))


def _print_text(found: list[ChangesOfVolume], notes: Sequence[str]) -> None:
    several = len(found) > 1
    for note in notes:
        print(f"note: {note}")
    for one in found:
        for change in one.changes:
            print(_line(change, f"{one.volume.name.text}:/" if several else ""))
    if not any(one.changes for one in found):
        print("no difference")


def _line(change: Change, prefix: str) -> str:
    from forensic.filesystems.documents import escaped

    words = ", ".join(what.replace("_", " ") for what in change.what)
    path = prefix + escaped(change.path)
    if "renamed" in change.what and change.before is not None:
        path = f"{prefix}{escaped(change.before.path)} -> {path}"
    details = ", ".join(filter(None, (", ".join(change.fields), change.reason)))
    return f"{words:24}  {path}{f'  ({details})' if details else ''}"
