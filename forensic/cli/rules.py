"""`qcowscope rules`: every rule there is."""

from __future__ import annotations

import argparse
import json

from forensic.cli.parser import Subparsers, add_command, add_json


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    add_json(add_command(subparsers, "rules", run, "list every rule with its severity and class"))


def run(options: argparse.Namespace) -> int:
    """Print the registry."""
    from forensic.rules import all_rules

    if options.json:
        print(json.dumps({"rules": [rule.as_json() for rule in all_rules()]}, indent=2))
        return 0
    width = max(len(rule.code) for rule in all_rules())
    for rule in all_rules():
        print(f"{rule.severity.value:8}  {rule.finding_class.value:14}  {rule.code:{width}}  {rule.title}")
    return 0
