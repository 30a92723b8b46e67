"""`qcowscope bitmap`: which guest ranges a dirty bitmap marks."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from forensic.cli.cautions import cautioned
from forensic.cli.parser import Subparsers, UsageError, add_command, add_image, add_json
from forensic.cli.sources import open_as_planned
from forensic.cli.standard_streams import complain
from forensic.exit_status import ExitStatus
from forensic.untrusted import Json, shown

if TYPE_CHECKING:
    from forensic.qcow2.bitmap_ranges import MarkedRange
    from forensic.qcow2.bitmap_tables import BitmapTable

SCHEMA = "qcowscope-bitmap/1"
FORMATS = ("text", "json", "ddrescue")

MAP_STATUS = {"marked": "+", "clear": "?", "unknown": "-"}


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(
        subparsers,
        "bitmap",
        run,
        "list the guest ranges that a dirty bitmap marks, and those of which that cannot be told",
        "The exit status is 5 if some of it cannot be told, or the bits need not be up to date.",
    )
    add_image(parser)
    parser.add_argument("name", metavar="NAME", help="the bitmap's name, or its place in the directory as #0")
    add_json(parser)
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="text",
        help="how to print the ranges; ddrescue is a mapfile in which what is marked is + (default: text)",
    )


def run(options: argparse.Namespace) -> int:
    """Print the ranges. Raises what opening the image raises."""
    from forensic.image import Qcow1Image
    from forensic.qcow2.bitmap_ranges import doubts, find_bitmap, marked_ranges, table_of

    with open_as_planned(options) as image:
        if isinstance(image, Qcow1Image):
            raise UsageError("qcowscope bitmap: images of version 1 have no bitmaps")
        bitmap = find_bitmap(image, options.name)
        table, said = table_of(image, bitmap), doubts(image, bitmap)
        lengths: Counter[str] = Counter()
        found = _counted(marked_ranges(table), lengths)
        form = "json" if options.json else options.format
        if form == "json":
            _print_json(table, found, lengths, said)
        elif form == "ddrescue":
            _print_map(found)
        else:
            _print_text(found, lengths)
        sys.stdout.flush()
        for sentence in said:
            complain(f"qcowscope: {shown(options.image)}: {sentence}")
        status = ExitStatus.RANGES_NOT_READ if said or lengths["unknown"] else ExitStatus.DONE
        return cautioned([image.evidence], status)


def _counted(found: Iterator[MarkedRange], lengths: Counter[str]) -> Iterator[MarkedRange]:
    for one in found:
        lengths[one.mark] += one.length
        yield one


def _print_text(found: Iterator[MarkedRange], lengths: Counter[str]) -> None:
    """What is marked or cannot be told; the rest is not."""
    print(f"{'guest offset':>18}  {'length':>18}  what")
    for one in found:
        if one.mark != "clear":
            print(f"{one.guest_offset:#018x}  {one.length:#18x}  {one.mark}")
    unknown = f", of {lengths['unknown']:,} bytes it cannot be told" if lengths["unknown"] else ""
    print(f"{lengths['marked']:,} bytes marked{unknown}")


def _print_map(found: Iterator[MarkedRange]) -> None:
    from forensic.output.mapfile import COLUMNS, mapfile_head, mapfile_line

    head = mapfile_head("+ marked by the bitmap, ? not marked, - cannot be told")
    sys.stdout.write(f"{head}0x00000000     +               1\n{COLUMNS}")
    for one in found:
        print(mapfile_line(one.guest_offset, one.length, MAP_STATUS[one.mark]))


def _print_json(table: BitmapTable, found: Iterator[MarkedRange], lengths: Counter[str], said: list[str]) -> None:
    """One range a line, printed as it is found; the sums come last."""
    bitmap = table.bitmap
    granularity = 1 << bitmap.granularity_bits if bitmap.granularity_bits < 64 else None
    about: dict[str, Json] = {"index": bitmap.index, "name": bitmap.name.as_json(), "granularity": granularity}
    head = {"schema": SCHEMA, "bitmap": about, "virtual_size": table.geometry.virtual_size}
    print(json.dumps(head)[:-1] + ', "ranges": [', end="")
    separator = "\n"
    for one in found:
        if one.mark != "clear":
            print(f'{separator}{{"start": {one.guest_offset}, "length": {one.length}, "mark": "{one.mark}"}}', end="")
            separator = ",\n"
    sums = {mark: lengths[mark] for mark in ("clear", "marked", "unknown")}
    print(f'\n], "bytes": {json.dumps(sums)}, "caveats": {json.dumps(said)}}}')
