"""`qcowscope fs where`: where the bytes of one file lie, down to the image file."""

from __future__ import annotations

import argparse
import json
import sys
from itertools import islice
from typing import TYPE_CHECKING

from forensic.cli.filesystems.sources import (
    add_disk,
    add_file,
    add_limit,
    add_volume,
    as_path,
    bounds_of,
    chosen,
    ended,
    file_named,
    found_on,
    is_missing,
    opened,
    report,
)
from forensic.cli.parser import Subparsers, add_command, add_json
from forensic.cli.standard_streams import complain
from forensic.exit_status import ExitStatus
from forensic.untrusted import Json

if TYPE_CHECKING:
    from forensic.disk.disk import Disk
    from forensic.filesystems.entries import Entry
    from forensic.filesystems.places import Place
    from forensic.image import Qcow1Image, Qcow2Image

SCHEMA = "qcowscope-fs-where/1"


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(
        subparsers,
        "where",
        run,
        "say where the content of a file lies: in the volume, on the disk, in the image file, and who shares it",
        "A place is shared if another snapshot, or the active disk, leads to the same cluster at the same guest "
        "offset. The exit status is 5 if some of the places cannot be read.",
    )
    add_disk(parser)
    add_file(parser)
    add_volume(parser, "the only one that can be read")
    add_json(parser)
    add_limit(parser)


def run(options: argparse.Namespace) -> int:
    """Print the places. Raises what opening the disk raises, `UsageError` and `ReaderNotInstalled`."""
    from forensic.filesystems.places import MAX_PLACES, places_of
    from forensic.filesystems.reading import Reading
    from forensic.filesystems.walking import Task

    name = file_named(options, "where")
    with opened(options) as (image, disk):
        volume = chosen(found_on(disk), options)[0]
        task = Task(as_path(options.path or ""), options.inode or "", with_runs=True, only_itself=True)
        reading = Reading(disk, volume, task, bounds_of(options))
        entry = next(iter([*reading.entries()]), None)
        status = report([reading])
        if entry is None:
            is_missing(reading, name)
            return ended([disk], status or ExitStatus.NOT_COMPLETED)
        found = places_of(entry, volume.layout, disk, _others(image, disk))
        places = list(islice(found, MAX_PLACES))
        if next(found, None):
            complain(f"{name}: more than {MAX_PLACES:,} places: the rest is not listed")
            status = ExitStatus.NOT_COMPLETED
        print_places = _print_json if options.json else _print_text
        print_places(entry, places)
        sys.stdout.flush()
        lacking = any(place.state in ("absent", "not_on_disk") for place in places)
        return ended([disk], status or (ExitStatus.RANGES_NOT_READ if lacking else ExitStatus.DONE))


def _others(image: Qcow2Image | Qcow1Image, disk: Disk) -> list[Disk]:
    """The other disks of the image, if there are not too many."""
    from forensic.filesystems.places import MAX_DISKS, disks_beside
    from forensic.image import Qcow1Image

    if not isinstance(image, Qcow1Image) and image.header.nb_snapshots > MAX_DISKS:
        complain(f"note: only the first {MAX_DISKS} of {image.header.nb_snapshots:,} snapshots are compared with")
    return disks_beside(image, disk)


def _print_json(entry: Entry, places: list[Place]) -> None:
    from forensic.filesystems.documents import name_json

    listed: list[Json] = [place.as_json() for place in places]
    document: dict[str, Json] = {
        "schema": SCHEMA,
        "path": name_json(entry.path),
        "inode": entry.address,
        "size": entry.size,
        "in_inode": bool(entry.digest) and not places,
        "places": listed,
    }
    print(json.dumps(document, indent=2, sort_keys=True))


def _print_text(entry: Entry, places: list[Place]) -> None:
    if not places:
        print("no place of its own: " + ("the content is in the inode" if entry.digest else "the file has no content"))
        return
    print(f"{'file offset':>14}  {'length':>12}  {'guest offset':>14}  {'host offset':>14}  state")
    for place in places:
        guest = "-" if place.guest_offset is None else f"{place.guest_offset:#x}"
        host = "-" if place.host_offset is None else f"{place.host_offset:#x}"
        print(f"{place.file_offset:#14x}  {place.length:#12x}  {guest:>14}  {host:>14}  {_state(place)}")


def _state(place: Place) -> str:
    words = [place.state.replace("_", " ")]
    if place.stored_length:
        words.append(f"{place.stored_length:,} bytes stored, from decoded byte {place.skip:,}")
    if place.depth:
        words.append(f"level {place.depth} of the chain")
    if place.reason:
        words.append(place.reason)
    for name, length in place.shared:
        words.append(f"shared with {name}" + ("" if length == place.length else f" ({length:,} bytes)"))
    return ", ".join(words)
