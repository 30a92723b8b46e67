"""`qcowscope verify`: compare a raw file with the report of its extraction."""

from __future__ import annotations

import argparse
from pathlib import Path

from forensic.cli.output import progress_bar
from forensic.cli.parser import Subparsers, add_command
from forensic.untrusted import shown

MISMATCH = 6


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(subparsers, "verify", run, "hash a raw file again and compare with the report")
    parser.add_argument("raw", metavar="OUT.raw", type=Path, help="the raw file")
    parser.add_argument("report", metavar="REPORT.json", type=Path, help="the JSON report of its extraction")


def run(options: argparse.Namespace) -> int:
    """Compare; 6 if something differs."""
    from forensic.extraction.verify import verify

    with progress_bar("verifying") as progress:
        outcome = verify(options.raw, options.report, progress)
    if outcome.size_found != outcome.size_expected:
        print(f"size    differs: {outcome.size_found:,} bytes, the report says {outcome.size_expected:,}")
    for name, value in outcome.expected.items():
        found = outcome.found[name]
        if found == value:
            print(f"{name}  match  {value}")
        else:
            print(f"{name}  differs: {found}, the report says {value}")
    if outcome.matches:
        print(f"{shown(options.raw)}: match")
        return 0
    if outcome.differs_between:
        start, end = outcome.differs_between
        print(f"the first difference lies between byte {start:#x} and byte {end:#x}")
    print(f"{shown(options.raw)}: does not match")
    return MISMATCH
