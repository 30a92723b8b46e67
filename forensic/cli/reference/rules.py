"""`qcowscope rules`: every rule there is."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from forensic.cli.parser import Subparsers, add_command, add_json
from forensic.cli.wrapping import wrapped
from forensic.exit_status import ExitStatus

if TYPE_CHECKING:
    from forensic.rules import Rule


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(subparsers, "rules", run, "list every rule with its severity and class")
    add_json(parser)
    parser.add_argument("--markdown", action="store_true", help="print Markdown tables, as the documentation has them")


def run(options: argparse.Namespace) -> int:
    """Print the registry."""
    from forensic.rules import all_rules

    rules = all_rules()
    if options.json:
        print(json.dumps({"rules": [rule.as_json() for rule in rules]}, indent=2))
    elif options.markdown:
        print("\n".join(markdown_lines(rules)))
    else:
        width = max(len(rule.code) for rule in rules)
        for rule in rules:
            line = f"{rule.severity.value:8}  {rule.finding_class.value:14}  {rule.code:{width}}  {rule.title}"
            print(wrapped(line, 10))
    return ExitStatus.DONE


def markdown_lines(rules: list[Rule]) -> Iterator[str]:
    """One table for each family of rules."""
    for family, members in groupby(rules, key=lambda rule: rule.family):
        yield from ("", f"### {family}", "", "| Code | Severity | Class | What it says | Specification |")
        yield "|---|---|---|---|---|"
        for rule in members:
            cells = (f"`{rule.code}`", rule.severity.value, rule.finding_class.value, rule.title, rule.spec)
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
