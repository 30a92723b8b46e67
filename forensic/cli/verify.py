"""`qcowscope verify`: compare a raw file with the report of its extraction."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from forensic.cli.cautions import cautioned
from forensic.cli.output import progress_bar
from forensic.cli.parser import Subparsers, add_command
from forensic.evidence import Evidence
from forensic.untrusted import shown

if TYPE_CHECKING:
    from forensic.extraction.comparison import Differences, Verification

MISMATCH = 6


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(
        subparsers,
        "verify",
        run,
        "hash a raw file again and compare with the report",
        "Of a split disk the name without number is given, or the first segment.",
    )
    parser.add_argument("raw", metavar="OUT.raw", type=Path, help="the raw file")
    parser.add_argument("report", metavar="REPORT.json", type=Path, help="the JSON report of its extraction")
    parser.add_argument(
        "--manifest", metavar="PATH", type=Path, help="the piecewise hashes of the extraction, to tell what differs"
    )


def run(options: argparse.Namespace) -> int:
    """Compare; 6 if something differs."""
    from forensic.extraction.verify import verify

    _caution_about_use(options)
    with progress_bar("verifying") as progress:
        outcome = verify(options.raw, options.report, progress, options.manifest)
    for line in _lines(outcome):
        print(line)
    print(f"{shown(options.raw)}: {'match' if outcome.matches else 'does not match'}")
    return 0 if outcome.matches else MISMATCH


def _caution_about_use(options: argparse.Namespace) -> None:
    """Say it now: a file that changes while it is read ends the comparison."""
    from forensic.extraction.expected import read_expected
    from forensic.extraction.verify import raw_files

    for path in raw_files(options.raw, len(read_expected(options.report).segments)):
        with Evidence(path) as evidence:
            cautioned([evidence], 0)


def _lines(outcome: Verification) -> Iterator[str]:
    if outcome.size_found != outcome.size_expected:
        yield f"size    differs: {outcome.size_found:,} bytes, the report says {outcome.size_expected:,}"
    for name, value in outcome.expected.items():
        found = outcome.found[name]
        same = f"{name}  match  {shown(value)}"
        yield same if found == value else f"{name}  differs: {found}, the report says {shown(value)}"
    for index, found_size, expected_size in outcome.segment_sizes:
        yield f"segment {index} has {found_size:,} bytes, the report says {expected_size:,}; what follows has moved"
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
