"""`qcowscope fs ls`: the volumes of a disk, and what their folders hold."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from forensic.cli.filesystems.sources import (
    add_disk,
    add_limit,
    add_volume,
    as_path,
    bounds_of,
    chosen,
    ended,
    found_on,
    is_missing,
    opened,
    report,
)
from forensic.cli.parser import Subparsers, add_command, add_json
from forensic.cli.standard_streams import complain
from forensic.exit_status import ExitStatus
from forensic.numbers import moment
from forensic.untrusted import Json, shown

if TYPE_CHECKING:
    from forensic.disk.disk import Disk
    from forensic.filesystems.entries import Entry
    from forensic.filesystems.reading import Reading
    from forensic.volumes.listing import NamedVolume, Volumes

SCHEMA = "qcowscope-fs-ls/1"


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(
        subparsers,
        "ls",
        run,
        "list the volumes of a disk, or what a folder of one holds",
        "Names are printed one a line, escaped where they could harm a terminal. The exit status is 5 if the disk "
        "lacks bytes that the listing needs, and 1 if a file system is too damaged to be listed to its end.",
    )
    add_disk(parser)
    parser.add_argument("path", metavar="PATH", nargs="?", help="the folder or file (default: the root)")
    parser.late_positional = "path"
    add_volume(parser, "the only one that can be read; without PATH and -r, all volumes are listed")
    parser.add_argument("-r", "--recursive", action="store_true", help="all folders below as well")
    parser.add_argument("-l", "--long", action="store_true", help="kind, inode, size and time before each name")
    parser.add_argument("--deleted", action="store_true", help="deleted entries only, as far as they are still there")
    add_json(parser)
    add_limit(parser)


def run(options: argparse.Namespace) -> int:
    """Print the list. Raises what opening the disk raises, `UsageError` and `ReaderNotInstalled`."""
    with opened(options) as (_, disk):
        volumes = found_on(disk)
        about_files = options.path is not None or options.recursive or options.deleted or options.volume is not None
        if about_files:
            return ended([disk], _list_files(disk, chosen(volumes, options)[0], options))
        _print_volumes(volumes, options.json)
        sys.stdout.flush()
        if volumes.missing:
            complain(f"qcowscope: the beginning of the disk cannot be read: {volumes.missing}")
        return ended([disk], ExitStatus.RANGES_NOT_READ if volumes.missing else ExitStatus.DONE)


def _print_volumes(volumes: Volumes, as_json: bool) -> None:
    if as_json:
        listed: list[Json] = [volume.as_json() for volume in volumes.volumes]
        document = {
            "schema": SCHEMA,
            "scheme": volumes.scheme,
            "volumes": listed,
            "notes": list(volumes.notes),
            "missing": volumes.missing or None,
        }
        print(json.dumps(document, indent=2, sort_keys=True))
        return
    for line in volume_lines(volumes):
        print(line)


def volume_lines(volumes: Volumes) -> Iterator[str]:
    """The volumes as a table."""
    width = max([6, *(len(volume.name.text) for volume in volumes.volumes)])
    yield f"{'volume':{width}}  {'start':>14}  {'length':>14}  {'file system':20}  {'label':16}  kind"
    for volume in volumes.volumes:
        start = "-" if volume.guest_offset is None else f"{volume.guest_offset:#x}"
        kind = f"{volume.kind}, {volume.title.text}" if volume.title.raw else volume.kind
        not_read = f" ({volume.not_read})" if volume.not_read else ""
        yield (
            f"{volume.name.text:{width}}  {start:>14}  {volume.length:#14x}  {volume.file_system or '-':20}  "
            f"{volume.label.text or '-':16}  {kind}{not_read}"
        )


def _list_files(disk: Disk, volume: NamedVolume, options: argparse.Namespace) -> ExitStatus:
    from forensic.filesystems.reading import Reading
    from forensic.filesystems.walking import Task

    path = as_path(options.path or "")
    task = Task(path=path, recursive=options.recursive, deleted=options.deleted)
    reading = Reading(disk, volume, task, bounds_of(options))
    entries = (entry for entry in reading.entries() if entry.deleted or not options.deleted)
    if options.json:
        _print_json(reading, entries)
        faults: list[Json] = [fault.as_json() for fault in reading.faults]
        failure = reading.failure.as_json() if reading.failure else None
        rest = {"faults": faults, "failure": failure, "journal_open": reading.journal_open}
        print(f"\n], {json.dumps(rest)[1:]}")
    else:
        for entry in entries:
            print(_long(entry, reading.most_bytes) if options.long else shown_path(entry.path))
    sys.stdout.flush()
    status = report([reading])
    return ExitStatus.NOT_COMPLETED if is_missing(reading, shown(path)) else status


def _print_json(reading: Reading, entries: Iterator[Entry]) -> None:
    """One entry a line, as they come."""
    from forensic.filesystems.documents import entry_json

    head: dict[str, Json] = {"schema": SCHEMA, "volume": reading.volume.as_json()}
    print(json.dumps(head, sort_keys=True)[:-1] + ', "entries": [')
    separator = ""
    for entry in entries:
        print(separator + json.dumps(entry_json(entry, reading.most_bytes)), end="")
        separator = ",\n"


def shown_path(path: bytes) -> str:
    """A path in its shown form, however long it is."""
    from forensic.filesystems.documents import escaped

    return escaped(path)


def _long(entry: Entry, most_bytes: int) -> str:
    from forensic.filesystems.documents import permissions
    from forensic.filesystems.entries import REALLOCATED

    more = " (more than the volume holds)" if entry.size > most_bytes else ""
    target = f" -> {shown_path(entry.target)}" if entry.target else ""
    target += f" ({REALLOCATED})" if entry.reallocated else ""
    return (
        f"{permissions(entry)}  {entry.address:>10}  {entry.size:>14,}{more}  {moment(entry.modified) or '-':>20}  "
        f"{shown_path(entry.path)}{target}"
    )
