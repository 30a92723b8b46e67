"""`qcowscope diff`: which guest ranges of two disks differ."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

from forensic.cli.parser import Subparsers, UsageError, add_command, add_image, add_json
from forensic.cli.sources import add_files, add_key, supplied_by
from forensic.untrusted import Json, shown

if TYPE_CHECKING:
    from forensic.extraction.difference import Difference
    from forensic.qcow2.disk import Disk

SCHEMA = "qcowscope-diff/1"


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(
        subparsers,
        "diff",
        run,
        "list the guest ranges in which two disks differ: two images, two snapshots, a snapshot and the active disk",
        "What lies at the same place of the same file is equal without being read. "
        "Supplied files are for IMAGE, a key is for both.",
    )
    add_image(parser)
    parser.add_argument("other", metavar="OTHER", nargs="?", help="a second image, to compare the active disks")
    add_json(parser)
    parser.add_argument(
        "--snapshot",
        metavar="ID|NAME|INDEX",
        action="append",
        default=[],
        help="a snapshot of IMAGE: given once it is compared with the active disk, given twice with the other one",
    )
    add_files(parser)
    add_key(parser)


def run(options: argparse.Namespace) -> int:
    """Print the differences; 5 if some ranges could not be compared, otherwise 0, whatever was found."""
    from forensic.extraction.difference import Relation, differences

    with ExitStack() as opened:
        first, second = _disks(options, opened)
        lengths: Counter[str] = Counter()
        found = _counted(differences(first, second), lengths)
        if options.json:
            _print_json(first, second, found, lengths)
        else:
            _print_text(found, lengths)
            for caveat in dict.fromkeys((*first.caveats, *second.caveats)):
                print(f"note: {caveat}")
    return 5 if lengths[Relation.NOT_COMPARED] else 0


def _disks(options: argparse.Namespace, opened: ExitStack) -> tuple[Disk, Disk]:
    from forensic.qcow2.image import open_any
    from forensic.qcow2.sources import Supplied, find_snapshot, open_disk

    wanted = len(options.snapshot)
    if (options.other is not None and wanted) or wanted > 2:
        raise UsageError("qcowscope diff: compare two images, or one or two snapshots of one image")
    if options.other is None and not wanted:
        raise UsageError("qcowscope diff: name a second image or a --snapshot to compare with")
    image = open_any(options.image)
    opened.callback(image.close)
    supplied = supplied_by(image, options)
    if options.other is not None:
        other = open_any(options.other)
        opened.callback(other.close)
        key_alone = Supplied((), None, supplied.passphrase, supplied.as_stored, supplied.allow_slow_key)
        first, second = open_disk(image, None, supplied), open_disk(other, None, key_alone)
    else:
        targets = [find_snapshot(image, word) for word in options.snapshot]
        first = open_disk(image, targets[0], supplied)
        second = open_disk(image, targets[1] if wanted == 2 else None, supplied)
    return opened.enter_context(first), opened.enter_context(second)


def _counted(found: Iterator[Difference], lengths: Counter[str]) -> Iterator[Difference]:
    for difference in found:
        lengths[difference.relation] += difference.length
        yield difference


def _print_text(found: Iterator[Difference], lengths: Counter[str]) -> None:
    print(f"{'guest offset':>18}  {'length':>18}  what")
    for one in found:
        reasons = f" ({', '.join(one.reasons)})" if one.reasons else ""
        print(f"{one.guest_offset:#018x}  {one.length:#18x}  {one.relation.replace('_', ' ')}{reasons}")
    total = ", ".join(f"{length:,} bytes {kind.replace('_', ' ')}" for kind, length in sorted(lengths.items()))
    print(total or "no difference")


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
    caveats = list(dict.fromkeys((*first.caveats, *second.caveats)))
    print(f'\n], "bytes": {json.dumps(dict(sorted(lengths.items())))}, "caveats": {json.dumps(caveats)}}}')


def _disk_json(disk: Disk) -> dict[str, Json]:
    names: list[Json] = [shown(evidence.path_as_given) for evidence in disk.evidences]
    return {"target": disk.target, "size": disk.size, "files": names}
