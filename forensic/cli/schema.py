"""`qcowscope schema`: the JSON Schema of the reports."""

from __future__ import annotations

import argparse

from forensic.cli.parser import Subparsers, add_command
from forensic.exit_status import ExitStatus


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    add_command(subparsers, "schema", run, "print the JSON Schema (draft 2020-12) that the JSON reports follow")


def run(options: argparse.Namespace) -> int:
    """Print the schema."""
    import json

    from forensic.records.schema import json_schema

    print(json.dumps(json_schema(), indent=2))
    return ExitStatus.DONE
