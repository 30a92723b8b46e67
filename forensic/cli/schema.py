"""`qcowscope schema`: the JSON Schema of the reports, and of recovery plans."""

from __future__ import annotations

import argparse
import sys

from forensic.cli.parser import Subparsers, add_command


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(
        subparsers, "schema", run, "print the JSON Schema (draft 2020-12) of the JSON reports, or of recovery plans"
    )
    parser.add_argument("what", nargs="?", choices=("report", "plan"), default="report", help="default: report")


def run(options: argparse.Namespace) -> int:
    """Print the schema."""
    if options.what == "plan":
        import json

        from forensic.recovery.plan import json_schema

        print(json.dumps(json_schema(), indent=2))
        return 0
    from importlib import resources

    sys.stdout.write(resources.files("forensic.report").joinpath("schema.json").read_text(encoding="utf-8"))
    return 0
