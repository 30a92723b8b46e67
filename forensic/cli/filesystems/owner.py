"""`qcowscope fs owner`: which file a byte of the disk, or of the image file, belongs to."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from forensic.cli.filesystems.sources import add_disk, add_limit, bounds_of, ended, found_on, opened, report
from forensic.cli.parser import Subparsers, add_command, add_json, file_offset
from forensic.cli.standard_streams import complain
from forensic.exit_status import ExitStatus, status_of_all
from forensic.numbers import counted
from forensic.untrusted import Json

if TYPE_CHECKING:
    from forensic.disk.disk import Disk
    from forensic.filesystems.holders import Holder, Owned, Span
    from forensic.image import Qcow1Image, Qcow2Image
    from forensic.volumes.listing import NamedVolume, Volumes

SCHEMA = "qcowscope-fs-owner/1"

WORDS = {
    "free": "free",
    "metadata": "metadata of the file system",
    "in_use": "marked as in use, though no file that was found claims it",
    "unknown": "no file; metadata or free",
}
"""What is said of a byte that no file claims."""


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(
        subparsers,
        "owner",
        run,
        "say which file a byte of the disk or of the image file belongs to, or what else is there",
        "Reads the whole tree of the volume that holds it. What no file claims is metadata or free by the file "
        "system's own bitmap or table; of XFS these two are not told apart.",
    )
    add_disk(parser)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--at", type=file_offset, metavar="GUEST_OFFSET", help="offset on the disk (0x for hex)")
    where.add_argument("--host", type=file_offset, metavar="HOST_OFFSET", help="offset in the image file (0x for hex)")
    parser.add_argument("--deleted", action="store_true", help="deleted files as well, as far as they are still there")
    add_json(parser)
    add_limit(parser)


def run(options: argparse.Namespace) -> int:
    """Print the owners. Raises what opening the disk raises, `UsageError` and `ReaderNotInstalled`."""
    from forensic.filesystems.holders import Span, guest_spans

    with opened(options) as (image, disk):
        spans = [Span(options.at, 1)] if options.host is None else guest_spans(disk, options.host)
        volumes = found_on(disk)
        found: list[Json] = []
        statuses = [ExitStatus.DONE]
        if not spans:
            said = _said_of_host(image, disk, options.host)
            found.append({"what": said})
            print("" if options.json else f"{options.host:#x}: {said}", end="" if options.json else "\n")
        for span in spans:
            lines, objects, status = _owners(disk, volumes, span, options)
            statuses.append(status)
            found += objects
            if not options.json:
                print("\n".join(lines))
        if options.json:
            print(json.dumps({"schema": SCHEMA, "target": disk.target, "found": found}, indent=2, sort_keys=True))
        sys.stdout.flush()
        return ended([disk], status_of_all(statuses))


def _said_of_host(image: Qcow2Image | Qcow1Image, disk: Disk, host_offset: int) -> str:
    """What a byte of the image file is that the disk does not show."""
    from forensic.accounting.ownership import ownership
    from forensic.image import Qcow1Image

    nowhere = f"not part of the disk ({disk.target})"
    if isinstance(image, Qcow1Image):
        return nowhere
    owned = ownership(image, host_offset)
    names = ", ".join(dict.fromkeys(f"{one.owner.value}: {one.path}" for one in owned.owners))
    return f"{nowhere}; {names or 'nothing in the image refers to it'}"


def _owners(
    disk: Disk, volumes: Volumes, span: Span, options: argparse.Namespace
) -> tuple[list[str], list[Json], ExitStatus]:
    """What is said of a guest range: lines, objects, and the status."""
    from forensic.filesystems.holders import in_volume

    lines: list[str] = []
    objects: list[Json] = []
    statuses = [ExitStatus.DONE]
    place: dict[str, Json] = {"guest_offset": span.start, "length": span.length}
    if span.start >= disk.size:
        return [f"{span.start:#x}: past the end of the disk"], [{**place, "what": "past_disk_end"}], ExitStatus.DONE
    for volume in volumes.volumes:
        inner = in_volume(volume, span)
        if inner and not volume.library:
            lines.append(f"{span.start:#x}: volume {volume.name.text}: {volume.not_read}")
            objects.append({**place, "volume": volume.name.text, "what": "not_read", "reason": volume.not_read})
        elif inner:
            owned, status = _owned(disk, volume, inner, options)
            statuses.append(status)
            lines += _lines(span, volume, owned)
            objects += _objects(place, volume, owned)
    if not lines:
        lines.append(f"{span.start:#x}: outside of all volumes")
        objects.append({**place, "what": "outside_volumes"})
    return lines, objects, status_of_all(statuses)


def _owned(disk: Disk, volume: NamedVolume, inner: list[Span], options: argparse.Namespace) -> tuple[Owned, ExitStatus]:
    from forensic.disk.contents import read_of
    from forensic.filesystems.holders import find_holders
    from forensic.filesystems.reading import Reading
    from forensic.filesystems.walking import Task
    from forensic.volumes.listing import through

    task = Task(recursive=True, deleted=options.deleted, with_runs=True)
    reading = Reading(disk, volume, task, bounds_of(options))
    owned = find_holders(reading, through(read_of(disk), volume.layout), inner)
    if owned.holder_count > len(owned.holders):
        complain(
            f"qcowscope: {counted(owned.holder_count - len(owned.holders), 'more file claims', 'more files claim')} it"
        )
    return owned, report([reading])


def _lines(span: Span, volume: NamedVolume, owned: Owned) -> Iterator[str]:
    for holder in owned.holders:
        yield f"{span.start:#x}: volume {volume.name.text}: {_described(holder)}"
    for offset, what in owned.unclaimed:
        yield f"{span.start:#x}: volume {volume.name.text}, offset {offset:#x}: {WORDS[what]}"


def _described(holder: Holder) -> str:
    from forensic.filesystems.documents import escaped
    from forensic.filesystems.entries import REALLOCATED

    where = {
        "content": f"byte {holder.file_offset:,}",
        "slack": f"slack, {holder.file_offset - holder.entry.size:,} bytes past the end",
        "table": "its list of blocks",
    }[holder.what]
    deleted = "deleted, " if holder.entry.deleted else ""
    if holder.entry.reallocated:
        deleted += REALLOCATED + ", "
    return f"{escaped(holder.entry.path) or '/'} (inode {holder.entry.address}), {deleted}{where}"


def _objects(place: dict[str, Json], volume: NamedVolume, owned: Owned) -> Iterator[Json]:
    for holder in owned.holders:
        yield {**place, **holder.as_json()}
    for offset, what in owned.unclaimed:
        yield {**place, "volume": volume.name.text, "volume_offset": offset, "what": what}
