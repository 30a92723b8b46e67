"""`qcowscope schema`: the JSON Schema of the reports."""

from __future__ import annotations

import argparse
import sys

from forensic.cli.parser import Subparsers, add_command
from forensic.exit_status import ExitStatus


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    add_command(subparsers, "schema", run, "print the JSON Schema (draft 2020-12) that the JSON reports follow")


def run(options: argparse.Namespace) -> int:
    """Print the schema."""
    from importlib import resources

    sys.stdout.write(resources.files("forensic.report").joinpath("schema.json").read_text(encoding="utf-8"))
    return ExitStatus.DONE
