"""`qcowscope diff`: which guest ranges of two disks differ."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

from forensic.cli.cautions import cautioned, cautions_about
from forensic.cli.parser import Parser, Subparsers, UsageError, add_command, add_image, add_json
from forensic.cli.sources import (
    OTHER,
    SOURCE_FORMATS,
    add_files,
    add_key,
    add_plan,
    evidence_of,
    open_as_planned,
    supplied_by,
    supplied_to_other,
)
from forensic.errors import NotAnImage
from forensic.evidence import Evidence
from forensic.exit_status import ExitStatus
from forensic.untrusted import Json, shown

if TYPE_CHECKING:
    from forensic.disk.disk import Disk
    from forensic.disk.opening import Supplied
    from forensic.extraction.disk_difference import Difference
    from forensic.image import Qcow1Image, Qcow2Image

    Supplies = Callable[[Qcow2Image | Qcow1Image, argparse.Namespace], Supplied]

SCHEMA = "qcowscope-diff/1"
OF_OTHER = ("other_format", "other_backing", "other_data_file", "other_key_file")
IN_TOTAL = {
    "differs": ("byte differs", "bytes differ"),
    "not_compared": ("byte not compared", "bytes not compared"),
    "only_in_first": ("byte only in the first", "bytes only in the first"),
    "only_in_second": ("byte only in the second", "bytes only in the second"),
}
"""How the sum of a relation reads, of one byte and of several."""


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(
        subparsers,
        "diff",
        run,
        "list the guest ranges in which two disks differ: two images, two snapshots, a snapshot and the active disk",
        "Ranges stored at the same place in the same file are taken as equal without being read. Either side may be a "
        "raw disk. The exit status is 0 whether they differ or not, and 5 if some ranges could not be compared.",
    )
    add_sides(parser)
    add_json(parser)


def add_sides(parser: Parser) -> None:
    """Everything that says which two disks are compared."""
    add_image(parser)
    parser.add_argument("other", metavar="OTHER", nargs="?", help="a second image, to compare the active disks")
    parser.late_positional = "other"
    parser.add_argument(
        "--snapshot",
        metavar="ID|NAME|INDEX",
        action="append",
        default=[],
        help="a snapshot of IMAGE; given once, it is compared with the active disk; given twice, the two are compared",
    )
    for option, name in (("--format", "IMAGE"), ("--other-format", "OTHER")):
        parser.add_argument(
            option,
            metavar="raw|qcow2|qcow",
            choices=SOURCE_FORMATS,
            help=f"how to read {name} (otherwise detected from the file)",
        )
    add_plan(parser)
    add_files(parser)
    add_files(parser, OTHER)
    add_key(parser)


def run(options: argparse.Namespace) -> int:
    """Print the differences; 5 if some ranges could not be compared, otherwise 0, whatever was found."""
    from forensic.extraction.disk_difference import Relation, differences

    with ExitStack() as opened:
        first, second = both_disks(options, opened)
        lengths: Counter[str] = Counter()
        found = _counted(differences(first, second), lengths)
        if options.json:
            _print_json(first, second, found, lengths)
        else:
            _print_text(found, lengths)
            for caveat in dict.fromkeys((*first.caveats, *second.caveats)):
                print(f"note: {caveat}")
        sys.stdout.flush()
        status = ExitStatus.RANGES_NOT_READ if lengths[Relation.NOT_COMPARED] else ExitStatus.DONE
        return cautioned((*first.evidences, *second.evidences), status)


def both_disks(options: argparse.Namespace, opened: ExitStack, command: str = "diff") -> tuple[Disk, Disk]:
    """The two disks that the options name, open until the stack is closed.

    Raises `UsageError`, and what opening them raises.
    """
    wanted = len(options.snapshot)
    if (options.other is not None and wanted) or wanted > 2:
        raise UsageError(f"qcowscope {command}: compare two images, or one or two snapshots of one image")
    if options.other is not None:
        first = _disk(options.image, options.format, supplied_by, options, opened)
        return first, _disk(options.other, options.other_format, supplied_to_other, options, opened)
    if any(getattr(options, name) for name in OF_OTHER):
        raise UsageError(f"qcowscope {command}: there is no second image for what is given with --other-")
    if not wanted:
        raise UsageError(f"qcowscope {command}: name a second image or a --snapshot to compare with")
    return _snapshots(options, opened)


def _snapshots(options: argparse.Namespace, opened: ExitStack) -> tuple[Disk, Disk]:
    """Two snapshots of one image, or one and the active disk."""
    from forensic.disk.opening import find_snapshot, open_disk

    image = open_as_planned(options)
    opened.callback(image.close)
    supplied = supplied_by(image, options)
    targets = [find_snapshot(image, word) for word in options.snapshot]
    first = opened.enter_context(open_disk(image, targets[0], supplied))
    return first, opened.enter_context(open_disk(image, targets[1] if len(targets) == 2 else None, supplied))


def _disk(path: str, wanted: str | None, supplies: Supplies, options: argparse.Namespace, opened: ExitStack) -> Disk:
    """The active disk of an image, or the raw disk that a file is said to be, or must be since it is no image."""
    from forensic.disk.opening import Format, format_of, open_disk, raw_disk
    from forensic.image import identify
    from forensic.qcow2.identify import ForeignFile
    from forensic.recovery.reading import open_planned

    evidence = opened.enter_context(evidence_of(path, options) if supplies is supplied_by else Evidence(path))
    image = identify(evidence)
    if options.plan and supplies is supplied_by:
        image = open_planned(evidence, options.plan)
    is_foreign = isinstance(image, ForeignFile) and not image.unreadable
    if wanted == Format.RAW or (wanted is None and is_foreign):
        return raw_disk(evidence, None if wanted else image)
    if isinstance(image, ForeignFile):
        raise image.refusal()
    if wanted not in (None, format_of(image)):
        raise NotAnImage(path, f"it is a {format_of(image)} image, and is to be read as {wanted}")
    return opened.enter_context(open_disk(image, None, supplies(image, options)))


def _counted(found: Iterator[Difference], lengths: Counter[str]) -> Iterator[Difference]:
    for difference in found:
        lengths[difference.relation] += difference.length
        yield difference


def _print_text(found: Iterator[Difference], lengths: Counter[str]) -> None:
    print(f"{'guest offset':>18}  {'length':>18}  what")
    for one in found:
        reasons = f" ({', '.join(one.reasons)})" if one.reasons else ""
        print(f"{one.guest_offset:#018x}  {one.length:#18x}  {one.relation.replace('_', ' ')}{reasons}")
    sums = (f"{length:,} {IN_TOTAL[kind][length != 1]}" for kind, length in sorted(lengths.items()))
    print(", ".join(sums) or "no difference")


def _print_json(first: Disk, second: Disk, found: Iterator[Difference], lengths: Counter[str]) -> None:
    """One range a line, printed as it is found; the sums come last."""
    head = {"schema": SCHEMA, "first": _disk_json(first), "second": _disk_json(second)}
    print(json.dumps(head)[:-1] + ', "ranges": [')
    separator = ""
    for one in found:
        entry: dict[str, Json] = {"start": one.guest_offset, "length": one.length, "relation": one.relation.value}
        if one.reasons:
            entry["reasons"] = list(one.reasons)
        print(separator + json.dumps(entry), end="")
        separator = ",\n"
    cautions = cautions_about((*first.evidences, *second.evidences))
    caveats = list(dict.fromkeys((*first.caveats, *second.caveats, *cautions)))
    print(f'\n], "bytes": {json.dumps(dict(sorted(lengths.items())))}, "caveats": {json.dumps(caveats)}}}')


def _disk_json(disk: Disk) -> dict[str, Json]:
    names: list[Json] = [shown(evidence.path_as_given) for evidence in disk.evidences]
    return {"target": disk.target, "size": disk.size, "files": names}
