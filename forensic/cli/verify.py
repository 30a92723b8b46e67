"""`qcowscope verify`: compare a raw file or an E01 container with the report of its extraction."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from forensic.cli.cautions import cautioned
from forensic.cli.output import progress_bar
from forensic.cli.parser import Subparsers, add_command, add_image_offset
from forensic.cli.sources import add_bitmap, add_files, add_key, add_plan, add_snapshot, disk_of, open_as_planned
from forensic.errors import EvidenceUnreadable
from forensic.evidence import Evidence
from forensic.exit_status import ExitStatus
from forensic.untrusted import shown

if TYPE_CHECKING:
    from forensic.extraction.verification import Differences, Verification


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(
        subparsers,
        "verify",
        run,
        "hash a raw file or the disk in an E01 container again and compare with the report",
        "For a split disk, give the name without its number, or the first segment. Of a container every checksum, the "
        "hashes in it and its list of read errors are compared as well.",
    )
    parser.add_argument("raw", metavar="OUT.raw|OUT.E01", type=Path, help="the output")
    parser.add_argument("report", metavar="REPORT.json", type=Path, help="the JSON report of its extraction")
    parser.add_argument(
        "--manifest", metavar="PATH", type=Path, help="the piecewise hashes of the extraction, to locate differences"
    )
    parser.add_argument(
        "--image",
        metavar="IMAGE",
        type=Path,
        help="the image it was extracted from, to be read again by a second, independent reader",
    )
    add_image_offset(parser)
    add_snapshot(parser)
    add_bitmap(parser)
    parser.add_argument("--vm-state", action="store_true", help="the machine state saved with the --snapshot")
    add_plan(parser)
    add_files(parser)
    add_key(parser)


def run(options: argparse.Namespace) -> int:
    """Compare; 6 if something differs, 1 if all agrees but the report itself does not confirm the output."""
    from forensic.extraction.verify import verify

    _caution_about_use(options)
    with progress_bar("verifying") as progress:
        outcome = verify(options.raw, options.report, progress, options.manifest)
    for line in _lines(outcome):
        print(line)
    agrees = _agrees_with_image(options) if options.image else True
    matches = outcome.matches and agrees
    for reservation in outcome.reservations:
        print(f"note: {reservation}")
    word = "does not match" if not matches else "match" if not outcome.reservations else _UNVOUCHED
    print(f"{shown(options.raw)}: {word}")
    if not matches or outcome.readings_differed:
        return ExitStatus.MISMATCH
    return ExitStatus.NOT_COMPLETED if outcome.reservations else ExitStatus.DONE


_UNVOUCHED = "agrees with the report, but the report does not confirm it"


def _agrees_with_image(options: argparse.Namespace) -> bool:
    """Whether a second reading of the image gives the same bytes; prints what it gives. Raises `UsageError`."""
    from forensic.extraction.verify import compare_with_image

    with open_as_planned(options) as image, disk_of(image, options) as disk:
        with progress_bar("reading the image again") as progress:
            found = compare_with_image(disk, options.raw, options.report, progress)
        changed = [evidence for evidence in disk.evidences if not evidence.unchanged()]
    for one in found.differences:
        reason = f" ({one.reason})" if one.reason else ""
        print(f"differs: {one.length:,} bytes at guest offset {one.guest_offset:#x}{shown(reason)}")
    if found.differences_not_listed:
        print(f"and {found.differences_not_listed:,} more ranges")
    print(found.sentence)
    for evidence in changed:
        reason = "changed while it was being read; the comparison is not reliable"
        raise EvidenceUnreadable(evidence.path_as_given, reason)
    return found.agrees


def _caution_about_use(options: argparse.Namespace) -> None:
    """Say it now: a file that changes while it is read ends the comparison."""
    from forensic.extraction.verify import files_of

    for path in files_of(options.raw, options.report):
        with Evidence(path) as evidence:
            cautioned([evidence], ExitStatus.DONE)


def _lines(outcome: Verification) -> Iterator[str]:
    if outcome.size_found != outcome.size_expected:
        yield f"size    differs: {outcome.size_found:,} bytes, the report says {outcome.size_expected:,}"
    for name, value in outcome.expected.items():
        found, said = outcome.found[name], shown(value)
        yield f"{name}  match  {said}" if found == value else f"{name}  differs: {found}, the report says {said}"
    for fault in outcome.faults:
        yield f"differs: {fault}"
    for index, found_size, expected_size in outcome.segment_sizes:
        yield f"segment {index} has {found_size:,} bytes, the report says {expected_size:,}; what follows is shifted"
    for index in outcome.segments:
        yield f"segment {index} differs"
    if outcome.differs_between:
        start, end = outcome.differs_between
        yield f"the first difference lies between byte {start:#x} and byte {end:#x}"
    if outcome.windows:
        yield from _window_lines(outcome.windows)


def _window_lines(windows: Differences) -> Iterator[str]:
    if not windows.ranges:
        yield "every window of the manifest matches"
    for start, end in windows.ranges:
        yield f"windows differ from byte {start:#x} to byte {end:#x}"
    if windows.not_listed:
        yield f"and {windows.not_listed:,} more windows"
