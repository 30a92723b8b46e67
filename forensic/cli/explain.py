"""`qcowscope explain`: what a finding means."""

from __future__ import annotations

import argparse

from forensic.cli.parser import Subparsers, UsageError, add_command
from forensic.cli.wrapping import wrapped
from forensic.exit_status import ExitStatus
from forensic.untrusted import shown


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(
        subparsers,
        "explain",
        run,
        "explain a finding: why it matters, the specification, what QEMU does, what to do next",
    )
    parser.add_argument("code", metavar="CODE", help="the code of a finding, such as l2-entry-outside-file")


def run(options: argparse.Namespace) -> int:
    """Print the documentation of one rule. Raises `UsageError` for a code that is none."""
    import difflib

    from forensic.report.values import headed
    from forensic.rules import all_rules, rule_of

    rule = rule_of(options.code)
    if rule is None:
        near = difflib.get_close_matches(options.code, [known.code for known in all_rules()], n=3)
        hint = f"; similar: {', '.join(near)}" if near else "; see qcowscope rules"
        raise UsageError(f"qcowscope explain: no rule is called {shown(options.code)}{hint}")
    print(f"{rule.code}\n{rule.title}\n")
    print(f"severity    {rule.severity.value}\nclass       {rule.finding_class.value}")
    print(f"confidence  {rule.confidence.value}\nexamines    {rule.structure}\n")
    for heading, words in headed(*(rule.sections[name] for name in ("Why", "Spec", "QEMU", "Next"))):
        print(heading)
        print(wrapped(f"  {words}", 2, longest=96) + "\n")
    return ExitStatus.DONE
