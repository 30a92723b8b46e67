"""What the commands of `fs` have in common: the disk and the volume they are asked about, and how their readers did."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from forensic.cli.cautions import cautioned
from forensic.cli.parser import Parser, UsageError, add_image, positive_number
from forensic.cli.sources import add_files, add_key, add_plan, add_snapshot, disk_of, open_as_planned
from forensic.cli.standard_streams import complain
from forensic.exit_status import ExitStatus, status_of_all
from forensic.numbers import counted
from forensic.untrusted import shown

if TYPE_CHECKING:
    from forensic.disk.disk import Disk
    from forensic.filesystems.reading import Reading
    from forensic.image import Qcow1Image, Qcow2Image
    from forensic.processes.limited import Bounds
    from forensic.volumes.listing import NamedVolume, Volumes

FAULTS_SHOWN = 20
"""Faults of a volume that are printed one by one."""


def add_disk(parser: Parser) -> None:
    """The image, and the options by which a disk is read from it."""
    add_image(parser)
    add_snapshot(parser)
    add_plan(parser)
    add_files(parser)
    add_key(parser)


def add_volume(parser: Parser, otherwise: str) -> None:
    """`--volume`; `otherwise` says what is meant without it."""
    parser.add_argument(
        "--volume",
        metavar="N|GROUP/NAME",
        help=f"a partition by number, 0 for a disk without partitions, or a logical volume (default: {otherwise})",
    )


def add_file(parser: Parser) -> None:
    """PATH and `--inode`, of which one has to be given."""
    parser.add_argument("path", metavar="PATH", nargs="?", help="the file; of an NTFS stream PATH:STREAM")
    parser.late_positional = "path"
    parser.add_argument(
        "--inode", metavar="N", help="the file by inode, of an NTFS stream by N-TYPE-ID as in `fs ls --long`"
    )


def file_named(options: argparse.Namespace, command: str) -> str:
    """How the file is called in messages. Raises `UsageError` unless it is named in one way."""
    if (options.path is None) == (options.inode is None):
        raise UsageError(f"qcowscope fs {command}: name a file by PATH or by --inode")
    return f"inode {shown(options.inode)}" if options.inode else shown(as_path(options.path))


def add_limit(parser: Parser) -> None:
    """`--limit-time`."""
    parser.add_argument(
        "--limit-time",
        metavar="SECONDS",
        type=positive_number,
        default=3600,
        help="the time that reading one volume may take (default: 3600)",
    )


def bounds_of(options: argparse.Namespace) -> Bounds:
    """What a reader may use."""
    from forensic.processes.limited import Bounds

    return Bounds(seconds=options.limit_time)


@contextmanager
def opened(options: argparse.Namespace) -> Iterator[tuple[Qcow2Image | Qcow1Image, Disk]]:
    """The image and the disk of the options, for as long as they are read. Raises what opening them raises."""
    with open_as_planned(options) as image, disk_of(image, options) as disk:
        for caveat in disk.caveats:
            complain(f"note: {caveat}")
        yield image, disk


def found_on(disk: Disk) -> Volumes:
    """The volumes of a disk; what is not as it should be is said."""
    from forensic.filesystems.reading import volumes_on

    found = volumes_on(disk)
    for note in found.notes:
        complain(f"note: {note}")
    return found


def chosen(volumes: Volumes, options: argparse.Namespace, only_one: bool = True) -> list[NamedVolume]:
    """The volume that was asked for, or those that can be read. Raises `UsageError` and `DiskUnreadable`.

    With `only_one` there has to be just one if none was asked for.
    """
    if volumes.missing and not volumes.volumes:
        from forensic.filesystems.systems import DiskUnreadable

        raise DiskUnreadable(volumes.missing)
    readable = [volume for volume in volumes.volumes if volume.library]
    if options.volume is not None:
        wanted = os.fsencode(options.volume)
        named = [volume for volume in volumes.volumes if volume.name.raw == wanted]
        if not named:
            names = ", ".join(volume.name.text for volume in volumes.volumes) or "none"
            raise UsageError(f"qcowscope fs: there is no volume {shown(options.volume)}; there are: {names}")
        if not named[0].library:
            raise UsageError(f"qcowscope fs: volume {named[0].name.text} cannot be read: {named[0].not_read}")
        return named[:1]
    if not readable:
        from forensic.filesystems.systems import NothingReadable

        reasons = "; ".join(f"volume {volume.name.text}: {volume.not_read}" for volume in volumes.volumes)
        raise NothingReadable(f"the disk has no volume that can be read{': ' if reasons else ''}{reasons}")
    if only_one and len(readable) > 1:
        names = ", ".join(volume.name.text for volume in readable)
        raise UsageError(f"qcowscope fs: choose a volume with --volume: {names}")
    return readable


def as_path(text: str) -> bytes:
    """A path of the command line as it stands in a volume."""
    return b"/".join(part for part in os.fsencode(text).split(b"/") if part)


def report(readings: Iterable[Reading]) -> ExitStatus:
    """Say what went wrong in the readings; the status that stands for all of them."""
    statuses = []
    for reading in readings:
        statuses.append(reading.status)
        if reading.journal_open:
            complain(
                f"note: volume {reading.volume.name.text}: its journal holds changes that are not in the files; it is "
                "not replayed"
            )
        if reading.failure:
            complain(f"qcowscope: {reading.failure}")
        for fault in reading.faults[:FAULTS_SHOWN]:
            complain(f"qcowscope: {fault}")
        if reading.fault_count > FAULTS_SHOWN:
            complain(f"qcowscope: {counted(reading.fault_count - FAULTS_SHOWN, 'more fault')} of this volume")
    return status_of_all(statuses)


def is_missing(reading: Reading, name: str) -> bool:
    """Whether there is no such file on the volume, which is said."""
    if not reading.found:
        complain(f"qcowscope: volume {reading.volume.name.text}: there is no {name}")
    return not reading.found


def ended(disks: Iterable[Disk], status: int) -> int:
    """The status of a command that has read these disks."""
    return cautioned([evidence for disk in disks for evidence in disk.evidences], ExitStatus(status))
