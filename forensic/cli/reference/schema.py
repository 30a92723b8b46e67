"""`qcowscope schema`: the JSON Schema of the reports, of recovery plans, and of a gate's decisions."""

from __future__ import annotations

import argparse

from forensic.cli.parser import Subparsers, add_command
from forensic.exit_status import ExitStatus


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(
        subparsers,
        "schema",
        run,
        "print the JSON Schema (draft 2020-12) of the JSON reports, of recovery plans, or of what gate decides",
    )
    parser.add_argument("what", nargs="?", choices=("report", "plan", "gate"), default="report", help="default: report")


def run(options: argparse.Namespace) -> int:
    """Print the schema."""
    import json

    if options.what == "plan":
        from forensic.recovery.plan import json_schema as plan_schema

        print(json.dumps(plan_schema(), indent=2))
        return ExitStatus.DONE
    if options.what == "gate":
        from forensic.gate.decision import json_schema as gate_schema

        print(json.dumps(gate_schema(), indent=2))
        return ExitStatus.DONE
    from forensic.records.schema import json_schema

    print(json.dumps(json_schema(), indent=2))
    return ExitStatus.DONE
