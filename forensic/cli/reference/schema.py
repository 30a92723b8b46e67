"""`qcowscope schema`: the JSON Schema of everything that is printed as JSON."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from forensic.cli.parser import Subparsers, add_command
from forensic.exit_status import ExitStatus

NAMES = (
    "report", "plan", "gate", "map", "owner", "diff", "bitmap", "findings", "rules", "recovery", "fs-ls", "fs-where",
    "fs-owner", "fs-diff", "fs-timeline",
)  # fmt: skip
"""Reports, recovery plans, what gate decides; then what the command of that name prints."""


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(
        subparsers,
        "schema",
        run,
        "print the JSON Schema (draft 2020-12) of reports, of recovery plans, or of what a command prints as JSON",
    )
    parser.add_argument("what", nargs="?", metavar="NAME", choices=NAMES, default="report", help=", ".join(NAMES))


def run(options: argparse.Namespace) -> int:
    """Print the schema."""
    import json

    print(json.dumps(schema_of(options.what), indent=2))
    return ExitStatus.DONE


def schema_of(name: str) -> Mapping[str, object]:
    """The schema of one of `NAMES`."""
    if name == "report":
        from forensic.records.schema import json_schema as report_schema

        return report_schema()
    if name == "plan":
        from forensic.recovery.plan import json_schema as plan_schema

        return plan_schema()
    if name == "gate":
        from forensic.gate.decision import json_schema as gate_schema

        return gate_schema()
    from forensic.records.printed_schema import json_schema

    return json_schema(name)
