"""`qcowscope schema`: the JSON Schema of the reports, and of recovery plans."""

from __future__ import annotations

import argparse

from forensic.cli.parser import Subparsers, add_command
from forensic.exit_status import ExitStatus


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(
        subparsers, "schema", run, "print the JSON Schema (draft 2020-12) of the JSON reports, or of recovery plans"
    )
    parser.add_argument("what", nargs="?", choices=("report", "plan"), default="report", help="default: report")


def run(options: argparse.Namespace) -> int:
    """Print the schema."""
    import json

    if options.what == "plan":
        from forensic.recovery.plan import json_schema as plan_schema

        print(json.dumps(plan_schema(), indent=2))
        return ExitStatus.DONE
    from forensic.records.schema import json_schema

    print(json.dumps(json_schema(), indent=2))
    return ExitStatus.DONE
