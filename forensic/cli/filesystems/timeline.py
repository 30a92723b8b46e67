"""`qcowscope fs timeline`: the times of all files for other programs."""

from __future__ import annotations

import argparse
import sys

from forensic.cli.filesystems.sources import (
    add_disk,
    add_limit,
    add_volume,
    bounds_of,
    chosen,
    ended,
    found_on,
    opened,
    report,
)
from forensic.cli.parser import Subparsers, add_command

FORMATS = ("body", "dfxml", "jsonl")


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(
        subparsers,
        "timeline",
        run,
        "print the times of all files, for mactime and others",
        "Names are escaped, so that none can forge a line or a column. Without --volume all volumes are read, and a "
        "path begins with its volume if there are several. A volume whose reader fails does not stop the others.",
    )
    add_disk(parser)
    add_volume(parser, "all that can be read")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default=FORMATS[0],
        help="a body file for mactime, Digital Forensics XML with the place of each file, or a JSON object a line "
        "(default: body)",
    )
    parser.add_argument(
        "--deleted", action="store_true", help="deleted entries as well, as far as they are still there"
    )
    add_limit(parser)


def run(options: argparse.Namespace) -> int:
    """Print it. Raises what opening the disk raises, `UsageError` and `ReaderNotInstalled`."""
    from forensic.filesystems.reading import Reading
    from forensic.filesystems.timeline import FORMATS
    from forensic.filesystems.walking import Task

    with opened(options) as (_, disk):
        volumes = chosen(found_on(disk), options, only_one=False)
        task = Task(recursive=True, deleted=options.deleted, with_runs=options.format == "dfxml")
        readings = [Reading(disk, volume, task, bounds_of(options)) for volume in volumes]
        for line in FORMATS[options.format](readings, options.image, len(readings) > 1):
            print(line)
        sys.stdout.flush()
        return ended([disk], report(readings))
